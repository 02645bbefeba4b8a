"""Every recording that is being transcribed: who may upload, and what they share."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import BinaryIO

import anyio

from app.core.config import Settings
from app.core.errors import ServerFull
from app.services.engines import Engines
from app.services.scheduling.scheduler import Scheduler
from app.services.streaming.session import Windows
from app.services.transcription.ask import Ask
from app.services.transcription.listeners import Cores
from app.services.transcription.recording import Means, Recording

RETRY_S = 5.0
"""When a client that was refused may try again."""


class Transcriptions:
    """One for an application."""

    def __init__(self, settings: Settings, engines: Engines, scheduler: Scheduler) -> None:
        self._limit = settings.limits.uploads
        self.open = 0
        """Recordings that are uploaded or transcribed now."""
        whisper = settings.stt.whisper_local
        cores = Cores(
            scheduler,
            Windows(whisper.partial_window, whisper.final_window),
            anyio.CapacityLimiter(scheduler.background),
        )
        self._means = Means(settings, engines, cores, anyio.CapacityLimiter(1))

    @asynccontextmanager
    async def place(self) -> AsyncIterator[None]:
        """One recording's place, from before its upload to the end of its answer.

        Raises:
            ServerFull: all are taken.
        """
        if self.open >= self._limit:
            raise ServerFull(
                f"{self._limit} recordings are being transcribed (limits.uploads); try again in {RETRY_S:g} s",
                retry_after_s=RETRY_S,
            )
        self.open += 1
        try:
            yield
        finally:
            self.open -= 1

    def recording(self, file: BinaryIO, ask: Ask) -> Recording:
        """The work on one file; its owner closes it."""
        return Recording(file, ask, self._means)
