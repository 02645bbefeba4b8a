"""A dictation whose engine sees every chunk as it arrives (`raw_audio`): no VAD gate, no endpointing, no queue."""

import anyio

from app.core.config import Settings
from app.core.errors import SessionTooLong
from app.providers.base import SAMPLES_PER_MS, RawSttSession
from app.providers.boundary import ProviderBoundary, close_provider
from app.services.dictation.events import EventBuilder, UtteranceState
from app.services.dictation.latency_meter import Meter
from app.services.dictation.limits import LimitWatch
from app.services.dictation.outbox import Outbox


class PassthroughDictation:
    """From `ready` to `stopped`, with the calls of `SegmentedDictation`; the engine itself ends an utterance."""

    is_speaking = False  # there is nothing to finalise where the client stalls
    has_speech = False  # its audio is not kept

    def __init__(
        self,
        engine: RawSttSession,
        builder: EventBuilder,
        outbox: Outbox,
        settings: Settings,
        meter: Meter,
        *,
        partials: bool,
    ) -> None:
        self._engine = engine
        self._builder = builder
        self._boundary = ProviderBoundary(builder.info.provider)
        self._outbox = outbox
        self._meter = meter
        self._limit_ms = settings.limits.session_s * 1000
        self._partials = partials
        self._stop = anyio.Event()
        self._received_ms = 0.0
        self._received = 0
        """Samples received so far, at 16 kHz, in whole milliseconds."""
        self._utterance = UtteranceState(1, 0)
        self._limits = LimitWatch() if builder.is_requested("status") else None
        self.done = anyio.Event()

    def report_progress(self) -> None:
        """Nothing is ever awaited: the engine answers each chunk."""

    def report_limits(self, now: float, login_left_s: float | None) -> None:
        """Emit which limit is near, where that has changed."""
        left_s = (self._limit_ms - self._received_ms) / 1000
        if self._limits and self._limits.observe(now, {"session": left_s, "login": login_left_s}):
            self._builder.limit(self._limits.told)

    async def run(self) -> None:
        """Wait for `stop`, then emit `stopped`."""
        try:
            await self._stop.wait()
        finally:
            await close_provider(self._builder.info.provider, self._engine.aclose())
        self._builder.totals.speech_samples = self._received
        self._builder.stopped(self._received)
        self.done.set()
        await self._outbox.deliver()

    async def feed(self, pcm: bytes, rate_hz: int) -> None:
        """Hand the chunk to the engine and emit what it answers.

        Raises:
            SessionTooLong: the session's limit is reached.
        """
        self._received_ms += len(pcm) * 500 / rate_hz
        received = self._received = int(self._received_ms) * SAMPLES_PER_MS
        self._meter.count_audio(received)
        with self._boundary:
            answers = self._engine.accept_chunk(pcm)
        for kind, text in answers:
            if kind == "final":
                self._builder.raw_final(self._utterance, text, received)
                self._utterance = UtteranceState(self._utterance.id + 1, received)
            elif self._partials:
                self._builder.raw_partial(self._utterance, text, received)
        if self._received_ms > self._limit_ms:
            self.stop()
            limit = self._limit_ms / 1000
            raise SessionTooLong(
                f"a session lasts at most {limit:g} s of audio (limits.session_s); start another"
            )

    def finish_utterance(self) -> None:
        """Do nothing: the engine alone says when an utterance ends."""

    def discard_utterance(self) -> None:
        """Do nothing: the engine has heard it already."""

    async def flush(self, flush_id: str | int | None) -> None:
        """Answer at once: every final has left already."""
        self._builder.flushed(flush_id)

    def stop(self) -> None:
        """Let `run` end."""
        self._stop.set()

    def acknowledge(self, audio_seq: int, logged_bytes: int | None = None) -> None:  # noqa: ARG002
        """Emit an `ack`: nothing waits for this engine."""
        self._builder.ack(audio_seq, received=self._received, backlog=0)
