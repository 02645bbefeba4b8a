"""One dictation's engine side: takes utterances from the inbox, one at a time, and makes their events."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from app.core.errors import PrompterError
from app.providers.base import SAMPLE_RATE_HZ, SttConfig, SttSession, SttStream, Transcript
from app.services.audio.ears import Ended, Heard, Started
from app.services.audio.endpointing import Verdict
from app.services.dictation.inbox import FlushMark, Inbox, StopMark
from app.services.dictation.outbox import Outbox
from app.services.dictation.stabiliser import Stabiliser
from app.services.foreign import Foreign, release

_SAMPLES_PER_MS = SAMPLE_RATE_HZ // 1000


@dataclass(slots=True)
class Stats:
    """What a dictation came to."""

    speech_samples: int = 0
    utterances: int = 0
    finals: int = 0
    discarded: int = 0


@dataclass(slots=True)
class _Utterance:
    """The utterance inside the engine."""

    id: int
    start: int
    stream: SttStream
    heard: int = 0
    revision: int = 0
    shown: str = ""
    stabiliser: Stabiliser = field(default_factory=Stabiliser)


@dataclass(frozen=True, slots=True)
class Voice:
    """What the events of a dictation say of their origin."""

    provider: str
    model: str | None
    lang: str | None


class Recogniser:
    """Owns the engine session and its streams; runs until the stop mark, or until it is cancelled.

    A stream is closed after its running call has returned, whether the client stays or leaves.
    """

    def __init__(
        self,
        engine: SttSession,
        config: SttConfig,
        voice: Voice,
        inbox: Inbox,
        outbox: Outbox,
        *,
        events: frozenset[str],
        keep: Callable[[str], None],
    ) -> None:
        self._engine = engine
        self._config = config
        self._voice = voice
        self._foreign = Foreign(voice.provider)
        self._inbox = inbox
        self._outbox = outbox
        self._events = events
        self._keep = keep
        self._utterance: _Utterance | None = None
        self._failed_id: int | None = None
        self.stats = Stats()
        self.decoded = 0
        """Session sample up to which the engine has heard everything that was to be heard."""

    async def run(self) -> None:
        """Work until the dictation is stopped.

        Raises:
            EngineFailed: the engine cannot go on.
        """
        try:
            while not isinstance(work := await self._inbox.get(), StopMark):
                match work:
                    case Started():
                        await self._guarded(work.utterance_id, self._started, work)
                    case Heard():
                        if self._utterance is not None:
                            await self._guarded(self._utterance.id, self._heard, work)
                    case Ended():
                        await self._guarded(work.utterance_id, self._ended, work)
                    case FlushMark():
                        self._outbox.emit({"type": "flushed", "id": work.id})
                await self._outbox.flush()
        finally:
            await self._close_stream()
            await release(self._voice.provider, self._engine.aclose())

    async def _guarded(self, utterance_id: int, step: Callable[[Any], Any], work: Any) -> None:
        """Run a step; an engine's error ends the utterance, and the dictation only if it cannot go on."""
        if utterance_id == self._failed_id:
            return
        try:
            with self._foreign:
                await step(work)
        except PrompterError as error:
            await self._fail(utterance_id, error)

    async def _fail(self, utterance_id: int, error: PrompterError) -> None:
        self._failed_id = utterance_id
        utterance, self._utterance = self._utterance, None
        start = utterance.start if utterance else self.decoded
        self._discard(
            utterance_id, start, self.decoded, "engine_error", utterance.revision if utterance else 0
        )
        if utterance:
            await self._closed(utterance.stream)
        if error.fatal:
            for work in self._inbox.close():
                if isinstance(work, Started):
                    self._discard(work.utterance_id, work.start, work.start, "engine_error", 0)
            raise error
        self._outbox.emit({"type": "error", "code": error.code, "message": error.message, "fatal": False})

    async def _started(self, work: Started) -> None:
        stream = await self._engine.open_stream()
        self._utterance = _Utterance(work.utterance_id, work.start, stream)
        self.stats.utterances += 1

    async def _heard(self, work: Heard) -> None:
        utterance = self._utterance
        assert utterance is not None
        hypothesis = await utterance.stream.accept(work.samples)
        utterance.heard += len(work.samples)
        self.decoded = utterance.start + utterance.heard
        if hypothesis is not None and self._config.partials:
            self._show(utterance, hypothesis.text)

    def _show(self, utterance: _Utterance, text: str) -> None:
        shown = utterance.stabiliser.push(text, utterance.heard // _SAMPLES_PER_MS)
        if not shown.text or shown.text == utterance.shown:
            return
        utterance.shown = shown.text
        utterance.revision += 1
        event = self._text_event(
            "partial", utterance, shown.text, self.decoded, self._voice.lang, self._voice.model
        )
        event["stable"] = shown.stable
        self._outbox.emit(event)

    async def _ended(self, work: Ended) -> None:
        utterance = self._utterance
        assert utterance is not None
        waited_s = self._inbox.waited_s
        if work.verdict is not Verdict.KEEP:
            self._discard(work.utterance_id, work.start, work.end, str(work.verdict), utterance.revision)
        else:
            if work.audio is not None:
                await self._restart(utterance, work)
            began_s = time.monotonic()
            transcript = await utterance.stream.finish(work.speech_end - work.start)
            # Time inside `finish` that was no decoding was waiting for the engine's turn.
            waited_s += max(time.monotonic() - began_s - transcript.decode_ms / 1000, 0)
            self._finish(utterance, work, transcript, waited_s)
        self.decoded = work.end
        await self._close_stream()

    async def _restart(self, utterance: _Utterance, work: Ended) -> None:
        """Decode the utterance anew: it was cut in hindsight, and the engine has heard beyond the cut."""
        assert work.audio is not None
        await self._closed(utterance.stream)
        utterance.stream = await self._engine.open_stream()
        await utterance.stream.accept(work.audio)

    def _finish(self, utterance: _Utterance, work: Ended, transcript: Transcript, waited_s: float) -> None:
        if transcript.rejected or not transcript.text:
            reason = transcript.rejected or "empty"
            self._discard(work.utterance_id, work.start, work.end, reason, utterance.revision)
            return
        self.stats.finals += 1
        self.stats.speech_samples += work.speech_end - work.start
        utterance.revision += 1
        lang = transcript.lang or self._voice.lang
        event = self._text_event("final", utterance, transcript.text, work.end, lang, transcript.model)
        event["timing"] = {
            "speech_end_ms": work.speech_end // _SAMPLES_PER_MS,
            "endpoint_ms": (work.heard_until - work.speech_end) // _SAMPLES_PER_MS,
            "queue_ms": round(waited_s * 1000),
            "decode_ms": round(transcript.decode_ms),
        }
        if self._config.words:
            offset = work.start // _SAMPLES_PER_MS
            event["words"] = [
                {
                    "word": word.text,
                    "start_ms": offset + word.start_ms,
                    "end_ms": offset + word.end_ms,
                    "confidence": round(word.confidence, 3),
                }
                for word in transcript.words
            ]
        self._keep(transcript.text)
        self._outbox.emit(event)

    def _discard(self, utterance_id: int, start: int, end: int, reason: str, revision: int) -> None:
        """The other terminal event; a client that did not ask for it has its partial taken back by an empty final."""
        self.stats.discarded += 1
        where = {
            "utterance_id": utterance_id,
            "start_ms": start // _SAMPLES_PER_MS,
            "end_ms": max(end, start) // _SAMPLES_PER_MS,
        }
        if "utterance_discarded" in self._events:
            self._outbox.emit({"type": "utterance_discarded", **where, "reason": reason})
        elif revision:
            timing = {"speech_end_ms": where["end_ms"], "endpoint_ms": 0, "queue_ms": 0, "decode_ms": 0}
            self._outbox.emit(
                {
                    "type": "final",
                    **where,
                    "text": "",
                    "revision": revision + 1,
                    "lang": self._voice.lang,
                    "provider": self._voice.provider,
                    "model": self._voice.model,
                    "timing": timing,
                }
            )

    def _text_event(
        self, kind: str, utterance: _Utterance, text: str, end: int, lang: str | None, model: str | None
    ) -> dict[str, Any]:
        return {
            "type": kind,
            "text": text,
            "utterance_id": utterance.id,
            "revision": utterance.revision,
            "start_ms": utterance.start // _SAMPLES_PER_MS,
            "end_ms": end // _SAMPLES_PER_MS,
            "lang": lang,
            "provider": self._voice.provider,
            "model": model or self._voice.model,
        }

    async def _close_stream(self) -> None:
        utterance, self._utterance = self._utterance, None
        if utterance is not None:
            await self._closed(utterance.stream)

    async def _closed(self, stream: SttStream) -> None:
        await release(self._voice.provider, stream.aclose())
