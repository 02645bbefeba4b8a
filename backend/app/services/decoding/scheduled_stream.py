"""An incremental engine's stream at the scheduler: audio goes in as small feeds, the end is a final."""

from collections.abc import Awaitable, Callable
from typing import TypeVar

from app.providers.base import (
    SAMPLE_RATE_HZ,
    Hypothesis,
    PinnedSttStream,
    Samples,
    SttCapabilities,
    SttStream,
    Transcript,
)
from app.services.decoding.policy import Job, Priority
from app.services.decoding.scheduler import Scheduler, current_ticket

T = TypeVar("T")

FEED_S = 0.4
"""Audio of one feed: a final waits for a feed at most as long as this much audio takes to decode."""

FINAL_WITHIN_S = 0.3
"""How soon after its submission a final is wanted."""


def is_scheduled(capabilities: SttCapabilities) -> bool:
    """Whether the engine uses this machine's cores; other engines are called as the audio comes."""
    return not capabilities.network and not capabilities.raw_audio


class ScheduledStream:
    """A `SttStream` around that of an incremental engine for which `is_scheduled` holds.

        stream = ScheduledStream(await session.open_stream(), scheduler, number, provider.name)

    `number` is the session's (`Scheduler.new_session`). A `PinnedSttStream` names its worker, so
    that no core stands idle while two jobs want the same worker; it waits for its worker without holding a core.
    """

    def __init__(
        self, stream: SttStream, scheduler: Scheduler, session: int, engine: str, *, live: bool = True
    ) -> None:
        """Where it is not `live`, all of its jobs come after those of live sessions."""
        self._stream = stream
        self._feed_priority = Priority.FEED if live else Priority.FILE
        self._final_priority = Priority.FINAL if live else Priority.FILE
        self._pinned = stream if isinstance(stream, PinnedSttStream) else None
        self._scheduler = scheduler
        self._session = session
        self._engine = engine
        self._audio_s = 0.0
        self.waited_s = 0.0
        """How long its jobs have waited for a core, all together (s)."""

    async def accept(self, samples: Samples) -> Hypothesis | None:
        newest: Hypothesis | None = None
        step = int(FEED_S * SAMPLE_RATE_HZ)
        for start in range(0, len(samples), step):
            newest = await self._feed(samples[start : start + step]) or newest
        return newest

    async def finish(self, speech_samples: int) -> Transcript:
        if self._pinned is not None:
            await self._pinned.wait_for_worker()
        job = self._job("final", self._final_priority, self._audio_s, FINAL_WITHIN_S)
        return await self._run(job, lambda: self._stream.finish(speech_samples))

    async def aclose(self) -> None:
        await self._stream.aclose()

    async def _feed(self, samples: Samples) -> Hypothesis | None:
        audio_s = len(samples) / SAMPLE_RATE_HZ
        self._audio_s += audio_s
        if self._pinned is not None and self._pinned.worker is None:
            return await self._stream.accept(samples)
        job = self._job("feed", self._feed_priority, audio_s, audio_s)
        return await self._run(job, lambda: self._stream.accept(samples))

    async def _run(self, job: Job, work: Callable[[], Awaitable[T]]) -> T:
        async def begin() -> T:
            if (ticket := current_ticket.get()) is not None:
                self.waited_s += ticket.waited_s
            return await work()

        return await self._scheduler.run(job, begin)

    def _job(self, what: str, priority: Priority, audio_s: float, within_s: float) -> Job:
        return Job(
            session=self._session,
            priority=priority,
            audio_s=audio_s,
            deadline=self._scheduler.now() + within_s,
            cost_key=f"{self._engine}/{what}",
            worker=self._pinned.worker if self._pinned is not None else None,
        )
