"""The server's side of its process in a Ray cluster: answers, losses, ends. The process here is one of the test."""

import multiprocessing
import os
import pickle
import socket
from collections.abc import Callable
from multiprocessing.process import BaseProcess

import anyio
import pytest

from app.core.config import DecodeSettings
from app.core.errors import ProviderNotReady
from app.core.logging import LogFormat
from app.providers.tier import ray_bridge, ray_link
from app.providers.tier.port import LinkLost, WorkerLost
from app.providers.tier.ray_link import RayLink
from app.providers.tier.ray_wire import Kind, Message, Unpacker
from tests.support.tier import until

SETTINGS = DecodeSettings(tier="ray", address="127.0.0.1:1", trusted_network=True)
Log = tuple[str, LogFormat]
Process = Callable[[socket.socket, DecodeSettings, Log], None]


def join_and_serve(connection: socket.socket, settings: DecodeSettings, log: Log) -> None:
    """A cluster whose workers are `echo`, `lost`, `died`, `strange`, `quiet` and `end`, which ends this process."""
    connection.sendall(Message(kind=Kind.JOINED).pack())
    unpacker, cancelled = Unpacker(), list[int]()
    while data := connection.recv(1 << 16):
        for message in unpacker.push(data):
            if message.kind is Kind.CANCEL:
                cancelled.append(message.number)
            elif message.kind is Kind.FIND:
                connection.sendall(answer(message, b"echo\nquiet"))
            elif message.name != "quiet":
                connection.sendall(reply(message, cancelled))


def reply(message: Message, cancelled: list[int]) -> bytes:
    match message.name:
        case "echo":
            return answer(message, message.body)
        case "cancelled":
            return answer(message, pickle.dumps(len(cancelled)))
        case "strange":
            return answer(message, b"\x80\x05no pickle of ours.")
        case "end":
            os._exit(1)
    return Message(kind=Kind.LOST, number=message.number, body=b"died" * (message.name == "died")).pack()


def answer(message: Message, body: bytes) -> bytes:
    return Message(kind=Kind.ANSWER, number=message.number, body=body).pack()


def end_before_it_joins(connection: socket.socket, settings: DecodeSettings, log: Log) -> None:
    os._exit(3)


def wait_to_join(connection: socket.socket, settings: DecodeSettings, log: Log) -> None:
    connection.recv(1)


def be(process: Process, monkeypatch: pytest.MonkeyPatch) -> RayLink:
    """A link whose process does this instead."""
    monkeypatch.setattr(ray_bridge, "main", process)
    monkeypatch.setattr(ray_link, "check_installed", lambda: None)
    return RayLink(SETTINGS)


def list_bridges() -> list[BaseProcess]:
    """The processes between servers and clusters; other tests may have left other ones."""
    return [child for child in multiprocessing.active_children() if child.name == "prompter-ray"]


@pytest.mark.once
async def test_calls_are_answered_lost_and_cancelled(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    link = be(join_and_serve, monkeypatch)
    with pytest.raises(LinkLost):
        await link.find_workers()
    await link.open()
    assert await link.find_workers() == {"echo", "quiet"}
    assert await link.call("echo", {"words": "x" * 300_000}) == {"words": "x" * 300_000}
    for name, has_died in (("lost", False), ("died", True), ("strange", False), ("strange", False)):
        with pytest.raises(WorkerLost) as lost:
            await link.call(name, 1)
        assert lost.value.has_died is has_died
        assert not isinstance(lost.value, LinkLost)
    assert sum("another version" in record.getMessage() for record in caplog.records) == 1
    async with anyio.create_task_group() as group:
        group.start_soon(link.call, "quiet", 1)
        await anyio.wait_all_tasks_blocked()
        group.cancel_scope.cancel()
    assert await link.call("cancelled", 0) == 1
    lost_calls = list[str]()

    async def lose(worker: str) -> None:
        with pytest.raises(LinkLost):
            await link.call(worker, 1)
        lost_calls.append(worker)

    async with anyio.create_task_group() as group:
        group.start_soon(lose, "quiet")
        group.start_soon(lose, "end")
    assert sorted(lost_calls) == ["end", "quiet"], "all of a process that ends are told"
    with pytest.raises(LinkLost):
        await link.find_workers()
    await link.open()
    assert await link.call("echo", 2) == 2, "joined again"
    await link.aclose()
    assert not list_bridges()


async def test_a_process_that_ends_before_it_joined_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    link = be(end_before_it_joins, monkeypatch)
    with pytest.raises(ProviderNotReady, match="Ray's own log"):
        await link.open()
    with pytest.raises(LinkLost):
        await link.call("echo", 1)
    await link.aclose()


async def test_a_process_that_cannot_be_started_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """The server tries again: memory may have been short for a moment."""
    link = be(end_before_it_joins, monkeypatch)

    def refuse(_: object) -> None:
        raise BlockingIOError

    monkeypatch.setattr(ray_link, "start_without_sigint", refuse)
    with pytest.raises(ProviderNotReady, match="cannot be started"):
        await link.open()


async def test_a_server_that_ends_while_its_process_joins_ends_that(monkeypatch: pytest.MonkeyPatch) -> None:
    link = be(wait_to_join, monkeypatch)
    async with anyio.create_task_group() as group:
        group.start_soon(link.open)
        await until(list_bridges)
        group.cancel_scope.cancel()
    assert not list_bridges()
