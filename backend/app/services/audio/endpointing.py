"""Where utterances begin and end: decided frame by frame from speech probabilities, counted in samples."""

from collections import deque
from dataclasses import dataclass
from enum import StrEnum

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

DIP_FRAMES = 3
"""A hard cut is made in the quietest 96 ms since the soft limit."""


def frames(ms: float) -> int:
    """The least number of frames that last `ms`."""
    return -int(-ms // FRAME_MS)


@dataclass(frozen=True, slots=True)
class EndpointConfig:
    """Thresholds of one session; names are Silero's."""

    silence_ms: int | None
    """Silence that ends an utterance (ms); None waits for `flush` (profile `manual`)."""
    threshold: float = 0.5
    neg_threshold: float = 0.35
    min_speech_ms: int = 250
    min_word_ms: int = 100
    max_utterance_s: float = 28.0
    soft_utterance_s: float = 20.0
    provisional_ms: int | None = None
    """Silence after which the utterance may be over (ms); None tells of no pauses."""


class Verdict(StrEnum):
    """What an ended utterance is worth."""

    KEEP = "keep"
    TOO_SHORT = "too_short"
    NO_SPEECH = "no_speech"


@dataclass(frozen=True, slots=True)
class Begin:
    """Speech has begun: `frame` is its first voiced one."""

    frame: int


@dataclass(frozen=True, slots=True)
class End:
    """An utterance is over at `frame` (exclusive); its last voiced frame ends at `speech_end`.

    `goes_on` tells that speech continues and the next utterance has begun at `frame` without a new `Begin`.
    """

    frame: int
    speech_end: int
    verdict: Verdict
    goes_on: bool = False


@dataclass(frozen=True, slots=True)
class Pause:
    """The utterance may be over: its last voiced frame ends at `speech_end`, and it is worth keeping so far."""

    speech_end: int


@dataclass(frozen=True, slots=True)
class GoOn:
    """Speech goes on after a `Pause`."""


Decision = Begin | Pause | GoOn | End


@dataclass(slots=True)
class _Frame:
    prob: float
    level: float


@dataclass(slots=True)
class _Speech:
    """The utterance that is going on."""

    begin: int
    speech_end: int
    voiced: int = 0
    prob_sum: float = 0.0
    active: int = 0
    silent: int = 0
    paused: bool = False


class Endpointer:
    """One session's decisions. Feed it each frame's speech probability and level; it knows no clock."""

    SURE = 0.8
    """Mean probability of voiced frames from which a short utterance is a word and not a click."""
    DOUBTFUL = 0.61
    """Mean probability of voiced frames below which an utterance is noise that resembles speech."""
    UNSTEADY = 0.4
    """Share of voiced frames among those that are not plainly silent, below which it is music."""

    def __init__(self, config: EndpointConfig) -> None:
        self._config = config
        self._silence = frames(config.silence_ms) if config.silence_ms is not None else None
        self._provisional = frames(config.provisional_ms) if config.provisional_ms is not None else None
        self._soft = frames(config.soft_utterance_s * 1000)
        self._hard = frames(config.max_utterance_s * 1000)
        self._count = 0
        self._recent: deque[float] = deque(maxlen=START_WINDOW)
        self._speech: _Speech | None = None
        self._late: deque[_Frame] = deque()
        """Frames since the soft limit: among them a hard cut is sought."""

    @property
    def speaking(self) -> bool:
        return self._speech is not None

    def push(self, prob: float, level: float) -> Decision | None:
        """Take one frame: speech probability 0-1, and level (any unit that grows with loudness).

        A `Pause` is followed by `GoOn` or by an `End` with the same end of speech.
        """
        self._count += 1
        if self._speech is None:
            return self._listen(prob)
        self._note(self._speech, prob)
        return self._ending(self._speech, _Frame(prob, level)) or self._pausing(self._speech)

    def finish(self) -> End | None:
        """End what is going on, if anything: at stop, flush, or when the client stalls."""
        self._recent.clear()
        if self._speech is None:
            return None
        return self._end(self._speech, self._count, short_ms=self._config.min_word_ms)

    def _listen(self, prob: float) -> Begin | None:
        self._recent.append(prob)
        voiced = [index for index, p in enumerate(self._recent) if p >= self._config.threshold]
        if len(voiced) < START_VOICED:
            return None
        first = self._count - len(self._recent) + voiced[0]
        self._speech = _Speech(begin=first, speech_end=first)
        for offset, p in enumerate(list(self._recent)[voiced[0] :]):
            self._note(self._speech, p, at=first + offset + 1)
        self._recent.clear()
        return Begin(first)

    def _note(self, speech: _Speech, prob: float, at: int | None = None) -> None:
        speech.active += prob >= PLAIN_SILENCE
        if prob >= self._config.threshold:
            speech.voiced += 1
            speech.prob_sum += prob
        if prob >= self._config.neg_threshold:
            speech.silent = 0
            speech.speech_end = at or self._count
        else:
            speech.silent += 1

    def _ending(self, speech: _Speech, frame: _Frame) -> End | None:
        length = self._count - speech.begin
        if self._silence is not None and speech.silent >= self._silence:
            return self._end(speech, self._count, short_ms=self._config.min_speech_ms)
        if length < self._soft:
            return None
        if speech.silent >= SOFT_PAUSE_FRAMES:
            return self._end(speech, self._count, short_ms=self._config.min_speech_ms)
        self._late.append(frame)
        return self._hard_cut(speech) if length >= self._hard else None

    def _pausing(self, speech: _Speech) -> Pause | GoOn | None:
        if speech.paused and not speech.silent:
            speech.paused = False
            return GoOn()
        if speech.silent != self._provisional:
            return None
        speech.paused = self._judge(speech, self._config.min_speech_ms) is Verdict.KEEP
        return Pause(speech.speech_end) if speech.paused else None

    def _hard_cut(self, speech: _Speech) -> End:
        """End in the quietest moment since the soft limit; what came after it begins the next utterance."""
        late = list(self._late)
        dips = [sum(f.level for f in late[i : i + DIP_FRAMES]) for i in range(max(len(late) - DIP_FRAMES, 1))]
        quietest = min(range(len(dips)), key=dips.__getitem__) + DIP_FRAMES // 2
        cut = self._count - len(late) + quietest
        end = self._end(speech, cut, short_ms=0, goes_on=True)
        self._speech = _Speech(begin=cut, speech_end=cut)
        for offset, frame in enumerate(late[quietest:]):
            self._note(self._speech, frame.prob, at=cut + offset + 1)
        return end

    def _end(self, speech: _Speech, at: int, *, short_ms: int, goes_on: bool = False) -> End:
        self._speech = None
        self._late.clear()
        return End(at, min(speech.speech_end, at), self._judge(speech, short_ms), goes_on)

    def _judge(self, speech: _Speech, short_ms: int) -> Verdict:
        mean = speech.prob_sum / speech.voiced if speech.voiced else 0.0
        least = self._config.min_word_ms if mean >= self.SURE else short_ms
        # Whole frames only: three frames (96 ms) stand for the 100 ms of a short word.
        if speech.voiced < round(least / FRAME_MS):
            return Verdict.TOO_SHORT
        believable = mean >= self.DOUBTFUL and speech.voiced >= self.UNSTEADY * speech.active
        return Verdict.KEEP if believable else Verdict.NO_SPEECH
