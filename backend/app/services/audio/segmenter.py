"""From a session's audio to its utterances: resample, detect speech, cut; values in, values out, no clock."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from app.core.config import Settings
from app.providers.base import SAMPLE_RATE_HZ, Samples
from app.services.audio.buffer import AudioBuffer
from app.services.audio.endpointing import (
    FRAME_SAMPLES,
    Begin,
    End,
    EndpointConfig,
    Endpointer,
    GoOn,
    Pause,
    Verdict,
)
from app.services.audio.resampler import Resampler
from app.services.audio.vad_gate import VAD_GATES


@dataclass(frozen=True, slots=True)
class UtteranceStarted:
    """An utterance begins at session sample `start`, pre-roll included; its speech begins at `onset`."""

    utterance_id: int
    start: int
    onset: int


@dataclass(frozen=True, slots=True)
class UtteranceAudio:
    """The next audio of the utterance."""

    samples: Samples


@dataclass(frozen=True, slots=True)
class UtterancePaused:
    """The utterance may be over: silence from session sample `speech_end` on, until `heard_until` and maybe longer."""

    utterance_id: int
    speech_end: int
    heard_until: int


@dataclass(frozen=True, slots=True)
class UtteranceResumed:
    """Speech goes on after a pause; heard at session sample `heard_until`."""

    utterance_id: int
    heard_until: int


@dataclass(frozen=True, slots=True)
class UtteranceEnded:
    """The utterance is over: it covers session samples `start` to `end`, speech until `speech_end`.

    `audio` is given where more than the utterance has been heard already (a cut made in hindsight): an engine
    that took the audio as it came has to begin again with this.
    """

    utterance_id: int
    start: int
    end: int
    speech_end: int
    heard_until: int
    """Session sample at which the end was decided; `heard_until - speech_end` is the silence waited for."""
    verdict: Verdict
    audio: Samples | None = None


SegmentEvent = UtteranceStarted | UtteranceAudio | UtterancePaused | UtteranceResumed | UtteranceEnded


class Segmenter:
    """One session's hearing. Sample numbers count from the session's first, at 16 kHz."""

    def __init__(self, settings: Settings, rate_hz: int, silence_ms: int | None) -> None:
        self._settings = settings
        self._endpoint_config = EndpointConfig(
            silence_ms=silence_ms,
            threshold=settings.vad.threshold,
            neg_threshold=settings.vad.neg_threshold,
            min_speech_ms=settings.vad.min_speech_ms,
            min_word_ms=settings.vad.min_word_ms,
            max_utterance_s=settings.limits.utterance_s,
            soft_utterance_s=settings.limits.utterance_soft_s,
            provisional_ms=settings.endpointing.provisional_ms,
        )
        self._pad = settings.vad.speech_pad_ms * SAMPLE_RATE_HZ // 1000
        self._resampler = Resampler(rate_hz)
        self._history = AudioBuffer()
        self._utterances = 0
        self._bound = 0
        """No pre-roll reaches back beyond the last utterance's speech: a word is never heard twice."""
        self._begin_segment()

    def _begin_segment(self) -> None:
        """Frames are counted anew from here; after every `finish`, since it may cut a frame."""
        self._gate = VAD_GATES[self._settings.vad.gate]()
        self._endpointer = Endpointer(self._endpoint_config)
        self._base = self._history.end
        self._framed = self._base
        self._start: int | None = None
        self._given = self._base

    @property
    def speaking(self) -> bool:
        return self._start is not None

    @property
    def samples(self) -> int:
        """Samples heard so far."""
        return self._history.end

    def push(self, samples: NDArray[np.int16]) -> list[SegmentEvent]:
        """Take the next audio at the client's rate; give what it completes, in order."""
        self._history.append(self._resampler.push(samples))
        whole = (self._history.end - self._framed) // FRAME_SAMPLES * FRAME_SAMPLES
        events = self._frames(self._history.slice(self._framed, self._framed + whole)) if whole else []
        self._forget()
        return events

    def finish(self) -> list[SegmentEvent]:
        """Release what is held back and end the utterance that is going on, if any."""
        events = self.push(self._drain())
        rest = self._history.slice(self._framed, self._history.end)
        if len(rest):
            events += self._frames(np.pad(rest, (0, FRAME_SAMPLES - len(rest))))
        if (end := self._endpointer.finish()) is not None:
            events += self._ended(end)
        self._begin_segment()
        self._forget()
        return events

    def _drain(self) -> NDArray[np.int16]:
        self._history.append(self._resampler.drain())
        return np.empty(0, np.int16)

    def _frames(self, samples: Samples) -> list[SegmentEvent]:
        events: list[SegmentEvent] = []
        levels = np.abs(samples.reshape(-1, FRAME_SAMPLES).astype(np.float32)).mean(axis=1)
        for prob, level in zip(self._gate.probabilities(samples).tolist(), levels.tolist(), strict=True):
            self._framed += FRAME_SAMPLES
            decision = self._endpointer.push(prob, level)
            match decision:
                case Begin():
                    onset = self._sample(decision.frame)
                    events.append(self._started(max(onset - self._pad, self._bound), onset))
                case Pause() | GoOn():
                    events += self._heard(self._framed)
                    events.append(self._turned(decision))
                case End():
                    events += self._ended(decision)
        events += self._heard(self._framed)
        return events

    def _sample(self, frame: int) -> int:
        return min(self._base + frame * FRAME_SAMPLES, self._history.end)

    def _started(self, start: int, onset: int) -> UtteranceStarted:
        self._utterances += 1
        self._start = self._given = start
        return UtteranceStarted(self._utterances, start, onset)

    def _turned(self, decision: Pause | GoOn) -> UtterancePaused | UtteranceResumed:
        until = min(self._framed, self._history.end)
        if isinstance(decision, Pause):
            return UtterancePaused(self._utterances, self._sample(decision.speech_end), until)
        return UtteranceResumed(self._utterances, until)

    def _heard(self, until: int) -> list[SegmentEvent]:
        until = min(until, self._history.end)
        if self._start is None or until <= self._given:
            return []
        samples = self._history.slice(self._given, until)
        self._given = until
        return [UtteranceAudio(samples)]

    def _ended(self, end: End) -> list[SegmentEvent]:
        assert self._start is not None
        start, at, speech_end = self._start, self._sample(end.frame), self._sample(end.speech_end)
        events = self._heard(at)
        hindsight = self._history.slice(start, at) if self._given > at else None
        heard_until = min(self._framed, self._history.end)
        events.append(
            UtteranceEnded(self._utterances, start, at, speech_end, heard_until, end.verdict, hindsight)
        )
        self._start = None
        if end.verdict is Verdict.KEEP:
            self._bound = speech_end
        if end.goes_on:
            events.append(self._started(at, at))
        return events

    def _forget(self) -> None:
        """Keep a pre-roll in silence, and the whole utterance while somebody speaks."""
        idle = self._framed - self._pad - 8 * FRAME_SAMPLES
        self._history.forget_before(idle if self._start is None else min(self._start, idle))
