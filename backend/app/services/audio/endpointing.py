"""Endpointing: where utterances begin and end, decided frame by frame from speech probabilities. Knows no clock."""

from collections import deque
from dataclasses import dataclass

from app.core.discard_reasons import DiscardReason
from app.providers.base import SAMPLE_RATE_HZ

FRAME_SAMPLES = 512
"""One frame of 32 ms: the unit of decisions, Silero's own."""

FRAME_MS = 1000 * FRAME_SAMPLES / SAMPLE_RATE_HZ

START_WINDOW = 4
START_VOICED = 3
"""Speech starts when this many of the last START_WINDOW frames are voiced: about 100 ms."""

SOFT_PAUSE_FRAMES = 5
"""A pause of 160 ms ends an utterance that is older than the soft limit."""

PLAIN_SILENCE = 0.1
"""Probability below which a frame is silence beyond doubt."""

QUIET_DBFS = -60.0
"""Level of the voiced frames below which an utterance without words was too quiet."""

SURE_SHARE = 0.55
"""Share of voiced frames in those that are not plain silence. Nine of ten utterances found in music have less, and a
tenth of those in damaged speech (docs/decisions/0013)."""

DIP_FRAMES = 3
"""A hard cut is made in the quietest 96 ms since the soft limit."""


def frames(ms: float) -> int:
    """The smallest number of frames that lasts at least `ms`."""
    return -int(-ms // FRAME_MS)


@dataclass(frozen=True, slots=True)
class EndpointConfig:
    """Thresholds of one session, under Silero's names."""

    silence_ms: int | None
    """Silence that ends an utterance (ms). None (profile `manual`): only `finish` ends it."""
    threshold: float = 0.5
    neg_threshold: float = 0.35
    min_speech_ms: int = 250
    max_utterance_s: float = 28.0
    soft_utterance_s: float = 20.0
    provisional_ms: int | None = None
    """Silence after which a `Pause` is reported (ms). None: pauses are not reported."""


@dataclass(frozen=True, slots=True)
class SpeechEvidence:
    """How sure the detector was of an utterance's speech. The engine decides what it says; this is told beside it."""

    voiced_ms: int
    """Time at or above `threshold`."""
    mean_probability: float
    """Mean over that time: speech is mostly above 0.8, noise that resembles speech mostly below 0.6."""
    voiced_share: float
    """Share of that time in all time that is not plain silence: low in music."""
    level_dbfs: float
    """Mean level over that time."""

    @property
    def is_sure(self) -> bool:
        """Whether it is speech although an engine doubts it."""
        return self.voiced_share >= SURE_SHARE


@dataclass(frozen=True, slots=True)
class Begin:
    """Speech has begun: `frame` is its first voiced one."""

    frame: int


@dataclass(frozen=True, slots=True)
class End:
    """An utterance is over at `frame` (exclusive); its last voiced frame ends at `speech_end`.

    `discard_reason` is given only where the detector called none of it speech: all else is decoded.
    `likely_reason` names why an engine may find no words in it. `continues`: speech goes on, and the next utterance
    has begun at `frame` without a new `Begin`. `is_cut`: its length alone ended it, so speech may go on.
    """

    frame: int
    speech_end: int
    evidence: SpeechEvidence
    discard_reason: DiscardReason | None = None
    likely_reason: DiscardReason | None = None
    continues: bool = False
    is_cut: bool = False


@dataclass(frozen=True, slots=True)
class Pause:
    """The utterance may be over: its last voiced frame ends at `speech_end`."""

    speech_end: int


@dataclass(frozen=True, slots=True)
class Continue:
    """Speech goes on after a `Pause`."""


Decision = Begin | Pause | Continue | End


@dataclass(slots=True)
class _Frame:
    prob: float
    level: float


@dataclass(slots=True)
class _OpenUtterance:
    """Frame counts of the utterance that is going on."""

    begin: int
    speech_end: int
    voiced: int = 0
    prob_sum: float = 0.0
    level_sum: float = 0.0
    active: int = 0
    silent: int = 0
    paused: bool = False


class Endpointer:
    """Decides where one session's utterances begin and end, from the speech probability and level of each frame."""

    def __init__(self, config: EndpointConfig) -> None:
        self._config = config
        self._silence = frames(config.silence_ms) if config.silence_ms is not None else None
        self._provisional = frames(config.provisional_ms) if config.provisional_ms is not None else None
        self._soft = frames(config.soft_utterance_s * 1000)
        self._hard = frames(config.max_utterance_s * 1000)
        self._count = 0
        self._recent: deque[_Frame] = deque(maxlen=START_WINDOW)
        self._speech: _OpenUtterance | None = None
        self._late: deque[_Frame] = deque()
        """Frames since the soft limit: a hard cut is made in the quietest of them."""

    @property
    def is_speaking(self) -> bool:
        """Whether an utterance is going on."""
        return self._speech is not None

    def push(self, prob: float, level: float) -> Decision | None:
        """Take one frame: speech probability 0-1, and level (dBFS).

        A `Pause` is followed by `Continue`, or by an `End` with the same `speech_end`.
        """
        self._count += 1
        if self._speech is None:
            return self._check_begin(_Frame(prob, level))
        self._count_frame(self._speech, _Frame(prob, level))
        return self._check_end(self._speech, _Frame(prob, level)) or self._check_pause(self._speech)

    def finish(self) -> End | None:
        """End the utterance that is going on, if any: at `stop`, at `flush`, or where the client stalls."""
        self._recent.clear()
        if self._speech is None:
            return None
        return self._end(self._speech, self._count)

    def _check_begin(self, frame: _Frame) -> Begin | None:
        self._recent.append(frame)
        voiced = [index for index, each in enumerate(self._recent) if each.prob >= self._config.threshold]
        if len(voiced) < START_VOICED:
            return None
        first = self._count - len(self._recent) + voiced[0]
        self._speech = _OpenUtterance(begin=first, speech_end=first)
        for offset, each in enumerate(list(self._recent)[voiced[0] :]):
            self._count_frame(self._speech, each, at=first + offset + 1)
        self._recent.clear()
        return Begin(first)

    def _count_frame(self, speech: _OpenUtterance, frame: _Frame, at: int | None = None) -> None:
        speech.active += frame.prob >= PLAIN_SILENCE
        if frame.prob >= self._config.threshold:
            speech.voiced += 1
            speech.prob_sum += frame.prob
            speech.level_sum += frame.level
        if frame.prob >= self._config.neg_threshold:
            speech.silent = 0
            speech.speech_end = at or self._count
        else:
            speech.silent += 1

    def _check_end(self, speech: _OpenUtterance, frame: _Frame) -> End | None:
        length = self._count - speech.begin
        if self._silence is not None and speech.silent >= self._silence:
            return self._end(speech, self._count)
        if length < self._soft:
            return None
        if speech.silent >= SOFT_PAUSE_FRAMES:
            return self._end(speech, self._count, is_cut=True)
        self._late.append(frame)
        return self._hard_cut(speech) if length >= self._hard else None

    def _check_pause(self, speech: _OpenUtterance) -> Pause | Continue | None:
        if speech.paused and not speech.silent:
            speech.paused = False
            return Continue()
        if speech.silent != self._provisional:
            return None
        speech.paused = speech.voiced > 0
        return Pause(speech.speech_end) if speech.paused else None

    def _hard_cut(self, speech: _OpenUtterance) -> End:
        """End at the quietest moment since the soft limit; the audio after it begins the next utterance."""
        late = list(self._late)
        dips = [sum(f.level for f in late[i : i + DIP_FRAMES]) for i in range(max(len(late) - DIP_FRAMES, 1))]
        quietest = min(range(len(dips)), key=dips.__getitem__) + DIP_FRAMES // 2
        cut = self._count - len(late) + quietest
        end = self._end(speech, cut, continues=True, is_cut=True)
        self._speech = _OpenUtterance(begin=cut, speech_end=cut)
        for offset, frame in enumerate(late[quietest:]):
            self._count_frame(self._speech, frame, at=cut + offset + 1)
        return end

    def _end(self, speech: _OpenUtterance, at: int, *, continues: bool = False, is_cut: bool = False) -> End:
        self._speech = None
        self._late.clear()
        evidence = _weigh(speech)
        return End(
            frame=at,
            speech_end=min(speech.speech_end, at),
            evidence=evidence,
            discard_reason=None if speech.voiced else DiscardReason.NO_SPEECH,
            likely_reason=self._likely_reason(evidence),
            continues=continues,
            is_cut=is_cut,
        )

    def _likely_reason(self, evidence: SpeechEvidence) -> DiscardReason | None:
        if evidence.voiced_ms < self._config.min_speech_ms:
            return DiscardReason.TOO_SHORT
        return DiscardReason.TOO_QUIET if evidence.level_dbfs < QUIET_DBFS else None


def _weigh(speech: _OpenUtterance) -> SpeechEvidence:
    return SpeechEvidence(
        voiced_ms=round(speech.voiced * FRAME_MS),
        mean_probability=speech.prob_sum / speech.voiced if speech.voiced else 0.0,
        voiced_share=speech.voiced / speech.active if speech.active else 0.0,
        level_dbfs=speech.level_sum / speech.voiced if speech.voiced else 0.0,
    )
