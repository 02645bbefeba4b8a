"""An incremental engine's stream that waits for its turn: the audio goes in in small feeds, the end is a final."""

from app.providers.base import (
    SAMPLE_RATE_HZ,
    Hypothesis,
    PlacedSttStream,
    Samples,
    SttCapabilities,
    SttStream,
    Transcript,
)
from app.services.decoding.jobs import Job, Kind
from app.services.decoding.scheduler import Scheduler

TURN_S = 0.4
"""Audio of one turn: the longest that a final waits for a feed is what this much audio costs."""

FINAL_WITHIN_S = 0.3
"""How soon after its submission a final is wanted."""


def is_scheduled(capabilities: SttCapabilities) -> bool:
    """Whether the engine works on this machine's cores; others are called as they come."""
    return not capabilities.network and not capabilities.raw_audio


class ScheduledStream:
    """Wraps the `SttStream` of an in-process engine; itself one, with the same rules.

        stream = ScheduledStream(await session.open_stream(), scheduler, number, provider.name)

    `number` is the dictation's own (`Scheduler.new_session`), kept until `Scheduler.forget`; not for windowed
    engines, and only where `is_scheduled(capabilities)`. A stream that is a `PlacedSttStream` gives its lane, so
    that no core stands idle while two jobs want the same worker, and waits for its worker without holding a core.
    """

    def __init__(
        self, stream: SttStream, scheduler: Scheduler, session: int, engine: str, *, live: bool = True
    ) -> None:
        """Not `live`, all of its turns come behind those of speakers."""
        self._stream = stream
        self._feed_kind = Kind.FEED if live else Kind.FILE
        self._final_kind = Kind.FINAL if live else Kind.FILE
        self._placed = stream if isinstance(stream, PlacedSttStream) else None
        self._scheduler = scheduler
        self._session = session
        self._engine = engine
        self._audio_s = 0.0

    async def accept(self, samples: Samples) -> Hypothesis | None:
        newest: Hypothesis | None = None
        turn = int(TURN_S * SAMPLE_RATE_HZ)
        for start in range(0, len(samples), turn):
            newest = await self._feed(samples[start : start + turn]) or newest
        return newest

    async def finish(self, speech_samples: int) -> Transcript:
        if self._placed is not None:
            await self._placed.placed()
        job = self._job("final", self._final_kind, self._audio_s, FINAL_WITHIN_S)
        return await self._scheduler.run(job, lambda: self._stream.finish(speech_samples))

    async def aclose(self) -> None:
        await self._stream.aclose()

    async def _feed(self, samples: Samples) -> Hypothesis | None:
        audio_s = len(samples) / SAMPLE_RATE_HZ
        self._audio_s += audio_s
        if self._placed is not None and self._placed.lane is None:
            return await self._stream.accept(samples)
        job = self._job("feed", self._feed_kind, audio_s, audio_s)
        return await self._scheduler.run(job, lambda: self._stream.accept(samples))

    def _job(self, what: str, kind: Kind, audio_s: float, within_s: float) -> Job:
        lane = self._placed.lane if self._placed is not None else None
        deadline = self._scheduler.now() + within_s
        return Job(self._session, kind, audio_s, deadline, f"{self._engine}/{what}", lane)
