"""The process that is a server's part of a Ray cluster: where the cluster is gone, Ray ends it, not the server."""

import asyncio
import os
import signal
import socket
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Any, cast

from app.core.config import DecodeSettings
from app.core.errors import ProviderNotReady
from app.core.logging import LogFormat, configure_logging
from app.providers.tier.port import LinkLost
from app.providers.tier.ray_node import NAMESPACE, WORKER_PREFIX, RayNode, check_cluster, silence_ray
from app.providers.tier.ray_wire import Kind, Message, Unpacker

if TYPE_CHECKING:
    from ray.actor import ActorHandle


def main(connection: socket.socket, settings: DecodeSettings, log: tuple[str, LogFormat]) -> None:
    """Join the cluster, and carry calls until `connection` closes or the node ends. Signals to a group are not for it.

    A server that is asked to end needs its workers still, for the last words of its dictations. `log` is its level and
    format: both write to the same standard error.
    """
    if log[1] == "json":
        silence_ray()
    configure_logging(*log)
    if hasattr(os, "setpgrp"):
        os.setpgrp()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    with suppress(OSError):  # the server is gone
        node, is_decided = RayNode(settings), threading.Event()
        threading.Thread(target=_end_with_server, args=(connection, node, is_decided), daemon=True).start()
        try:
            node.join()
        except ProviderNotReady as error:
            is_decided.set()
            connection.sendall(Message(kind=Kind.REFUSED, body=error.message.encode()).pack())
            return
        is_decided.set()
        connection.sendall(Message(kind=Kind.JOINED).pack())
        connection.setblocking(False)
        asyncio.run(_serve(connection, node))
        node.give_up()
    os._exit(0)  # Ray's own end takes seconds, and nobody waits for it


def _end_with_server(connection: socket.socket, node: RayNode, is_decided: threading.Event) -> None:
    """End a node that is being started, and this process, when the server ends meanwhile."""
    with suppress(OSError):
        if connection.recv(1, socket.MSG_PEEK):  # it asks something, so it knows that this process has joined
            return
    if not is_decided.is_set():
        node.give_up()
        os._exit(0)


async def _serve(connection: socket.socket, node: RayNode) -> None:
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    await loop.create_unix_connection(lambda: Bridge(ended), sock=connection)
    ends = [asyncio.ensure_future(ended.wait()), asyncio.ensure_future(node.wait_end())]
    await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)


class Bridge(asyncio.Protocol):
    """Carries what the server asks to the workers, and their answers back."""

    def __init__(self, ended: asyncio.Event) -> None:
        self._ended = ended
        self._unpacker = Unpacker()
        self._transport: asyncio.Transport | None = None
        self._tasks: dict[int, asyncio.Task[None]] = {}
        self._handles: dict[str, ActorHandle[Any]] = {}

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        for message in self._unpacker.push(data):
            if message.kind is not Kind.CANCEL:
                self._tasks[message.number] = asyncio.ensure_future(self._answer(message))
            elif task := self._tasks.get(message.number):
                task.cancel()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002  # the reason changes nothing
        self._ended.set()

    async def _answer(self, message: Message) -> None:
        try:
            answer = await (self._find(message) if message.kind is Kind.FIND else self._call(message))
        finally:
            self._tasks.pop(message.number, None)
        if self._transport is not None:
            self._transport.write(answer.pack())

    async def _find(self, message: Message) -> Message:
        import ray
        from ray.exceptions import RayError

        try:
            await asyncio.to_thread(check_cluster)
            rows = await asyncio.to_thread(ray.util.list_named_actors, all_namespaces=True)
        except LinkLost:
            self._ended.set()  # the server notices, and joins again
            return Message(kind=Kind.LOST, number=message.number)
        except (RayError, OSError, RuntimeError):
            return Message(kind=Kind.LOST, number=message.number)
        names = [row["name"] for row in rows if row["namespace"] == NAMESPACE]
        found = "\n".join(name for name in names if name.startswith(WORKER_PREFIX))
        return Message(kind=Kind.ANSWER, number=message.number, body=found.encode())

    async def _call(self, message: Message) -> Message:
        import ray
        from ray.exceptions import (
            ActorDiedError,
            ActorUnavailableError,
            RayError,
            RayTaskError,
            WorkerCrashedError,
        )

        try:
            reference: Any = (await self._find_handle(message.name)).answer.remote(message.body)
            try:
                body: bytes = await reference
            except asyncio.CancelledError:
                ray.cancel(reference)
                raise
        except (ActorDiedError, ActorUnavailableError, WorkerCrashedError, RayTaskError, ValueError):
            # No actor has this name (any more): that is a ValueError. A RayTaskError: the worker cannot even read the
            # call, or not load its weights again. Such a call must not go round for ever.
            self._handles.pop(message.name, None)
            return Message(kind=Kind.LOST, number=message.number, body=b"died")
        except (RayError, RuntimeError):
            self._handles.pop(message.name, None)
            return Message(kind=Kind.LOST, number=message.number)
        return Message(kind=Kind.ANSWER, number=message.number, body=body)

    async def _find_handle(self, name: str) -> "ActorHandle[Any]":
        import ray

        if (handle := self._handles.get(name)) is None:
            handle = self._handles[name] = await asyncio.to_thread(ray.get_actor, name, namespace=NAMESPACE)
        return handle
