"""The protocols and values that all providers share, built-in and third-party.

Speech to text has three lifetimes. A `SttProvider` lives as long as the server and owns weights and workers. A
`SttSession` lives as long as one dictation and owns what belongs to the speaker (cepstral mean, last text). A
`SttStream` lives as long as one utterance. A language model has one lifetime: the stream of an answer, which
the caller must close.
"""

from collections.abc import AsyncGenerator, Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from app.core.errors import BadRequest
from app.core.notes import Note
from app.schemas.providers import ProviderState

Samples = NDArray[np.int16]
"""Mono audio at 16 kHz, shape (n,), full scale +-32767."""

SAMPLE_RATE_HZ = 16_000
SAMPLES_PER_MS = SAMPLE_RATE_HZ // 1000


@dataclass(frozen=True, slots=True)
class ProviderStatus:
    """The state of a provider, and a sentence that says what it is or how to make it ready."""

    state: ProviderState
    description: str
    note: Note | None = None
    """The description as a code, for readers of other languages."""
    title: str = ""
    """The product's name for people ("Ollama"); empty where the name of the provider is all there is."""
    model: str | None = None
    """The model for requests that name none; None where that is not known."""
    host: str | None = None
    """The other machine that does the work; None for the server's own."""


# -- speech to text ---------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class SttCapabilities:
    """What an engine can do. The server decides by these, never by an engine's name."""

    languages: tuple[str, ...] | None
    """Primary BCP-47 subtags ("en", "es"). None: any language, or not known in advance."""
    streaming: bool
    """Returns hypotheses while the utterance grows."""
    words: bool
    """Returns word times."""
    vocabulary: bool
    """Uses the session's list of likely terms."""
    network: bool
    """Sends audio to another machine."""
    raw_audio: bool = False
    """Gets every chunk as received, speech or not, through `RawSttSession`: without gate and endpointing."""
    translates: bool = False
    """Obeys `SttConfig.translates`."""


@dataclass(frozen=True, slots=True)
class SttConfig:
    """What a dictation or a recording asks of its engine, for all of its utterances."""

    lang: str = "auto"
    """BCP-47 tag, or "auto"."""
    langs: tuple[str, ...] = ()
    """BCP-47 tags among which "auto" chooses, two or more; empty for any."""
    likely_langs: tuple[str, ...] = ()
    """Languages that lean the choice of "auto", as the client sent them."""
    model: str | None = None
    words: bool = False
    vocabulary: tuple[str, ...] = ()
    partials: bool = True
    cautious: bool = False
    """No detector has heard speech in the audio: the engine gives only text that it is sure of."""
    translates: bool = False
    """The text is English, whatever is spoken."""

    @property
    def primary_lang(self) -> str | None:
        """The primary subtag ("es" of "es-MX"); None for "auto"."""
        return None if self.lang == "auto" else self.lang.split("-")[0].lower()

    @property
    def required_langs(self) -> tuple[str, ...]:
        """The tags that the engine must know."""
        return self.langs if self.lang == "auto" else (self.lang,)


@dataclass(frozen=True, slots=True)
class Word:
    """One word of a final. Times are counted from the utterance's first sample."""

    text: str
    start_ms: int
    end_ms: int
    confidence: float
    """0 to 1."""


@dataclass(frozen=True, slots=True)
class Segment:
    """A sentence or part of one, as the engine divides a final. Times are counted from the utterance's first sample."""

    text: str
    start_ms: int
    end_ms: int


@dataclass(frozen=True, slots=True)
class Uncovered:
    """Audible speech that has no words. Times are counted from the utterance's first sample."""

    start_ms: int
    end_ms: int
    dbfs: float


@dataclass(frozen=True, slots=True)
class Hypothesis:
    """The text of the utterance so far. Any part of it may still change."""

    text: str
    stable: str | None = None
    """A prefix of `text` that will not change. None: the engine does not know it, and the server finds one."""


@dataclass(frozen=True, slots=True)
class Transcript:
    """The engine's result for a whole utterance."""

    text: str
    lang: str | None = None
    """Primary subtag of the spoken language, where the engine knows it."""
    model: str | None = None
    words: tuple[Word, ...] = ()
    rejected: str | None = None
    """Why the text must be discarded ("no_speech", "hallucination"); None where the text is good."""
    decode_ms: float = 0.0
    """Time that the final decode took, without the wait for its turn (ms)."""
    joined: bool = False
    """The text goes on with the sentence of the session's final before it."""
    segments: tuple[Segment, ...] = ()
    """The text in parts, in order; empty where the engine does not divide it."""
    uncovered: tuple[Uncovered, ...] = ()
    """Audible speech that has no words after a second try."""
    is_speech_doubted: bool = False
    """The engine half believes that nobody speaks: without a detector that is sure of speech the text is invented."""


class SttStream(Protocol):
    """One utterance in an engine. Calls never overlap; `aclose` is called once, after the last call has returned."""

    async def accept(self, samples: Samples) -> Hypothesis | None:
        """Take the next audio; return the newest hypothesis, or None where it has not changed.

        Any length is accepted. How the audio is cut into pieces must not change the result.
        """
        ...

    async def finish(self, speech_samples: int) -> Transcript:
        """Return the final over all accepted audio. Speech ends at sample `speech_samples` of the utterance."""
        ...

    async def aclose(self) -> None:
        """Release what the utterance holds. Also called without `finish`, when the client has left."""
        ...


@runtime_checkable
class SightTeller(Protocol):
    """A `ChatProvider` that may know which of its models see pictures."""

    async def tell_sight(self, model: str) -> bool | None:
        """Whether a model of it sees pictures; None where it does not know. Takes no longer than a list of models."""
        ...


@runtime_checkable
class PinnedSttStream(Protocol):
    """A `SttStream` whose calls all run in one of several workers, and may wait for that worker."""

    @property
    def worker(self) -> Hashable | None:
        """The worker, which runs one call at a time. None while the stream waits for one: `accept` keeps the audio."""
        ...

    async def wait_for_worker(self) -> None:
        """Wait until the stream has a worker, or will never have one: `finish` then does not wait for a worker."""
        ...


class SttSession(Protocol):
    """One dictation in an engine: opens a stream for each utterance, one at a time."""

    async def open_stream(self) -> SttStream: ...

    async def aclose(self) -> None: ...


@runtime_checkable
class PortableSttSession(Protocol):
    """A `SttSession` whose utterances may be decoded by several workers: what one leaves to the next is a value.

    Behind a decode tier an engine without this begins each utterance as if it were the session's first.
    """

    state: str | None
    """What the utterances so far leave to the next; None at the beginning. Set before `open_stream`."""


@dataclass(frozen=True, slots=True)
class WindowRequest:
    """One decode of a whole-window engine, over part of an utterance."""

    samples: Samples
    speech_samples: int
    """Speech ends at this sample of `samples`."""
    final: bool
    """A final is decoded with beams and checked for hallucinations; a partial has one beam and one temperature."""
    window: Literal["short", "full"]
    """Encode only the audio that is there ("short"), or the engine's whole window ("full")."""
    context: str = ""
    """Text before this audio, for the prompt. Empty where no such text is trusted."""
    words: bool = False
    """Return word times, where the engine has them."""
    lang: str | None = None
    """The language of the utterance, as an earlier result named it. None: the engine finds it."""
    spoken: tuple[tuple[str, float], ...] = ()
    """The languages of the finals before, as the engine named them, and how long each was spoken (s): the engine leans
    on them where the audio leaves its language open."""
    context_lang: str | None = None
    """The language of `context`: the engine drops a context in another language than the audio's."""


@dataclass(frozen=True, slots=True)
class WindowResult:
    """The result of one decode."""

    text: str
    lang: str | None = None
    words: tuple[Word, ...] = ()
    lang_sure: bool = False
    """Nothing speaks for another language: the next partials of the utterance have it as `WindowRequest.lang`."""
    trusted: bool = False
    """The text is good enough to be the context of the next utterances."""
    doubtful: str | None = None
    """Why the window must be decoded again in full ("repetition", "capped", "empty"); None where it need not."""
    rejected: str | None = None
    """As in `Transcript`."""
    decode_ms: float = 0.0
    segments: tuple[Segment, ...] = ()
    """As in `Transcript`."""
    uncovered: tuple[Uncovered, ...] = ()
    """As in `Transcript`."""
    is_speech_doubted: bool = False
    """As in `Transcript`."""
    joined: bool = False
    """As in `Transcript`."""
    ends_before: str = ""
    """The marks that end the sentence of the final before, where the audio after it shows that it was over."""


@dataclass(frozen=True, slots=True)
class ToldSpeech:
    """The speech before an utterance, whose text is final."""

    samples: Samples
    text: str
    lang: str | None


@runtime_checkable
class WindowSttSession(Protocol):
    """One dictation of an engine that decodes a window as a whole (Whisper); the server makes it stream.

    The server decides when to decode what (services/decoding). `decode` runs at once, off the event loop; a final may
    begin while a partial of the session still runs. Its result depends on the session's configuration and the request
    alone: another session with the same configuration, of another process too, gives the same.
    """

    model: str | None

    async def decode(self, request: WindowRequest) -> WindowResult: ...

    async def aclose(self) -> None: ...


@runtime_checkable
class ContinuingSttSession(Protocol):
    """A `WindowSttSession` that decodes an utterance in one window with the speech before it."""

    async def decode_continuation(self, request: WindowRequest, told: ToldSpeech) -> WindowResult | None:
        """What follows the told text in `request`, with times as `decode` gives them.

        None where the result is not sure, or the language another one: the caller decodes the utterance alone.
        """
        ...


@runtime_checkable
class RawSttSession(Protocol):
    """One dictation of an engine that declares `raw_audio`: it gets every chunk and finds utterances by itself."""

    def accept_chunk(self, pcm: bytes) -> Sequence[tuple[Literal["partial", "final"], str]]:
        """Take one chunk as received (PCM16 at the client's rate); return texts to send, in order. Must not block."""
        ...

    async def aclose(self) -> None: ...


class SttProvider(Protocol):
    """A speech engine behind a name. A factory `(settings: Settings) -> SttProvider` builds it; that is cheap."""

    name: str
    type: str
    """The kind of engine in a word or two: "mock", "embedded", "local", "cloud"."""
    capabilities: SttCapabilities

    async def status(self) -> ProviderStatus:
        """The state now, within 3 s. Loads nothing."""
        ...

    def models(self) -> list[str]:
        """Names that `start.config.model` may have, the default first; empty where there is no choice."""
        ...

    async def start(self) -> None:
        """Load weights and warm up. A session waits for this before `ready`. Idempotent; calls may overlap.

        Raises:
            ProviderNotReady: it cannot start; the message says how to make it ready.
        """
        ...

    async def open_session(self, config: SttConfig) -> SttSession | WindowSttSession | RawSttSession:
        """Begin a dictation. `start` has returned before.

        Raises:
            UnknownModel: `config.model` is not one of `models()`.
        """
        ...

    async def aclose(self) -> None:
        """Stop workers and free weights. Streams may still be open."""
        ...


@runtime_checkable
class MeasurableSttProvider(SttProvider, Protocol):
    """A `SttProvider` that can say what its finals cost before anybody has spoken. Admission goes by that."""

    def cost_key(self, model: str | None) -> str:
        """What the cost with this model depends on, machine apart: weights, device, number format, beams."""
        ...

    async def measure_cost(self, model: str | None) -> float:
        """Core seconds that the final of a second of speech takes while all cores decode; above 0.

        Called once for each `cost_key` and machine, after `start`, or after a session with this model was opened.
        Takes seconds at most.
        """
        ...


# -- text to speech -----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class TtsVoice:
    """A voice that an engine has."""

    id: str
    """What requests name."""
    title: str
    """For people."""
    langs: tuple[str, ...]
    """BCP-47 tags that it speaks, in lower case, the likeliest first."""


@dataclass(frozen=True, slots=True)
class TtsRequest:
    """A text to speak."""

    text: str = field(repr=False)
    voice: str
    """The id of a voice that the engine has."""
    speed: float = 1.0
    """0.25 to 4; 1 is the engine's usual speed."""


class TtsProvider(Protocol):
    """An engine that speaks, behind a name. A factory `(settings: Settings) -> TtsProvider` builds it, cheaply."""

    name: str
    type: str
    """As of `SttProvider`."""

    async def status(self) -> ProviderStatus:
        """The state now, within 3 s. Loads nothing."""
        ...

    async def voices(self) -> Sequence[TtsVoice]:
        """All voices, of each language its default first; empty where the engine is not ready."""
        ...

    def speak(self, request: TtsRequest) -> AsyncGenerator[tuple[bytes, int], None]:
        """Mono PCM16 and its rate (Hz) in pieces as they are made, whole samples in each. The rate does not change.

        Closing the generator ends the work. It runs ahead of its reader by a bounded amount.

        Raises:
            ProviderNotReady, EngineFailed
        """
        ...

    async def aclose(self) -> None:
        """Free what the engine holds."""
        ...


# -- language models ----------------------------------------------------------------------------------------------

Role = Literal["system", "user", "assistant"]


@dataclass(frozen=True, slots=True)
class ChatMessage:
    role: Role
    content: str


@dataclass(frozen=True, slots=True)
class LlmConfig:
    """Where and how to ask, from one request. Empty fields fall back to the settings where that is allowed."""

    base_url: str = ""
    api_key: str = field(default="", repr=False)
    model: str = ""
    temperature: float | None = None
    max_tokens: int | None = None
    top_p: float | None = None
    stop: tuple[str, ...] = ()
    seed: int | None = None


@dataclass(frozen=True, slots=True)
class Usage:
    prompt_tokens: int
    completion_tokens: int
    total_tokens: int


@dataclass(frozen=True, slots=True)
class LlmChunk:
    """A piece of an answer. The last one has `finish_reason`, and `usage` where it is known."""

    text: str = ""
    finish_reason: str | None = None
    usage: Usage | None = None
    model: str | None = None


@dataclass(frozen=True, slots=True)
class Wait:
    """What a request waits for before any work on it begins."""

    state: Literal["loading", "queued"]
    """`loading`: the model is being loaded."""
    place: int | None = None
    """The place in the queue, where there is one; 1 is next."""


OnWait = Callable[[Wait | None], None]
"""Called with what is waited for when that changes, and with None when the work begins. It must not block."""


def ignore_wait(_: Wait | None) -> None:
    """Nobody is told what the request waits for."""


@dataclass(frozen=True, slots=True)
class ChatRequest:
    """One chat completion, in the format of `POST /v1/chat/completions`."""

    model: str
    """The provider's own name of the model."""
    body: Mapping[str, Any] = field(repr=False)
    """`messages` and every other field that may be forwarded, unknown ones included; without `model`, `stream`,
    `stream_options`."""
    reads_think_tags: bool = False
    """Whether thoughts may stay between tags in the text, where the operator chose so; else they are reasoning."""
    may_drop_limit: bool = False
    """Whether a token limit that is over the model's own may be left out: its client had to name one."""
    on_wait: OnWait = field(default=ignore_wait, repr=False, compare=False)
    """Told by providers that load models or queue requests themselves."""


def refuse_spoken_answer(name: str, body: Mapping[str, Any]) -> None:
    """Check that a request does not ask for audio or images of a model that answers in text alone.

    Raises:
        BadRequest: it does; `name` is the model's, for the message.
    """
    wanted = body.get("modalities")
    if isinstance(wanted, list) and any(kind != "text" for kind in wanted):
        raise BadRequest(
            f'`modalities`: {name!r} answers in text alone; ask for ["text"], leave it out, or choose another model',
            param="modalities",
        )


@runtime_checkable
class ChatProvider(Protocol):
    """A language model that speaks OpenAI's chat format: tools, images and unknown fields pass through it. Services
    know language models as this protocol alone.

    Chunks and answers are plain JSON objects in one canonical form, whatever the upstream sends: `choices` is a list;
    every delta has `content` (text or None) and no null `tool_calls`; tool-call deltas have `index`; reasoning is in
    `reasoning_content` and `reasoning`; `finish_reason` is None before the last chunk of a choice and set in it;
    `usage`, where the upstream gives it, is in the last chunk and has its three integers.
    """

    async def models(self) -> list[str]:
        """The names of its models, at most some seconds old, within 3 s; empty where they are not known."""
        ...

    def stream(self, request: ChatRequest) -> AsyncGenerator[dict[str, Any], None]:
        """`chat.completion.chunk` objects; closing the generator closes the upstream.

        Raises (on the first `anext` where that is possible, so that the caller can still choose a status):
            UpstreamError and its kinds, ContextTooLong, BadRequest, ProviderNotReady
        """
        ...

    async def complete(self, request: ChatRequest) -> dict[str, Any]:
        """The whole `chat.completion`. Raises as `stream` does; cancelling closes the upstream."""
        ...


@runtime_checkable
class EmbeddingProvider(Protocol):
    """A `ChatProvider` whose service may compute embeddings, too."""

    async def embed(self, model: str, body: Mapping[str, Any]) -> tuple[list[dict[str, Any]], object]:
        """The embeddings of `body["input"]` in OpenAI's form, in the order of the inputs, and the service's usage.

        Raises:
            BadRequest: the service has none with this model.
            UpstreamError and its kinds, ProviderNotReady; cancelling closes the upstream.
        """
        ...


@runtime_checkable
class AddressableProvider(Protocol):
    """A `ChatProvider` that can use the address and the key of a request."""

    def bind_upstream(self, base_url: str, api_key: str) -> ChatProvider:
        """The same model at this address with this key; where both are empty, those of the settings.

        Nothing is checked here: `stream` and `complete` of what is returned raise MissingConfig, BaseUrlNotAllowed.
        """
        ...


class NamedProvider(Protocol):
    """What all registered language-model providers have, `ChatProvider` or text-only."""

    name: str
    type: str

    async def status(self) -> ProviderStatus:
        """State now, in at most 3 s."""
        ...

    async def aclose(self) -> None: ...


class LlmProvider(NamedProvider, Protocol):
    """A language model that knows only text. Built by a factory `(settings: Settings) -> LlmProvider`."""

    def generate(self, messages: Sequence[ChatMessage], config: LlmConfig) -> AsyncGenerator[LlmChunk, None]:
        """Stream an answer; closing the generator closes the upstream.

        Raises (on the first `anext`, so that the caller can still choose a status):
            MissingConfig, BaseUrlNotAllowed, UpstreamError and its kinds
        """
        ...
