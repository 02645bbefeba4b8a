"""The speech just before an utterance, whose text is final: as much as fits beside it in one window; pure."""

from collections import deque
from dataclasses import dataclass

import numpy as np

from app.providers.base import SAMPLE_RATE_HZ, SAMPLES_PER_MS, Samples, ToldSpeech, Word
from app.utils.joining import TextPart, join_texts

TOLD_S = 5.0
"""Of the speech before. More is no more accurate, and costs its text (docs/decisions/0015)."""

LONGEST_JOINT_S = 28.0
"""A window has no room for more."""

PAUSE_S = 5.0
"""After a longer pause an utterance is decoded alone: a sentence rarely goes on."""


@dataclass(frozen=True, slots=True)
class ToldUtterance:
    """A final, and the audio that it was decoded from. Times of words are counted from its first sample."""

    samples: Samples
    part: TextPart
    words: tuple[Word, ...] = ()


class ToldUtterances:
    """The last finals of a session that may be decoded once more, as the beginning of the next window."""

    def __init__(self) -> None:
        self._utterances: deque[ToldUtterance] = deque()
        self._end = 0

    def add(self, utterance: ToldUtterance, end: int, ends_before: str = "") -> None:
        """Add a final whose speech ends at session sample `end`; `ends_before` closes the one before it."""
        if ends_before and self._utterances:
            last = self._utterances.pop()
            closed = last.part._replace(text=f"{last.part.text}{ends_before}")
            self._utterances.append(ToldUtterance(last.samples, closed, last.words))
        self._utterances.append(utterance)
        self._end = end
        while len(self._utterances) > 1 and self._count_samples() > TOLD_S * SAMPLE_RATE_HZ:
            self._utterances.popleft()

    def clear(self) -> None:
        self._utterances.clear()

    def find_before(self, start: int, samples: int) -> ToldSpeech | None:
        """What is decoded before an utterance of so many samples that begins at session sample `start`, if anything."""
        if not self._utterances or start - self._end > PAUSE_S * SAMPLE_RATE_HZ:
            return None
        room = int(min(TOLD_S * SAMPLE_RATE_HZ, LONGEST_JOINT_S * SAMPLE_RATE_HZ - samples))
        last = self._utterances[-1]
        fitting: deque[ToldUtterance] = deque()
        for utterance in reversed(self._utterances):
            room -= len(utterance.samples)
            if room < 0 or utterance.part.lang != last.part.lang:
                break
            fitting.appendleft(utterance)
        if not fitting:
            end = cut_end(last, room + len(last.samples))
            if end is None:
                return None
            fitting.append(end)
        return ToldSpeech(
            samples=np.concatenate([utterance.samples for utterance in fitting]),
            text=join_texts(utterance.part for utterance in fitting),
            lang=last.part.lang,
        )

    def _count_samples(self) -> int:
        return sum(len(utterance.samples) for utterance in self._utterances)


def cut_end(utterance: ToldUtterance, most_samples: int) -> ToldUtterance | None:
    """The end of an utterance that is too long, from the longest pause between its words on; None where none fits."""
    earliest_ms = (len(utterance.samples) - most_samples) // SAMPLES_PER_MS
    best: tuple[int, int, int] | None = None
    for index in range(1, len(utterance.words)):
        before, after = utterance.words[index - 1], utterance.words[index]
        at_ms = (before.end_ms + after.start_ms) // 2
        if at_ms >= earliest_ms and (best is None or after.start_ms - before.end_ms > best[0]):
            best = after.start_ms - before.end_ms, index, at_ms
    if best is None:
        return None
    _, index, at_ms = best
    text = " ".join(word.text for word in utterance.words[index:])
    return ToldUtterance(
        utterance.samples[at_ms * SAMPLES_PER_MS :], TextPart(text, lang=utterance.part.lang)
    )
