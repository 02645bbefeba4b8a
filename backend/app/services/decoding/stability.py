"""The stable prefix of a growing hypothesis: agreement of two decodes, and where the window may be cut; pure."""

import unicodedata
from dataclasses import dataclass
from difflib import SequenceMatcher

from app.providers.base import Hypothesis, Word


@dataclass(frozen=True, slots=True)
class Shown:
    """What a partial shows: `text` begins with `stable`."""

    text: str
    stable: str


class Stabilizer:
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
            self._tail[i][1] if i < len(self._tail) and self._tail[i][0] == normalize(word) else audio_ms
            for i, word in enumerate(tail)
        ]
        for i in range(1, len(since)):  # a word is no older than the one before it
            since[i] = max(since[i], since[i - 1])
        settled = 0
        while settled < len(tail) - 1 and audio_ms - since[settled] >= self._hold_ms:
            settled += 1
        self._stable += tail[:settled]
        self._tail = [(normalize(word), at) for word, at in zip(tail[settled:], since[settled:], strict=True)]
        return Shown(" ".join(self._stable + tail[settled:]), " ".join(self._stable))


def continues_at(stable: list[str], words: list[str]) -> int:
    """The index in `words` of the first word after the stable prefix; aligned with it where they differ."""
    settled = [normalize(word) for word in stable]
    heard = [normalize(word) for word in words]
    if heard[: len(settled)] == settled:
        return len(settled)
    blocks = SequenceMatcher(None, settled, heard, autojunk=False).get_matching_blocks()
    matched = [block for block in blocks if block.size]
    if not matched:
        return min(len(settled), len(words))
    last = matched[-1]
    missing = len(settled) - (last.a + last.size)
    return min(last.b + last.size + missing, len(words))


def normalize(word: str) -> str:
    """A word without case, compatibility forms and punctuation at its ends; itself where nothing else is left."""
    folded = unicodedata.normalize("NFKC", word).casefold()
    return folded.strip("".join(c for c in folded if unicodedata.category(c).startswith("P"))) or folded


HOLD_S = 0.4
"""The newest word settles only when so much audio has come since it was first heard: it may be half a word."""

UNSPACED = frozenset({"zh", "yue", "ja", "th", "lo", "my", "km", "bo"})
"""Languages written without spaces: their characters are compared."""


def split(text: str, lang: str | None) -> list[str]:
    """The words of a text; its characters in a language without spaces."""
    return [character for character in text if not character.isspace()] if lang in UNSPACED else text.split()


def join(words: list[str], lang: str | None) -> str:
    """What `split` took apart."""
    return ("" if lang in UNSPACED else " ").join(words)


class Agreement:
    """One utterance's stable prefix. It only ever grows, also where a decode contradicts it."""

    def __init__(self) -> None:
        self.stable: list[str] = []
        """Words as they were written when they settled."""
        self._tail: list[tuple[str, float]] = []
        """Normalised words that the newest decode has after the stable ones, and since when (s of audio)."""

    def push(self, words: list[str], heard_s: float, lang: str | None = None) -> Hypothesis:
        """Take the newest decode, over `heard_s` of the utterance; give what is to be shown."""
        tail = words[continues_at(self.stable, words) :]
        plain = [normalize(word) for word in tail]
        agreed = 0
        while agreed < min(len(plain), len(self._tail)) and plain[agreed] == self._tail[agreed][0]:
            agreed += 1
        since = [at for _, at in self._tail[:agreed]] + [heard_s] * (len(plain) - agreed)
        if agreed and agreed == len(plain) and heard_s - since[-1] < HOLD_S:
            agreed -= 1
        self.stable += tail[:agreed]
        self._tail = list(zip(plain[agreed:], since[agreed:], strict=True))
        return Hypothesis(join(self.stable + tail[agreed:], lang), join(self.stable, lang))


LONG_S = 12.0
"""A window of partials longer than this is cut where it can be."""

OVERLAP_MS = 2000
"""Audio before the end that the next window hears again."""

ANCHORS = 2
"""Stable words behind the cut: by them the next window's text is joined to what stands."""


@dataclass(frozen=True, slots=True)
class Cut:
    """The next window begins at `at_ms` of this one, behind its first `words` words."""

    at_ms: int
    words: int


def find_cut(words: tuple[Word, ...], stable: list[str], window_ms: int) -> Cut | None:
    """The longest pause between two stable words of a window, the later one of equals; None where there is none.

    `stable` are the stable words of this window; `words` what its decode found, with times.
    """
    said = [normalize(word.text) for word in words]
    settled = [normalize(word) for word in stable]
    most = min(len(settled), len(said)) - ANCHORS
    best: tuple[int, Cut] | None = None
    for count in range(1, most + 1):
        if said[count - 1] != settled[count - 1]:
            break  # what is stable is not what was heard now: times behind here belong to other words
        before, after = words[count - 1], words[count]
        if before.end_ms > window_ms - OVERLAP_MS:
            break
        pause_ms = after.start_ms - before.end_ms
        if best is None or pause_ms >= best[0]:
            best = pause_ms, Cut(before.end_ms + max(pause_ms, 0) // 2, count)
    return best[1] if best else None
