"""Hallucinations: finds and cuts what a decoder says again that was said once. It works in any language."""

import re
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from app.providers.base import Word
from app.utils.letters import count_letters, split_text

COMPRESSION_RATIO = 2.4
"""A text that compresses better than this repeats itself (Whisper's own threshold)."""
CERTAIN_NO_SPEECH, LIKELY_NO_SPEECH = 0.6, 0.35
DOUBTFUL_LOG_PROB = -0.9
"""What music and noise are taken for has a probability of no speech above CERTAIN_NO_SPEECH, or above LIKELY_NO_SPEECH
and a log probability below this. So have short words alone: docs/decisions/0013."""
SAME_WORD = 8
PHRASE_REPEATS = 3
PHRASE_WORDS = 12
"""A loop is a word 8 times in a row, or a phrase 3 times in a row where that makes at least 12 words."""
LONGEST_PHRASE = 30
COVERAGE = 0.55
"""Share of the text from which a loop at its beginning makes all of it worthless."""


FASTEST_LETTERS_PER_S = 35
SLACK_S = 0.05
"""A phrase said again is a copy where its letters take less time than anybody needs: alignment finds no audio for it.

Nobody says more than 25 letters a second. SLACK_S is the inaccuracy of the times. docs/decisions/0013 has the figures.
"""


@dataclass(frozen=True, slots=True)
class CopyCheck:
    """A text without copies, and its words."""

    text: str
    words: tuple[Word, ...]
    dropped: bool = False


def repeats_phrase(text: str) -> bool:
    """Whether the text says a word or phrase twice in a row."""
    return next(_find_runs([_plain(unit) or unit for unit in _split_units(text)]), None) is not None


def drop_copies(text: str, words: tuple[Word, ...]) -> CopyCheck:
    """Remove the phrases that are said again at once, faster than anybody speaks. `words` are those of the text.

    A real repetition ("no, no, no", a chorus) takes its time, and stays.
    """
    kept, left = words, text
    while copy := _find_copy(kept):
        before, rest = split_text(left, _letters(kept[: copy.start]))
        after = split_text(rest, _letters(kept[copy.start : copy.stop]))[1]
        left = " ".join(filter(None, (before, after))) if " " in text else before + after
        kept = kept[: copy.start] + kept[copy.stop :]
    return CopyCheck(left, kept, dropped=len(kept) < len(words))


def _find_copy(words: Sequence[Word]) -> range | None:
    """The last copy in the first run of repetitions that has one; with the begin of another at the end of the text."""
    plain = [_plain(word.text) or word.text for word in words]
    for start, length, repeats in _find_runs(plain):
        phrases = [range(start + n * length, start + (n + 1) * length) for n in range(repeats)]
        copies = [phrase for phrase in phrases if _rate(words, phrase) > FASTEST_LETTERS_PER_S]
        if copies:
            last = copies[-1]
            rest = range(start + repeats * length, len(plain))
            is_cut_copy = last.stop == rest.start and _is_cut_copy(
                words, plain, rest, plain[start : start + length]
            )
            return range(last.start, rest.stop) if is_cut_copy else last
    return None


def _is_cut_copy(words: Sequence[Word], plain: Sequence[str], rest: range, phrase: Sequence[str]) -> bool:
    """Whether the rest of a text is the beginning of one more copy: without audio, or cut in its only word."""
    if not rest or not "".join(phrase).startswith("".join(plain[rest.start :])):
        return False
    if len(rest) == 1:
        return plain[rest.start] != phrase[0]
    return _rate(words, rest[1:]) > FASTEST_LETTERS_PER_S


def _find_runs(units: Sequence[str]) -> Iterator[tuple[int, int, int]]:
    """(start, length, repeats) of each phrase that follows itself, short phrases first."""
    for length in range(1, len(units) // 2 + 1):
        for start in range(len(units) - 2 * length + 1):
            repeats = _repeats(units, start, length)
            if repeats > 1:
                yield start, length, repeats


def _rate(words: Sequence[Word], phrase: range) -> float:
    took_s = (words[phrase[-1]].end_ms - words[phrase[0]].start_ms) / 1000
    return sum(len(_plain(words[at].text)) for at in phrase) / (took_s + SLACK_S)


def _letters(words: Sequence[Word]) -> int:
    return sum(count_letters(word.text) for word in words)


@dataclass(frozen=True, slots=True)
class LoopCheck:
    """A text without its loop; `rejected` where it is hardly more than a loop."""

    text: str
    rejected: bool = False


def doubts_speech(no_speech: float, log_prob: float) -> bool:
    """Whether a decoder half believes that nobody speaks: where the speech detector does too, its text is invented."""
    return no_speech > CERTAIN_NO_SPEECH or (no_speech > LIKELY_NO_SPEECH and log_prob < DOUBTFUL_LOG_PROB)


def has_words(text: str) -> bool:
    """Whether there is a letter or a digit: music becomes rows of dots and exclamation marks."""
    return any(character.isalnum() for character in text)


def remove_loop(text: str) -> LoopCheck:
    """Cut a text at the first repetition of a loop, or reject it.

    People repeat themselves too: a text that compresses as speech does is left as it is.
    """
    if compression_ratio(text) <= COMPRESSION_RATIO:
        return LoopCheck(text)
    spaced = " " in text
    units = _split_units(text)
    loop = _find_loop([_plain(unit) or unit for unit in units])
    if loop is None:
        return LoopCheck(text)
    start, length, repeats = loop
    if start == 0 and length * repeats >= COVERAGE * len(units):
        return LoopCheck("", rejected=True)
    return LoopCheck((" " if spaced else "").join(units[: start + length]))


def _split_units(text: str) -> list[str]:
    return text.split() if " " in text else list(text)


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


def _repeats(units: Sequence[str], start: int, length: int) -> int:
    phrase = units[start : start + length]
    count = 1
    while units[start + count * length : start + (count + 1) * length] == phrase:
        count += 1
    return count


def _plain(word: str) -> str:
    return re.sub(r"\W", "", word).casefold()
