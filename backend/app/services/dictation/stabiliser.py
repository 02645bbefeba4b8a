"""Which part of a growing hypothesis will not change any more: `stable` only ever grows."""

import unicodedata
from dataclasses import dataclass
from difflib import SequenceMatcher


@dataclass(frozen=True, slots=True)
class Shown:
    """What a partial shows: `text` begins with `stable`."""

    text: str
    stable: str


class Stabiliser:
    """One utterance's stable prefix, for engines that decode as the audio comes.

    A word is stable once it has stood unchanged for `hold_ms` of audio and another word follows it; the newest word
    is held back. A hypothesis that contradicts what is stable is aligned with it, and only what follows is shown.
    """

    def __init__(self, hold_ms: int = 300) -> None:
        self._hold_ms = hold_ms
        self._stable: list[str] = []
        self._tail: list[tuple[str, int]] = []
        """Normalised words after the stable ones, and since when (ms of audio) each has stood there."""

    def push(self, text: str, audio_ms: int) -> Shown:
        """Take the newest hypothesis over `audio_ms` of the utterance."""
        words = text.split()
        tail = words[continues_at(self._stable, words) :]
        since = [
            self._tail[i][1] if i < len(self._tail) and self._tail[i][0] == normalise(word) else audio_ms
            for i, word in enumerate(tail)
        ]
        for i in range(1, len(since)):  # a word is no older than the one before it
            since[i] = max(since[i], since[i - 1])
        settled = 0
        while settled < len(tail) - 1 and audio_ms - since[settled] >= self._hold_ms:
            settled += 1
        self._stable += tail[:settled]
        self._tail = [(normalise(word), at) for word, at in zip(tail[settled:], since[settled:], strict=True)]
        return Shown(" ".join(self._stable + tail[settled:]), " ".join(self._stable))


def continues_at(stable: list[str], words: list[str]) -> int:
    """The index in `words` of the first word after the stable prefix; aligned with it where they differ."""
    settled = [normalise(word) for word in stable]
    heard = [normalise(word) for word in words]
    if heard[: len(settled)] == settled:
        return len(settled)
    blocks = SequenceMatcher(None, settled, heard, autojunk=False).get_matching_blocks()
    matched = [block for block in blocks if block.size]
    if not matched:
        return min(len(settled), len(words))
    last = matched[-1]
    missing = len(settled) - (last.a + last.size)
    return min(last.b + last.size + missing, len(words))


def normalise(word: str) -> str:
    """A word without case, compatibility forms and punctuation at its ends; itself where nothing else is left."""
    folded = unicodedata.normalize("NFKC", word).casefold()
    return folded.strip("".join(c for c in folded if unicodedata.category(c).startswith("P"))) or folded
