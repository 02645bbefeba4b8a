"""llama.cpp on demand: started at the first prompt, after a crash, and again when another model is asked for."""

import asyncio
import logging
import time
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial

import anyio

from app.core.config import Settings
from app.core.errors import ProviderNotReady, UpstreamLoading
from app.core.notes import Note, NoteCode
from app.providers.base import OnWait, Wait, ignore_wait
from app.providers.llm.llama.process import LlamaProcess, LoadFailed
from app.weights.gguf import GgufFile

log = logging.getLogger(__name__)

FAILURES = 3
FAILURES_WITHIN_S = 60.0
"""After FAILURES crashes or failed loads within this time (s), it is not started until the first is this long ago."""
_TRY_AGAIN_S = 5.0
_STOPPING = "llama_local is stopping; ask again in a moment"


@dataclass(slots=True, eq=False)
class _Request:
    """A request from its arrival to the end of its answer."""

    file: GgufFile
    on_wait: OnWait
    has_model: bool = False
    """Whether llama.cpp may be asked: its model is loaded, and stays."""


class LlamaServer:
    """At most one process, with one model.

    Another model replaces it when the answers under way have ended. Requests that come meanwhile wait in one queue,
    whichever model they ask for, so that no model can keep the others out.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._turn = anyio.Lock()
        self._start: asyncio.Task[LlamaProcess] | None = None
        """The newest start, under way or done. No request owns it: a model whose request has left is still loaded,
        for the next one."""
        self._file: GgufFile | None = None
        self._answers = 0
        self._requests: list[_Request] = []
        """In the order in which they came."""
        self._idle = anyio.Event()
        self._failures: deque[float] = deque(maxlen=FAILURES)
        self._closed = False

    @property
    def loading(self) -> GgufFile | None:
        """The model being loaded now."""
        return self._file if self._start is not None and not self._start.done() else None

    @property
    def loaded(self) -> GgufFile | None:
        """The model that is loaded now."""
        return self._file if self.process is not None else None

    @property
    def process(self) -> LlamaProcess | None:
        """The running process."""
        start = self._start
        if start is None or not start.done() or start.cancelled() or start.exception() is not None:
            return None
        process = start.result()
        return None if process.ended.is_set() else process

    @property
    def broken_for_s(self) -> float:
        """Time until it may be started again (s); 0 if it may now."""
        if len(self._failures) < FAILURES:
            return 0.0
        return max(0.0, self._failures[0] + FAILURES_WITHIN_S - time.monotonic())

    @asynccontextmanager
    async def use_model(self, file: GgufFile, on_wait: OnWait = ignore_wait) -> AsyncIterator[LlamaProcess]:
        """The process that has `file` loaded. It keeps the model until the block is left.

        `on_wait` learns what the request waits for, also within llama.cpp, which answers `parallel` at a time.

        Raises:
            UpstreamLoading: the model did not get its turn, or was not loaded, in time.
            ProviderNotReady: it cannot be loaded, or its process ends again and again.
        """
        request = _Request(file, on_wait)
        self._requests.append(request)
        try:
            process = await self._take_turn(request)
            try:
                yield process
            finally:
                self._answers -= 1
                if self._answers == 0:
                    self._idle.set()
        finally:
            self._requests.remove(request)
            self._tell_waits()

    async def _take_turn(self, request: _Request) -> LlamaProcess:
        file, wait_s = request.file, self._settings.llm.local_first_byte_timeout_s
        self._tell_waits()
        try:
            with anyio.fail_after(wait_s):
                async with self._turn:
                    process = await self._get_process(file)
                    self._answers += 1
                    request.has_model = True
        except TimeoutError as error:
            raise UpstreamLoading(
                f"the model {file.name!r} was not ready within {wait_s:g} s; ask again in a moment",
                retry_after_s=_TRY_AGAIN_S,
            ) from error
        self._tell_waits()
        return process

    def _tell_waits(self) -> None:
        """Tell every request what it waits for: who waits for the model that is being loaded is not queued."""
        answering = [request for request in self._requests if request.has_model]
        coming = [request for request in self._requests if not request.has_model]
        served = self._settings.llm.llama_local.parallel
        for place, request in enumerate([*answering, *coming], 1 - served):
            if request.has_model:
                request.on_wait(Wait("queued", place) if place > 0 else None)
            elif request.file == self.loading:
                request.on_wait(Wait("loading"))
            else:
                request.on_wait(Wait("queued", max(place, coming.index(request) + 1)))

    async def aclose(self) -> None:
        """End the process, and the answers under way with it."""
        self._closed = True
        if self._start is not None:
            self._start.cancel()
            await asyncio.wait([self._start])
        if self.process is not None:
            await self.process.aclose()

    async def _get_process(self, file: GgufFile) -> LlamaProcess:
        if self._start is not None and self.loading:
            await asyncio.wait([self._start])
        if self.process is not None and self._file == file:
            return self.process
        if self._closed:
            raise ProviderNotReady(_STOPPING)
        if self.process is not None:
            await self._wait_until_idle()
            await self.process.aclose()
        if self.broken_for_s:
            raise self._make_error(file)
        self._file = file
        self._start = asyncio.ensure_future(self._start_process(file))
        self._start.add_done_callback(_retrieve_error)
        self._tell_waits()
        await asyncio.wait([self._start])
        if self._start.cancelled():
            raise ProviderNotReady(_STOPPING)
        try:
            return self._start.result()
        except LoadFailed as error:
            raise ProviderNotReady(
                f"llama.cpp cannot load {str(file.path)!r}: it is no model that it knows, or memory is short; "
                "PROMPTER_LOG_LEVEL=debug shows its own words",
                note=Note(NoteCode.MODEL_FILE_UNUSABLE),
            ) from error

    async def _start_process(self, file: GgufFile) -> LlamaProcess:
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

    async def _wait_until_idle(self) -> None:
        while self._answers:
            self._idle = anyio.Event()
            await self._idle.wait()

    def _make_error(self, file: GgufFile) -> ProviderNotReady:
        wait_s = self.broken_for_s
        return ProviderNotReady(
            f"llama.cpp ended {FAILURES} times in {FAILURES_WITHIN_S:g} s with {file.name!r}; ask again in "
            f"{wait_s:.0f} s, or start the server with PROMPTER_LOG_LEVEL=debug to see its own words",
            retry_after_s=wait_s,
            note=Note(NoteCode.ENDED_AGAIN, {"seconds": max(1, round(wait_s))}),
        )


def _retrieve_error(start: asyncio.Task[LlamaProcess]) -> None:
    """Keep the event loop from logging a failed start that no request waits for."""
    if not start.cancelled():
        start.exception()
