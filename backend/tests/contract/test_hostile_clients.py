"""Clients that mean harm or simply break: memory stays bounded, engines are freed, others are not harmed."""

import asyncio
import json
import socket
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from websockets.exceptions import ConnectionClosed

from app.api import speech_socket
from app.cli.serve import PING_INTERVAL_S, UNREAD_TIMEOUT_MS, bind_listener
from app.services.audio.segmenter import Segmenter
from app.services.dictation import session
from tests.fakes.engine import FakeEngine, Gate, Script, guess_words
from tests.support.server import fake_settings, serve_engine
from tests.support.speech_client import (
    SpeechClient,
    connect_speech_client,
    list_texts,
    list_types,
    load_speech,
    make_sentence,
    make_speech_without_pauses,
    wait_until,
)

pytestmark = pytest.mark.once

PAGE_BYTES = 4096


def memory_mb() -> float:
    """What this process, the server in it, holds in memory."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * PAGE_BYTES / 2**20


@pytest.fixture(scope="module", autouse=True)
def loaded() -> None:
    """What is loaded once is no client's doing."""
    Segmenter(fake_settings(), 16_000, None).push(load_speech())


async def say(client: SpeechClient, pcm: bytes, step: int = 6400) -> None:
    for at in range(0, len(pcm), step):
        await client.connection.send(pcm[at : at + step])


@asynccontextmanager
async def bystander(url: str) -> AsyncIterator[SpeechClient]:
    """Another speaker, whose dictation must come to the same as ever."""
    async with connect_speech_client(url) as client:
        await client.start("bystander", provider="cloud_stub")
        await client.audio(bytes(320))
        await client.audio(bytes(320))
        yield client
        await client.audio(bytes(320))
        assert list_texts(await client.stop()) == ["(mock) transcripción final #1"]


# -- too much -------------------------------------------------------------------------------------


@pytest.mark.parametrize("provider", ["cloud_stub", "fake"])
async def test_ten_thousand_tiny_messages(provider: str) -> None:
    tiny = json.dumps({"type": "audio", "format": "pcm16", "sample_rate": 16_000, "data": "AAA="})
    with serve_engine(FakeEngine()) as served:
        async with bystander(served.url), connect_speech_client(served.url) as client:
            await client.start(provider=provider)
            await client.audio(bytes(3200))
            await client.check_alive()  # by now all that is loaded once is loaded

            async def send() -> None:
                for n in range(10_000):
                    await client.connection.send(b"\x00" if n % 2 else tiny)
                await client.send("stop")

            before = memory_mb()
            sending = asyncio.create_task(send())
            stopped = (await client.until("stopped"))[-1]
            await sending
            # 5000 JSON chunks of one sample, and 5000 binary halves that make 2500 more.
            assert stopped["stats"]["audio_ms"] == 100 + 7500 // 16
            assert memory_mb() - before < 50


@pytest.mark.parametrize("message", ['{"type":"ping"}', '{"type":"flush"}', "[]", '{"type":"stop"}'])
async def test_ten_thousand_messages_that_each_want_an_answer(message: str) -> None:
    with serve_engine(FakeEngine()) as served:
        async with bystander(served.url), connect_speech_client(served.url) as client:
            await client.start()

            async def send() -> None:
                for _ in range(10_000):
                    await client.connection.send(message)

            sending = asyncio.create_task(send())
            for _ in range(10_000):
                await client.event()
            await sending
            await client.check_alive()


async def test_flushes_behind_a_busy_engine_meet_back_pressure() -> None:
    gate = Gate()
    with serve_engine(FakeEngine(Script(gates={"finish": gate}))) as served:
        async with bystander(served.url), connect_speech_client(served.url) as client:
            await client.start()
            await say(client, load_speech().tobytes())
            for _ in range(5000):
                await client.send("flush")
            await client.send("ping")
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.7):
                    await client.until("pong")
            gate.open()
            await client.stop()
            assert list_types(client.events).count("flushed") == 5000
            assert len(list_texts(client.events)) == 1


async def test_faster_than_real_time_without_end_stays_in_memory_limits() -> None:
    engine = FakeEngine(Script(delays_s={"accept": 0.005}))
    with serve_engine(engine, limits={"backlog_s": 5, "idle_session_s": 120}) as served:
        async with bystander(served.url), connect_speech_client(served.url) as client:
            await client.start(partials=False)
            before = memory_mb()
            async with asyncio.timeout(60):
                for _ in range(5):
                    await say(client, make_speech_without_pauses(60).tobytes(), 32_000)
                    for stream in engine.streams:
                        stream.audio.clear() if stream.finished else None
            grown = memory_mb() - before
            assert (await client.stop())[-1]["stats"]["audio_ms"] == 300_000
            assert grown < 40, f"{grown:.0f} MB for 5 minutes of audio"


async def test_tiny_chunks_cost_no_more_in_a_long_utterance_than_in_a_short_one() -> None:
    with serve_engine(FakeEngine(), limits={"utterance_s": 29, "utterance_soft_s": 28}) as served:
        async with connect_speech_client(served.url) as client:
            await client.start(endpointing="manual", partials=False)
            costs = []
            for _ in range(9):
                pcm = make_speech_without_pauses(3).tobytes()
                began = time.process_time()
                await say(client, pcm, 32)
                await client.check_alive()
                costs.append(time.process_time() - began)
            await client.stop()
    assert costs[-1] < 3 * costs[1], f"seconds of CPU for each 3 s of audio: {costs}"


async def test_a_client_under_back_pressure_is_not_closed() -> None:
    """Its own keep-alive is answered in its turn: the engine's pace decides when."""
    engine = FakeEngine(Script(delays_s={"accept": 0.01}))
    with serve_engine(engine, limits={"backlog_s": 2, "idle_session_s": 0.5, "stall_s": 0.2}) as served:
        async with connect_speech_client(served.url, ping_interval=0.2, ping_timeout=60) as client:
            await client.start(endpointing="manual")
            began = time.monotonic()
            await say(client, make_speech_without_pauses(300).tobytes(), 32_000)
            assert (await client.stop())[-1]["stats"]["audio_ms"] == 300_000
            assert time.monotonic() - began > 2, "there was no back-pressure"


# -- a client that never reads --------------------------------------------------------------------


@asynccontextmanager
async def deaf_client(url: str) -> AsyncIterator[SpeechClient]:
    """A client whose socket takes next to nothing and that reads only when told to."""
    address = urlsplit(url)
    raw = socket.socket()
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    raw.connect((address.hostname, address.port))
    raw.setblocking(False)
    async with connect_speech_client(url, sock=raw, max_queue=1) as client:
        yield client


@pytest.mark.parametrize("provider", ["cloud_stub", "fake"])
async def test_a_client_that_never_reads_is_closed_and_its_engine_freed(provider: str) -> None:
    engine = FakeEngine(Script(hypothesis=lambda stream: f"{guess_words(stream)} " + "x" * 4000))
    limits = {"slow_reader_s": 0.5, "outbound_events": 8, "resume_s": 0.5}
    with serve_engine(engine, send_buffer_bytes=4096, unread_ms=2000, limits=limits) as served:
        async with bystander(served.url), deaf_client(served.url) as client:
            await client.start(provider=provider)
            before = memory_mb()

            async def flood() -> None:
                while True:
                    await say(
                        client, make_speech_without_pauses(20).tobytes(), 3200 if provider == "fake" else 64
                    )

            flooding = asyncio.create_task(flood())
            await wait_until(lambda: served.resources.sockets.open == 1, 15)
            await wait_until(lambda: served.connections == 1, 15)
            await wait_until(lambda: engine.all_closed)
            assert memory_mb() - before < 50
            client.connection.transport.abort()
            with pytest.raises(ConnectionClosed):
                await flooding
        await wait_until(lambda: served.connections == 0)


async def test_a_silent_client_that_never_reads_its_acks_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The clock's own task sends them; it must not wait for the client that it is to watch."""
    monkeypatch.setattr(speech_socket, "_TICK_S", 0.001)
    monkeypatch.setattr(session, "ACK_EVERY_S", 0.0)
    with serve_engine(FakeEngine(), send_buffer_bytes=4096, limits={"slow_reader_s": 0.5}) as served:
        async with deaf_client(served.url) as client:
            await client.start("x" * 200, events=["ack"])
            await wait_until(lambda: served.resources.sockets.open == 0, 10)
            client.connection.transport.abort()


@pytest.mark.skipif(not hasattr(socket, "TCP_USER_TIMEOUT"), reason="this system has no such limit")
def test_the_command_lets_the_system_drop_who_takes_nothing() -> None:
    with bind_listener("127.0.0.1", 0) as listener:
        assert listener.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == UNREAD_TIMEOUT_MS


# -- a client that leaves -------------------------------------------------------------------------

Act = Callable[[SpeechClient, FakeEngine], Awaitable[None]]


async def _nothing(client: SpeechClient, engine: FakeEngine) -> None:
    pass


async def _while_starting(client: SpeechClient, engine: FakeEngine) -> None:
    engine.script.gates["open_session"] = Gate()
    await client.send("start", config={})
    await asyncio.to_thread(engine.script.gates["open_session"].reached.wait, 5)


async def _started(client: SpeechClient, engine: FakeEngine) -> None:
    await client.start()


async def _mid_utterance(client: SpeechClient, engine: FakeEngine) -> None:
    await client.start()
    await say(client, load_speech().tobytes())
    await client.until("partial")


async def _while_accepting(client: SpeechClient, engine: FakeEngine) -> None:
    engine.script.gates["accept"] = Gate()
    await client.start()
    await say(client, load_speech().tobytes())
    await asyncio.to_thread(engine.script.gates["accept"].reached.wait, 5)


async def _while_finishing(client: SpeechClient, engine: FakeEngine) -> None:
    engine.script.gates["finish"] = Gate()
    await client.start()
    await say(client, make_sentence())
    await asyncio.to_thread(engine.script.gates["finish"].reached.wait, 5)


async def _while_draining(client: SpeechClient, engine: FakeEngine) -> None:
    engine.script.gates["finish"] = Gate()
    await client.start()
    await say(client, make_sentence() * 3)
    await client.send("stop")
    await asyncio.to_thread(engine.script.gates["finish"].reached.wait, 5)


async def _with_a_start_waiting(client: SpeechClient, engine: FakeEngine) -> None:
    await _while_draining(client, engine)
    await client.send("start", config={})


async def _stopped(client: SpeechClient, engine: FakeEngine) -> None:
    await _mid_utterance(client, engine)
    await client.stop()


POINTS: dict[str, Act] = {
    "connected": _nothing,
    "starting": _while_starting,
    "started": _started,
    "mid-utterance": _mid_utterance,
    "accept runs": _while_accepting,
    "finish runs": _while_finishing,
    "draining": _while_draining,
    "start waits": _with_a_start_waiting,
    "stopped": _stopped,
}


@pytest.mark.parametrize("politely", [True, False])
@pytest.mark.parametrize("point", POINTS)
async def test_a_client_that_leaves_frees_its_engine(point: str, politely: bool) -> None:
    """One that breaks off does so where the operator wants no dictation to wait for it."""
    engine = FakeEngine(Script(hypothesis=guess_words))
    with serve_engine(engine, limits={} if politely else {"resume_s": 0}) as served:
        async with bystander(served.url):
            tasks = len(served.server.server_state.tasks)
            async with connect_speech_client(served.url) as client:
                await POINTS[point](client, engine)
                finished = [stream.finished for stream in engine.streams]
                if politely:
                    leaving = asyncio.create_task(client.connection.close())
                    await asyncio.sleep(0.05)
                else:
                    client.connection.transport.abort()
                    leaving = asyncio.create_task(asyncio.sleep(0.05))
                await leaving if point != "starting" else None
                for gate in engine.script.gates.values():
                    gate.open()
                await wait_until(lambda: engine.all_closed and served.resources.sockets.open == 1)
                await leaving
            # Behind a `start` that waits nobody reads how the client left: until a send finds out, it may come back.
            if point != "start waits":
                assert len(engine.streams) == len(finished), "an utterance was begun for nobody"
            await wait_until(lambda: len(served.server.server_state.tasks) == tasks)
        assert served.troubles == []


@pytest.mark.parametrize("partials", [True, False])
async def test_a_client_that_leaves_under_back_pressure_frees_its_engine(partials: bool) -> None:
    """Behind unread audio its leaving cannot be seen; a write tells. What the system still holds is not read."""
    engine = FakeEngine(Script(hypothesis=guess_words, delays_s={"accept": 0.2}))
    with serve_engine(engine, limits={"backlog_s": 3, "resume_s": 0.1}) as served:
        async with bystander(served.url), connect_speech_client(served.url) as client:
            await client.start(partials=partials, endpointing="manual")
            sending = asyncio.create_task(say(client, make_speech_without_pauses(120).tobytes(), 32_000))
            await wait_until(lambda: bool(engine.streams) and engine.streams[0].pieces > 2)
            client.connection.transport.abort()
            await asyncio.gather(sending, return_exceptions=True)
            heard_s = sum(len(stream.audio) / 32_000 for stream in engine.streams)
            await wait_until(lambda: engine.all_closed, 15)
            # The stream of an utterance whose client is lost is closed; the next one hears its audio again.
            decoded_s = (
                sum(len(stream.audio) / 32_000 for stream in engine.streams if stream.finished) - heard_s
            )
            # Until a ping fails; the backlog; what one read of 256 KiB brought in before.
            assert decoded_s <= PING_INTERVAL_S / 0.2 + 3 + 8 + 2, (
                f"{decoded_s} s of audio were decoded for nobody"
            )


@pytest.mark.parametrize("point", ["connected", "mid-utterance", "draining", "accept runs"])
async def test_a_restart_closes_with_1012_and_frees_engines(point: str) -> None:
    engine = FakeEngine(Script(hypothesis=guess_words))
    with serve_engine(engine) as served:
        async with connect_speech_client(served.url) as client:
            await POINTS[point](client, engine)
            served.server.should_exit = True
            assert await client.until_closed() == 1012
            for gate in engine.script.gates.values():
                gate.open()
            await wait_until(lambda: engine.all_closed and served.resources.sockets.open == 0)


# -- too many -------------------------------------------------------------------------------------


async def test_sockets_over_the_limit_are_sent_away_with_a_hint() -> None:
    with serve_engine(FakeEngine(), limits={"sockets": 20}) as served:
        async with bystander(served.url):

            async def knock() -> tuple[int, str]:
                async with connect_speech_client(served.url) as client:
                    code = await client.until_closed()
                    return code, client.events[-1]["message"]

            inside = [connect_speech_client(served.url) for _ in range(19)]
            clients = [await entry.__aenter__() for entry in inside]
            async with asyncio.TaskGroup() as group:
                knocks = [group.create_task(knock()) for _ in range(300)]
            for code, message in (task.result() for task in knocks):
                assert code == 1013
                assert "limits.sockets" in message
                assert "try again in" in message
            for client, entry in zip(clients, inside, strict=True):
                await client.check_alive()
                await entry.__aexit__(None, None, None)
            await wait_until(lambda: served.resources.sockets.open == 1)
            async with connect_speech_client(served.url) as client:
                await client.check_alive()


async def test_three_hundred_who_knock_and_run_leave_nothing_behind() -> None:
    with serve_engine(FakeEngine(), limits={"sockets": 20}) as served:
        async with bystander(served.url):

            async def run() -> None:
                try:
                    async with connect_speech_client(served.url) as client:
                        client.connection.transport.abort()
                except ConnectionClosed:
                    pass

            async with asyncio.TaskGroup() as group:
                for _ in range(300):
                    group.create_task(run())
            await wait_until(lambda: served.resources.sockets.open == 1 and served.connections == 1)
        assert served.troubles == []
