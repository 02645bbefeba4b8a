"""The stable prefix of a growing transcript: words of an utterance that no later hypothesis can change; pure.

A word is stable once it has stood in its place, unchanged, for long enough. How long depends on the engine
(`INCREMENTAL`, `LOCAL_AGREEMENT`). Words are compared without case, and without punctuation at their ends.
"""

import math
import unicodedata
from dataclasses import dataclass
from difflib import SequenceMatcher

from app.providers.base import Hypothesis, Word
from app.utils.joining import is_unspaced, strip_open_end


@dataclass(frozen=True, slots=True)
class StabilityRule:
    """When a word is stable: it stands in two hypotheses in a row, and the audio has grown this much between them."""

    hold_ms: int = 0
    newest_hold_ms: float = math.inf
    """For the last word of a hypothesis, which may be half a word. The default holds it until another word follows."""


INCREMENTAL = StabilityRule(hold_ms=300)
"""For engines that decode the audio as it comes: each hypothesis extends the one before."""

LOCAL_AGREEMENT = StabilityRule(hold_ms=450, newest_hold_ms=450)
"""For engines that decode a whole window each time: what two decodes agree on is stable, if one heard so much more.
Decodes of almost the same audio agree on the same mistakes.

LocalAgreement-2: Macháček, Dabre, Bojar, "Turning Whisper into Real-Time Transcription System", 2023.
"""


class StablePrefix:
    """The stable words of one utterance. They only grow, also where a hypothesis contradicts them."""

    def __init__(self, rule: StabilityRule) -> None:
        self.words: list[str] = []
        """The stable words, spelled as they were when they became stable; the last one with its newest closing mark."""
        self._rule = rule
        self._tail: list[tuple[str, int]] = []
        """Normalized words of the newest hypothesis after the stable ones, and since when each stands there (ms)."""

    def push(self, words: list[str], audio_ms: int, lang: str | None = None) -> Hypothesis:
        """Take the newest hypothesis, over `audio_ms` of the utterance; return what to show.

        Of a hypothesis that contradicts the stable words, only what follows them is shown. What is shown is not closed:
        the next word says whether a sentence ends.
        """
        begin = continues_at(self.words, words)
        if begin:
            self._fit_end(words[begin - 1])
        tail = words[begin:]
        plain = [normalize(word) for word in tail]
        since_ms = self._since_ms(plain, audio_ms)
        count = self._count_stable([audio_ms - since for since in since_ms])
        while count and not strip_open_end(tail[count - 1]):
            count -= 1  # a mark alone: whether the sentence ends here shows with the next word
        self.words += tail[:count]
        self._tail = list(zip(plain[count:], since_ms[count:], strict=True))
        text, stable = join_words(self.words + tail[count:], lang), join_words(self.words, lang)
        return Hypothesis(strip_open_end(text), strip_open_end(stable))

    def _fit_end(self, heard: str) -> None:
        """Take the closing mark of the last stable word, which is not shown while it is the last, from a hypothesis."""
        if not self.words or normalize(heard) != normalize(self.words[-1]):
            return
        if heard.startswith(strip_open_end(self.words[-1])):
            self.words[-1] = heard

    def _since_ms(self, plain: list[str], audio_ms: int) -> list[int]:
        """Since when each word stands in its place; no longer than the word before it."""
        since_ms: list[int] = []
        for index, word in enumerate(plain):
            known = index < len(self._tail) and self._tail[index][0] == word
            since = self._tail[index][1] if known else audio_ms
            since_ms.append(max(since, since_ms[-1]) if since_ms else since)
        return since_ms

    def _count_stable(self, ages_ms: list[int]) -> int:
        for index, age_ms in enumerate(ages_ms):
            hold_ms = self._rule.hold_ms if index < len(ages_ms) - 1 else self._rule.newest_hold_ms
            if age_ms <= 0 or age_ms < hold_ms:
                return index
        return len(ages_ms)


def continues_at(stable: list[str], words: list[str]) -> int:
    """The index in `words` of the first word after the stable ones; the two are aligned where they differ."""
    known = [normalize(word) for word in stable]
    heard = [normalize(word) for word in words]
    if heard[: len(known)] == known:
        return len(known)
    blocks = SequenceMatcher(None, known, heard, autojunk=False).get_matching_blocks()
    matched = [block for block in blocks if block.size]
    if not matched:
        return min(len(known), len(words))
    last = matched[-1]
    missing = len(known) - (last.a + last.size)
    return min(last.b + last.size + missing, len(words))


def normalize(word: str) -> str:
    """The word without case, compatibility forms and punctuation at its ends; itself where it is punctuation alone."""
    folded = unicodedata.normalize("NFKC", word).casefold()
    return folded.strip("".join(c for c in folded if unicodedata.category(c).startswith("P"))) or folded


def split_words(text: str, lang: str | None) -> list[str]:
    """The words of a text; its characters in a language without spaces."""
    return [character for character in text if not character.isspace()] if is_unspaced(lang) else text.split()


def join_words(words: list[str], lang: str | None) -> str:
    """The text of these words: the inverse of `split_words`."""
    return ("" if is_unspaced(lang) else " ").join(words)


# -- where the window of partials may begin

LONG_WINDOW_S = 12.0
"""Above this length, the window of partials begins later in the utterance where it can."""

OVERLAP_MS = 2000
"""Audio at the end of a window that the next window decodes again."""

ANCHOR_WORDS = 2
"""Stable words that the next window decodes again: they join its text to the stable words before it."""


@dataclass(frozen=True, slots=True)
class WindowStart:
    """The next window begins at `at_ms` of this window, after its first `words` words."""

    at_ms: int
    words: int


def find_window_start(words: tuple[Word, ...], stable: list[str], window_ms: int) -> WindowStart | None:
    """The longest pause between two stable words of a window, the last of equal ones; None where there is none.

    `stable` are the stable words of this window; `words` are the words of its decode, with times.
    """
    heard = [normalize(word.text) for word in words]
    known = [normalize(word) for word in stable]
    most = min(len(known), len(heard)) - ANCHOR_WORDS
    best: tuple[int, WindowStart] | None = None
    for count in range(1, most + 1):
        if heard[count - 1] != known[count - 1]:
            break  # the decode differs from the stable words: times from here on belong to other words
        before, after = words[count - 1], words[count]
        if before.end_ms > window_ms - OVERLAP_MS:
            break
        pause_ms = after.start_ms - before.end_ms
        if best is None or pause_ms >= best[0]:
            best = pause_ms, WindowStart(before.end_ms + max(pause_ms, 0) // 2, count)
    return best[1] if best else None
