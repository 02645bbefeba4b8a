"""The endpoint of the speech socket over a scripted ASGI server: what it sends, and how each socket ends."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import anyio
import pytest

from app.api import speech_socket
from app.api.deps import Resources
from app.main import create_app
from app.services.dictation.events import Event, encode_event
from tests.fakes.engine import FakeEngine
from tests.support.server import fake_settings, with_engine
from tests.support.speech_client import make_sentence

START = json.dumps({"type": "start", "config": {"provider": "fake", "endpointing": "command"}})
ECHO = json.dumps({"type": "start", "config": {"provider": "cloud_stub"}})


class Socket:
    """The server's side of one WebSocket: what the client sends, and what the application answers."""

    def __init__(self) -> None:
        self.sent: list[dict[str, Any]] = []
        self.failures: list[Exception] = []
        """Raised by the next sends, one each."""
        self.is_over = anyio.Event()
        self._incoming: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self._incoming.put_nowait({"type": "websocket.connect"})
        self._progress = anyio.Event()

    async def receive(self) -> dict[str, Any]:
        return await self._incoming.get()

    async def send(self, message: Any) -> None:
        if message["type"] == "websocket.send" and self.failures:
            raise self.failures.pop(0)
        self.sent.append(message)
        self._progress.set()
        self._progress = anyio.Event()

    async def say(self, *messages: str | bytes) -> None:
        for message in messages:
            key = "text" if isinstance(message, str) else "bytes"
            await self._incoming.put({"type": "websocket.receive", key: message})

    async def leave(self, code: int = 1000) -> None:
        await self._incoming.put({"type": "websocket.disconnect", "code": code})
        await self.is_over.wait()

    async def until(self, kind: str) -> dict[str, Any]:
        """Wait for the next event of a type."""
        with anyio.fail_after(10):
            while kind not in self.kinds:
                await self._progress.wait()
        return next(event for event in self.events if event["type"] == kind)

    @property
    def events(self) -> list[dict[str, Any]]:
        return [json.loads(message["text"]) for message in self.sent if message["type"] == "websocket.send"]

    @property
    def kinds(self) -> list[str]:
        return [event["type"] for event in self.events]

    @property
    def close_code(self) -> int:
        assert self.sent[-1]["type"] == "websocket.close"
        return int(self.sent[-1]["code"])


class Server:
    """An application and its sockets, without a network."""

    def __init__(self, engine: FakeEngine, **limits: Any) -> None:
        self.app = create_app(fake_settings(limits=limits), registrations=with_engine(engine))
        self.resources: Resources = self.app.state.resources

    @asynccontextmanager
    async def socket(self) -> AsyncIterator[Socket]:
        socket = Socket()
        async with anyio.create_task_group() as group:
            group.start_soon(self._serve, socket)
            yield socket
            if not socket.is_over.is_set():
                await socket.leave()

    async def _serve(self, socket: Socket) -> None:
        scope = {
            "type": "websocket",
            "path": "/ws/stt",
            "raw_path": b"/ws/stt",
            "root_path": "",
            "query_string": b"",
            "headers": [(b"host", b"127.0.0.1:8000")],
            "client": ("127.0.0.1", 50_000),
            "server": ("127.0.0.1", 8000),
            "scheme": "ws",
            "subprotocols": [],
            "extensions": {},
            "state": {},
        }
        await self.app(scope, socket.receive, socket.send)
        socket.is_over.set()


@asynccontextmanager
async def serving(engine: FakeEngine | None = None, **limits: Any) -> AsyncIterator[Server]:
    server = Server(engine or FakeEngine(), **limits)
    async with server.app.router.lifespan_context(server.app):
        yield server


async def test_events_of_messages_and_of_engines_leave_in_one_order() -> None:
    async with serving() as server, server.socket() as socket:
        await socket.say(START, '{"type":"ping"}', make_sentence(1.0))
        await socket.until("final")  # the engine's own task emits it: no message of the client comes behind
        await socket.say('{"type":"ping"}', '{"type":"stop"}')
        await socket.until("stopped")
        assert socket.kinds == ["ready", "pong", "final", "pong", "stopped"]
        assert [event["seq"] for event in socket.events] == [1, 2, 3, 4, 5]


async def test_a_client_that_leaves_with_1000_frees_its_engine() -> None:
    engine = FakeEngine()
    async with serving(engine) as server:
        async with server.socket() as socket:
            await socket.say(START, make_sentence(0.1))
            await socket.until("ready")
            await socket.leave(1000)
        assert engine.all_closed
        assert server.resources.sessions.waiting == 0
        assert server.resources.sockets.open == 0


@pytest.mark.parametrize(
    ("code", "failure"),
    [(1006, ConnectionResetError()), (1007, RuntimeError("after sending 'websocket.close'"))],
    ids=["the line broke", "the server closed by itself"],
)
@pytest.mark.parametrize("finds_out", ["the reader", "a send of the reader", "a send of the engine"])
async def test_a_session_waits_for_a_client_that_is_lost(
    finds_out: str, code: int, failure: Exception, capsys: pytest.CaptureFixture[str]
) -> None:
    engine = FakeEngine()
    async with serving(engine) as server:
        async with server.socket() as socket:
            await socket.say(START)
            await socket.until("ready")
            if finds_out != "the reader":
                socket.failures.append(failure)
                await socket.say(b"\0" if "reader" in finds_out else make_sentence(1.0), '{"type":"ping"}')
            await socket.leave(code)
        assert server.resources.sessions.waiting == 1
        assert not engine.all_closed
    log = capsys.readouterr().err
    assert f"code={code}" in log
    assert "ERROR" not in log


async def test_a_client_whose_leaving_is_never_told_is_not_waited_for() -> None:
    async with serving() as server, server.socket() as socket:
        await socket.say(START)
        await socket.until("ready")
        socket.failures.append(ConnectionResetError())
        await socket.say('{"type":"ping"}')
        with anyio.fail_after(10):
            await socket.is_over.wait()
        assert server.resources.sessions.waiting == 1


async def test_a_fatal_error_is_the_last_event_and_names_the_close_code() -> None:
    async with serving(message_bytes=2048) as server, server.socket() as socket:
        await socket.say(ECHO, b"\0" * 2049)
        await socket.is_over.wait()
        assert socket.kinds == ["ready", "error"]
        assert socket.events[-1]["code"] == "message_too_big"
        assert socket.events[-1]["fatal"]
        assert socket.close_code == 1009


@pytest.mark.parametrize("sender", ["reader", "engine"])
async def test_a_fault_of_the_server_is_reported_without_its_words(
    sender: str, capsys: pytest.CaptureFixture[str]
) -> None:
    async with serving() as server, server.socket() as socket:
        await socket.say(START)
        await socket.until("ready")
        socket.failures.append(ValueError("a word of the transcript"))
        await socket.say('{"type":"ping"}' if sender == "reader" else make_sentence(1.0))
        await socket.is_over.wait()
        assert socket.close_code == 1011
        assert server.resources.sessions.waiting == 1  # neither the client nor a rule has ended the dictation
    log = capsys.readouterr().err
    assert "unexpected ValueError on the speech socket" in log
    assert "a word of the transcript" not in log


async def test_a_fault_in_writing_an_event_is_not_taken_for_a_client_that_left(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A server raises RuntimeError where it has closed by itself; our own code may raise it, too."""
    faults = [RuntimeError("ours")]

    def encode_or_fail(event: Event) -> str:
        if faults:
            raise faults.pop()
        return encode_event(event)

    async with serving() as server, server.socket() as socket:
        await socket.say(START)
        await socket.until("ready")
        monkeypatch.setattr(speech_socket, "encode_event", encode_or_fail)
        await socket.say('{"type":"ping"}')
        with anyio.fail_after(10):
            await socket.is_over.wait()
        assert socket.close_code == 1011
    assert "unexpected RuntimeError on the speech socket" in capsys.readouterr().err


async def test_a_server_that_is_closing_takes_no_socket() -> None:
    async with serving() as server:
        server.resources.sessions.closing = True
        async with server.socket() as socket:
            await socket.is_over.wait()
            assert socket.close_code == 1012
            assert socket.events == []


async def test_a_socket_too_many_gets_its_error_and_1013() -> None:
    async with serving(sockets=1) as server, server.socket() as first, server.socket() as second:
        await second.is_over.wait()
        assert second.events[-1]["code"] == "server_full"
        assert second.close_code == 1013
        await first.say('{"type":"ping"}')
        await first.until("pong")


async def test_a_restart_sends_every_final_before_1012() -> None:
    async with serving() as server, server.socket() as socket:
        await socket.say(START, make_sentence(0.0))
        await socket.until("ready")
        await socket.say('{"type":"ping"}')
        await socket.until("pong")
        await server.resources.sessions.drain()
        await socket.is_over.wait()
        assert socket.kinds[-2:] == ["final", "stopped"]
        assert socket.close_code == 1012
