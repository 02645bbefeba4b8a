"""What gateways ask of decode workers, and the answers: values, the same for every link between them."""

from dataclasses import dataclass, field
from typing import Any, Generic, Literal, TypeVar

from app.core.errors import PrompterError
from app.providers.base import (
    Hypothesis,
    ProviderStatus,
    Samples,
    SttCapabilities,
    SttConfig,
    ToldSpeech,
    Transcript,
    WindowRequest,
    WindowResult,
)
from app.services.decoding.policy import Priority

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """The dictation or recording that a decode is for."""

    gateway: str
    """The id of the gateway's process."""
    session: int
    """Its number there: a worker's turns go from session to session, of all gateways."""
    engine: str
    config: SttConfig = field(repr=False)
    """It names the model: all workers decode with the same."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """What the gateway's scheduler knows of a decode whose turn it is; the worker's scheduler goes by the same."""

    priority: Priority = Priority.FINAL
    audio_s: float = 0.0
    within_s: float = 0.3
    """How soon the result is wanted (s)."""
    cost_key: str = ""

    @property
    def is_live(self) -> bool:
        """Whether somebody waits for the result."""
        return self.priority is not Priority.FILE


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """How is the worker? Asked at each heartbeat; answered with a `WorkerState`."""

    gateway: str
    load: float
    """Core seconds per second that the gateway's sessions take: the worker tells it to other gateways."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StartEngine:
    """Load the default weights of an engine. Answered with None."""

    engine: str


@dataclass(frozen=True, slots=True, kw_only=True)
class MeasureCost:
    """As `MeasurableSttProvider.measure_cost`."""

    engine: str
    model: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenSession:
    """Check that an engine can take a session with this configuration. Answered with an `OpenedSession`."""

    engine: str
    config: SttConfig = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class DecodeWindow:
    """As `WindowSttSession.decode`."""

    place: Place
    turn: Turn
    request: WindowRequest = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class DecodeContinuation:
    """As `ContinuingSttSession.decode_continuation`."""

    place: Place
    turn: Turn
    request: WindowRequest = field(repr=False)
    told: ToldSpeech = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class HearStream:
    """The next audio of an utterance for an incremental engine. Answered with a `HeardStream`.

    A worker that does not have the utterance begins it where `begins_at` is 0.
    """

    place: Place
    turn: Turn
    stream: int
    """The utterance's number in its session."""
    state: str | None = field(repr=False)
    """As of `PortableSttSession`, before the utterance."""
    begins_at: int
    """The utterance's sample at which `samples` begins."""
    samples: Samples = field(repr=False)
    speech_samples: int | None = None
    """The utterance is over, and its speech ends at this sample: answered with its transcript. None: it goes on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CloseStream:
    """Nobody wants the utterance any more. Answered with None."""

    place: Place
    stream: int


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineState:
    """What a worker's engine is and can do, as its `SttProvider` says."""

    status: ProviderStatus
    models: tuple[str, ...]
    capabilities: SttCapabilities


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerState:
    """How a worker is."""

    version: str
    """Its PROMPTer: one of another version is not asked, since it may know other values."""
    slots: int
    """Decodes that it runs at a time."""
    engines: dict[str, EngineState]
    load_elsewhere: float
    """What the sessions of all other gateways take (core seconds per second), as these have told."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenedSession:
    """What kind of session an engine opens, and the model that it decodes with."""

    kind: Literal["window", "continuing", "stream"]
    model: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class HeardStream:
    """What the engine makes of the audio."""

    is_known: bool = True
    """False: the worker does not have this utterance, and wants it from its beginning."""
    hypothesis: Hypothesis | None = field(default=None, repr=False)
    transcript: Transcript | None = field(default=None, repr=False)
    """Of an utterance that is over."""
    state: str | None = field(default=None, repr=False)
    """As of `PortableSttSession`, after the utterance."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer(Generic[T]):
    """The answer to any call."""

    value: T | None = field(default=None, repr=False)
    error: PrompterError | None = None
    """What the engine raised."""
    is_shed: bool = False
    """The decode was a partial that is not worth its cost any more."""
    waited_s: float = 0.0
    """How long the decode waited for a core of the worker (s)."""
    busy: int = 0
    """Decodes that run and wait at the worker now."""


Decode = DecodeWindow | DecodeContinuation | HearStream
Call = Look | StartEngine | MeasureCost | OpenSession | Decode | CloseStream
Value = WorkerState | OpenedSession | WindowResult | HeardStream | float | None
AnyAnswer = Answer[Any]
