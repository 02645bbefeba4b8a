"""The llama.cpp process seen from the server: how it is started, watched and ended."""

import asyncio
import multiprocessing
import secrets
import socket
from collections.abc import Callable
from contextlib import suppress
from multiprocessing.process import BaseProcess

import anyio.to_thread

from app.core.config import Settings
from app.providers.llm.llama import child
from app.providers.llm.llama.child import FAILED, LoadOptions
from app.providers.upstream.addresses import Reach, parse_base_url
from app.providers.upstream.client import Endpoint
from app.utils.child_processes import end_process, start_without_sigint
from app.weights.gguf import GgufFile

SPAWN = multiprocessing.get_context("spawn")
EXIT_TIMEOUT_S = 0.5
_ADDRESS_BYTES = 256


class LoadFailed(Exception):
    """llama.cpp cannot load the model, or its process ended while it loaded."""


class LlamaProcess:
    """A child process that runs llama.cpp with one model. `start` makes it, `aclose` ends it."""

    def __init__(self, process: BaseProcess, connection: socket.socket) -> None:
        self.ended = asyncio.Event()
        self.on_death: Callable[[], None] = lambda: None
        """Called when the process ends without `aclose`."""
        self._process = process
        self._connection = connection
        self._pid: int | None = None
        self._endpoint: Endpoint | None = None
        self._watching: asyncio.Task[None] | None = None

    @classmethod
    async def start(cls, file: GgufFile, settings: Settings) -> "LlamaProcess":
        """Start a process and load the model; there is no time limit.

        Only this server can use it: it listens on loopback, and its key is made here.

        Raises:
            LoadFailed
        """
        load = _load_options(file, settings)
        ours, theirs = socket.socketpair()
        process = SPAWN.Process(target=child.main, args=(theirs, load), name="prompter-llama", daemon=True)
        self = cls(process, ours)
        try:
            with theirs:
                await anyio.to_thread.run_sync(start_without_sigint, process)
            self._pid = process.pid  # it is lost once the process is reaped
            ours.setblocking(False)
            answer = await asyncio.get_running_loop().sock_recv(ours, _ADDRESS_BYTES)
            if answer in (b"", FAILED):
                raise LoadFailed
            base = parse_base_url(answer.decode().strip() + "/v1")
        except BaseException:
            await self.aclose()
            raise
        self._endpoint = Endpoint(base, load.api_key, Reach.OPERATOR, reuses_connections=False)
        self._watching = asyncio.ensure_future(self._watch())
        return self

    @property
    def pid(self) -> int | None:
        return self._pid

    @property
    def endpoint(self) -> Endpoint:
        """Its address and key."""
        assert self._endpoint is not None, "start() has returned"
        return self._endpoint

    async def aclose(self) -> None:
        """End the process. It exits when its socket closes, and is killed after EXIT_TIMEOUT_S."""
        self.on_death = lambda: None
        with suppress(OSError):
            self._connection.shutdown(socket.SHUT_RDWR)
        with anyio.CancelScope(shield=True):
            await (self._watching or self._reap())

    async def _watch(self) -> None:
        """Wait for the end of the process: its socket closes then, and nothing is sent before."""
        with suppress(OSError):
            await asyncio.get_running_loop().sock_recv(self._connection, 1)
        self.ended.set()
        self.on_death()
        await self._reap()

    async def _reap(self) -> None:
        self.ended.set()
        await anyio.to_thread.run_sync(end_process, self._process, EXIT_TIMEOUT_S)
        self._connection.close()


def _load_options(file: GgufFile, settings: Settings) -> LoadOptions:
    own = settings.llm.llama_local
    return LoadOptions(
        path=file.path,
        name=file.name,
        context_tokens=own.context_tokens,
        parallel=own.parallel,
        threads=own.threads,
        gpu_layers=own.gpu_layers,
        debug=settings.log_level == "debug",
        api_key=secrets.token_urlsafe(32),
    )
