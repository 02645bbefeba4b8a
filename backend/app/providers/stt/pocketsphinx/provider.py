"""The embedded English engine: offline, incremental, its model inside its wheel, run in worker processes."""

import asyncio
import importlib.util
import os
from collections.abc import Callable

from app.core.config import Settings
from app.core.errors import ProviderNotReady, UnknownModel
from app.core.extras import advise_extra
from app.core.notes import Note, NoteCode
from app.providers.base import ProviderStatus, SttCapabilities, SttConfig
from app.providers.stt.pocketsphinx.pool import WorkerPool
from app.providers.stt.pocketsphinx.stream import LANGUAGE, MODEL, SphinxSession
from app.schemas.providers import ProviderState

_TITLE = "PocketSphinx"


def describe_missing() -> str:
    """Return what to do where the package is not installed."""
    return (
        f"the package 'pocketsphinx' is not installed: {advise_extra('pocketsphinx')} installs it, with a wheel on "
        "Python 3.11 and 3.13, with a C compiler on others"
    )


class PocketSphinxProvider:
    """Decodes `workers` times `decoders` utterances at a time; others wait for a decoder."""

    name = "pocketsphinx"
    type = "embedded"
    capabilities = SttCapabilities(
        languages=(LANGUAGE,), streaming=True, words=True, vocabulary=False, network=False
    )

    def __init__(
        self, settings: Settings, *, find_spec: Callable[[str], object | None] = importlib.util.find_spec
    ) -> None:
        limits = settings.stt.pocketsphinx
        self._size = limits.workers or os.cpu_count() or 1
        self._decoders = limits.decoders
        self._find_spec = find_spec
        self._pool: WorkerPool | None = None
        self._starting = asyncio.Lock()

    @property
    def worker_pids(self) -> list[int]:
        """The worker processes, empty before `start`."""
        return self._pool.pids if self._pool else []

    async def status(self) -> ProviderStatus:
        if self._find_spec("pocketsphinx") is None:
            return ProviderStatus(
                state=ProviderState.NOT_INSTALLED,
                description=describe_missing(),
                note=Note(NoteCode.PACKAGE_MISSING),
                title=_TITLE,
            )
        if self._starting.locked():
            return ProviderStatus(
                state=ProviderState.LOADING,
                description="loading its model into the worker processes",
                note=Note(NoteCode.LOADING),
                title=_TITLE,
            )
        return ProviderStatus(
            state=ProviderState.READY,
            description="offline English with partials while you speak; rough: two to four words in ten are wrong",
            note=Note(NoteCode.HEARS_ROUGHLY, {"languages": 1}),
            title=_TITLE,
        )

    def models(self) -> list[str]:
        return [MODEL]

    async def start(self) -> None:
        if self._find_spec("pocketsphinx") is None:
            raise ProviderNotReady(describe_missing(), note=Note(NoteCode.PACKAGE_MISSING))
        async with self._starting:
            if self._pool is None:
                pool = WorkerPool(self._size, self._decoders)
                await pool.start()
                self._pool = pool

    async def open_session(self, config: SttConfig) -> SphinxSession:
        if config.model not in (None, MODEL):
            raise UnknownModel(f"the provider 'pocketsphinx' has no such model; it knows {MODEL!r}")
        if self._pool is None:
            raise ProviderNotReady(
                "the provider 'pocketsphinx' is not started; start it before the first dictation"
            )
        return SphinxSession(self._pool, config)

    async def aclose(self) -> None:
        async with self._starting:
            pool, self._pool = self._pool, None
            if pool is not None:
                await pool.aclose()
