"""Ray as the link between a server and its decode workers, through a process of its own."""

import asyncio
import itertools
import logging
import multiprocessing
import pickle
import socket
from multiprocessing.process import BaseProcess
from typing import Any, cast

import anyio
from anyio.to_thread import run_sync

from app.core.config import DecodeSettings
from app.core.errors import ProviderNotReady
from app.core.logging import LogFormat, log_failure
from app.providers.tier import ray_bridge
from app.providers.tier.port import LinkLost, WorkerLost
from app.providers.tier.ray_node import check_guard, check_installed
from app.providers.tier.ray_wire import Kind, Message, Unpacker
from app.utils.child_processes import end_process, start_without_sigint

logger = logging.getLogger(__name__)

_SPAWN = multiprocessing.get_context("spawn")
_END_S = 5.0
"""How long the process may take to end: it asks a node that it has started to end, too (s)."""
_NOT_JOINED = (
    "the process that joins the Ray cluster ended before it had joined; see the files of Ray's own log"
)


class RayLink:
    """A `TierLink`. Calls and answers travel pickled: only machines with the cluster's token take part."""

    def __init__(self, settings: DecodeSettings, log: tuple[str, LogFormat] = ("info", "text")) -> None:
        """`log` is the level and format of the server's log, for its process in the cluster."""
        self._settings = settings
        self._log = log
        self._bridge: _BridgeProcess | None = None
        self._unreadable: set[str] = set()
        """Workers whose answers this version cannot read: that is logged once."""

    async def open(self) -> None:
        check_installed()
        check_guard(self._settings)
        await self.aclose()
        try:
            self._bridge = await _BridgeProcess.start(self._settings, self._log)
        except OSError as error:
            raise ProviderNotReady(
                f"the process that joins the Ray cluster cannot be started ({type(error).__name__})"
            ) from error

    async def find_workers(self) -> frozenset[str]:
        found = await self._open_bridge.ask(Kind.FIND)
        return frozenset(found.decode().split())

    async def call(self, worker: str, call: object) -> Any:
        answer = await self._open_bridge.ask(Kind.CALL, worker, pickle.dumps(call, protocol=5))
        try:
            return pickle.loads(answer)  # noqa: S301  # from a worker, behind the cluster's token
        except Exception as error:  # a worker of another version may send anything
            if worker not in self._unreadable:
                self._unreadable.add(worker)
                log_failure(logger, f"what {worker} answers cannot be read; is it another version?", error)
            raise WorkerLost from error

    async def aclose(self) -> None:
        bridge, self._bridge = self._bridge, None
        if bridge is not None:
            await bridge.aclose()

    @property
    def _open_bridge(self) -> "_BridgeProcess":
        if self._bridge is None:
            raise LinkLost
        return self._bridge


class _BridgeProcess(asyncio.Protocol):
    """The process of `ray_bridge.py`, and its socket."""

    def __init__(self, process: BaseProcess) -> None:
        self.joined: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._process = process
        self._transport: asyncio.Transport | None = None
        self._unpacker = Unpacker()
        self._numbers = itertools.count(1)
        self._waiting: dict[int, asyncio.Future[bytes]] = {}
        self._ended = asyncio.Event()

    @classmethod
    async def start(cls, settings: DecodeSettings, log: tuple[str, LogFormat]) -> "_BridgeProcess":
        """
        Raises:
            ProviderNotReady: the cluster cannot be joined.
        """
        ours, theirs = socket.socketpair()
        process = _SPAWN.Process(
            target=ray_bridge.main, args=(theirs, settings, log), name="prompter-ray", daemon=True
        )
        self = cls(process)
        try:
            with theirs, anyio.CancelScope(shield=True):
                await run_sync(start_without_sigint, process)
            ours.setblocking(False)
            await asyncio.get_running_loop().create_unix_connection(lambda: self, sock=ours)
            await self.joined
        except BaseException:
            if self._transport is None:
                ours.close()
            await self.aclose()
            raise
        return self

    async def ask(self, kind: Kind, name: str = "", body: bytes = b"") -> bytes:
        """The body of the answer.

        Raises:
            WorkerLost, LinkLost
        """
        if self._transport is None or self._ended.is_set():
            raise LinkLost
        number = next(self._numbers)
        answer = self._waiting[number] = asyncio.get_running_loop().create_future()
        self._transport.write(Message(kind=kind, number=number, name=name, body=body).pack())
        try:
            body_of_answer: bytes = await answer
            return body_of_answer
        except asyncio.CancelledError:
            self._transport.write(Message(kind=Kind.CANCEL, number=number).pack())
            raise
        finally:
            self._waiting.pop(number, None)

    async def aclose(self) -> None:
        """End the process: it ends when its socket closes, or is killed after a while."""
        with anyio.CancelScope(shield=True):
            if self._transport is not None:
                self._transport.abort()
                await self._ended.wait()
            await run_sync(end_process, self._process, _END_S)

    # -- called by the event loop

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        for message in self._unpacker.push(data):
            self._take(message)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002  # the reason changes nothing
        self._ended.set()
        if not self.joined.done():
            self.joined.set_exception(ProviderNotReady(_NOT_JOINED))
        for answer in self._waiting.values():
            if not answer.done():
                answer.set_exception(LinkLost())

    def _take(self, message: Message) -> None:
        if message.kind is Kind.JOINED:
            self.joined.set_result(None)
        elif message.kind is Kind.REFUSED:
            self.joined.set_exception(ProviderNotReady(message.body.decode()))
        elif (answer := self._waiting.get(message.number)) is not None and not answer.done():
            if message.kind is Kind.LOST:
                answer.set_exception(WorkerLost(has_died=bool(message.body)))
            else:
                answer.set_result(message.body)
