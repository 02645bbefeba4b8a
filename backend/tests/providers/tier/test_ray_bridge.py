"""The process between a server and its Ray cluster: what it answers over its socket, on a Ray that obeys the test."""

import asyncio
import os
import signal
import socket
import sys
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from types import ModuleType

import anyio
import anyio.lowlevel
import pytest

from app.core.config import DecodeSettings
from app.core.errors import ProviderNotReady
from app.providers.tier import ray_bridge
from app.providers.tier.ray_bridge import Bridge
from app.providers.tier.ray_node import NAMESPACE, WORKER_PREFIX, RayNode
from app.providers.tier.ray_wire import Kind, Message, Unpacker
from tests.support.tier import until

WITHIN_S = 60
SETTINGS = DecodeSettings(tier="ray", address="127.0.0.1:1")


class RayError(Exception):
    """As Ray's own."""


class ActorDiedError(RayError): ...


class ActorUnavailableError(RayError): ...


class WorkerCrashedError(RayError): ...


class RayTaskError(RayError): ...


class AuthenticationError(RayError): ...


DEATHS = (ActorDiedError, ActorUnavailableError, WorkerCrashedError, RayTaskError)


class FakeActor:
    """An actor: each call waits until the test says how it ends."""

    def __init__(self) -> None:
        self.calls: dict[bytes, asyncio.Future[bytes]] = {}
        self.answer = self

    def remote(self, body: bytes) -> asyncio.Future[bytes]:
        self.calls[body] = asyncio.get_running_loop().create_future()
        return self.calls[body]


class FakeRay(ModuleType):
    """The module `ray`, as far as it is used here."""

    def __init__(self) -> None:
        super().__init__("ray")
        self.actors: dict[str, FakeActor] = {}
        self.lookups = 0
        self.cancelled: list[asyncio.Future[bytes]] = []
        self.fails = False
        self.has_begun_anew = False
        """Whether the head was started again without what it knew."""
        self.util = self

    def list_named_actors(self, *, all_namespaces: bool) -> list[dict[str, str]]:
        assert all_namespaces
        if self.fails:
            raise RayError
        rows = [{"name": name, "namespace": NAMESPACE} for name in self.actors]
        return [
            *rows,
            {"name": f"{WORKER_PREFIX}x", "namespace": "other"},
            {"name": "y", "namespace": NAMESPACE},
        ]

    def read_key(self, key: str, *, namespace: str) -> bytes:
        assert (key, namespace) == ("session_name", "session")
        if self.has_begun_anew:
            raise AuthenticationError
        return b"one"

    def get_actor(self, name: str, *, namespace: str) -> FakeActor:
        assert namespace == NAMESPACE
        self.lookups += 1
        if name not in self.actors:
            raise ValueError(name)
        return self.actors[name]

    def cancel(self, call: asyncio.Future[bytes]) -> None:
        self.cancelled.append(call)


class Server:
    """The server's side of the socket."""

    def __init__(self, connection: socket.socket, ended: asyncio.Event) -> None:
        self.ended = ended
        """Set when the bridge's process ends."""
        self._connection = connection
        self._unpacker = Unpacker()

    async def send(self, kind: Kind, number: int, name: str = "", body: bytes = b"") -> None:
        message = Message(kind=kind, number=number, name=name, body=body)
        await asyncio.get_running_loop().sock_sendall(self._connection, message.pack())

    async def receive(self) -> Message:
        """The next message; the test sends on only when it has come."""
        with anyio.fail_after(WITHIN_S):
            while True:
                data = await asyncio.get_running_loop().sock_recv(self._connection, 1 << 16)
                assert data, "the bridge has closed its socket"
                for message in self._unpacker.push(data):
                    return message


@pytest.fixture
def ray(monkeypatch: pytest.MonkeyPatch) -> FakeRay:
    fake, errors = FakeRay(), ModuleType("ray.exceptions")
    for each in (RayError, AuthenticationError, *DEATHS):
        setattr(errors, each.__name__, each)
    keys = ModuleType("ray.experimental.internal_kv")
    keys._internal_kv_get = fake.read_key  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "ray", fake)
    monkeypatch.setitem(sys.modules, "ray.experimental", ModuleType("ray.experimental"))
    monkeypatch.setitem(sys.modules, keys.__name__, keys)
    monkeypatch.setitem(sys.modules, "ray.exceptions", errors)
    return fake


@asynccontextmanager
async def bridged() -> AsyncIterator[Server]:
    """A server and its bridge, which ends when the server closes the socket."""
    ours, theirs = socket.socketpair()
    ended = asyncio.Event()
    ours.setblocking(False)
    theirs.setblocking(False)
    await asyncio.get_running_loop().create_unix_connection(lambda: Bridge(ended), sock=theirs)
    try:
        yield Server(ours, ended)
    finally:
        ours.close()
        with anyio.fail_after(WITHIN_S):
            await ended.wait()


async def wait_for_call(actor: FakeActor, body: bytes) -> "asyncio.Future[bytes]":
    await until(lambda: body in actor.calls, WITHIN_S)
    return actor.calls[body]


async def test_only_workers_of_prompter_are_found(ray: FakeRay) -> None:
    ray.actors = {f"{WORKER_PREFIX}a": FakeActor(), f"{WORKER_PREFIX}b": FakeActor()}
    async with bridged() as server:
        await server.send(Kind.FIND, 1)
        found = await server.receive()
        assert (found.kind, found.number) == (Kind.ANSWER, 1)
        assert found.body.decode().split() == list(ray.actors)
        ray.fails = True
        await server.send(Kind.FIND, 2)
        assert (await server.receive()) == Message(kind=Kind.LOST, number=2)


async def test_it_ends_where_the_head_has_begun_another_cluster(ray: FakeRay) -> None:
    """The server joins that one then: as a member of the old one it would be asked for nothing ever again."""
    async with bridged() as server:
        await server.send(Kind.FIND, 1)
        assert (await server.receive()).kind is Kind.ANSWER
        assert not server.ended.is_set()
        ray.has_begun_anew = True
        await server.send(Kind.FIND, 2)
        with anyio.fail_after(WITHIN_S):
            await server.ended.wait()


async def test_calls_overlap_and_each_gets_its_answer(ray: FakeRay) -> None:
    actor = ray.actors["a"] = FakeActor()
    async with bridged() as server:
        await server.send(Kind.CALL, 1, "a", b"one")
        await server.send(Kind.CALL, 2, "a", b"two")
        first, second = await wait_for_call(actor, b"one"), await wait_for_call(actor, b"two")
        second.set_result(b"2" * 100_000)
        assert (await server.receive()) == Message(kind=Kind.ANSWER, number=2, body=b"2" * 100_000)
        first.set_result(b"1")
        assert (await server.receive()) == Message(kind=Kind.ANSWER, number=1, body=b"1")


async def test_a_call_that_nobody_waits_for_is_cancelled_at_the_worker(ray: FakeRay) -> None:
    actor = ray.actors["a"] = FakeActor()
    async with bridged() as server:
        await server.send(Kind.CALL, 1, "a", b"one")
        running = await wait_for_call(actor, b"one")
        await server.send(Kind.CANCEL, 1)
        await server.send(Kind.CANCEL, 7)  # its answer was on the way: no error
        await server.send(Kind.CALL, 2, "a", b"two")
        (await wait_for_call(actor, b"two")).set_result(b"2")
        assert (await server.receive()).number == 2
        assert ray.cancelled == [running]


@pytest.mark.parametrize("kind", DEATHS)
async def test_a_worker_that_died_is_told_so_and_looked_up_anew(kind: type[RayError], ray: FakeRay) -> None:
    """Ray makes an actor anew under its name; the handle of the old one may be of no use."""
    actor = ray.actors["a"] = FakeActor()
    async with bridged() as server:
        await server.send(Kind.CALL, 1, "a", b"one")
        (await wait_for_call(actor, b"one")).set_exception(kind())
        assert (await server.receive()) == Message(kind=Kind.LOST, number=1, body=b"died")
        await server.send(Kind.CALL, 2, "a", b"two")
        (await wait_for_call(actor, b"two")).set_result(b"2")
        assert (await server.receive()).kind is Kind.ANSWER
        assert ray.lookups == 2


async def test_other_failures_of_ray_are_no_death(ray: FakeRay) -> None:
    actor = ray.actors["a"] = FakeActor()
    async with bridged() as server:
        await server.send(Kind.CALL, 1, "a", b"one")
        (await wait_for_call(actor, b"one")).set_exception(RayError())
        assert (await server.receive()) == Message(kind=Kind.LOST, number=1)
        await server.send(Kind.CALL, 2, "nobody", b"two")
        assert (await server.receive()).kind is Kind.LOST


def test_why_the_cluster_cannot_be_joined_is_told_to_the_server(monkeypatch: pytest.MonkeyPatch) -> None:
    class Node:
        def __init__(self, settings: DecodeSettings) -> None: ...

        def join(self) -> None:
            raise ProviderNotReady("the token is another one")

    monkeypatch.setattr(ray_bridge, "RayNode", Node)
    monkeypatch.setattr(ray_bridge, "configure_logging", lambda *_: None)
    monkeypatch.setattr(signal, "signal", lambda *_: None)
    monkeypatch.setattr(os, "setpgrp", lambda: None)
    monkeypatch.setattr(signal, "pthread_sigmask", lambda *_: None)
    groups: list[str] = []
    monkeypatch.setattr(os, "setpgrp", lambda: groups.append("own"))
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ray_bridge.main(theirs, SETTINGS, ("info", "text"))
        (told,) = Unpacker().push(ours.recv(1 << 16))
    assert (told.kind, told.body.decode()) == (Kind.REFUSED, "the token is another one")
    assert groups == ["own"], "SIGTERM to the server's group leaves it the workers for its last finals"


def test_a_server_that_ends_while_a_node_starts_ends_the_node(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody else would: Ray's processes would stay on the machine."""
    said: list[str] = []

    class Node(RayNode):
        def give_up(self) -> None:
            said.append("given up")

    monkeypatch.setattr(os, "_exit", lambda code: said.append(f"exit {code}"))
    is_decided = threading.Event()
    for _ in range(2):
        ours, theirs = socket.socketpair()
        ours.close()
        with theirs:
            ray_bridge._end_with_server(theirs, Node(SETTINGS), is_decided)
        is_decided.set()
        assert said == ["given up", "exit 0"], "once it has joined, that is the loop's to see"


class EndedNode(RayNode):
    """A node that ends when the test says so."""

    def __init__(self) -> None:
        super().__init__(SETTINGS)
        self.ended = asyncio.Event()

    async def wait_end(self) -> None:
        await self.ended.wait()


async def test_the_process_ends_with_its_node() -> None:
    """The server then joins again, with another one."""
    ours, theirs = socket.socketpair()
    with ours, anyio.fail_after(WITHIN_S):
        theirs.setblocking(False)
        node = EndedNode()
        serving = asyncio.ensure_future(ray_bridge._serve(theirs, node))
        await anyio.lowlevel.checkpoint()
        assert not serving.done()
        node.ended.set()
        await serving
