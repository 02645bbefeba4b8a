"""What an engine is: the protocols and values that every provider, built-in or third-party, agrees on.

Speech to text has three lifetimes. A `SttProvider` lives as long as the server and owns weights and workers; a
`SttSession` lives as long as one dictation and owns what belongs to the speaker (cepstral mean, last text); a
`SttStream` lives for one utterance. A language model has one: `LlmProvider.generate`, whose stream belongs to the
caller, who must close it.
"""

from collections.abc import AsyncGenerator, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from app.schemas.providers import ProviderState

Samples = NDArray[np.int16]
"""16 kHz mono audio, shape (n,), full scale +-32767."""

SAMPLE_RATE_HZ = 16_000


@dataclass(frozen=True, slots=True)
class ProviderStatus:
    """A provider's state, and in words what it is or how to make it ready."""

    state: ProviderState
    description: str


# -- speech to text ---------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class SttCapabilities:
    """What an engine can do; nobody asks for its name."""

    languages: tuple[str, ...] | None
    """Primary BCP-47 subtags ("en", "es"); None means any, or not known before asking."""
    streaming: bool
    """Gives hypotheses while the utterance grows."""
    words: bool
    """Gives word times."""
    vocabulary: bool
    """Uses the session's list of terms."""
    network: bool
    """Sends audio to another machine."""
    raw_audio: bool = False
    """Sees every chunk as received, speech or not, through `RawSttSession`; no gate, no endpointing."""


@dataclass(frozen=True, slots=True)
class SttConfig:
    """What a dictation asked for; the same for all of its utterances."""

    lang: str = "auto"
    """BCP-47 tag or "auto"."""
    model: str | None = None
    words: bool = False
    vocabulary: tuple[str, ...] = ()
    partials: bool = True

    @property
    def primary_lang(self) -> str | None:
        """The primary subtag ("es" of "es-MX"), or None for auto."""
        return None if self.lang == "auto" else self.lang.split("-")[0].lower()


@dataclass(frozen=True, slots=True)
class Word:
    """One word of a final; times count from the first sample of its utterance."""

    text: str
    start_ms: int
    end_ms: int
    confidence: float
    """0 to 1."""


@dataclass(frozen=True, slots=True)
class Hypothesis:
    """What the engine believes of the utterance so far; may change in every part."""

    text: str
    stable: str | None = None
    """A prefix of `text` that will not change, where the engine knows it; None lets the server find one."""


@dataclass(frozen=True, slots=True)
class Transcript:
    """The engine's end result for one utterance."""

    text: str
    lang: str | None = None
    """Primary subtag of the language spoken, where the engine knows it."""
    model: str | None = None
    words: tuple[Word, ...] = ()
    rejected: str | None = None
    """Why the text is not to be believed ("no_speech", "hallucination"), where the engine says so."""
    decode_ms: float = 0.0
    """Time the final decode took, without waiting for its turn (ms)."""


class SttStream(Protocol):
    """One utterance inside an engine. Calls never overlap; `aclose` is called once, after the last has returned."""

    async def accept(self, samples: Samples) -> Hypothesis | None:
        """Take the next piece of audio; give the newest hypothesis, or None when it has not changed.

        Any length is accepted, and how the audio is cut into pieces must not change the result.
        """
        ...

    async def finish(self, speech_samples: int) -> Transcript:
        """The final over everything accepted; speech ended at sample `speech_samples` of the utterance."""
        ...

    async def aclose(self) -> None:
        """Release what the utterance holds; also without `finish`, when the client has left."""
        ...


@runtime_checkable
class PinnedSttStream(Protocol):
    """What a `SttStream` may have as well: one worker of several runs its calls, and it may wait for that one."""

    @property
    def worker(self) -> Hashable | None:
        """The worker, which runs one call at a time; None while there is none, when `accept` only keeps the audio."""
        ...

    async def wait_for_worker(self) -> None:
        """Wait until `finish` need not wait for a worker any more."""
        ...


class SttSession(Protocol):
    """One dictation inside an engine: makes a stream for each utterance, one at a time."""

    async def open_stream(self) -> SttStream: ...

    async def aclose(self) -> None: ...


@dataclass(frozen=True, slots=True)
class WindowRequest:
    """One decode of a whole-window engine over part of an utterance."""

    samples: Samples
    speech_samples: int
    """Speech ends at this sample of `samples`."""
    final: bool
    """A final: beams and guards. Otherwise a partial: one beam, one temperature."""
    window: Literal["short", "full"]
    """Encode only the audio that is there, or the engine's whole window."""
    context: str = ""
    """Text before this audio, for the prompt; empty where there is none to be trusted."""
    words: bool = False
    """Word times are wanted, where the engine gives them."""
    lang: str | None = None
    """Language that an earlier result of this dictation was sure of, as it named it."""


@dataclass(frozen=True, slots=True)
class WindowResult:
    """What one decode gave."""

    text: str
    lang: str | None = None
    words: tuple[Word, ...] = ()
    lang_sure: bool = False
    """The language may be taken for that of what follows; asked for again through `WindowRequest.lang`."""
    trusted: bool = False
    """The text is sound enough to be the context of what follows."""
    doubtful: str | None = None
    """Why the window is to be tried again in full ("repetition", "capped", "empty"), where it is."""
    rejected: str | None = None
    """As in Transcript."""
    decode_ms: float = 0.0


@runtime_checkable
class WindowSttSession(Protocol):
    """One dictation of an engine that decodes a window as a whole (Whisper); the server makes it stream.

    The server decides when to decode what (services/streaming); `decode` runs at once, off the event loop, and is
    never called twice at a time for one session.
    """

    model: str | None

    async def decode(self, request: WindowRequest) -> WindowResult: ...

    async def aclose(self) -> None: ...


@runtime_checkable
class RawSttSession(Protocol):
    """One dictation of an engine that declares `raw_audio`: sees every chunk, answers when it likes."""

    def accept_chunk(self, pcm: bytes) -> Sequence[tuple[Literal["partial", "final"], str]]:
        """Take one chunk as received (PCM16 at the client's rate); give texts to send, in order. Must not block."""
        ...

    async def aclose(self) -> None: ...


class SttProvider(Protocol):
    """An engine behind a name. Built by a factory `(settings: Settings) -> SttProvider`; the constructor is cheap."""

    name: str
    type: str
    """Kind in a word or two: "mock", "embedded", "local", "cloud"."""
    capabilities: SttCapabilities

    async def status(self) -> ProviderStatus:
        """State now, in at most 3 s; loads nothing."""
        ...

    def models(self) -> list[str]:
        """Names that `start.config.model` may ask for, the default first; empty when there is no choice."""
        ...

    async def start(self) -> None:
        """Load weights and warm up; idempotent, safe to call concurrently; the session waits for it before `ready`.

        Raises:
            ProviderNotReady: it cannot; the message says how to make it ready.
        """
        ...

    async def open_session(self, config: SttConfig) -> SttSession | WindowSttSession | RawSttSession:
        """Begin a dictation; `start` has returned.

        Raises:
            UnknownModel: `config.model` is not one of `models()`.
        """
        ...

    async def aclose(self) -> None:
        """Stop workers and free weights; streams may still be open."""
        ...


# -- language models ----------------------------------------------------------------------------------------------

Role = Literal["system", "user", "assistant"]


@dataclass(frozen=True, slots=True)
class ChatMessage:
    role: Role
    content: str


@dataclass(frozen=True, slots=True)
class LlmConfig:
    """Where and how to ask, as one request said it; empty fields fall back to settings where that is allowed."""

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
    """A piece of an answer. The last one carries `finish_reason`, and `usage` where the upstream tells it."""

    text: str = ""
    finish_reason: str | None = None
    usage: Usage | None = None
    model: str | None = None


@dataclass(frozen=True, slots=True)
class ChatRequest:
    """One chat completion in OpenAI's words, as `POST /v1/chat/completions` has them."""

    model: str
    """The provider's own name of the model."""
    body: Mapping[str, Any] = field(repr=False)
    """`messages` and every other field that may be forwarded, unknown ones included; without `model`, `stream`,
    `stream_options`."""


@runtime_checkable
class ChatProvider(Protocol):
    """What an `LlmProvider` may be as well: one that speaks OpenAI's chat wire, so that tools, images and fields
    that we do not know pass through it.

    Chunks and answers are plain JSON objects. They are canonical, whatever the upstream's habits: `choices` is
    a list; every delta has `content` (text or None) and no null `tool_calls`; tool-call deltas have `index`; text of
    thought stands in `reasoning_content` and `reasoning`; `finish_reason` is None until the last chunk of a choice and
    is there in the end; `usage`, where the upstream tells it, stands in the last chunk and has its three integers.
    """

    async def models(self) -> list[str]:
        """Names that can be asked for, at most some seconds old, within 3 s; empty where it cannot be told."""
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


class LlmProvider(Protocol):
    """A language model behind a name. Built by a factory `(settings: Settings) -> LlmProvider`."""

    name: str
    type: str

    async def status(self) -> ProviderStatus:
        """State now, in at most 3 s."""
        ...

    def generate(self, messages: Sequence[ChatMessage], config: LlmConfig) -> AsyncGenerator[LlmChunk, None]:
        """Stream an answer; closing the generator closes the upstream.

        Raises (on the first `anext`, so that the caller can still choose a status):
            MissingConfig, BaseUrlNotAllowed, UpstreamError and its kinds
        """
        ...

    async def aclose(self) -> None: ...
