"""One dictation with an engine that sees every chunk as received: no gate, no endpointing, no waiting line."""

from collections.abc import Callable

import anyio

from app.core.config import Settings
from app.core.errors import SessionTooLong
from app.providers.base import SAMPLE_RATE_HZ, RawSttSession
from app.providers.boundary import ProviderBoundary, close_provider
from app.services.dictation.events import EngineInfo
from app.services.dictation.meter import Meter
from app.services.dictation.outbox import Event, Outbox

_SAMPLES_PER_MS = SAMPLE_RATE_HZ // 1000


class PassthroughDictation:
    """From `ready` to `stopped`, with the same calls as `Dictation`; utterances end where the engine says final."""

    speaking = False  # nothing to finalise when the client stalls

    def __init__(
        self,
        engine: RawSttSession,
        voice: EngineInfo,
        outbox: Outbox,
        settings: Settings,
        meter: Meter,
        *,
        partials: bool,
        keep: Callable[[Event], None],
    ) -> None:
        self._engine = engine
        self._voice = voice
        self._boundary = ProviderBoundary(voice.provider)
        self._outbox = outbox
        self._meter = meter
        self._limit_ms = settings.limits.session_s * 1000
        self._partials = partials
        self._keep = keep
        self._stop = anyio.Event()
        self._heard_ms = 0.0
        self._start_ms = 0
        self._utterance_id = 1
        self._revision = 0
        self._finals = 0
        self.done = anyio.Event()

    async def run(self) -> None:
        """Wait for the stop, then tell `stopped`."""
        try:
            await self._stop.wait()
        finally:
            await close_provider(self._voice.provider, self._engine.aclose())
        stats = {
            "audio_ms": int(self._heard_ms),
            "speech_ms": int(self._heard_ms),
            "utterances": self._finals,
            "finals": self._finals,
            "discarded": 0,
        }
        self._outbox.emit({"type": "stopped", "stats": stats})
        self.done.set()
        await self._outbox.send_pending()

    async def audio(self, pcm: bytes, rate_hz: int) -> None:
        """Hand the chunk on and tell what the engine answers.

        Raises:
            SessionTooLong: the session's limit is reached.
        """
        self._heard_ms += len(pcm) * 500 / rate_hz
        self._meter.received(int(self._heard_ms) * _SAMPLES_PER_MS)
        with self._boundary:
            answers = self._engine.accept_chunk(pcm)
        for kind, text in answers:
            if kind == "final":
                self._final(text)
            elif self._partials:
                self._partial(text)
        if self._heard_ms > self._limit_ms:
            self.stop()
            limit = self._limit_ms / 1000
            raise SessionTooLong(
                f"a session lasts at most {limit:g} s of audio (limits.session_s); start another"
            )

    def _partial(self, text: str) -> None:
        self._revision += 1
        event = self._event("partial", text)
        event["stable"] = ""
        self._outbox.emit(event)

    def _final(self, text: str) -> None:
        self._revision += 1
        event = self._event("final", text)
        end_ms = int(self._heard_ms)
        event["timing"] = {"speech_end_ms": end_ms, "endpoint_ms": 0, "queue_ms": 0, "decode_ms": 0}
        self._keep(event)
        self._outbox.emit(event)
        self._meter.untimed_final()
        self._finals += 1
        self._utterance_id += 1
        self._revision = 0
        self._start_ms = end_ms

    def _event(self, kind: str, text: str) -> dict[str, object]:
        return {
            "type": kind,
            "text": text,
            "utterance_id": self._utterance_id,
            "revision": self._revision,
            "start_ms": self._start_ms,
            "end_ms": int(self._heard_ms),
            "lang": self._voice.lang,
            "provider": self._voice.provider,
            "model": self._voice.model,
        }

    def end_utterance(self) -> None:
        """Nothing: the engine alone says when an utterance ends."""

    async def flush(self, flush_id: str | int | None) -> None:
        """Answer at once: every final has already been told."""
        self._outbox.emit({"type": "flushed", "id": flush_id})

    def stop(self) -> None:
        """Let `run` end."""
        self._stop.set()

    def ack(self, audio_seq: int) -> None:
        """Tell how far the server is: always as far as the client."""
        heard_ms = int(self._heard_ms)
        self._outbox.emit(
            {
                "type": "ack",
                "audio_seq": audio_seq,
                "received_ms": heard_ms,
                "decoded_ms": heard_ms,
                "backlog_ms": 0,
            }
        )
