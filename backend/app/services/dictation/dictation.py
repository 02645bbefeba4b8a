"""One dictation with an engine that listens to utterances: hearing on one side, recognition on the other."""

from collections.abc import Callable

import anyio
import anyio.lowlevel

from app.core.config import Settings
from app.core.errors import SessionTooLong
from app.providers.base import SAMPLE_RATE_HZ
from app.services.audio.pcm import to_samples
from app.services.audio.segmenter import Segmenter, SegmentEvent, UtteranceEnded, UtteranceStarted
from app.services.decoding.load import Pressure
from app.services.decoding.utterance import OpenEngine
from app.services.dictation.events import EngineInfo, EventBuilder
from app.services.dictation.meter import Meter
from app.services.dictation.outbox import Event, Outbox
from app.services.dictation.queue import FlushMark, StopMark, WorkQueue
from app.services.dictation.recognition import RecognitionLoop

_SLICE_S = 0.2
"""Long chunks are heard in slices, so that one client's file never holds the event loop for more than ~1 ms."""

_SAMPLES_PER_MS = SAMPLE_RATE_HZ // 1000


class Dictation:
    """From `ready` to `stopped`. `audio`, `flush`, `stop` come from one task; `run` is another's."""

    def __init__(
        self,
        engine: OpenEngine,
        voice: EngineInfo,
        outbox: Outbox,
        settings: Settings,
        meter: Meter,
        *,
        silence_ms: int | None,
        events: frozenset[str],
        keep: Callable[[Event], None],
    ) -> None:
        self._settings = settings
        self._silence_ms = silence_ms
        self._outbox = outbox
        self._meter = meter
        self._events = events
        self._engine = engine
        self._inbox = WorkQueue()
        self._event_builder = EventBuilder(engine.config, voice, outbox, meter, events=events, keep=keep)
        self._recognition = RecognitionLoop(engine, self._inbox, self._event_builder, outbox)
        self._segmenter: Segmenter | None = None
        self._rate_hz = 0
        self._feeding = False
        self.done = anyio.Event()

    async def run(self) -> None:
        """Recognise until stopped, then tell `stopped`.

        Raises:
            EngineFailed: the engine cannot go on.
        """
        if "status" in self._events:
            self._engine.watch_pressure(self._status)
        await self._recognition.run()
        stats = self._event_builder.stats
        self._outbox.emit(
            {
                "type": "stopped",
                "stats": {
                    "audio_ms": self.heard_samples // _SAMPLES_PER_MS,
                    "speech_ms": stats.speech_samples // _SAMPLES_PER_MS,
                    "utterances": stats.utterances,
                    "finals": stats.finals,
                    "discarded": stats.discarded,
                },
            }
        )
        self.done.set()
        await self._outbox.send_pending()

    @property
    def heard_samples(self) -> int:
        """Samples heard so far, at 16 kHz."""
        return self._segmenter.samples if self._segmenter else 0

    @property
    def speaking(self) -> bool:
        """Whether an utterance is open and no audio is being worked on."""
        return self._segmenter is not None and self._segmenter.speaking and not self._feeding

    async def audio(self, pcm: bytes, rate_hz: int) -> None:
        """Hear a chunk; waits while too much of the audio before it stands undecoded.

        Raises:
            SessionTooLong: the session's limit is reached; what was said before is finalised.
        """
        if self._segmenter is None:
            self._segmenter = Segmenter(self._settings, rate_hz, self._silence_ms)
            self._rate_hz = rate_hz
        samples = to_samples(pcm)
        step = int(self._rate_hz * _SLICE_S)
        self._feeding = True
        try:
            with anyio.CancelScope(shield=True):  # whoever leaves: a chunk is heard as a whole or not at all
                for at in range(0, len(samples), step):
                    self._take(self._segmenter.push(samples[at : at + step]))
                    self._meter.received(self._segmenter.samples)
                    if at + step < len(samples):
                        await anyio.lowlevel.checkpoint()
            await self._room()
        finally:
            self._feeding = False
        if self._segmenter.samples > self._settings.limits.session_s * SAMPLE_RATE_HZ:
            self.stop()
            limit = self._settings.limits.session_s
            raise SessionTooLong(
                f"a session lasts at most {limit:g} s of audio (limits.session_s); start another"
            )

    def end_utterance(self) -> None:
        """Finalise what has been said so far, as if the audio had ended here."""
        if self._segmenter is not None:
            self._take(self._segmenter.finish())

    async def flush(self, flush_id: str | int | None) -> None:
        """Finalise what has been said, then answer `flushed`; waits while too many answers stand out."""
        self.end_utterance()
        self._inbox.put(FlushMark(flush_id))
        await self._room()

    def stop(self) -> None:
        """Finalise what has been said; `run` ends when all of it is told."""
        self.end_utterance()
        self._inbox.put(StopMark())

    def ack(self, audio_seq: int) -> None:
        """Tell how far the server is."""
        backlog_ms = self._inbox.waiting_samples // _SAMPLES_PER_MS
        received_ms = self.heard_samples // _SAMPLES_PER_MS
        self._outbox.emit(
            {
                "type": "ack",
                "audio_seq": audio_seq,
                "received_ms": received_ms,
                "decoded_ms": max(received_ms - backlog_ms, 0),
                "backlog_ms": backlog_ms,
            }
        )

    def _status(self, pressure: Pressure) -> None:
        self._outbox.emit({"type": "status", "degraded": pressure.degraded, "partials": pressure.partials})

    async def _room(self) -> None:
        limits = self._settings.limits
        await self._inbox.below(int(limits.backlog_s * SAMPLE_RATE_HZ), limits.outbound_events)

    def _take(self, events: list[SegmentEvent]) -> None:
        if self._inbox.closed:
            return  # the engine is gone: no utterance may begin that nobody would end
        for event in events:
            self._inbox.put(event)
            if isinstance(event, UtteranceStarted) and "speech_started" in self._events:
                start_ms = event.start // _SAMPLES_PER_MS
                self._tell(
                    "speech_started", event.utterance_id, start_ms, self.heard_samples // _SAMPLES_PER_MS
                )
            elif isinstance(event, UtteranceEnded) and "speech_stopped" in self._events:
                self._tell(
                    "speech_stopped",
                    event.utterance_id,
                    event.start // _SAMPLES_PER_MS,
                    event.speech_end // _SAMPLES_PER_MS,
                )

    def _tell(self, kind: str, utterance_id: int, start_ms: int, end_ms: int) -> None:
        self._outbox.emit(
            {"type": kind, "utterance_id": utterance_id, "start_ms": start_ms, "end_ms": end_ms}
        )
