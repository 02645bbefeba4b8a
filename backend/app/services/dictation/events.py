"""What a client is told of its utterances: partials, finals and how they come to nothing, as events."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from app.core.errors import PrompterError
from app.providers.base import SAMPLE_RATE_HZ, SttConfig, Transcript
from app.services.audio.segmenter import UtteranceEnded, UtterancePaused
from app.services.dictation.meter import Meter
from app.services.dictation.outbox import Event, Outbox

_SAMPLES_PER_MS = SAMPLE_RATE_HZ // 1000


@dataclass(slots=True)
class Stats:
    """What a dictation came to."""

    speech_samples: int = 0
    utterances: int = 0
    finals: int = 0
    discarded: int = 0


@dataclass(frozen=True, slots=True)
class EngineInfo:
    """What the events of a dictation say of their origin."""

    provider: str
    model: str | None
    lang: str | None


@dataclass(slots=True)
class UtteranceState:
    """One utterance, as far as the client knows it."""

    id: int
    start: int
    revision: int = 0
    shown: str = ""
    eager: str | None = None
    """Text of the `eager_final` that stands."""
    onset: int = 0
    """Session sample of its first speech."""


@dataclass(frozen=True, slots=True)
class Receipt:
    """Where the time of a final went; samples count from the session's first."""

    speech_end: int
    heard_until: int
    queue_ms: float
    decode_ms: float

    def as_timing(self) -> dict[str, int]:
        return {
            "speech_end_ms": self.speech_end // _SAMPLES_PER_MS,
            "endpoint_ms": (self.heard_until - self.speech_end) // _SAMPLES_PER_MS,
            "queue_ms": round(self.queue_ms),
            "decode_ms": round(self.decode_ms),
        }


class EventBuilder:
    """Makes the events of one dictation's utterances and keeps its finals. Never waits."""

    def __init__(
        self,
        config: SttConfig,
        voice: EngineInfo,
        outbox: Outbox,
        meter: Meter,
        *,
        events: frozenset[str],
        keep: Callable[[Event], None],
    ) -> None:
        self._config = config
        self._voice = voice
        self._outbox = outbox
        self._meter = meter
        self._events = events
        self._keep = keep
        self.stats = Stats()

    def partial(self, told: UtteranceState, text: str, stable: str, end: int) -> None:
        """The text so far, over the audio up to session sample `end`; nothing where it has not changed."""
        if not text or text == told.shown:
            return
        told.shown = text
        told.revision += 1
        event = self._text_event("partial", told, text, end, self._voice.lang, self._voice.model)
        event["stable"] = stable
        self._meter.partial(told.onset, end, first=told.revision == 1)
        self._outbox.emit(event)

    def eager_final(self, told: UtteranceState, pause: UtterancePaused, transcript: Transcript) -> None:
        """What the final will be if the pause lasts, for a client that asked."""
        if "eager_final" not in self._events:
            return
        told.eager = transcript.text
        receipt = Receipt(pause.speech_end, pause.heard_until, 0, transcript.decode_ms)
        self._outbox.emit(self._final_event("eager_final", told, transcript, pause.heard_until, receipt))

    def turn_resumed(self, told: UtteranceState, until: int) -> None:
        """Take the `eager_final` back, if one stands: whoever asked for it hears of it, or would trust a lie."""
        if told.eager is None:
            return
        told.eager = None
        self._outbox.emit({"type": "turn_resumed", **self._where(told.id, told.start, until)})

    def final(
        self, told: UtteranceState, work: UtteranceEnded, transcript: Transcript, receipt: Receipt
    ) -> None:
        """The end of an utterance: its final, or that it came to nothing."""
        if told.eager != transcript.text:
            self.turn_resumed(told, work.heard_until)
        if transcript.rejected or not transcript.text:
            self.discarded(told, work.start, work.end, transcript.rejected or "empty")
            return
        self.stats.finals += 1
        self.stats.speech_samples += work.speech_end - work.start
        self._meter.final(receipt.as_timing(), work.speech_end - work.start)
        event = self._final_event("final", told, transcript, work.end, receipt)
        self._keep(event)
        self._outbox.emit(event)

    def discarded(self, told: UtteranceState, start: int, end: int, reason: str) -> None:
        """The other end; a client that did not ask for it has its partial taken back by an empty final."""
        self.stats.discarded += 1
        self._meter.discarded(reason)
        self.turn_resumed(told, end)
        where = self._where(told.id, start, end)
        if "utterance_discarded" in self._events:
            self._outbox.emit({"type": "utterance_discarded", **where, "reason": reason})
        elif told.revision:
            event = self._text_event("final", told, "", end, self._voice.lang, self._voice.model)
            event |= {**where, "revision": told.revision + 1}
            event["timing"] = {
                "speech_end_ms": where["end_ms"],
                "endpoint_ms": 0,
                "queue_ms": 0,
                "decode_ms": 0,
            }
            self._outbox.emit(event)

    def flushed(self, flush_id: str | int | None) -> None:
        """All that was said before the client's `flush` is final."""
        self._outbox.emit({"type": "flushed", "id": flush_id})

    def engine_error(self, error: PrompterError) -> None:
        """An error of the engine that the dictation survives."""
        self._meter.failed(error.code)
        self._outbox.emit({"type": "error", "code": error.code, "message": error.message, "fatal": False})

    def _final_event(
        self, kind: str, told: UtteranceState, transcript: Transcript, end: int, receipt: Receipt
    ) -> Event:
        told.revision += 1
        lang = transcript.lang or self._voice.lang
        event = self._text_event(kind, told, transcript.text, end, lang, transcript.model)
        event["timing"] = receipt.as_timing()
        if self._config.words:
            offset = told.start // _SAMPLES_PER_MS
            event["words"] = [
                {
                    "word": word.text,
                    "start_ms": offset + word.start_ms,
                    "end_ms": offset + word.end_ms,
                    "confidence": round(word.confidence, 3),
                }
                for word in transcript.words
            ]
        return event

    def _text_event(
        self, kind: str, told: UtteranceState, text: str, end: int, lang: str | None, model: str | None
    ) -> dict[str, Any]:
        return {
            "type": kind,
            "text": text,
            "revision": told.revision,
            **self._where(told.id, told.start, end),
            "lang": lang,
            "provider": self._voice.provider,
            "model": model or self._voice.model,
        }

    @staticmethod
    def _where(utterance_id: int, start: int, end: int) -> dict[str, int]:
        return {
            "utterance_id": utterance_id,
            "start_ms": start // _SAMPLES_PER_MS,
            "end_ms": max(end, start) // _SAMPLES_PER_MS,
        }
