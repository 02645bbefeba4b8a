"""Divides timed text into subtitle cues: two balanced lines at most, cut at pauses and punctuation; pure."""

import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Protocol

LINE_CHARACTERS = 42
CUE_CHARACTERS = 2 * LINE_CHARACTERS
"""Two lines of 42 characters, the usual limit of broadcasters. A wide character, as in Chinese, counts twice."""
CUE_MS = 7000
READ_CHARACTERS_PER_S = 17
"""How fast people read. A cue stays on the screen so long, where the next one does not follow."""
LEAST_CUE_MS = 1000
PAUSE_MS = 800
"""A silence that always ends a cue."""
SHORT_PAUSE_MS = 250

_SENTENCE_END = ".!?…。！？।؟"
_CLAUSE_END = ",;:—、，；："
_AFTER_MARKS = "\"'”’»)]」』"

# What a cue costs, in the unit of a break in the middle of a phrase.
_MID_PHRASE = 1.0
_SHORT_PAUSE = 0.45
_CLAUSE = 0.25
_ORPHAN = 3.0
_ORPHAN_WORDS, _ORPHAN_CHARACTERS = 2, 16
"""A cue with as little text as this, torn from its sentence, is read as a mistake."""
_PER_CUE = 0.3
_UNEVEN = 0.4


class TimedText(Protocol):
    """A text and its time in the recording."""

    @property
    def text(self) -> str: ...
    @property
    def start_ms(self) -> int: ...
    @property
    def end_ms(self) -> int: ...


class TimedUtterance(TimedText, Protocol):
    """An utterance, with its words if their times are known."""

    @property
    def words(self) -> Sequence[TimedText]: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Cue:
    """One text on the screen, in one line or two, and its time."""

    text: str
    start_ms: int
    end_ms: int


@dataclass(frozen=True, slots=True)
class _Token:
    """A word as it is written, with its punctuation and the space behind it."""

    text: str
    start_ms: int
    end_ms: int


def make_cues(utterances: Sequence[TimedUtterance]) -> list[Cue]:
    """Divide the text of utterances into cues; no two overlap, and no text is lost."""
    tokens = [token for utterance in utterances for token in _tokenize(utterance)]
    cues = [cue for run in _split_at_pauses(tokens) for cue in _divide(run)]
    return [_fit_time(cue, after.start_ms) for cue, after in pairwise(cues)] + [
        _fit_time(cue, None) for cue in cues[-1:]
    ]


def measure_width(text: str) -> int:
    """Columns of a text on the screen."""
    return sum(
        0 if unicodedata.combining(character) else 2 if unicodedata.east_asian_width(character) in "WF" else 1
        for character in text
    )


# -- words and their times


def _tokenize(utterance: TimedUtterance) -> list[_Token]:
    """The words of the text. Those whose time is not known share that of the text by their length."""
    text = " ".join(utterance.text.split())
    if not text:
        return []
    if not _is_wide(text[-1]):
        text += " "  # the next utterance may share a cue with this one
    starts = [0]
    times: list[TimedText | None] = [None]
    at = 0
    for word in utterance.words:
        shown = " ".join(word.text.split())
        found = text.find(shown, at) if shown else -1
        if found < 0:
            return _interpolate(_split_words(text), utterance.start_ms, utterance.end_ms)
        if found == 0 or starts[-1] == found:
            times[-1] = word
        else:
            starts.append(found)
            times.append(word)
        at = found + len(shown)
    if times[0] is None:
        return _interpolate(_split_words(text), utterance.start_ms, utterance.end_ms)
    pieces = [text[start:stop] for start, stop in pairwise([*starts, len(text)])]
    return [
        token
        for piece, word in zip(pieces, times, strict=True)
        if word is not None
        for token in _interpolate(_split_words(piece), word.start_ms, word.end_ms)
    ]


def _split_words(text: str) -> list[str]:
    """Words with the space behind them. A script without spaces is cut into characters."""
    words = re.findall(r"\S+ ?", text)
    split: list[str] = []
    for word in words:
        width = measure_width(word.strip())
        is_run = width > LINE_CHARACTERS or (width > LINE_CHARACTERS // 4 and _is_wide(word[0]))
        split += _graphemes(word) if is_run else [word]
    return split


def _graphemes(word: str) -> Iterator[str]:
    """Characters, with the marks and the space that belong to each."""
    piece = ""
    for character in word:
        closes = character.isspace() or unicodedata.combining(character) or not character.isalnum()
        if piece and not closes:
            yield piece
            piece = ""
        piece += character
    yield piece


def _is_wide(character: str) -> bool:
    return unicodedata.east_asian_width(character) in "WF"


def _interpolate(words: list[str], start_ms: int, end_ms: int) -> list[_Token]:
    total = sum(map(len, words))
    tokens, said = [], 0
    for word in words:
        begin_ms = start_ms + (end_ms - start_ms) * said // total
        said += len(word)
        tokens.append(_Token(word, begin_ms, start_ms + (end_ms - start_ms) * said // total))
    return tokens


# -- cues


def _split_at_pauses(tokens: Sequence[_Token]) -> Iterator[list[_Token]]:
    run: list[_Token] = []
    for token in tokens:
        if run and token.start_ms - run[-1].end_ms >= PAUSE_MS:
            yield run
            run = []
        run.append(token)
    if run:
        yield run


def _divide(run: list[_Token]) -> list[Cue]:
    """The cheapest division of a run into cues, found from its end."""
    widths = [measure_width(token.text) for token in run]
    best: list[tuple[float, int]] = [(0.0, 0)] * (len(run) + 1)
    for first in range(len(run) - 1, -1, -1):
        choices = []
        for stop in range(first + 1, len(run) + 1):
            if stop > first + 1 and not _fits(run, widths, first, stop):
                break
            choices.append((_cost(run, widths, first, stop) + best[stop][0], stop))
        best[first] = min(choices)
    cues, first = [], 0
    while first < len(run):
        stop = best[first][1]
        cues.append(
            Cue(
                text=_break_lines([token.text for token in run[first:stop]]),
                start_ms=run[first].start_ms,
                end_ms=max(token.end_ms for token in run[first:stop]),
            )
        )
        first = stop
    return cues


def _fits(run: list[_Token], widths: list[int], first: int, stop: int) -> bool:
    if sum(widths[first:stop]) > CUE_CHARACTERS + 1 or run[stop - 1].end_ms - run[first].start_ms > CUE_MS:
        return False
    return _find_break([token.text for token in run[first:stop]]) is not None


def _cost(run: list[_Token], widths: list[int], first: int, stop: int) -> float:
    width = sum(widths[first:stop])
    cost = _PER_CUE + _UNEVEN * (1 - min(width / CUE_CHARACTERS, 1)) ** 2
    begins = first == 0 or _ends_with(run[first - 1].text, _SENTENCE_END)
    ends = stop == len(run) or _ends_with(run[stop - 1].text, _SENTENCE_END)
    is_short = stop - first <= _ORPHAN_WORDS and width <= _ORPHAN_CHARACTERS
    if is_short and not (begins and ends):
        cost += _ORPHAN
    if ends:
        return cost
    if _ends_with(run[stop - 1].text, _CLAUSE_END):
        return cost + _CLAUSE
    if run[stop].start_ms - run[stop - 1].end_ms >= SHORT_PAUSE_MS:
        return cost + _SHORT_PAUSE
    return cost + _MID_PHRASE


def _ends_with(text: str, marks: str) -> bool:
    return text.rstrip().rstrip(_AFTER_MARKS).endswith(tuple(marks))


def _break_lines(words: list[str]) -> str:
    stop = _find_break(words)
    if stop is None or stop == len(words):
        return "".join(words).strip()
    return f"{''.join(words[:stop]).strip()}\n{''.join(words[stop:]).strip()}"


def _find_break(words: list[str]) -> int | None:
    """How many words the first line has, so that two lines are balanced; None where they do not fit into two."""
    if measure_width("".join(words).strip()) <= LINE_CHARACTERS:
        return len(words)
    best: tuple[float, int] | None = None
    for stop in range(1, len(words)):
        first, second = "".join(words[:stop]).strip(), "".join(words[stop:]).strip()
        upper, lower = measure_width(first), measure_width(second)
        if max(upper, lower) > LINE_CHARACTERS:
            continue
        at_mark = _ends_with(first, _SENTENCE_END + _CLAUSE_END)
        uneven = abs(upper - lower) - (12 if at_mark else 0)
        best = min(best or (uneven, stop), (uneven, stop))
    return best[1] if best else None


def _fit_time(cue: Cue, next_ms: int | None) -> Cue:
    """The cue for as long as it takes to read it, where the next one leaves the time."""
    read_ms = max(LEAST_CUE_MS, 1000 * len(cue.text) // READ_CHARACTERS_PER_S)
    end_ms = max(cue.end_ms, min(cue.start_ms + read_ms, cue.start_ms + CUE_MS))
    if next_ms is not None:
        end_ms = min(end_ms, next_ms)
    return Cue(text=cue.text, start_ms=cue.start_ms, end_ms=max(end_ms, cue.start_ms + 1))
