"""Cuts a session's audio into utterances: resampling, recent audio, VAD, endpointing. Knows no clock."""

from collections import deque
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from app.core.config import Settings
from app.core.discard_reasons import DiscardReason
from app.providers.base import SAMPLE_RATE_HZ, Samples
from app.services.audio.endpointing import (
    FRAME_SAMPLES,
    Begin,
    Continue,
    End,
    EndpointConfig,
    Endpointer,
    Pause,
    SpeechEvidence,
)
from app.services.audio.pcm import Resampler
from app.services.audio.speech_gate import SpeechGate

_PIECE_SAMPLES = 4096
"""Pieces are joined up to this length, so that tiny chunks do not make a long list."""


class AudioBuffer:
    """Samples by number, counted from the session's first; old samples are discarded."""

    def __init__(self, first_sample: int = 0) -> None:
        self._pieces: deque[tuple[int, Samples]] = deque()
        self.end = first_sample
        """Number of the next sample."""

    def append(self, samples: Samples) -> None:
        if not len(samples):
            return
        first = self.end
        self.end += len(samples)
        if self._pieces and self.end - self._pieces[-1][0] <= _PIECE_SAMPLES:
            first, last = self._pieces.pop()
            samples = np.concatenate((last, samples))
        self._pieces.append((first, samples))

    def slice(self, start: int, stop: int) -> Samples:
        """Samples `start` to `stop` (exclusive); none of them may have been discarded."""
        parts = [
            piece[max(start - first, 0) : stop - first]
            for first, piece in self._pieces
            if first < stop and first + len(piece) > start
        ]
        return np.concatenate(parts) if parts else np.empty(0, np.int16)

    def discard_before(self, sample: int) -> None:
        """Discard the pieces that end at or before `sample`."""
        while self._pieces and self._pieces[0][0] + len(self._pieces[0][1]) <= sample:
            self._pieces.popleft()


@dataclass(frozen=True, slots=True)
class UtteranceStarted:
    """An utterance begins at session sample `start`, which includes its pre-roll; its speech begins at `onset`."""

    utterance_id: int
    start: int
    onset: int


@dataclass(frozen=True, slots=True)
class UtteranceAudio:
    """The next audio of the utterance."""

    samples: Samples


@dataclass(frozen=True, slots=True)
class UtterancePaused:
    """The utterance may be over: there is silence from session sample `speech_end` to at least `heard_until`."""

    utterance_id: int
    speech_end: int
    heard_until: int


@dataclass(frozen=True, slots=True)
class UtteranceResumed:
    """Speech goes on after a pause: noticed at session sample `heard_until`."""

    utterance_id: int
    heard_until: int


@dataclass(frozen=True, slots=True)
class UtteranceEnded:
    """The utterance is over: it covers session samples `start` to `end`; its speech ends at `speech_end`.

    `discard_reason` is given only where the detector called none of it speech: all else is decoded. `likely_reason`
    names why an engine may find no words in it. `audio` is given where audio beyond `end` was handed out before the
    cut was decided: an engine that took it has to decode the utterance again, from `audio` alone.
    """

    utterance_id: int
    start: int
    end: int
    speech_end: int
    heard_until: int
    """Session sample at which the end was decided: `heard_until - speech_end` is the silence that was waited for."""
    evidence: SpeechEvidence
    discard_reason: DiscardReason | None = None
    likely_reason: DiscardReason | None = None
    audio: Samples | None = None
    is_cut: bool = False
    """Its length alone ended it."""


SegmentEvent = UtteranceStarted | UtteranceAudio | UtterancePaused | UtteranceResumed | UtteranceEnded


class Segmenter:
    """Cuts one session's audio into utterances. Samples are numbered from the session's first, at 16 kHz."""

    def __init__(
        self,
        settings: Settings,
        rate_hz: int,
        silence_ms: int | None,
        *,
        utterances_before: int = 0,
        first_sample: int = 0,
    ) -> None:
        """Utterances count on from `utterances_before`, and samples from `first_sample`."""
        self._endpoint_config = EndpointConfig(
            silence_ms=silence_ms,
            threshold=settings.vad.threshold,
            neg_threshold=settings.vad.neg_threshold,
            min_speech_ms=settings.vad.min_speech_ms,
            max_utterance_s=settings.limits.utterance_s,
            soft_utterance_s=settings.limits.utterance_soft_s,
            provisional_ms=settings.endpointing.provisional_ms,
        )
        self._pre_roll = settings.vad.speech_pad_ms * SAMPLE_RATE_HZ // 1000
        self._resampler = Resampler(rate_hz)
        self._buffer = AudioBuffer(first_sample)
        self._utterances = utterances_before
        self._pre_roll_bound = 0
        """No pre-roll reaches back beyond the last utterance's speech: no word is decoded twice."""
        self._begin_segment()

    def _begin_segment(self) -> None:
        """Count frames from here, with fresh detectors: `finish` may have cut a frame."""
        self._gate = SpeechGate()
        self._endpointer = Endpointer(self._endpoint_config)
        self._base = self._buffer.end
        self._framed = self._base
        self._start: int | None = None
        self._delivered = self._base

    @property
    def is_speaking(self) -> bool:
        """Whether an utterance is going on."""
        return self._start is not None

    @property
    def total_samples(self) -> int:
        """Samples received so far."""
        return self._buffer.end

    def count_from(self, utterances: int) -> None:
        """The next utterance has the number after this one. None is going on."""
        self._utterances = utterances

    def push(self, samples: NDArray[np.int16]) -> list[SegmentEvent]:
        """Take the next audio, at the client's rate; return the events that it completes, in order."""
        self._buffer.append(self._resampler.push(samples))
        whole = (self._buffer.end - self._framed) // FRAME_SAMPLES * FRAME_SAMPLES
        events = self._detect(self._buffer.slice(self._framed, self._framed + whole)) if whole else []
        self._trim_buffer()
        return events

    def finish(self) -> list[SegmentEvent]:
        """Process the audio that is held back, and end the utterance that is going on, if any."""
        self._buffer.append(self._resampler.drain())
        events = self.push(np.empty(0, np.int16))
        rest = self._buffer.slice(self._framed, self._buffer.end)
        if len(rest):
            events += self._detect(np.pad(rest, (0, FRAME_SAMPLES - len(rest))))
        if (end := self._endpointer.finish()) is not None:
            events += self._end_utterance(end)
        self._begin_segment()
        self._trim_buffer()
        return events

    def _detect(self, samples: Samples) -> list[SegmentEvent]:
        events: list[SegmentEvent] = []
        heard = self._gate.hear(samples)
        for prob, level in zip(heard.probabilities.tolist(), heard.levels_dbfs, strict=True):
            self._framed += FRAME_SAMPLES
            decision = self._endpointer.push(prob, level)
            match decision:
                case Begin():
                    onset = self._sample_of(decision.frame)
                    events.append(
                        self._begin_utterance(max(onset - self._pre_roll, self._pre_roll_bound), onset)
                    )
                case Pause() | Continue():
                    events += self._deliver(self._framed)
                    events.append(self._pause_event(decision))
                case End():
                    events += self._end_utterance(decision)
        events += self._deliver(self._framed)
        return events

    def _sample_of(self, frame: int) -> int:
        return min(self._base + frame * FRAME_SAMPLES, self._buffer.end)

    def _begin_utterance(self, start: int, onset: int) -> UtteranceStarted:
        self._utterances += 1
        self._start = self._delivered = start
        return UtteranceStarted(self._utterances, start, onset)

    def _pause_event(self, decision: Pause | Continue) -> UtterancePaused | UtteranceResumed:
        until = min(self._framed, self._buffer.end)
        if isinstance(decision, Pause):
            return UtterancePaused(self._utterances, self._sample_of(decision.speech_end), until)
        return UtteranceResumed(self._utterances, until)

    def _deliver(self, until: int) -> list[SegmentEvent]:
        until = min(until, self._buffer.end)
        if self._start is None or until <= self._delivered:
            return []
        samples = self._buffer.slice(self._delivered, until)
        self._delivered = until
        return [UtteranceAudio(samples)]

    def _end_utterance(self, end: End) -> list[SegmentEvent]:
        assert self._start is not None
        start, at, speech_end = self._start, self._sample_of(end.frame), self._sample_of(end.speech_end)
        events = self._deliver(at)
        recut = self._buffer.slice(start, at) if self._delivered > at else None
        events.append(
            UtteranceEnded(
                utterance_id=self._utterances,
                start=start,
                end=at,
                speech_end=speech_end,
                heard_until=min(self._framed, self._buffer.end),
                evidence=end.evidence,
                discard_reason=end.discard_reason,
                likely_reason=end.likely_reason,
                audio=recut,
                is_cut=end.is_cut,
            )
        )
        self._start = None
        if end.discard_reason is None:
            self._pre_roll_bound = speech_end
        if end.continues:
            events.append(self._begin_utterance(at, at))
        return events

    def _trim_buffer(self) -> None:
        """Keep the pre-roll in silence, and the whole utterance while somebody speaks."""
        idle = self._framed - self._pre_roll - 8 * FRAME_SAMPLES
        self._buffer.discard_before(idle if self._start is None else min(self._start, idle))
