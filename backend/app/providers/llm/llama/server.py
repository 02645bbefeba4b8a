"""llama.cpp on demand: starts it at the first prompt, again after a crash, and with another model when asked to."""

import asyncio
import logging
import time
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

import anyio

from app.core.config import Settings
from app.core.errors import ProviderNotReady, UpstreamLoading
from app.providers.llm.llama.process import LlamaProcess, LoadFailed
from app.weights.gguf import GgufFile

log = logging.getLogger(__name__)

FAILURES = 3
FAILURES_WITHIN_S = 60.0
"""After so many crashes and failed loads in this time it is not started again before the first is so long ago."""
_TRY_AGAIN_S = 5.0
_STOPPING = "llama_local is stopping; ask again in a moment"


class LlamaServer:
    """At most one process, with at most one model.

    Another model takes its place when the answers under way have ended; who asks meanwhile waits in line, whichever
    model is meant, so that no model can keep the other out.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._turn = anyio.Lock()
        self._start: asyncio.Task[LlamaProcess] | None = None
        """The newest start, under way or done. It belongs to nobody: a model that nobody waits for is loaded all
        the same, for whoever asks next."""
        self._file: GgufFile | None = None
        self._answers = 0
        self._idle = anyio.Event()
        self._failures: deque[float] = deque(maxlen=FAILURES)
        self._closed = False

    @property
    def loading(self) -> GgufFile | None:
        """The model being loaded now."""
        return self._file if self._start is not None and not self._start.done() else None

    @property
    def loaded(self) -> GgufFile | None:
        """The model that answers now."""
        return self._file if self.process is not None else None

    @property
    def process(self) -> LlamaProcess | None:
        """The process that answers now."""
        start = self._start
        if start is None or not start.done() or start.cancelled() or start.exception() is not None:
            return None
        process = start.result()
        return None if process.ended.is_set() else process

    @property
    def broken_for_s(self) -> float:
        """Seconds in which it is not started again; 0 where it may be."""
        if len(self._failures) < FAILURES:
            return 0.0
        return max(0.0, self._failures[0] + FAILURES_WITHIN_S - time.monotonic())

    @asynccontextmanager
    async def answering(self, file: GgufFile) -> AsyncIterator[LlamaProcess]:
        """The process where `file` answers; no other model takes its place before the block is left.

        Raises:
            UpstreamLoading: it was not its turn, or not loaded, in time.
            ProviderNotReady: it cannot be loaded, or ends again and again.
        """
        wait_s = self._settings.llm.local_first_byte_timeout_s
        try:
            with anyio.fail_after(wait_s):
                async with self._turn:
                    process = await self._process_of(file)
                    self._answers += 1
        except TimeoutError as error:
            raise UpstreamLoading(
                f"the model {file.name!r} was not ready within {wait_s:g} s; ask again in a moment",
                retry_after_s=_TRY_AGAIN_S,
            ) from error
        try:
            yield process
        finally:
            self._answers -= 1
            if self._answers == 0:
                self._idle.set()

    async def aclose(self) -> None:
        """End the process, answers under way or not."""
        self._closed = True
        if self._start is not None:
            self._start.cancel()
            await asyncio.wait([self._start])
        if self.process is not None:
            await self.process.aclose()

    async def _process_of(self, file: GgufFile) -> LlamaProcess:
        if self._start is not None and self.loading:
            await asyncio.wait([self._start])
        if self.process is not None and self._file == file:
            return self.process
        if self._closed:
            raise ProviderNotReady(_STOPPING)
        if self.process is not None:
            await self._until_idle()
            await self.process.aclose()
        if self.broken_for_s:
            raise self._broken(file)
        self._file = file
        self._start = asyncio.ensure_future(self._started(file))
        self._start.add_done_callback(_told)
        await asyncio.wait([self._start])
        if self._start.cancelled():
            raise ProviderNotReady(_STOPPING)
        try:
            return self._start.result()
        except LoadFailed as error:
            raise ProviderNotReady(
                f"llama.cpp cannot load {str(file.path)!r}: it is no model that it knows, or memory is short; "
                "PROMPTER_LOG_LEVEL=debug shows its own words"
            ) from error

    async def _started(self, file: GgufFile) -> LlamaProcess:
        began = time.monotonic()
        try:
            process = await LlamaProcess.start(file, self._settings)
        except LoadFailed:
            self._failures.append(time.monotonic())
            log.warning("llama.cpp could not load %r", file.name)
            raise
        log.info(
            "llama.cpp loaded %r in %.1f s (process %s)", file.name, time.monotonic() - began, process.pid
        )
        process.on_death = partial(self._died, process)
        return process

    def _died(self, process: LlamaProcess) -> None:
        self._failures.append(time.monotonic())
        log.warning("llama.cpp (process %s) died; it starts again at the next prompt", process.pid)

    async def _until_idle(self) -> None:
        while self._answers:
            self._idle = anyio.Event()
            await self._idle.wait()

    def _broken(self, file: GgufFile) -> ProviderNotReady:
        wait_s = self.broken_for_s
        return ProviderNotReady(
            f"llama.cpp ended {FAILURES} times in {FAILURES_WITHIN_S:g} s with {file.name!r}; ask again in "
            f"{wait_s:.0f} s, or start the server with PROMPTER_LOG_LEVEL=debug to see its own words",
            retry_after_s=wait_s,
        )


def _told(start: asyncio.Task[LlamaProcess]) -> None:
    """A start that failed for nobody is no error of the event loop's."""
    if not start.cancelled():
        start.exception()
