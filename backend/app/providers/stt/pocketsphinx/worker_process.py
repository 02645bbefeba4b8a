"""A PocketSphinx worker process on the server's side: sends requests at once, gets replies in the same order."""

import asyncio
import heapq
import multiprocessing
import socket
from collections import deque
from multiprocessing.process import BaseProcess
from typing import cast

import anyio.to_thread

from app.providers.stt.pocketsphinx import worker
from app.providers.stt.pocketsphinx.wire import Header, Unpacker, pack
from app.utils.child_processes import end_process, start_without_sigint

SPAWN = multiprocessing.get_context("spawn")
START_TIMEOUT_S = 60.0
EXIT_TIMEOUT_S = 1.0


class WorkerDied(Exception):
    """The process ended before it answered. `running`: it was working on this request, not on an earlier one."""

    def __init__(self, *, running: bool) -> None:
        super().__init__("the worker process ended before it answered")
        self.running = running


class WorkerProcess(asyncio.Protocol):
    """One process and its socket; `start` makes it, `aclose` ends it.

    Callers bound the unsent bytes: an utterance has one running request, of at most a few blocks.
    """

    def __init__(self, process: BaseProcess, decoders: int) -> None:
        self.free = list(range(decoders))
        """Numbers of the decoders without an utterance. It is a heap: decoders that are already built come first."""
        self.ended = asyncio.Event()
        self._process = process
        self._transport: asyncio.Transport | None = None
        self._unpacker = Unpacker()
        self._waiting: deque[asyncio.Future[Header]] = deque()

    @classmethod
    async def start(cls, decoders: int) -> "WorkerProcess":
        """Start a process, and warm it up with a decode.

        Raises:
            WorkerDied: it ended before it was warm, or is not warm within a minute.
        """
        ours, theirs = socket.socketpair()
        process = SPAWN.Process(target=worker.main, args=(theirs,), name="prompter-pocketsphinx", daemon=True)
        self = cls(process, decoders)
        try:
            with theirs:
                await _spawn(process)
            ours.setblocking(False)
            await self._connect(ours)
            async with asyncio.timeout(START_TIMEOUT_S):
                await self.call({"op": "warm", "decoder": 0})
        except BaseException as error:
            if self._transport is None:
                ours.close()
            if process.pid is not None:
                process.kill()  # while it loads its model, it would not notice that the socket is closed
            await self.aclose()
            if isinstance(error, TimeoutError):
                raise WorkerDied(running=True) from error
            raise
        return self

    @property
    def pid(self) -> int | None:
        return self._process.pid

    def call(self, header: Header, body: bytes = b"") -> asyncio.Future[Header]:
        """Send a request now. The reply can be awaited; cancelling the future ignores it.

        Raises (also out of the future):
            WorkerDied: the process is gone.
        """
        if self._transport is None or self.ended.is_set():
            raise WorkerDied(running=False)
        reply: asyncio.Future[Header] = asyncio.get_running_loop().create_future()
        self._waiting.append(reply)
        self._transport.write(pack(header, body))
        return reply

    def take_decoder(self) -> int:
        return heapq.heappop(self.free)

    def give_decoder(self, number: int) -> None:
        heapq.heappush(self.free, number)

    async def aclose(self) -> None:
        """End the process: it ends when its socket closes, or is killed after a second."""
        if self._transport is not None:
            self._transport.abort()
            await self.ended.wait()
        with anyio.CancelScope(shield=True):
            await anyio.to_thread.run_sync(end_process, self._process, EXIT_TIMEOUT_S)

    async def _connect(self, ours: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        if ours.family == getattr(socket, "AF_UNIX", None):
            await loop.create_unix_connection(lambda: self, sock=ours)
        else:
            await loop.create_connection(lambda: self, sock=ours)

    # -- called by the event loop

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports are no subclass of asyncio.Transport: this cannot be asserted.
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        for header, _ in self._unpacker.push(data):
            reply = self._waiting.popleft()
            if not reply.done():
                reply.set_result(header)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002  # the reason changes nothing
        self.ended.set()
        for place, reply in enumerate(self._waiting):
            if not reply.done():
                reply.set_exception(WorkerDied(running=place == 0))
        self._waiting.clear()


async def _spawn(process: BaseProcess) -> None:
    """Start the process completely, also when cancelled: a process that is half started cannot be ended."""
    starting = asyncio.ensure_future(anyio.to_thread.run_sync(start_without_sigint, process))
    try:
        await asyncio.shield(starting)
    except asyncio.CancelledError:
        await asyncio.wait([starting])
        raise
