"""Wyoming, without I/O: its events become steps of a speech session, and the session's events become its events.

A command is what lies between `audio-start` and `audio-stop`. It has one transcript, whatever its length. Of a client
that speaks live, the silence behind what was said ends the command: no other detector is needed. Audio that comes
faster than it was spoken is a recording, which its `audio-stop` alone ends.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any

from app.api.dialects.wyoming_wire import WyomingEvent
from app.core.errors import AlreadyStarted, InvalidMessage, PrompterError
from app.schemas.speech_socket import EndpointingConfig, StartConfig
from app.services.audio.pcm import MonoConverter
from app.services.dictation.events import Event
from app.services.transcription.request import parse_named_language, parse_vocabulary
from app.utils.joining import TextJoiner, TextPart, cut_shown, join_texts

SILENCE_MS = {"aggressive": 250, "default": 700, "relaxed": 1250}
"""The pause that ends a command, by `vad_sensitivity`: the times of Home Assistant's own detector."""
UNSPOKEN_MS = 15_000
"""Audio without speech after which a command is over; as with Home Assistant's own detector."""
LABEL = "wyoming"
"""The `session_id` of these dictations."""


@dataclass(frozen=True, slots=True)
class Describe:
    """Send `info`."""


@dataclass(frozen=True, slots=True)
class Select:
    """The engine of this connection, by the name of its program in `info`."""

    program: str


@dataclass(frozen=True, slots=True)
class Begin:
    """Begin a dictation. `model_id` is as in `find_model`."""

    config: StartConfig
    model_id: str


@dataclass(frozen=True, slots=True)
class Audio:
    """Feed the session: PCM16, mono."""

    pcm: bytes
    rate_hz: int


@dataclass(frozen=True, slots=True)
class End:
    """Stop the dictation; its last events follow."""


@dataclass(frozen=True, slots=True)
class Send:
    """Send an event to the client."""

    event: WyomingEvent


Step = Describe | Select | Begin | Audio | End | Send


class _State(Enum):
    IDLE = auto()
    LISTENING = auto()
    ENDING = auto()
    """The dictation is stopped; its transcript follows."""
    OVER = auto()
    """The command has its answer; what still comes of it is left out."""


class WyomingTranslator:
    """One connection. Whoever owns it does the steps in their order."""

    def __init__(self) -> None:
        self._state = _State.IDLE
        self._has_stopped = False
        """Whether the client has sent `audio-stop` for this command."""
        self._asked: Mapping[str, Any] = {}
        """The data of the last `transcribe`."""
        self._format: MonoConverter | None = None
        self._answer = _Answer()
        self._heard_ms = 0.0
        self._quiet_since_ms = 0.0
        """Of the audio that came, when speech was last noticed."""
        self._is_speaking = False
        self._is_ready = False
        """Whether the events of the session are this command's."""

    @property
    def is_busy(self) -> bool:
        """Whether a transcript is on its way: the next command waits for it."""
        return self._state is _State.ENDING

    # -- from the client

    def receive(self, event: WyomingEvent) -> list[Step]:
        """The steps for one event of the client; unknown ones have none.

        Raises:
            InvalidMessage, LanguageNotSupported: the event cannot be obeyed; `fail` says what follows.
        """
        match event.type:
            case "describe":
                return [Describe()]
            case "ping":
                return [Send(WyomingEvent("pong", {"text": _read_text(event.data, "text")}))]
            case "select-program":
                return [Select(_read_text(event.data, "name"))]
            case "transcribe":
                self._asked = event.data
                return []
            case "audio-start":
                return self._start(event.data)
            case "audio-chunk":
                return self._take_audio(event)
            case "audio-stop":
                return self._stop()
        return []

    def fail(self, error: PrompterError) -> list[Step]:
        """The command cannot go on: the client gets the error in place of a transcript."""
        told = Send(make_error_event(error))
        if self._state not in (_State.LISTENING, _State.ENDING):
            return [told]
        is_going_on = self._state is _State.LISTENING
        self._state = _State.IDLE if self._has_stopped else _State.OVER
        return [told, End()] if is_going_on else [told]

    def _start(self, data: Mapping[str, Any]) -> list[Step]:
        if self._state is _State.LISTENING:
            raise AlreadyStarted("this command has begun; send `audio-stop` first")
        self._state, self._has_stopped = _State.OVER, False  # what follows a refusal is left out
        converter = MonoConverter(*_read_format(data, _USUAL_FORMAT))
        begin = Begin(_read_config(self._asked), _read_text(self._asked, "name"))
        self._state = _State.LISTENING
        self._format = converter
        self._answer = _Answer()
        self._heard_ms = self._quiet_since_ms = 0.0
        self._is_speaking = self._is_ready = False
        return [begin]

    def _take_audio(self, event: WyomingEvent) -> list[Step]:
        if self._state in (_State.OVER, _State.ENDING):
            return []
        steps = self._start(event.data) if self._state is _State.IDLE else []
        assert self._format is not None
        if _read_format(event.data, self._format.format) != self._format.format:
            raise InvalidMessage("the format of the audio changed; send `audio-stop` and `audio-start` first")
        pcm = self._format.push(event.payload)
        self._heard_ms += 1000 * len(pcm) / (2 * self._format.rate_hz)
        return [*steps, Audio(pcm, self._format.rate_hz)] if pcm else steps

    def _stop(self) -> list[Step]:
        self._has_stopped = True
        match self._state:
            case _State.LISTENING:
                self._state = _State.ENDING
                return [End()]
            case _State.OVER:
                self._state = _State.IDLE
                return []
            case _State.IDLE:
                return self._answer.finish()
        return []

    # -- from the session

    def translate(self, event: Event) -> list[Step]:
        """The steps for one event of the session."""
        if event["type"] == "ready":
            self._is_ready = True
        if not self._is_ready:
            return []  # of a command before, which has failed
        match event["type"]:
            case "speech_started":
                self._is_speaking, self._quiet_since_ms = True, self._heard_ms
            case "utterance_discarded":
                self._is_speaking, self._quiet_since_ms = False, self._heard_ms
            case "partial":
                return self._answer.add_partial(event["stable"], event["lang"])
            case "final":
                self._is_speaking, self._quiet_since_ms = False, self._heard_ms
                return self._answer.add_final(
                    TextPart(event["text"], event.get("joined", False), event["lang"]),
                    event["end_ms"] - event["start_ms"],
                )
            case "stopped" if self._state in (_State.LISTENING, _State.ENDING):
                self._state = _State.IDLE if self._has_stopped else _State.OVER
                return self._answer.finish()
        return []

    def end_command(self) -> list[Step]:
        """The steps where the client speaks live, and has nothing on its way: the silence may end the command."""
        if self._state is not _State.LISTENING or self._is_speaking:
            return []
        if not self._answer.has_text and self._heard_ms - self._quiet_since_ms < UNSPOKEN_MS:
            return []
        self._state = _State.ENDING
        return [End()]

    def end_now(self) -> list[Step]:
        """The steps where the server stops: what was said so far is the command."""
        if self._state is not _State.LISTENING:
            return []
        self._state = _State.ENDING
        return [End()]


class _Answer:
    """The transcript of one command, piece by piece and whole."""

    def __init__(self) -> None:
        self._parts: list[TextPart] = []
        self._joiner = TextJoiner()
        self._said = ""
        """What has been sent of the first utterance, before its final."""
        self._has_begun = False
        self._languages: Counter[str] = Counter()

    @property
    def has_text(self) -> bool:
        """Whether a final with words has come."""
        return bool(self._parts)

    def add_partial(self, stable: str, lang: str | None) -> list[Step]:
        """What will not change any more is sent. How a later utterance follows the one before, its final says."""
        if self._parts or not stable.startswith(self._said) or stable == self._said:
            return []
        piece, self._said = stable[len(self._said) :], stable
        return self._send_chunk(piece, lang)

    def add_final(self, part: TextPart, duration_ms: int) -> list[Step]:
        """The rest of an utterance; its closing marks wait for what follows."""
        if not part.text.strip():
            return []
        if part.lang:
            self._languages[part.lang] += max(duration_ms, 1)
        is_first = not self._parts
        self._parts.append(part)
        piece = self._joiner.push(part)
        if is_first and self._said:
            piece = cut_shown(piece, self._said)
        return self._send_chunk(piece, part.lang)

    def finish(self) -> list[Step]:
        """The whole transcript, in the order that the protocol wants."""
        found = self._languages.most_common(1)
        lang = found[0][0] if found else None
        named = {"language": lang} if lang else {}
        steps = self._send_chunk(self._joiner.finish(), lang) or self._begin(lang)
        whole = WyomingEvent("transcript", {"text": join_texts(self._parts), **named})
        return [*steps, Send(whole), Send(WyomingEvent("transcript-stop"))]

    def _begin(self, lang: str | None) -> list[Step]:
        if self._has_begun:
            return []
        self._has_begun = True
        return [Send(WyomingEvent("transcript-start", {"language": lang} if lang else {}))]

    def _send_chunk(self, text: str, lang: str | None) -> list[Step]:
        return [*self._begin(lang), Send(WyomingEvent("transcript-chunk", {"text": text}))] if text else []


def make_error_event(error: PrompterError) -> WyomingEvent:
    """How a client is told of an error."""
    return WyomingEvent("error", {"text": error.message, "code": error.code})


# -- fields of the client


def _read_text(data: Mapping[str, Any], name: str) -> str:
    value = data.get(name)
    return value.strip() if isinstance(value, str) else ""


def _read_texts(data: Mapping[str, Any], name: str) -> Iterable[str]:
    value = data.get(name)
    return (each for each in value if isinstance(each, str)) if isinstance(value, list) else ()


def _read_config(asked: Mapping[str, Any]) -> StartConfig:
    """The options of a command. Names come before terms; an unknown sensitivity counts as the default one.

    Raises:
        LanguageNotSupported
    """
    sensitivity = _read_text(asked, "vad_sensitivity")
    silence_ms = SILENCE_MS.get(sensitivity, SILENCE_MS["default"]) if sensitivity else None
    names = (*_read_texts(asked, "transcript_names"), *_read_texts(asked, "transcript_terms"))
    return StartConfig(
        lang=parse_named_language(_read_text(asked, "language")) or "auto",
        vocabulary=list(parse_vocabulary("", names)),
        endpointing=EndpointingConfig(silence_ms=silence_ms) if silence_ms else None,
        events=["speech_started", "utterance_discarded"],
    )


_Format = tuple[int, int, int]
_USUAL_FORMAT: _Format = (16_000, 2, 1)


def _read_format(data: Mapping[str, Any], default: _Format) -> _Format:
    """Rate, width and channels of the audio; `default` where they are not said.

    Raises:
        InvalidMessage
    """
    rate_hz, width, channels = (
        data.get(name, usual) for name, usual in zip(("rate", "width", "channels"), default, strict=True)
    )
    if type(rate_hz) is not int or type(width) is not int or type(channels) is not int:
        raise InvalidMessage("`rate`, `width` and `channels` are integers")
    return rate_hz, width, channels
