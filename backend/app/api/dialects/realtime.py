"""Translates OpenAI's Realtime transcription sessions (GA) to the live speech session and back; pure.

The client's events become steps, which the door takes on the speech session, and events of the speech session become
the server's events. A step is yielded when it is due; what goes wrong with it is sent back into the generator.
"""

import binascii
from collections import deque
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson
import pybase64

from app.api.dialects.realtime_items import Item, describe_item, list_languages
from app.api.dialects.realtime_session import (
    BetaDisabled,
    DictationPlan,
    Refusal,
    SessionConfig,
    merge_update,
)
from app.core.config import Settings
from app.core.discard_reasons import DiscardReason
from app.core.errors import PrompterError
from app.services.audio.g711 import decode_g711
from app.services.audio.pcm import OddByteCarry
from app.services.dictation.events import (
    ErrorEvent,
    Event,
    FinalEvent,
    PartialEvent,
    SpeechStartedEvent,
    SpeechStoppedEvent,
    UtteranceDiscardedEvent,
)

LEAST_COMMIT_MS = 100
"""The shortest buffer that can be committed, as the original has it."""
SLICE_CHARACTERS = 1 << 16
"""Base64 that is decoded at once; a multiple of four. It is 1 s of PCM16 at 24 kHz."""
_DETECTION_MS = 250
"""How late the beginning of speech is known, resampling included."""
_MAX_EVENT_ID = 512

CLIENT_EVENTS = (
    "session.update", "input_audio_buffer.append", "input_audio_buffer.commit", "input_audio_buffer.clear",
)  # fmt: skip
_IGNORED = frozenset({"response.cancel", "output_audio_buffer.clear", "conversation.item.truncate"})
"""Events of conversations that ask for nothing: an error would end the sessions of clients that send them."""
_OF_CONVERSATIONS = ("response.", "conversation.", "output_audio_buffer.")

ServerEvent = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Begin:
    """Begin a dictation, after the one before it has ended."""

    plan: DictationPlan


@dataclass(frozen=True, slots=True)
class Feed:
    """Audio for the dictation: PCM16, whole samples."""

    pcm: bytes
    rate_hz: int


@dataclass(frozen=True, slots=True)
class Finalise:
    """Finalise what was said so far; the dictation's `flushed` answers with this number."""

    number: int


@dataclass(frozen=True, slots=True)
class Discard:
    """Drop what is being said, and these utterances of the dictation, which may have ended."""

    utterance_ids: frozenset[int]


@dataclass(frozen=True, slots=True)
class End:
    """End the dictation; its finals follow."""


Step = Begin | Feed | Finalise | Discard | End
Steps = Generator[Step, PrompterError | None, None]


def read_event(message: str | bytes) -> dict[str, Any]:
    """The client's event that a message holds.

    Raises:
        Refusal: it holds none.
    """
    try:
        body = orjson.loads(message)
    except orjson.JSONDecodeError:
        raise Refusal("invalid_json", "Invalid event: failed to parse JSON value.") from None
    if not isinstance(body, dict):
        raise Refusal("invalid_event", "Invalid event: expected a JSON object with a 'type'.")
    return body


class RealtimeTranslator:
    """One session. `new_id` makes random letters and digits for the ids of events and items."""

    def __init__(
        self,
        settings: Settings,
        models: Mapping[str, Sequence[str]],
        new_id: Callable[[], str],
        config: SessionConfig | None = None,
    ) -> None:
        self._settings = settings
        self.models = models
        """The checkpoints of each engine; the door keeps them up to date."""
        self._new_id = new_id
        self._config = config or SessionConfig()
        self._wanted = self._config.make_plan(settings, models)
        self._plan: DictationPlan | None = None
        """How the running dictation hears; None while none runs."""
        self._hearing: DictationPlan | None = None
        """The same of the dictation whose events come."""
        self._failure: PrompterError | None = None
        """Why no dictation can begin with these settings."""
        self._id = f"sess_{new_id()}"
        self._out: deque[ServerEvent] = deque()
        self._carry = OddByteCarry()
        self._written_ms = 0.0
        """Audio that the session was sent."""
        self._buffer_from_ms = 0.0
        """Where the buffer begins: behind the last commit."""
        self._dictation = 0
        """Number of the dictation whose events come now."""
        self._base_ms = self._next_base_ms = 0.0
        """Where the dictation's audio begins, and that of the one that is about to."""
        self._open: Item | None = None
        """The item that the buffer will become."""
        self._items: dict[tuple[int, int], Item | None] = {}
        """The item of each utterance that has not ended; None where it is dropped."""
        self._committed: deque[Item] = deque()
        self._last_item_id: str | None = None
        self._flushes = 0
        self._cut_ms: float | None = None
        """Where speech of the open item has stopped, if that utterance was only too long."""
        self._is_dropping = False
        self._emit("session.created", session=self._describe())

    # -- to the client

    def take(self) -> Iterator[ServerEvent]:
        """Take the server events that are queued, in order."""
        while self._out:
            yield self._out.popleft()

    @property
    def queued(self) -> int:
        """Server events that nobody has taken."""
        return len(self._out)

    def refuse(self, refusal: Refusal, event_id: Any = None) -> None:
        """Tell the client that something of it is refused."""
        known = event_id if isinstance(event_id, str) and len(event_id) <= _MAX_EVENT_ID else None
        self._emit("error", error={**refusal.to_dict(), "event_id": known})

    # -- from the client

    def receive(self, event: dict[str, Any]) -> Steps:
        """The steps that a client's event asks for.

        Raises:
            BetaDisabled: ends the session; every other refusal is told to the client, and so is this one.
        """
        try:
            yield from self._handle(event)
        except Refusal as refusal:
            self.refuse(refusal, event.get("event_id"))
            if isinstance(refusal, BetaDisabled):
                raise

    def pause(self) -> Steps:
        """The client is silent: give the engine back. What the buffer holds stays; the next audio goes on with it."""
        if self._plan is not None:
            yield from self._end()

    def _handle(self, event: dict[str, Any]) -> Steps:
        match event.get("type"):
            case "input_audio_buffer.append":
                yield from self._append(event)
            case "input_audio_buffer.commit":
                yield from self._commit()
            case "input_audio_buffer.clear":
                yield from self._clear()
            case "session.update":
                self._update(event.get("session"))
            case "transcription_session.update":
                raise BetaDisabled
            case kind:
                _refuse_type(kind)

    def _update(self, session: Any) -> None:
        config = merge_update(self._config, session)
        wanted = config.make_plan(self._settings, self.models)
        if wanted != self._wanted:
            self._wanted = wanted
        self._config, self._failure = config, None
        self._emit("session.updated", session=self._describe())

    def _append(self, event: dict[str, Any]) -> Steps:
        audio = event.pop("audio", None)
        if not isinstance(audio, str):
            raise Refusal(
                "missing_required_parameter" if audio is None else "invalid_type",
                "'audio' must be a string: base64 of the samples, in the session's format.",
                "audio",
            )
        form = self._config.format
        for at in range(0, len(audio), SLICE_CHARACTERS):
            data = _decode(audio[at : at + SLICE_CHARACTERS])
            pcm = self._carry.push(data) if form.codec == "audio/pcm" else data
            if form.codec != "audio/pcm":
                pcm = decode_g711(data, "mu" if form.codec == "audio/pcmu" else "a")
            if not pcm:
                continue
            yield from self._prepare()
            self._written_ms += len(pcm) * 500 / form.rate_hz
            if self._plan is not None:
                failure = yield Feed(pcm, form.rate_hz)
                if failure is not None:
                    raise Refusal.from_error(failure)
                self._check_cut()

    def _prepare(self) -> Steps:
        """Have a dictation run that hears as the settings say."""
        wanted = self._wanted
        if self._plan is not None and self._plan is not wanted and self._may_switch(wanted):
            yield from self._end()
        if self._plan is not None or wanted is None or self._failure is not None:
            return
        self._next_base_ms = self._written_ms
        self._plan = wanted
        failure = yield Begin(wanted)
        if failure is not None:
            self._plan, self._failure = None, failure
            raise Refusal.from_error(failure)

    def _may_switch(self, wanted: DictationPlan | None) -> bool:
        """Whether another dictation may begin: between two items, or at once where the samples come at another rate."""
        assert self._plan is not None
        is_between = self._open is None or (self._plan.silence_ms is None and self._is_buffer_empty)
        return is_between or wanted is None or wanted.rate_hz != self._plan.rate_hz

    @property
    def _is_buffer_empty(self) -> bool:
        return self._written_ms - self._buffer_from_ms < 1

    def _commit(self) -> Steps:
        buffered_ms = self._written_ms - self._buffer_from_ms
        if buffered_ms < LEAST_COMMIT_MS:
            raise Refusal(
                "input_audio_buffer_commit_empty",
                "Error committing input audio buffer: buffer too small. Expected at least 100ms of audio, but buffer"
                f" only has {buffered_ms:.2f}ms of audio.",
            )
        item = self._open = self._open or self._new_item(self._buffer_from_ms)
        item.start_ms = self._buffer_from_ms
        self._announce(item, self._written_ms)
        if self._plan is not None:
            self._flushes += 1
            item.flush_id = self._flushes
            failure = yield Finalise(item.flush_id)
            if failure is not None:
                item.error, item.flush_id = Refusal.from_error(failure).to_dict(), None
        elif self._failure is not None:
            item.error = Refusal.from_error(self._failure).to_dict()
        self._close_buffer()
        self._complete_items()

    def _clear(self) -> Steps:
        self._is_dropping = True
        for key, item in self._items.items():
            if item is self._open:
                self._items[key] = None
        if self._plan is not None:
            keys = self._open.utterances if self._open is not None else ()
            yield Discard(frozenset(each for dictation, each in keys if dictation == self._dictation))
        self._is_dropping = False
        self._close_buffer()
        self._emit("input_audio_buffer.cleared")

    def _close_buffer(self) -> None:
        self._open, self._cut_ms = None, None
        self._buffer_from_ms = self._written_ms
        self._carry = OddByteCarry()

    def _end(self) -> Steps:
        self._plan = None
        yield End()

    # -- from the speech session

    def translate(self, event: Event) -> None:
        """Take the next event of the speech session."""
        match event["type"]:
            case "speech_started":
                self._speech_started(event)
            case "speech_stopped":
                self._speech_stopped(event)
            case "partial":
                self._partial(event)
            case "final":
                self._final(event)
            case "utterance_discarded":
                self._discarded(event)
            case "ready":
                self._dictation += 1
                self._base_ms, self._hearing = self._next_base_ms, self._plan
            case "flushed":
                self._flushed(event["id"])
            case "stopped":
                self._stopped()
            case "error":
                self._error(event)
        self._complete_items()

    @property
    def _is_manual(self) -> bool:
        return self._hearing is not None and self._hearing.silence_ms is None

    def _speech_started(self, event: SpeechStartedEvent) -> None:
        key = (self._dictation, event["utterance_id"])
        start_ms = self._base_ms + event["start_ms"]
        if self._is_dropping:
            self._items[key] = None
            return
        self._resolve_cut(start_ms)
        is_new = self._open is None
        item = self._open = self._open or self._new_item(start_ms)
        item.waits_for.add(key)
        item.utterances.add(key)
        self._items[key] = item
        if is_new and not self._is_manual:
            self._emit("input_audio_buffer.speech_started", audio_start_ms=round(start_ms), item_id=item.id)

    def _speech_stopped(self, event: SpeechStoppedEvent) -> None:
        item = self._items.get((self._dictation, event["utterance_id"]))
        if item is None or item.is_committed or self._is_manual:
            return
        end_ms = self._base_ms + event["end_ms"]
        if event.get("cut"):
            self._cut_ms = end_ms
        else:
            self._end_turn(item, end_ms)

    def _resolve_cut(self, start_ms: float) -> None:
        """Speech goes on: in the same turn, unless the silence that ends one lies between."""
        if self._cut_ms is None or self._hearing is None or self._open is None:
            return
        gap_ms = start_ms - self._cut_ms  # without the pre-roll, which never reaches back beyond the cut
        if gap_ms >= 1 and gap_ms + self._hearing.vad.speech_pad_ms > (self._hearing.silence_ms or 0):
            self._end_turn(self._open, self._cut_ms)
        self._cut_ms = None

    def _check_cut(self) -> None:
        """End the turn of an utterance that was cut for its length, once its silence has come."""
        if self._cut_ms is None or self._hearing is None or self._open is None:
            return
        if self._written_ms >= self._cut_ms + (self._hearing.silence_ms or 0) + _DETECTION_MS:
            self._end_turn(self._open, self._cut_ms)
            self._complete_items()

    def _end_turn(self, item: Item, speech_end_ms: float) -> None:
        silence_ms = (self._hearing.silence_ms if self._hearing else None) or 0
        end_ms = min(speech_end_ms + silence_ms, self._written_ms)
        self._emit("input_audio_buffer.speech_stopped", audio_end_ms=round(end_ms), item_id=item.id)
        self._announce(item, end_ms)
        self._buffer_from_ms = max(self._buffer_from_ms, end_ms)
        self._open, self._cut_ms = None, None

    def _partial(self, event: PartialEvent) -> None:
        key = (self._dictation, event["utterance_id"])
        if (item := self._find_item(key, event["start_ms"])) is not None:
            self._emit_delta(item, item.show_partial(key, event))

    def _final(self, event: FinalEvent) -> None:
        key = (self._dictation, event["utterance_id"])
        hears_all = key not in self._items  # an engine that finds utterances by itself
        item = self._find_item(key, event["start_ms"])
        self._items.pop(key, None)
        if item is None:
            return
        self._emit_delta(item, item.add_final(key, event, self._base_ms))
        if hears_all and not self._is_manual and not item.is_committed:
            self._announce(item, self._base_ms + event["end_ms"])
            self._close_buffer()

    def _discarded(self, event: UtteranceDiscardedEvent) -> None:
        key = (self._dictation, event["utterance_id"])
        item = self._items.pop(key, None)
        if item is None:
            return
        item.drop(key)
        if event["reason"] == DiscardReason.ENGINE_ERROR:
            span = {
                "start_ms": round(self._base_ms + event["start_ms"]),
                "end_ms": round(self._base_ms + event["end_ms"]),
            }
            item.uncovered.append({**span, "dbfs": None})
            item.error = Refusal(
                "engine_failed",
                "the speech engine failed on this audio; send it again, or choose another model",
                kind="server_error",
            ).to_dict()

    def _flushed(self, number: Any) -> None:
        for item in self._committed:
            if item.flush_id == number:
                item.flush_id = None

    def _stopped(self) -> None:
        """The dictation is over: no event of it follows."""
        for item in (*self._committed, *([self._open] if self._open else ())):
            item.waits_for = {key for key in item.waits_for if key[0] != self._dictation}
            item.flush_id = None
        self._items.clear()

    def _error(self, event: ErrorEvent) -> None:
        """An engine's error is told by the item that it concerns; one that ends the session is told by itself."""
        if not event["fatal"]:
            return
        kind = "server_error" if event["code"] in _SERVER_ERRORS else "invalid_request_error"
        refusal = Refusal(event["code"], event["message"], kind=kind)
        for item in self._committed:  # what they wait for does not come any more
            if item.waits_for or item.flush_id is not None:
                item.error = item.error or refusal.to_dict()
                item.waits_for, item.flush_id = set(), None
        self._complete_items()
        self.refuse(refusal)

    def _find_item(self, key: tuple[int, int], start_ms: int) -> Item | None:
        if key in self._items:
            return self._items[key]
        if self._open is None:
            self._open = self._new_item(self._base_ms + start_ms)
        return self._open

    # -- items

    def _new_item(self, start_ms: float) -> Item:
        return Item(f"item_{self._new_id()}", start_ms)

    def _announce(self, item: Item, end_ms: float) -> None:
        """The buffer has become an item, in the original's order; its transcript follows when it is there."""
        item.is_committed = True
        item.seconds = round(max(end_ms - min(item.start_ms, end_ms), 0) / 1000, 3)
        before, self._last_item_id = self._last_item_id, item.id
        self._emit("input_audio_buffer.committed", previous_item_id=before, item_id=item.id)
        for kind in ("conversation.item.added", "conversation.item.done"):
            self._emit(kind, previous_item_id=before, item=describe_item(item.id))
        if self._config.transcription is not None or self._plan is not None:
            self._committed.append(item)

    def _complete_items(self) -> None:
        while self._committed:
            item = self._committed[0]
            if item is self._open or item.waits_for or item.flush_id is not None:
                return
            self._complete(self._committed.popleft())

    def _complete(self, item: Item) -> None:
        self._emit_delta(item, item.finish())
        if item.error is not None and not item.transcript:
            self._emit(f"{_TRANSCRIPTION}.failed", item_id=item.id, content_index=0, error=item.error)
            return
        fields: dict[str, Any] = {
            "item_id": item.id,
            "content_index": 0,
            "transcript": item.transcript,
            "usage": {"type": "duration", "seconds": item.seconds},
            "languages": list_languages(item.languages),
            "logprobs": item.list_logprobs() if self._config.logprobs else None,
        }
        if item.uncovered:
            fields["uncovered"] = item.uncovered
        self._emit(f"{_TRANSCRIPTION}.completed", **fields)

    def _emit_delta(self, item: Item, delta: str) -> None:
        if delta:
            self._emit(f"{_TRANSCRIPTION}.delta", item_id=item.id, content_index=0, delta=delta)

    def _emit(self, kind: str, **fields: Any) -> None:
        self._out.append({"type": kind, "event_id": f"event_{self._new_id()}", **fields})

    def _describe(self) -> dict[str, Any]:
        return self._config.to_dict(self._id, self._settings.vad)


_TRANSCRIPTION = "conversation.item.input_audio_transcription"
_SERVER_ERRORS = frozenset({"engine_failed", "internal_error", "server_full", "storage_unavailable"})


def _decode(text: str) -> bytes:
    try:
        return pybase64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise Refusal(
            "invalid_value",
            "Invalid 'audio'. Expected base64-encoded audio bytes in the session's format.",
            "audio",
        ) from None


def _refuse_type(kind: Any) -> None:
    """Refuse an event that this session does not have, unless it asks for nothing.

    Raises:
        Refusal
    """
    if isinstance(kind, str) and kind in _IGNORED:
        return
    supported = ", ".join(f"'{name}'" for name in CLIENT_EVENTS)
    if isinstance(kind, str) and kind.startswith(_OF_CONVERSATIONS):
        raise Refusal(
            "invalid_value",
            "A transcription session has no conversation and answers nothing: use POST /v1/chat/completions for"
            f" answers. Supported values of 'type' are: {supported}.",
            "type",
        )
    raise Refusal("invalid_value", f"Invalid value for 'type'. Supported values are: {supported}.", "type")
