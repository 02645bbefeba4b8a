"""Hallucinations: finds and cuts loops, in which a decoder repeats itself. It works in any language."""

import re
import zlib
from dataclasses import dataclass

COMPRESSION_RATIO = 2.4
"""A text that compresses better than this repeats itself (Whisper's own threshold)."""
SAME_WORD = 8
PHRASE_REPEATS = 3
PHRASE_WORDS = 12
"""A loop is a word 8 times in a row, or a phrase 3 times in a row where that makes at least 12 words."""
LONGEST_PHRASE = 30
COVERAGE = 0.55
"""Share of the text from which a loop at its beginning makes all of it worthless."""


@dataclass(frozen=True, slots=True)
class LoopCheck:
    """A text without its loop; `rejected` where it is hardly more than a loop."""

    text: str
    rejected: bool = False


def remove_loop(text: str) -> LoopCheck:
    """Cut a text at the first repetition of a loop, or reject it.

    People repeat themselves too: a text that compresses as speech does is left as it is.
    """
    if compression_ratio(text) <= COMPRESSION_RATIO:
        return LoopCheck(text)
    spaced = " " in text
    units = text.split() if spaced else list(text)
    loop = _find_loop([_plain(unit) or unit for unit in units])
    if loop is None:
        return LoopCheck(text)
    start, length, repeats = loop
    if start == 0 and length * repeats >= COVERAGE * len(units):
        return LoopCheck("", rejected=True)
    return LoopCheck((" " if spaced else "").join(units[: start + length]))


def compression_ratio(text: str) -> float:
    """Length of the text over its compressed length, as Whisper computes it."""
    data = text.encode()
    return len(data) / len(zlib.compress(data))


def _find_loop(units: list[str]) -> tuple[int, int, int] | None:
    """(start, length, repeats) of the first loop, or None."""
    for start in range(len(units)):
        for length in range(1, min(LONGEST_PHRASE, (len(units) - start) // 2) + 1):
            repeats = _repeats(units, start, length)
            enough = repeats >= (SAME_WORD if length == 1 else PHRASE_REPEATS)
            if enough and (length == 1 or length * repeats >= PHRASE_WORDS):
                return start, length, repeats
    return None


def _repeats(units: list[str], start: int, length: int) -> int:
    phrase = units[start : start + length]
    count = 1
    while units[start + count * length : start + (count + 1) * length] == phrase:
        count += 1
    return count


def _plain(word: str) -> str:
    return re.sub(r"\W", "", word).casefold()
