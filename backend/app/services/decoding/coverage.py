"""Which speech of an utterance has no words: gaps between a final's words, and what a second decode adds; pure.

A decoder that hears two sentences in one window sometimes writes only one of them: the second is quieter, or another
voice, or the first seemed to be the end.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from app.providers.base import SAMPLES_PER_MS, Samples, Segment, Uncovered, WindowResult, Word
from app.services.decoding.stability import join_words, normalize
from app.utils.letters import count_letters, split_text

Part = TypeVar("Part", Word, Segment)

FRAME_SAMPLES = 512
FRAME_MS = FRAME_SAMPLES // SAMPLES_PER_MS

LEAST_GAP_MS = 700
"""Shorter gaps are pauses, or the inaccuracy of the times."""

WORD_MS, LETTER_MS = 350, 90
"""The longest word is WORD_MS and LETTER_MS a letter. The rest of its time is a gap, over which it was stretched."""
DIGIT_LETTERS = 5
"""A digit is read as a word."""

FASTEST_LETTER_MS = 40
"""A word lasts at least this long: the last one of a text is sometimes given no time."""

STRETCH_MS = 300
"""A word that is longer by less was spoken slowly."""

BEGINNING_WORDS = 4
"""A stretched word so near to the beginning of its sentence belongs to it."""

LEAST_SPEECH_MS = 400
"""Speech in a gap that is worth a second decode."""

SPEECH_PROBABILITY = 0.5
JOIN_MS = 600
"""Speech with a shorter pause between is one passage."""

EDGE_MS = 160
"""Audio around a passage that is decoded with it."""

SHORT_MS, CONTEXT_MS = 2000, 1500
"""A passage shorter than SHORT_MS is decoded with so much of the speech around it: alone, a word or two are guessed."""

CERTAIN_MS, CERTAIN_PROBABILITY = 1000, 0.65
"""Shorter speech without words is a breath or the end of a word that the times cut off, less probable is music."""

LEVEL_DBFS = -23.0
MOST_GAIN_DB = 55.0
"""A passage is decoded at this level; 55 dB bring up a voice of -78 dBFS."""

_SENTENCE_ENDS = ".?!…。？！"


@dataclass(frozen=True, slots=True)
class Passage:
    """Part of an utterance, in ms from its first sample."""

    start_ms: int
    end_ms: int
    probability: float = 0.0
    """Mean speech probability, where it was measured."""

    @property
    def length_ms(self) -> int:
        return self.end_ms - self.start_ms


def find_gaps(result: WindowResult, within: Passage) -> list[Passage]:
    """The passages in which the result has no words, by the times of its words, or else of its segments."""
    gaps, covered_ms = [], within.start_ms
    for span in place_parts(result):
        gaps.append(Passage(covered_ms, span.start_ms))
        covered_ms = max(covered_ms, span.end_ms)
    gaps.append(Passage(covered_ms, within.end_ms))
    return [gap for gap in gaps if gap.length_ms >= LEAST_GAP_MS]


def place_parts(result: WindowResult) -> list[Passage]:
    """Where each word is spoken, or each segment where words have no times.

    Alignment stretches the words around a passage without words over all of it: those get their own length back.
    """
    if not result.words:
        return [Passage(segment.start_ms, segment.end_ms) for segment in result.segments]
    words, homes = result.words, _find_segments(result)
    spans = [Passage(word.start_ms, word.end_ms) for word in words]
    for at, word in enumerate(words):
        if spans[at].length_ms > _longest_ms(word) + STRETCH_MS and (home := homes[at]):
            spans[at] = _move_into(spans[at], Passage(home.start_ms, home.end_ms))
    begins = [
        at == 0 or homes[at] is not homes[at - 1] or words[at - 1].text[-1:] in _SENTENCE_ENDS
        for at in range(len(words))
    ]
    lengths = [min(span.length_ms, _longest_ms(word)) for span, word in zip(spans, words, strict=True)]
    at = 0
    while at < len(spans):
        last = at
        while last < len(spans) and spans[last].length_ms > lengths[last] + STRETCH_MS:
            last += 1
        if last > at:
            _squeeze(spans, lengths, begins, range(at, last))
        at = last + 1
    return [
        Passage(span.start_ms, max(span.end_ms, span.start_ms + FASTEST_LETTER_MS * len(word.text)))
        for span, word in zip(spans, words, strict=True)
    ]


def _longest_ms(word: Word) -> int:
    digits = sum(character.isdigit() for character in word.text)
    return WORD_MS + LETTER_MS * (len(word.text) + (DIGIT_LETTERS - 1) * digits)


def _find_segments(result: WindowResult) -> list[Segment | None]:
    """The segment of each word."""
    ends = np.cumsum([count_letters(segment.text) for segment in result.segments])
    homes: list[Segment | None] = []
    letters = 0
    for word in result.words:
        letters += count_letters(word.text)
        index = int(np.searchsorted(ends, letters))
        homes.append(result.segments[index] if index < len(ends) else None)
    return homes


def _move_into(span: Passage, home: Passage) -> Passage:
    """The part of the span that lies in its segment, whose times the decoder itself wrote."""
    start_ms = min(max(span.start_ms, home.start_ms), home.end_ms)
    return Passage(start_ms, max(min(span.end_ms, home.end_ms), start_ms))


def _squeeze(spans: list[Passage], lengths: Sequence[int], begins: Sequence[bool], stretched: range) -> None:
    """Give stretched words their own length, beside the words they belong to: where they begin a sentence, the next."""
    nearest = range(stretched.start, max(stretched.start - BEGINNING_WORDS, -1), -1)
    begin = next((at for at in nearest if begins[at] or spans[at].start_ms > spans[at - 1].end_ms), None)
    begin = begin if begin is not None and begins[begin] and (begin or not stretched.start) else None
    block = stretched if begin is None else range(begin, stretched.stop)
    start_ms, end_ms = spans[block[0]].start_ms, spans[block[-1]].end_ms
    at_ms = start_ms if begin is None else max(end_ms - sum(lengths[at] for at in block), start_ms)
    for at in block:
        spans[at] = Passage(at_ms, min(at_ms + lengths[at], end_ms))
        at_ms += lengths[at]


# -- what is audible there


def cut_passage(samples: Samples, passage: Passage) -> Samples:
    return samples[passage.start_ms * SAMPLES_PER_MS : passage.end_ms * SAMPLES_PER_MS]


def measure_upper_dbfs(samples: Samples) -> float:
    """The level that the louder quarter of the frames exceeds: the rest of a loud voice in a gap does not count."""
    whole = (
        samples[: len(samples) // FRAME_SAMPLES * FRAME_SAMPLES].astype(np.float32).reshape(-1, FRAME_SAMPLES)
    )
    if not len(whole):
        return -120.0
    power = float(np.percentile(np.square(whole / 32768).mean(axis=1), 75))
    return max(float(10 * np.log10(power + 1e-12)), -120.0)


def amplify(samples: Samples) -> Samples:
    """The audio at the level of ordinary speech."""
    gain_db = min(LEVEL_DBFS - measure_upper_dbfs(samples), MOST_GAIN_DB)
    louder: Samples = np.clip(samples * np.float32(10 ** (gain_db / 20)), -32768, 32767).astype(np.int16)
    return louder


def cut_with_context(samples: Samples, passage: Passage) -> tuple[Samples, int]:
    """The audio to decode for a passage, each part at the level of speech, and where it begins (ms)."""
    if passage.length_ms >= SHORT_MS:
        return amplify(cut_passage(samples, passage)), passage.start_ms
    before = Passage(max(passage.start_ms - CONTEXT_MS, 0), passage.start_ms)
    after = Passage(passage.end_ms, passage.end_ms + CONTEXT_MS)
    parts = [amplify(cut_passage(samples, part)) for part in (before, passage, after)]
    return np.concatenate(parts), before.start_ms


def find_passages(probabilities: NDArray[np.float32], gap: Passage) -> list[Passage]:
    """The passages of speech in a gap, from the speech probability of each of its frames."""
    runs: list[list[int]] = []
    for frame in np.flatnonzero(probabilities >= SPEECH_PROBABILITY).tolist():
        if runs and (frame - runs[-1][-1] - 1) * FRAME_MS < JOIN_MS:
            runs[-1].append(frame)
        else:
            runs.append([frame])
    return [
        Passage(
            gap.start_ms + run[0] * FRAME_MS,
            gap.start_ms + (run[-1] + 1) * FRAME_MS,
            float(probabilities[run[0] : run[-1] + 1].mean()),
        )
        for run in runs
        if len(run) * FRAME_MS >= LEAST_SPEECH_MS
    ]


def is_certain(passage: Passage) -> bool:
    """Whether somebody speaks there, so surely that a client is told of it."""
    return passage.length_ms >= CERTAIN_MS and passage.probability >= CERTAIN_PROBABILITY


def widen(passage: Passage, gap: Passage) -> Passage:
    """The passage with some audio around it, inside its gap."""
    return Passage(max(passage.start_ms - EDGE_MS, gap.start_ms), min(passage.end_ms + EDGE_MS, gap.end_ms))


# -- a second decode


LEAST_LETTERS_PER_S, MOST_LETTERS_PER_S = 1, 30
"""Characters in a second of speech, as people speak in any script; what a decoder makes of noise is outside."""


def is_believable(found: WindowResult, passages: Sequence[Passage]) -> bool:
    """Whether a second decode gave the words of these passages."""
    if not found.text or found.rejected or found.doubtful or found.is_speech_doubted:
        return False
    rate = count_letters(found.text) / max(sum(passage.length_ms for passage in passages) / 1000, 0.1)
    return LEAST_LETTERS_PER_S <= rate <= MOST_LETTERS_PER_S


def shift(result: WindowResult, by_ms: int) -> WindowResult:
    """The result with times from the utterance's first sample."""

    def later(part: Part) -> Part:
        return replace(part, start_ms=part.start_ms + by_ms, end_ms=part.end_ms + by_ms)

    return replace(
        result,
        words=tuple(later(word) for word in result.words),
        segments=tuple(later(segment) for segment in result.segments),
    )


def keep_inside(
    found: WindowResult, passage: Passage, before: WindowResult, after: WindowResult
) -> tuple[WindowResult, bool]:
    """The words of a second decode that are new in a passage, and whether the text around it has all the others.

    Left out are words outside the passage, and those at its edges that the text there has. All of the result is kept
    where its words have no times.
    """
    if not found.words:
        return found, False
    middles = [(word.start_ms + word.end_ms) / 2 for word in found.words]
    head = first = next((at for at, ms in enumerate(middles) if ms >= passage.start_ms), len(middles))
    tail = last = next(
        (at for at, ms in enumerate(middles) if at >= head and ms > passage.end_ms), len(middles)
    )
    if head < tail:
        at_edge = middles[head] < passage.start_ms + EDGE_MS
        head += _count_known(found.words[head:tail], before.words, from_end=False, at_edge=at_edge)
    if head < tail:
        at_edge = middles[tail - 1] > passage.end_ms - EDGE_MS
        tail -= _count_known(found.words[head:tail], after.words, from_end=True, at_edge=at_edge)
    letters = [count_letters(word.text) for word in found.words]
    _, rest = _divide_result(found, sum(letters[:head]))
    kept, _ = _divide_result(rest, sum(letters[head:tail]))
    return kept, first < last and head == tail


def _count_known(found: Sequence[Word], around: Sequence[Word], *, from_end: bool, at_edge: bool) -> int:
    """How many words at the beginning of `found`, or at its end, are those that stand before it, or after it.

    It is one word at the edge of the passage; and more where the text around it gives them less time than anybody
    needs to say them: alignment puts the words there that it cannot place, and here is where they are spoken.
    """
    for count in range(min(len(found), len(around)), 0, -1):
        new, known = (found[-count:], around[:count]) if from_end else (found[:count], around[-count:])
        if [normalize(word.text) for word in new] != [normalize(word.text) for word in known]:
            continue
        is_squeezed = known[-1].end_ms - known[0].start_ms < _shortest_ms(known)
        if is_squeezed or (count == 1 and at_edge):
            return count
    return 0


def _shortest_ms(words: Sequence[Word]) -> int:
    return FASTEST_LETTER_MS * sum(len(word.text) for word in words)


def insert(result: WindowResult, found: WindowResult, passage: Passage) -> WindowResult:
    """The result with the words of a passage that had none, in their place."""
    before, after = split_at(result, passage)
    return replace(
        result,
        text=join_words([text for text in (before.text, found.text, after.text) if text], result.lang),
        words=before.words + found.words + after.words,
        segments=before.segments + found.segments + after.segments,
        trusted=result.trusted and found.trusted,
        is_speech_doubted=False,
    )


def split_at(result: WindowResult, passage: Passage) -> tuple[WindowResult, WindowResult]:
    """What the result says before a passage without words, and what it says after it."""
    parts: Sequence[Word | Segment] = result.words or result.segments
    letters = sum(
        count_letters(part.text)
        for part, span in zip(parts, place_parts(result), strict=True)
        if span.start_ms + span.end_ms <= passage.start_ms + passage.end_ms
    )
    before, after = _divide_result(result, letters)
    before = replace(before, segments=tuple(_clip(each, 0, passage.start_ms) for each in before.segments))
    return before, replace(
        after, segments=tuple(_clip(each, passage.end_ms, None) for each in after.segments)
    )


def _clip(segment: Segment, earliest_ms: int, latest_ms: int | None) -> Segment:
    start_ms = max(segment.start_ms, earliest_ms)
    end_ms = segment.end_ms if latest_ms is None else min(segment.end_ms, latest_ms)
    return replace(segment, start_ms=start_ms, end_ms=max(start_ms, end_ms))


def _divide_result(result: WindowResult, letters: int) -> tuple[WindowResult, WindowResult]:
    """The result up to so many characters of its text that are no space, and the rest."""
    texts = split_text(result.text, letters)
    words, segments = _divide(result.words, letters), _divide(result.segments, letters)
    head, tail = (
        replace(result, text=text, words=words[side], segments=segments[side])
        for side, text in enumerate(texts)
    )
    return head, tail


def _divide(parts: Sequence[Part], letters: int) -> tuple[tuple[Part, ...], tuple[Part, ...]]:
    before: list[Part] = []
    after: list[Part] = []
    for part in parts:
        head, tail = split_text(part.text, max(letters, 0))
        before += [replace(part, text=head)] if head else []
        after += [replace(part, text=tail)] if tail else []
        letters -= count_letters(part.text)
    return tuple(before), tuple(after)


def list_uncovered(samples: Samples, passages: Sequence[Passage]) -> tuple[Uncovered, ...]:
    """The passages and their levels, as the client gets them."""
    return tuple(
        Uncovered(
            start_ms=passage.start_ms,
            end_ms=passage.end_ms,
            dbfs=round(measure_upper_dbfs(cut_passage(samples, passage)), 1),
        )
        for passage in passages
    )
