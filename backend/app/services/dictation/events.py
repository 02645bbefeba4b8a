"""The events of the speech socket: their shapes, the one place that makes them, and how they become text.

An event is a dict with a known shape (TypedDict): one leaves for every chunk, and a dataclass costs three to five
times as much to make and to encode. `schemas/speech_socket.py` documents the same events; a test holds the two equal.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, NotRequired, TypedDict

import orjson

from app.core.discard_reasons import DiscardReason
from app.core.errors import PrompterError
from app.core.notes import NoteDict
from app.providers.base import SAMPLES_PER_MS, SttConfig, Transcript
from app.schemas.speech_socket import OPTIONAL_EVENTS
from app.services.audio.input_checks import InputHint
from app.services.audio.segmenter import UtteranceEnded, UtterancePaused
from app.services.dictation.latency_meter import Meter
from app.services.dictation.limits import Limit, LimitName
from app.services.dictation.progress import Progress, ProgressState
from app.services.dictation.session_state import HeardState, ShownText
from app.utils.joining import TextPart, strip_open_end

# -- shapes


class _Numbered(TypedDict):
    session_id: NotRequired[str | None]
    """The client's label; the outbox adds it."""
    seq: NotRequired[int]
    """Number of the event on its session; the outbox adds it when the event leaves."""


class _Span(_Numbered):
    utterance_id: int
    start_ms: int
    end_ms: int


class _Text(_Span):
    text: str
    revision: int
    lang: str | None
    provider: str
    model: str | None


class TimingFields(TypedDict):
    """Where the time of a final went (ms)."""

    speech_end_ms: int
    endpoint_ms: int
    queue_ms: int
    decode_ms: int


class WordFields(TypedDict):
    """One word of a final; times from the session's first sample (ms)."""

    word: str
    start_ms: int
    end_ms: int
    confidence: float


class UncoveredFields(TypedDict):
    """Audible speech that has no words; times from the session's first sample (ms)."""

    start_ms: int
    end_ms: int
    dbfs: float


class _TimedText(_Text):
    timing: TimingFields
    uncovered: NotRequired[list[UncoveredFields]]
    """Only where there is such speech."""
    joined: NotRequired[bool]
    """Only where it is true."""
    words: NotRequired[list[WordFields]]
    """Only where the client asked for word times."""


class ReadyEvent(_Numbered):
    """The engine is loaded."""

    type: Literal["ready"]
    provider: str
    model: str | None
    lang: str
    langs: list[str]
    reason: str | None
    resume_token: str
    dictation_id: str | None
    spooled: bool
    safe_ms: int | None
    from_ms: int | None
    base_ms: int
    survives: bool


class ResumedEvent(_Numbered):
    """The session goes on, on another socket."""

    type: Literal["resumed"]
    next_audio_seq: int
    stopping: bool


class PartialEvent(_Text):
    """The text so far."""

    type: Literal["partial"]
    stable: str


class FinalEvent(_TimedText):
    """The text of an utterance; it never changes."""

    type: Literal["final"]


class EagerFinalEvent(_TimedText):
    """The final, if the pause lasts."""

    type: Literal["eager_final"]


class TurnResumedEvent(_Span):
    """Takes the eager final back."""

    type: Literal["turn_resumed"]


class SpeechStartedEvent(_Span):
    """An utterance begins."""

    type: Literal["speech_started"]


class SpeechStoppedEvent(_Span):
    """An utterance ends; its final follows."""

    type: Literal["speech_stopped"]
    cut: NotRequired[bool]
    """Only where it is true: its length alone ended it."""


class UtteranceDiscardedEvent(_Span):
    """An utterance comes to nothing."""

    type: Literal["utterance_discarded"]
    reason: str


class AckEvent(_Numbered):
    """How far the server is."""

    type: Literal["ack"]
    audio_seq: int
    received_ms: int
    decoded_ms: int
    backlog_ms: int
    safe_ms: int | None


class HintFields(TypedDict):
    """What is wrong with the client's audio, and how to mend it."""

    code: str
    message: str


class LimitFields(TypedDict):
    """The limit that bites first, and how soon."""

    name: LimitName
    left_s: int


class StatusEvent(_Numbered):
    """What is awaited, what the load does to partials, which limit is near, and what is wrong with the audio."""

    type: Literal["status"]
    state: ProgressState | None
    place: int | None
    backlog_ms: int
    degraded: bool
    partials: Literal["on", "first_only", "off"]
    limit: LimitFields | None
    hint: NotRequired[HintFields | None]
    """Only where something is wrong with the audio."""


class FlushedEvent(_Numbered):
    """All that was said before the `flush` is final."""

    type: Literal["flushed"]
    id: str | int | None


class StatsFields(TypedDict):
    """Totals of a dictation."""

    audio_ms: int
    speech_ms: int
    utterances: int
    finals: int
    discarded: int


class StoppedEvent(_Numbered):
    """The dictation is over."""

    type: Literal["stopped"]
    stats: StatsFields


class PongEvent(_Numbered):
    """The answer to `ping`."""

    type: Literal["pong"]
    id: str | int | None


class ErrorEvent(_Numbered):
    """Something is wrong; the session goes on unless `fatal`."""

    type: Literal["error"]
    code: str
    message: str
    note: NoteDict
    fatal: bool
    retry_after_s: NotRequired[float]


Event = (
    ReadyEvent
    | ResumedEvent
    | PartialEvent
    | FinalEvent
    | EagerFinalEvent
    | TurnResumedEvent
    | SpeechStartedEvent
    | SpeechStoppedEvent
    | UtteranceDiscardedEvent
    | AckEvent
    | StatusEvent
    | FlushedEvent
    | StoppedEvent
    | PongEvent
    | ErrorEvent
)


def encode_event(event: Event) -> str:
    """The event as the text of a WebSocket message."""
    return orjson.dumps(event).decode()


# -- events of a session, with or without a dictation


def status_event(
    progress: Progress,
    *,
    degraded: bool = False,
    partials: Literal["on", "first_only", "off"] = "on",
    limit: Limit | None = None,
    hint: HintFields | None = None,
) -> StatusEvent:
    """What is awaited, the load, the limit that is near, and a hint."""
    return {
        "type": "status",
        "state": progress.state,
        "place": progress.place,
        "backlog_ms": progress.backlog_ms,
        "degraded": degraded,
        "partials": partials,
        "limit": None if limit is None else {"name": limit.name, "left_s": limit.left_s},
        "hint": hint,
    }


def pong_event(ping_id: str | int | None) -> PongEvent:
    return {"type": "pong", "id": ping_id}


def resumed_event(next_audio_seq: int, *, stopping: bool) -> ResumedEvent:
    return {"type": "resumed", "next_audio_seq": next_audio_seq, "stopping": stopping}


def error_event(error: PrompterError, *, fatal: bool) -> ErrorEvent:
    event: ErrorEvent = {
        "type": "error",
        "code": error.code,
        "message": error.message,
        "note": error.note.to_dict(),
        "fatal": fatal,
    }
    if error.retry_after_s is not None:
        event["retry_after_s"] = round(error.retry_after_s, 1)
    return event


def list_finals(events: Sequence[Event]) -> list[FinalEvent]:
    """The finals of the last dictation among the events of a session."""
    found: list[FinalEvent] = []
    for event in events:
        if event["type"] == "ready":
            found.clear()
        elif event["type"] == "final":
            found.append(event)
    return found


# -- events of a dictation


@dataclass(frozen=True, slots=True)
class EngineInfo:
    """The origin that a dictation's events name."""

    provider: str
    model: str | None
    lang: str | None


@dataclass(slots=True)
class DictationTotals:
    """What a dictation has come to so far; samples at 16 kHz."""

    speech_samples: int = 0
    utterances: int = 0
    finals: int = 0
    discarded: int = 0


@dataclass(slots=True)
class UtteranceState:
    """What the client knows of one utterance; `start` and `onset` are session samples."""

    id: int
    start: int
    revision: int = 0
    shown: str = ""
    """Text of the last partial."""
    eager: str | None = None
    """Text of the `eager_final` that has not been taken back."""
    onset: int = 0
    """Session sample of its first speech."""


@dataclass(frozen=True, slots=True)
class Receipt:
    """Where the time of a final went; samples are numbered from the session's first."""

    speech_end: int
    heard_until: int
    queue_ms: float
    decode_ms: float

    def as_timing(self) -> TimingFields:
        """The receipt as the client gets it."""
        return {
            "speech_end_ms": self.speech_end // SAMPLES_PER_MS,
            "endpoint_ms": (self.heard_until - self.speech_end) // SAMPLES_PER_MS,
            "queue_ms": round(self.queue_ms),
            "decode_ms": round(self.decode_ms),
        }


@dataclass(frozen=True, slots=True)
class Keeping:
    """What is kept of a dictation."""

    dictation_id: str | None = None
    """Its id among the stored dictations; None where nothing is stored."""
    spooled: bool = False
    """Whether a crash of the server loses none of its audio."""
    safe_ms: int | None = None
    """How much audio of the session that broke off is here; None where nothing is."""
    from_ms: int | None = None
    """Where in that session the first sample of this one lies."""
    base_ms: int = 0
    """Where in the dictation it lies."""
    survives: bool = False
    """Whether another server goes on with the session where this one ends."""


class EventBuilder:
    """Makes every event of one dictation, and emits it if its client gets that type. Never waits.

    `keep` gets each final with text, before it leaves. Positions are session samples at 16 kHz.
    """

    def __init__(
        self,
        info: EngineInfo,
        emit: Callable[[Event], None],
        meter: Meter,
        *,
        requested: frozenset[str],
        words: bool,
        keep: Callable[[FinalEvent], None],
    ) -> None:
        self.info = info
        self._emit_event = emit
        self._meter = meter
        self._withheld = _withheld(requested)
        self._words = words
        self._keep = keep
        self.told_before = 0
        """Utterances up to this number are kept and not emitted: their client has their finals."""
        self.told_until_ms = 0
        """The same of what ends up to here: a server told it that could not write so, and ended."""
        self.totals = DictationTotals()
        self.told = self.told_end = 0
        """The number of the last utterance that has its last event, and the sample at which it ends."""
        self.started = self.stopped_speech = 0
        """The numbers of the last utterances that were announced, and whose speech has ended."""
        self.flushes = 0
        """Flushes that are answered."""
        self._shown: tuple[UtteranceState, str] | None = None
        """The utterance of which the client has been shown something last, and its stable prefix."""
        self._shown_before: ShownText | None = None
        """By the server that had the session before."""
        self._degraded = False
        self._partials: Literal["on", "first_only", "off"] = "on"
        self._progress = Progress()
        self._limit: Limit | None = None

    def restore(self, heard: HeardState) -> None:
        """Go on where another server was: nothing that its client has is told once more."""
        self.totals.speech_samples, self.totals.finals = heard.speech_samples, heard.finals
        self.totals.discarded = heard.discarded
        self.totals.utterances = heard.finals + heard.discarded
        self.told, self.told_end = heard.told, heard.told_end
        self.started, self.stopped_speech = heard.started, heard.stopped
        self._shown_before = heard.shown

    def begin_utterance(self, utterance_id: int, start: int, onset: int) -> UtteranceState:
        """An utterance is decoded from now on."""
        before = self._shown_before
        if before is None or before.utterance_id != utterance_id:
            return UtteranceState(utterance_id, start, onset=onset)
        return UtteranceState(
            utterance_id, start, revision=before.revision, shown=before.text, eager=before.eager, onset=onset
        )

    @property
    def shown(self) -> ShownText | None:
        """What the client has been shown of an utterance that has no last event."""
        if self._shown is None:
            return self._shown_before
        utterance, stable = self._shown
        if utterance.id <= self.told:
            return None
        return ShownText(
            utterance_id=utterance.id,
            revision=utterance.revision,
            text=utterance.shown,
            stable=stable,
            eager=utterance.eager,
        )

    def is_requested(self, kind: str) -> bool:
        """Whether the client gets events of this type."""
        return kind not in self._withheld

    def ready(self, config: SttConfig, reason: str | None, resume_token: str, keeping: Keeping) -> ReadyEvent:
        """Emit `ready` and return it: it has its `seq` once it is on its way."""
        event: ReadyEvent = {
            "type": "ready",
            "provider": self.info.provider,
            "model": self.info.model,
            "lang": config.lang,
            "langs": list(config.langs),
            "reason": reason,
            "resume_token": resume_token,
            "dictation_id": keeping.dictation_id,
            "spooled": keeping.spooled,
            "safe_ms": keeping.safe_ms,
            "from_ms": keeping.from_ms,
            "base_ms": keeping.base_ms,
            "survives": keeping.survives,
        }
        self._emit(event)
        return event

    def speech_started(self, utterance_id: int, start: int, received: int) -> None:
        """An utterance begins at `start`; it was noticed when `received` samples were there."""
        if utterance_id <= self.started:
            return  # another server has said so
        self.started = utterance_id
        self._emit(SpeechStartedEvent(type="speech_started", **_span(utterance_id, start, received)))

    def speech_stopped(self, ended: UtteranceEnded) -> None:
        """An utterance has ended; its final follows."""
        if ended.utterance_id <= self.stopped_speech:
            return
        self.stopped_speech = ended.utterance_id
        span = _span(ended.utterance_id, ended.start, ended.speech_end)
        event: SpeechStoppedEvent = {
            "type": "speech_stopped",
            "utterance_id": span["utterance_id"],
            "start_ms": span["start_ms"],
            "end_ms": span["end_ms"],
        }
        if ended.is_cut:
            event["cut"] = True
        self._emit(event)

    def partial(self, utterance: UtteranceState, text: str, stable: str, end: int) -> None:
        """The text over the audio up to `end`, without closing marks at its end; nothing where it has not changed."""
        text, stable = strip_open_end(text), strip_open_end(stable)
        if not text or text == utterance.shown:
            return
        before = self._shown_before
        if (
            before is not None
            and before.utterance_id == utterance.id
            and not stable.startswith(before.stable)
        ):
            return  # this server is not as sure yet as the one before
        utterance.shown = text
        utterance.revision += 1
        self._meter.count_partial(utterance.onset, end, first=utterance.revision == 1)
        self._emit(self._partial(utterance, text, stable, end))
        self._shown = utterance, stable

    def eager_final(self, utterance: UtteranceState, pause: UtterancePaused, transcript: Transcript) -> None:
        """What the final will be if the pause lasts."""
        if not self.is_requested("eager_final") or pause.heard_until // SAMPLES_PER_MS <= self.told_until_ms:
            return  # no client knows of it: there is nothing to take back, and no revision to count
        utterance.eager = transcript.text
        receipt = Receipt(pause.speech_end, pause.heard_until, 0, transcript.decode_ms)
        fields = self._timed_text(utterance, transcript, pause.heard_until, receipt)
        self._emit(EagerFinalEvent(type="eager_final", **fields))
        if self._shown is None or self._shown[0] is not utterance:
            self._shown = utterance, ""

    def turn_resumed(self, utterance: UtteranceState, until: int) -> None:
        """Take the `eager_final` back, if there is one."""
        if utterance.eager is None:
            return
        utterance.eager = None
        span = _span(utterance.id, utterance.start, until)
        self._emit(TurnResumedEvent(type="turn_resumed", **span))

    def final(
        self, utterance: UtteranceState, ended: UtteranceEnded, transcript: Transcript, receipt: Receipt
    ) -> None:
        """The end of an utterance: its final, or that it came to nothing."""
        if utterance.eager != transcript.text:
            self.turn_resumed(utterance, ended.heard_until)
        if transcript.rejected or not transcript.text:
            self.discarded(utterance, ended.end, _reason_without_words(transcript, ended))
            return
        speech_samples = ended.speech_end - ended.start
        self.totals.finals += 1
        self.totals.speech_samples += speech_samples
        fields = self._timed_text(utterance, transcript, ended.end, receipt)
        self._meter.count_final(fields["timing"], speech_samples)
        event: FinalEvent = {"type": "final", **fields}
        self._keep(event)
        self._emit(event)
        self.told, self.told_end = utterance.id, ended.end

    def raw_partial(self, utterance: UtteranceState, text: str, end: int) -> None:
        """The text so far, of an engine that sees every chunk and finds utterances by itself."""
        utterance.revision += 1
        self._emit_event(self._partial(utterance, text, "", end))  # one for each chunk, and never withheld

    def raw_final(self, utterance: UtteranceState, text: str, end: int) -> None:
        """The final of such an engine: no silence, queue or decode has a time."""
        utterance.revision += 1
        self.totals.utterances += 1
        self.totals.finals += 1
        self._meter.count_untimed_final()
        event = self._plain_final(utterance, text, end)
        self._keep(event)
        self._emit(event)

    def discarded(self, utterance: UtteranceState, end: int, reason: str) -> None:
        """An utterance came to nothing. Without `utterance_discarded`, an empty final takes its partial back."""
        self.totals.discarded += 1
        self._meter.count_discarded(reason)
        self.turn_resumed(utterance, end)
        if self.is_requested("utterance_discarded"):
            span = _span(utterance.id, utterance.start, end)
            self._emit(UtteranceDiscardedEvent(type="utterance_discarded", **span, reason=str(reason)))
        elif utterance.revision:
            utterance.revision += 1
            self._emit(self._plain_final(utterance, "", end))
        self.told, self.told_end = utterance.id, end

    def recovered_final(self, n: int, part: TextPart, end_ms: int) -> None:
        """A final of the session that broke off; it is stored already. It ends here, 0 before this session."""
        event = self._plain_final(UtteranceState(n, 0, revision=1), part.text, end_ms * SAMPLES_PER_MS)
        if part.lang is not None:
            event["lang"] = part.lang
        if part.joined:
            event["joined"] = True
        self.totals.finals += 1
        self._emit(event)

    def ack(self, audio_seq: int, received: int, backlog: int, safe_ms: int | None = None) -> None:
        """How far the server is: `backlog` of the `received` samples wait for the engine.

        A crash loses nothing of the audio before `safe_ms`.
        """
        received_ms, backlog_ms = received // SAMPLES_PER_MS, backlog // SAMPLES_PER_MS
        self._emit(
            {
                "type": "ack",
                "audio_seq": audio_seq,
                "received_ms": received_ms,
                "decoded_ms": max(received_ms - backlog_ms, 0),
                "backlog_ms": backlog_ms,
                "safe_ms": safe_ms,
            }
        )

    def status(self, *, degraded: bool, partials: Literal["on", "first_only", "off"]) -> None:
        """What the load does to this dictation's partials."""
        self._degraded, self._partials = degraded, partials
        self._emit_status(None)

    def progress(self, progress: Progress) -> None:
        """What this dictation waits for."""
        self._progress = progress
        self._emit_status(None)

    def limit(self, limit: Limit | None) -> None:
        """Which limit of this dictation is near; None: none."""
        self._limit = limit
        self._emit_status(None)

    def hint(self, hint: InputHint) -> None:
        """Something is wrong with the client's audio."""
        self._emit_status({"code": hint.code, "message": hint.message})

    def _emit_status(self, hint: HintFields | None) -> None:
        self._emit(
            status_event(
                self._progress,
                degraded=self._degraded,
                partials=self._partials,
                limit=self._limit,
                hint=hint,
            )
        )

    def flushed(self, flush_id: str | int | None) -> None:
        """All that was said before the client's `flush` is final."""
        self.flushes += 1
        self._emit({"type": "flushed", "id": flush_id})

    def engine_error(self, error: PrompterError) -> None:
        """An error of the engine that the dictation survives."""
        self._meter.count_error(error.code)
        self._emit(error_event(error, fatal=False))

    def stopped(self, received: int) -> None:
        """The dictation is over, after `received` samples."""
        totals = self.totals
        self._emit(
            {
                "type": "stopped",
                "stats": {
                    "audio_ms": received // SAMPLES_PER_MS,
                    "speech_ms": totals.speech_samples // SAMPLES_PER_MS,
                    "utterances": totals.utterances,
                    "finals": totals.finals,
                    "discarded": totals.discarded,
                },
            }
        )

    # -- inside

    def _emit(self, event: Event) -> None:
        """Every event of a dictation passes here: a client gets the optional ones that it asked for."""
        if event["type"] in self._withheld:
            return
        if self.told_before and event.get("utterance_id", self.told_before + 1) <= self.told_before:  # type: ignore[operator]
            return
        if self.told_until_ms and event.get("end_ms", self.told_until_ms + 1) <= self.told_until_ms:  # type: ignore[operator]
            return
        self._emit_event(event)

    def _partial(self, utterance: UtteranceState, text: str, stable: str, end: int) -> PartialEvent:
        return {
            "type": "partial",
            "text": text,
            "revision": utterance.revision,
            "utterance_id": utterance.id,
            "start_ms": utterance.start // SAMPLES_PER_MS,
            "end_ms": end // SAMPLES_PER_MS,
            "lang": self.info.lang,
            "provider": self.info.provider,
            "model": self.info.model,
            "stable": stable,
            "session_id": None,  # the outbox fills these two in: the dict need not grow for them
            "seq": 0,
        }

    def _plain_final(self, utterance: UtteranceState, text: str, end: int) -> FinalEvent:
        """A final without words, and without times but that of its end."""
        timing: TimingFields = {
            "speech_end_ms": max(end, utterance.start) // SAMPLES_PER_MS,
            "endpoint_ms": 0,
            "queue_ms": 0,
            "decode_ms": 0,
        }
        fields = self._text(utterance, text, end, self.info.lang, self.info.model, timing)
        return {"type": "final", **fields}

    def _timed_text(
        self, utterance: UtteranceState, transcript: Transcript, end: int, receipt: Receipt
    ) -> _TimedText:
        utterance.revision += 1
        lang, model = transcript.lang or self.info.lang, transcript.model or self.info.model
        fields = self._text(utterance, transcript.text, end, lang, model, receipt.as_timing())
        if transcript.joined:
            fields["joined"] = True
        offset = utterance.start // SAMPLES_PER_MS
        if transcript.uncovered:
            fields["uncovered"] = [
                {"start_ms": offset + each.start_ms, "end_ms": offset + each.end_ms, "dbfs": each.dbfs}
                for each in transcript.uncovered
            ]
        if self._words:
            fields["words"] = [
                {
                    "word": word.text,
                    "start_ms": offset + word.start_ms,
                    "end_ms": offset + word.end_ms,
                    "confidence": round(word.confidence, 3),
                }
                for word in transcript.words
            ]
        return fields

    def _text(
        self,
        utterance: UtteranceState,
        text: str,
        end: int,
        lang: str | None,
        model: str | None,
        timing: TimingFields,
    ) -> _TimedText:
        return {
            "text": text,
            "revision": utterance.revision,
            "utterance_id": utterance.id,
            "start_ms": utterance.start // SAMPLES_PER_MS,
            "end_ms": max(end, utterance.start) // SAMPLES_PER_MS,
            "lang": lang,
            "provider": self.info.provider,
            "model": model,
            "timing": timing,
        }


def _reason_without_words(transcript: Transcript, ended: UtteranceEnded) -> str:
    """Why a decoded utterance has no words: the engine's reason, or what the audio says where the engine has none."""
    reason = transcript.rejected or DiscardReason.EMPTY
    heard_nothing = reason in (DiscardReason.EMPTY, DiscardReason.NO_SPEECH)
    return ended.likely_reason or reason if heard_nothing else reason


def _withheld(requested: frozenset[str]) -> frozenset[str]:
    """The types that the client does not get. Who gets an `eager_final` also gets what takes it back."""
    withheld = OPTIONAL_EVENTS - requested
    return withheld - {"turn_resumed"} if "eager_final" in requested else withheld


def _span(utterance_id: int, start: int, end: int) -> _Span:
    return {
        "utterance_id": utterance_id,
        "start_ms": start // SAMPLES_PER_MS,
        "end_ms": max(end, start) // SAMPLES_PER_MS,
    }
