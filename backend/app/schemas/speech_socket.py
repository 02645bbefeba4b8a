"""The messages of the speech socket: one model per message, discriminated by `type`.

In the audio path messages are checked and built by hand, for speed; these models are the contract that tests hold
that code to, and what the API description shows.
"""

import re
from collections.abc import Iterable
from typing import Annotated, Any, Literal, get_args

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, TypeAdapter
from pydantic_core import PydanticCustomError

from app.core.discard_reasons import DiscardReason
from app.core.endpointing_profiles import EndpointingProfile
from app.schemas.errors import NoteOut

OptionalEvent = Literal[
    "speech_started", "speech_stopped", "utterance_discarded", "eager_final", "turn_resumed", "ack", "status"
]
"""Event types that a client gets only if `start.config.events` names them."""

OPTIONAL_EVENTS: frozenset[str] = frozenset(get_args(OptionalEvent))


def _name_all(names: Iterable[str]) -> str:
    """ "`a`, `b` or `c`"."""
    *others, last = (f"`{name}`" for name in names)
    return f"{', '.join(others)} or {last}"


class _Message(BaseModel):
    model_config = ConfigDict(extra="ignore")


# -- client to server -------------------------------------------------------------------------------------------


class EndpointingConfig(_Message):
    """A silence that the client chooses."""

    silence_ms: int = Field(
        ge=100, le=10_000, description="silence that ends an utterance (ms)", examples=[800]
    )


_TAG = r"[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*"


def _check_tag(tag: str) -> str:
    if not re.fullmatch(_TAG, tag):
        raise PydanticCustomError("language_tag", "expected a BCP-47 tag such as 'es' or 'en-GB'")
    return tag


LanguageTag = Annotated[
    str, AfterValidator(_check_tag), Field(max_length=35, json_schema_extra={"pattern": f"^{_TAG}$"})
]


class StartConfig(_Message):
    """Options of a dictation; every field is optional."""

    lang: Literal["auto"] | LanguageTag = Field(
        "auto",
        description="language as a BCP-47 tag, or `auto`: decided for each utterance. An engine without that language "
        "is not chosen",
        examples=["es", "en-GB"],
    )
    langs: list[LanguageTag] = Field(
        [],
        max_length=16,
        description="languages that are spoken: `auto` chooses among these alone; `stt.langs` of the server if absent. "
        "An engine that lacks one of them is not chosen. A `lang` wins over it",
        examples=[["es", "en"]],
    )
    likely_langs: list[Annotated[str, Field(max_length=100)]] = Field(
        [],
        max_length=32,
        description="languages that are likely, such as those of the browser: they lean the choice of "
        "`auto` where the audio leaves it open. Tags that mean nothing to the engine are ignored",
        examples=[["es-ES", "en-US"]],
    )
    provider: str | None = Field(
        None,
        max_length=200,
        description="engine, one of `GET /providers/stt`, or `auto`; `stt.provider` of the server if absent",
        examples=["cloud_stub"],
    )
    model: str | None = Field(
        None,
        max_length=200,
        description="one of the engine's `models`; the engine's default if absent",
        examples=["base"],
    )
    sample_rate: int = Field(
        16_000,
        ge=8000,
        le=48_000,
        strict=True,
        description="rate of binary frames, an integer from 8000 to 48000 (Hz)",
    )
    partials: bool = Field(True, strict=True, description="whether to send partials")
    words: bool = Field(
        False, strict=True, description="whether finals carry word times, if the engine gives them"
    )
    vocabulary: list[Annotated[str, Field(max_length=100)]] = Field(
        [],
        max_length=200,
        description="terms likely to be said, at most 200 of 100 characters; for engines that declare `vocabulary`",
        examples=[["FastAPI", "kubectl"]],
    )
    endpointing: EndpointingProfile | EndpointingConfig | None = Field(
        None,
        description='the name of a profile, or `{"silence_ms": 800}`; `endpointing.profile` of the server if absent',
        examples=["dictation"],
    )
    store: bool = Field(
        True,
        strict=True,
        description="whether the finals are stored (`GET /api/dictations`), and kept in memory for `/llm/generate`; "
        "false stores nothing, and clears what is in memory for the label",
    )
    continues_dictation: str | None = Field(
        None,
        max_length=100,
        description="`dictation_id` of a dictation that a server which died interrupted: what of its audio had arrived "
        "becomes text here, and `ready.safe_ms` tells from where to send on. An id that means nothing is ignored",
    )
    told_ms: int | None = Field(
        None,
        strict=True,
        ge=0,
        description="beside `continues_dictation`: where in the dictation the last final ends that has come "
        "(`ready.base_ms` plus its `end_ms`), 0 where none has. What was said before comes no more; what was said "
        "after comes once, also where it is stored already",
    )
    events: list[OptionalEvent] = Field(
        [], description="additional event types to send", examples=[["speech_started"]]
    )


class Auth(_Message):
    """Authenticates the client: the first message where the handshake did not, or later with a newer token."""

    type: Literal["auth"]
    token: str = Field(max_length=4096, repr=False, description="an access token or an API key")


class Start(_Message):
    """Begins a dictation."""

    type: Literal["start"]
    session_id: str | None = Field(
        None,
        max_length=200,
        description="the client's own label, at most 200 characters; echoed in every event; need not be unique",
    )
    config: StartConfig | None = Field(None, description="options of the dictation")


class Resume(_Message):
    """Resumes a dictation whose socket was lost; the first message on a new socket."""

    type: Literal["resume"]
    session_id: str | None = Field(None, max_length=200, description="the label given in `start`")
    resume_token: str = Field(max_length=200, description="that of the dictation's `ready`: the key")
    last_event_seq: int = Field(ge=0, strict=True, description="`seq` of the last event that arrived")
    told_ms: int | None = Field(
        None,
        ge=0,
        strict=True,
        description="`end_ms` of the last final or `utterance_discarded` that arrived",
    )


class Audio(_Message):
    """One chunk of audio. A binary frame after `start` is the same, without JSON and base64."""

    type: Literal["audio"]
    format: Literal["pcm16"] = Field(description="signed 16-bit little-endian mono")
    sample_rate: int = Field(
        ge=8000, le=48_000, strict=True, description="rate (Hz), the same all through a session"
    )
    data: str = Field(description="base64 of the samples; an even number of bytes")
    seq: int | None = Field(
        None, ge=1, strict=True, description="number of this audio message since `start`: 1, 2, 3 …, if given"
    )


class Flush(_Message):
    """Finalises what has been said so far and keeps the session open."""

    type: Literal["flush"]
    id: Annotated[str, Field(max_length=200)] | int | None = Field(None, description="echoed in `flushed`")


class Stop(_Message):
    """Ends the dictation: the server drains, sends every final, then `stopped`."""

    type: Literal["stop"]


class Ping(_Message):
    """Asks for a `pong`; counts as a sign of life."""

    type: Literal["ping"]
    id: Annotated[str, Field(max_length=200)] | int | None = Field(None, description="echoed in `pong`")


ClientMessage = Annotated[Auth | Start | Resume | Audio | Flush | Stop | Ping, Field(discriminator="type")]


# -- server to client -------------------------------------------------------------------------------------------


class _Event(_Message):
    session_id: str | None = Field(description="the client's label, null before `start`")
    seq: int = Field(ge=1, description="number of this event on its socket: 1, 2, 3 …")


class Ready(_Event):
    """The engine is loaded; audio may be sent (earlier audio is kept, not lost)."""

    type: Literal["ready"]
    provider: str = Field(description="engine chosen")
    model: str | None = Field(None, description="its model, where it has one by name")
    lang: str = Field(description="language in force")
    langs: list[str] = Field([], description="languages among which `auto` chooses; empty for any")
    reason: str | None = Field(None, description="why this engine was chosen, where the server chose")
    resume_token: str = Field(
        "", description="key to take this dictation up on another socket; keep it secret"
    )
    dictation_id: str | None = Field(
        None, description="id under `/api/dictations`, once it has a final; null where nothing is stored"
    )
    spooled: bool = Field(False, description="whether a crash of the server loses none of the audio")
    safe_ms: int | None = Field(
        None,
        description="after `continues_dictation`: how much audio of the interrupted session is here (ms, from its "
        "first sample); send what follows. Null where none is: send what has no final",
    )
    from_ms: int | None = Field(
        None,
        description="beside `safe_ms`: where in the interrupted session the times of this one begin (ms)",
    )
    base_ms: int = Field(
        0, description="where in the dictation the times of this session begin (ms): 0 where it did not go on"
    )
    survives: bool = Field(
        False,
        description="whether another server goes on with the session where this one ends: `resume` there with the "
        "same token, also after a close with 1012",
    )


class Resumed(_Event):
    """The dictation goes on here; what was missed follows."""

    type: Literal["resumed"]
    seq: int = Field(ge=0, description="the `last_event_seq` of the `resume`")
    next_audio_seq: int = Field(ge=1, description="number of the audio message to go on with")
    stopping: bool = Field(description="whether `stop` has been handled already")


class WordTime(_Message):
    """One word of a final."""

    word: str = Field(description="as it stands in `text`", examples=["weather"])
    start_ms: int = Field(ge=0, description="from the session's first sample (ms)")
    end_ms: int = Field(ge=0, description="from the session's first sample (ms)")
    confidence: float = Field(ge=0, le=1, description="how sure the engine is, 0 to 1")


class Timing(_Message):
    """A latency receipt of a final."""

    speech_end_ms: int = Field(ge=0, description="end of speech, from the session's first sample (ms)")
    endpoint_ms: int = Field(ge=0, description="silence waited for before the utterance was closed (ms)")
    queue_ms: int = Field(ge=0, description="waiting for an engine (ms)")
    decode_ms: int = Field(ge=0, description="final decode (ms)")


class _Utterance(_Event):
    utterance_id: int = Field(ge=1, description="number of the utterance in its session: 1, 2, 3 …")
    start_ms: int = Field(ge=0, description="from the session's first sample (ms)")
    end_ms: int = Field(ge=0, description="from the session's first sample (ms)")


class _Text(_Utterance):
    text: str = Field(
        description="what was said, as far as the engine knows", examples=["what is the weather"]
    )
    revision: int = Field(ge=1, description="1, 2, 3 … inside an utterance")
    lang: str | None = Field(description="language, where known")
    provider: str = Field(description="engine that recognised it", examples=["pocketsphinx"])
    model: str | None = Field(description="its model, where it has one by name", examples=["en-us"])


class Uncovered(_Message):
    """Audible speech that has no words after a second try."""

    start_ms: int = Field(ge=0, description="from the session's first sample (ms)")
    end_ms: int = Field(ge=0, description="from the session's first sample (ms)")
    dbfs: float = Field(description="its level (dB below full scale)", examples=[-64.2])


_UNCOVERED = "audible speech that has no words after a second try; absent where there is none"
_JOINED = "true where the text goes on with the sentence of the final before it; absent otherwise"


class Partial(_Text):
    """Text so far: replaced by the next one of its utterance."""

    type: Literal["partial"]
    stable: str = Field(description="prefix of `text` that will not change any more")


class Final(_Text):
    """Text of one utterance: never changes. Empty only where a partial has to be taken back."""

    type: Literal["final"]
    joined: bool = Field(False, description=_JOINED)
    uncovered: list[Uncovered] | None = Field(None, description=_UNCOVERED)
    timing: Timing
    words: list[WordTime] | None = Field(None, description="word times, if asked for")


class EagerFinal(_Text):
    """What the final will be if the pause that goes on lasts: until `turn_resumed` takes it back."""

    type: Literal["eager_final"]
    joined: bool = Field(False, description=_JOINED)
    uncovered: list[Uncovered] | None = Field(None, description=_UNCOVERED)
    timing: Timing
    words: list[WordTime] | None = Field(None, description="word times, if asked for")


class TurnResumed(_Utterance):
    """Takes the `eager_final` of this utterance back."""

    type: Literal["turn_resumed"]


class SpeechStarted(_Utterance):
    """Speech begins."""

    type: Literal["speech_started"]


class SpeechStopped(_Utterance):
    """The utterance has ended; its final follows."""

    type: Literal["speech_stopped"]
    cut: bool = Field(
        False, description="true where its length alone ended it, and speech may go on; absent otherwise"
    )


class UtteranceDiscarded(_Utterance):
    """An utterance that came to nothing."""

    type: Literal["utterance_discarded"]
    reason: str = Field(description=_name_all(DiscardReason))


class Ack(_Event):
    """Once a second: how far the server is."""

    type: Literal["ack"]
    audio_seq: int = Field(ge=0, description="audio messages received")
    received_ms: int = Field(ge=0, description="audio received (ms)")
    decoded_ms: int = Field(ge=0, description="of that, heard by the engine or passed over as silence (ms)")
    backlog_ms: int = Field(ge=0, description="of that, waiting for the engine (ms)")
    safe_ms: int | None = Field(
        None, ge=0, description="of that, safe from a crash of the server (ms); null where nothing is spooled"
    )


class Hint(BaseModel):
    """What is wrong with the client's audio, and how to mend it."""

    code: str = Field(description="`not_pcm16`, `no_signal`, `clipping` or `wrong_rate`")
    message: str = Field(description="a sentence in English for who has no text for the code")


class Limit(_Message):
    """The limit of the server that is the nearest."""

    name: Literal["session", "backlog", "spool", "disk", "login"] = Field(
        description="the longest dictation; audio that waits for the engine; the user's share of the disk for audio; "
        "that disk; the token"
    )
    left_s: int = Field(ge=0, description="the least time until it bites (s); 0: it has")


class Status(_Event):
    """What is awaited, what the load does to partials, which limit is near, and what is wrong with the audio.

    Sent when something of it changes.
    """

    type: Literal["status"]
    state: Literal["loading", "queued", "decoding", "catching_up"] | None = Field(
        None, description="what is awaited; null: nothing that takes long"
    )
    place: int | None = Field(None, ge=1, description="of `queued`: 1 is next")
    backlog_ms: int = Field(0, ge=0, description="of `catching_up`: audio that waits to be decoded (ms)")
    degraded: bool = Field(description="whether partials come later than they would, or not all of them")
    partials: Literal["on", "first_only", "off"] = Field(
        description="`first_only`: one for each utterance; `off`: finals alone"
    )
    limit: Limit | None = Field(
        None, description="the limit that bites within a minute or has bitten; null: none is near"
    )
    hint: Hint | None = Field(None, description="what is wrong with the audio; each code once a dictation")


class Flushed(_Event):
    """Everything said before that `flush` is final."""

    type: Literal["flushed"]
    id: Annotated[str, Field(max_length=200)] | int | None = Field(None, description="that of the `flush`")


class Stats(_Message):
    """Totals of a dictation."""

    audio_ms: int = Field(ge=0, description="audio received (ms)")
    speech_ms: int = Field(ge=0, description="speech in the finals (ms)")
    utterances: int = Field(ge=0, description="utterances begun")
    finals: int = Field(ge=0, description="finals with text")
    discarded: int = Field(ge=0, description="utterances that came to nothing")


class Stopped(_Event):
    """The dictation is over; the socket stays open for another `start`."""

    type: Literal["stopped"]
    stats: Stats


class Pong(_Event):
    """Answer to `ping`."""

    type: Literal["pong"]
    id: Annotated[str, Field(max_length=200)] | int | None = Field(None, description="that of the `ping`")


class Error(_Event):
    """Something is wrong; the session goes on unless `fatal`."""

    type: Literal["error"]
    code: str = Field(description="stable code, see the table of errors")
    message: str = Field(description="what was wrong and how to go on")
    note: NoteOut | None = Field(None, description="the message as a code with parameters")
    fatal: bool = Field(description="whether the socket closes now")
    retry_after_s: float | None = Field(None, description="when to try again, where that is known (s)")


ServerEvent = Annotated[
    Ready
    | Resumed
    | Partial
    | Final
    | EagerFinal
    | TurnResumed
    | SpeechStarted
    | SpeechStopped
    | UtteranceDiscarded
    | Ack
    | Status
    | Flushed
    | Stopped
    | Pong
    | Error,
    Field(discriminator="type"),
]

client_message: TypeAdapter[Any] = TypeAdapter(ClientMessage)
server_event: TypeAdapter[Any] = TypeAdapter(ServerEvent)
