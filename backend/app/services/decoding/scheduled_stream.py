"""An incremental engine's stream that waits for its turn: the audio goes in in small feeds, the end is a final."""

from app.providers.base import (
    SAMPLE_RATE_HZ,
    Hypothesis,
    PinnedSttStream,
    Samples,
    SttCapabilities,
    SttStream,
    Transcript,
)
from app.services.decoding.jobs import Job, Priority
from app.services.decoding.scheduler import Scheduler

FEED_S = 0.4
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
    engines, and only where `is_scheduled(capabilities)`. A stream that is a `PinnedSttStream` gives its worker, so
    that no core stands idle while two jobs want the same worker, and waits for its worker without holding a core.
    """

    def __init__(
        self, stream: SttStream, scheduler: Scheduler, session: int, engine: str, *, live: bool = True
    ) -> None:
        """Not `live`, all of its turns come behind those of speakers."""
        self._stream = stream
        self._feed_priority = Priority.FEED if live else Priority.FILE
        self._final_priority = Priority.FINAL if live else Priority.FILE
        self._pinned = stream if isinstance(stream, PinnedSttStream) else None
        self._scheduler = scheduler
        self._session = session
        self._engine = engine
        self._audio_s = 0.0

    async def accept(self, samples: Samples) -> Hypothesis | None:
        newest: Hypothesis | None = None
        turn = int(FEED_S * SAMPLE_RATE_HZ)
        for start in range(0, len(samples), turn):
            newest = await self._feed(samples[start : start + turn]) or newest
        return newest

    async def finish(self, speech_samples: int) -> Transcript:
        if self._pinned is not None:
            await self._pinned.wait_for_worker()
        job = self._job("final", self._final_priority, self._audio_s, FINAL_WITHIN_S)
        return await self._scheduler.run(job, lambda: self._stream.finish(speech_samples))

    async def aclose(self) -> None:
        await self._stream.aclose()

    async def _feed(self, samples: Samples) -> Hypothesis | None:
        audio_s = len(samples) / SAMPLE_RATE_HZ
        self._audio_s += audio_s
        if self._pinned is not None and self._pinned.worker is None:
            return await self._stream.accept(samples)
        job = self._job("feed", self._feed_priority, audio_s, audio_s)
        return await self._scheduler.run(job, lambda: self._stream.accept(samples))

    def _job(self, what: str, priority: Priority, audio_s: float, within_s: float) -> Job:
        worker = self._pinned.worker if self._pinned is not None else None
        deadline = self._scheduler.now() + within_s
        return Job(self._session, priority, audio_s, deadline, f"{self._engine}/{what}", worker)
