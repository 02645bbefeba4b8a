"""The server of `prompter serve`: what it announces, how it ends, and its bounded HTTP parser."""

import asyncio
import contextlib
import ctypes
import json
import logging
import os
import signal
import socket
import struct
import sys
from collections.abc import Iterator
from functools import partial
from typing import Any

import httpx2
import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.client import ClientProtocol
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.frames import Frame, Opcode

from app.cli import uvicorn_server
from app.cli.serve import SHUTDOWN_TIMEOUT_S
from app.cli.uvicorn_server import (
    LargeMessageGate,
    ProbingWebSocketProtocol,
    compute_end_limit_s,
    is_worth_logging,
)
from app.services.chat.answers import DRAIN_S
from app.services.history.dictation_writer import MIN_END_S
from tests.fakes.engine import FakeEngine, Script, guess_words
from tests.support.realtime_client import RealtimeClient, connect_realtime_client
from tests.support.server import fake_settings, run_server, serve_engine, with_engine
from tests.support.speech_client import (
    SpeechClient,
    connect_speech_client,
    list_texts,
    load_speech,
    make_sentence,
    make_speech_without_pauses,
    wait_until,
)
from tests.support.terminal import FakeTerminal

ENDS_WITHIN_S = 20.0
"""On a busy machine. What would be waited for takes a minute."""
LONG_WAITS = {"PROMPTER_LIMITS__STOP_S": "60"}


@pytest.fixture
def terminal(clean_environment: None) -> Iterator[FakeTerminal]:
    served = FakeTerminal(PROMPTER_STT__PROVIDER="cloud_stub", **LONG_WAITS)
    try:
        yield served
    finally:
        served.process.kill()
        served.process.communicate()


def test_it_says_what_it_can_do(terminal: FakeTerminal) -> None:
    url = terminal.wait_for(r"listening at (http://127\.0\.0\.1:\d+)")[1]
    terminal.wait_for("speech engine: cloud_stub")
    said = "".join(terminal.lines)
    assert f"{url}/docs" in said
    assert "prompts are answered by: echo" in said
    assert httpx2.get(f"{url}/health", trust_env=False).json() == {"status": "ok"}
    assert terminal.end(signal.SIGINT)[0] == 0


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
async def test_it_ends_at_once_with_open_sockets(terminal: FakeTerminal, how: signal.Signals) -> None:
    """Dictations in the middle of a word and idle sockets are told to come back later."""
    url = (await asyncio.to_thread(terminal.wait_for, r"listening at (http://\S+)"))[1]
    async with contextlib.AsyncExitStack() as stack:
        address = f"ws{url.removeprefix('http')}/ws/stt"
        sockets = [await stack.enter_async_context(connect(address, proxy=None)) for _ in range(4)]
        for socket_ in sockets[1:]:
            await socket_.send(json.dumps({"type": "start", "config": {"provider": "cloud_stub"}}))
            await socket_.send(bytes(3200))
            assert json.loads(await socket_.recv())["type"] == "ready"
        code, took_s, said = await asyncio.to_thread(terminal.end, how)
        for socket_ in sockets:
            await socket_.wait_closed()
    assert code == 0
    assert took_s < ENDS_WITHIN_S
    assert "Traceback" not in said
    assert "ERROR" not in said
    assert {socket_.close_code for socket_ in sockets} == {1012}


SPHINX = {"PROMPTER_STT__PROVIDER": "pocketsphinx", "PROMPTER_STT__POCKETSPHINX__WORKERS": "1"}


@pytest.fixture
def listening(clean_environment: None) -> Iterator[FakeTerminal]:
    """A server with an engine that really listens."""
    served = FakeTerminal(**SPHINX, **LONG_WAITS)
    try:
        yield served
    finally:
        served.process.kill()
        served.process.communicate()


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
async def test_what_was_said_is_told_before_it_ends(listening: FakeTerminal, how: signal.Signals) -> None:
    url = (await asyncio.to_thread(listening.wait_for, r"listening at (http://\S+)"))[1]
    await asyncio.to_thread(listening.wait_for, "speech engine: pocketsphinx")
    async with connect_speech_client(url) as client:
        await client.start(lang="en")
        await client.connection.send(load_speech().tobytes())
        await client.until("partial")
        listening.process.send_signal(how)
        assert await client.until_closed() == 1012
    await asyncio.to_thread(listening.process.wait, 60)
    assert [event["type"] for event in client.events[-2:]] == ["final", "stopped"]
    assert "weather" in client.events[-2]["text"]
    assert listening.process.returncode == 0
    assert "Traceback" not in listening.process.communicate()[1]


async def test_a_turn_of_the_realtime_socket_is_told_before_it_ends(listening: FakeTerminal) -> None:
    url = (await asyncio.to_thread(listening.wait_for, r"listening at (http://\S+)"))[1]
    await asyncio.to_thread(listening.wait_for, "speech engine: pocketsphinx")
    async with connect_realtime_client(url) as client:
        await client.append(load_speech(24_000).tobytes())
        await client.until("conversation.item.input_audio_transcription.delta")
        listening.process.send_signal(signal.SIGTERM)
        assert await client.until_closed() == (1012, "restarting")
        assert "weather" in client.events[-1]["transcript"]
    await asyncio.to_thread(listening.process.wait, 60)
    assert listening.process.returncode == 0
    assert "Traceback" not in listening.process.communicate()[1]


async def test_a_second_ctrl_c_ends_it_at_once(listening: FakeTerminal) -> None:
    """Minutes of speech wait for the engine; nobody waits for them."""
    url = (await asyncio.to_thread(listening.wait_for, r"listening at (http://\S+)"))[1]
    await asyncio.to_thread(listening.wait_for, "speech engine: pocketsphinx")
    async with connect_speech_client(url) as client:
        await client.start(lang="en", endpointing="command")
        speech = make_speech_without_pauses(100).tobytes()
        for at in range(0, len(speech), 64_000):
            await client.connection.send(speech[at : at + 64_000])
        await client.until("partial")
        listening.process.send_signal(signal.SIGINT)
        with pytest.raises(ConnectionClosed) as refused:
            await _until_refused(url)
        assert refused.value.rcvd is not None
        assert refused.value.rcvd.code == 1012
        code, took_s, said = await asyncio.to_thread(listening.end, signal.SIGINT)
        assert await client.until_closed() in (1006, 1012)
        assert "stopped" not in {event["type"] for event in client.events}
    assert code == 130
    assert took_s < ENDS_WITHIN_S
    assert "Traceback" not in said


async def _until_refused(url: str) -> None:
    """Open sockets until the server takes no more."""
    while True:
        async with connect_speech_client(url) as client:
            await client.check_alive()


def test_a_head_that_is_too_long_is_refused(clean_environment: None) -> None:
    served = FakeTerminal(PROMPTER_STT__PROVIDER="cloud_stub", PROMPTER_LIMITS__HEADER_BYTES="2000")
    with served.process:
        url = served.wait_for(r"listening at (http://\S+)")[1]
        assert httpx2.get(f"{url}/health?{'x' * 3000}", trust_env=False).status_code == 431
        assert httpx2.get(f"{url}/health", trust_env=False).status_code == 200
        assert served.end(signal.SIGINT)[0] == 0


async def test_a_refused_socket_is_no_error_of_the_server(terminal: FakeTerminal) -> None:
    url = (await asyncio.to_thread(terminal.wait_for, r"listening at (http://\S+)"))[1]
    with pytest.raises(InvalidStatus):
        async with connect(f"ws{url.removeprefix('http')}/v1/nothing", proxy=None):
            pass
    code, _, said = await asyncio.to_thread(terminal.end, signal.SIGINT)
    assert code == 0
    assert "ERROR" not in said
    assert "handshake" not in said


@pytest.mark.parametrize("stop_s", [0.0, 10.0, 600.0])
def test_the_limit_of_the_end_cuts_off_nothing_that_is_stored(stop_s: float) -> None:
    dictations_s, finals_s = stop_s, max(stop_s, MIN_END_S)
    all_s = dictations_s + SHUTDOWN_TIMEOUT_S + DRAIN_S + finals_s
    assert compute_end_limit_s(stop_s) > all_s + 2


def test_an_application_that_answers_no_handshake_is_reported() -> None:
    told = "ASGI callable returned without completing handshake."
    assert is_worth_logging(logging.LogRecord("uvicorn.error", logging.ERROR, "", 0, told, None, None))


# -- the line of a socket

STALL_S = 1.5
SO_ATTACH_FILTER, SO_DETACH_FILTER = 26, 27
DROP_ALL = struct.pack("HBBI", 0x06, 0, 0, 0)
"""A BPF program of one instruction: keep 0 bytes of each packet."""


class MuteConnection(ClientConnection):
    """A client that answers no ping, against the standard."""

    def __init__(self, protocol: ClientProtocol, **options: Any) -> None:
        super().__init__(protocol, **options)
        send_frame = protocol.send_frame

        def send_all_but_pongs(frame: Frame) -> None:
            if frame.opcode is not Opcode.PONG:
                send_frame(frame)

        protocol.send_frame = send_all_but_pongs  # type: ignore[method-assign]


@contextlib.contextmanager
def cut_off(client: SpeechClient) -> Iterator[None]:
    """Have the client's system drop all that comes for it, unacknowledged: the line is lost, and nobody is told."""
    program = ctypes.create_string_buffer(DROP_ALL)
    there = client.connection.transport.get_extra_info("socket")
    with socket.socket(fileno=os.dup(there.fileno())) as own:
        filter_ = struct.pack("HL", 1, ctypes.addressof(program))
        own.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, filter_)
        yield
        own.setsockopt(socket.SOL_SOCKET, SO_DETACH_FILTER, 0)


@pytest.mark.skipif(sys.platform != "linux", reason="the test cuts a line with a filter of Linux")
@pytest.mark.parametrize("connection", [ClientConnection, MuteConnection])
async def test_a_sentence_waits_for_a_lost_line_and_ends_for_a_silent_client(
    connection: type[ClientConnection],
) -> None:
    pcm = make_sentence(0.0)
    engine = FakeEngine(Script(hypothesis=guess_words))
    with serve_engine(engine, limits={"stall_s": STALL_S}) as served:

        async def dictate(*, is_lost: bool) -> list[str]:
            opening = connect_speech_client(served.url, create_connection=connection)
            async with opening as client:
                await client.start(events=["speech_stopped"])
                await client.connection.send(pcm[:48_000])
                await client.until("partial")
                if is_lost:
                    with cut_off(client):
                        await asyncio.sleep(2 * STALL_S)
                await client.connection.send(pcm[48_000:])
                said = await client.until("speech_stopped")  # the client has fallen silent
                return list_texts(said + await client.stop())

        unbroken = await dictate(is_lost=False)
        assert len(unbroken) == 1
        assert await dictate(is_lost=True) == unbroken


# -- large messages: few at once, and no client gets an error for the others

LARGE_BYTES = 600_000
READ_BYTES = 256 << 10
"""What asyncio reads at once."""
SMALL_MESSAGES = {"message_bytes": 64_000, "realtime_message_bytes": 1_000_000}


@contextlib.contextmanager
def serve_through_gate() -> Iterator[tuple[str, LargeMessageGate]]:
    """A server that receives one large message at a time."""
    gate = LargeMessageGate(1)
    engine = FakeEngine(Script(final=guess_words))
    with run_server(
        fake_settings(limits=SMALL_MESSAGES),
        registrations=with_engine(engine),
        ws=partial(ProbingWebSocketProtocol, gate=gate),
    ) as served:
        yield served.url, gate


def large_append(length: int = LARGE_BYTES) -> bytes:
    """A frame that appends so many characters of silence, unmasked by a mask of zeros."""
    head, tail = b'{"type":"input_audio_buffer.append","audio":"', b'"}'
    body = head + b"A" * (length - length % 4) + tail
    return bytes((0x81, 0x80 | 127)) + len(body).to_bytes(8, "big") + bytes(4) + body


async def clear(client: RealtimeClient) -> None:
    await client.send("input_audio_buffer.clear")
    await client.until("input_audio_buffer.cleared")


async def test_large_messages_are_received_one_after_another() -> None:
    with serve_through_gate() as (url, gate):
        async with connect_realtime_client(url) as first, connect_realtime_client(url) as second:
            frame = large_append()
            first.connection.transport.write(frame[:300_000])
            await wait_until(lambda: gate.free == 0)
            second.connection.transport.write(frame)
            await wait_until(lambda: gate.waiting == 1)
            async with connect_realtime_client(url) as third:
                await clear(third)  # small messages wait for nobody
            first.connection.transport.write(frame[300_000:])
            await clear(first)
            await clear(second)
            await wait_until(lambda: (gate.free, gate.waiting) == (1, 0))


async def test_whoever_leaves_gives_the_place_back() -> None:
    with serve_through_gate() as (url, gate):
        async with connect_realtime_client(url) as first, connect_realtime_client(url) as second:
            first.connection.transport.write(large_append()[:300_000])
            await wait_until(lambda: gate.free == 0)
            second.connection.transport.write(large_append())
            await wait_until(lambda: gate.waiting == 1)
            first.connection.transport.abort()
            await clear(second)
            await wait_until(lambda: gate.free == 1)


async def test_a_large_message_that_does_not_come_on_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uvicorn_server, "PROGRESS_S", 0.2)
    with serve_through_gate() as (url, gate):
        async with connect_realtime_client(url) as client:
            client.connection.transport.write(large_append()[:300_000])
            code, reason = await client.until_closed()
            assert (code, reason) == (uvicorn_server.TOO_SLOW, "a large message came too slowly")
            await wait_until(lambda: gate.free == 1)


async def test_the_parts_of_a_message_are_joined_as_they_come() -> None:
    with serve_through_gate() as (url, _):
        async with connect_realtime_client(url) as client:
            await client.connection.send(iter('{"type":"input_audio_buffer.clear"}'))
            await client.until("input_audio_buffer.cleared")


async def test_the_other_socket_keeps_its_frame_limit() -> None:
    with serve_through_gate() as (url, _):
        async with connect_speech_client(url) as client:
            client.connection.transport.write(large_append())
            assert await client.until_closed() == 1009


async def test_what_is_unfinished_is_bounded_for_each_socket_and_in_all(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Each holds a part, and one of them a whole message: the others are not read on, and all end as they should."""
    monkeypatch.setattr(uvicorn_server, "USUAL_BYTES", 16_000)
    count, frame = 12, large_append()
    with serve_through_gate() as (url, gate):
        async with contextlib.AsyncExitStack() as stack:
            clients = [  # whose answers to pings do not get into the middle of a frame
                await stack.enter_async_context(
                    connect_realtime_client(url, create_connection=MuteConnection)
                )
                for _ in range(count)
            ]
            for client in clients:
                client.connection.transport.write(frame[:-1])
            await wait_until(lambda: gate.waiting == count - 1)
            held = [protocol._incomplete_bytes for protocol in gate._waiting]
            assert max(held) <= 16_000 + READ_BYTES
            for client in clients:
                client.connection.transport.write(frame[-1:])
                await clear(client)
            await wait_until(lambda: (gate.free, gate.waiting) == (1, 0))
