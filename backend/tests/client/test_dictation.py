"""PromptClient goes on by itself where the network breaks: events once, audio whole, and an end to its patience."""

import asyncio
import random
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from websockets.asyncio.server import ServerConnection

from app.client import dictation
from app.client.errors import ConnectionLost, Refused, ServerFailed
from app.client.events import Event
from app.client.prompt_client import PromptClient
from app.core.config import Settings
from app.services.dictation.session import SpeechSession
from tests.conftest import SAMPLES, StartServer
from tests.fakes.engine import FakeEngine, Script, guess_words
from tests.fakes.speech_server import make_message, run_fake_speech_server
from tests.support.proxy import Proxy, run_proxy
from tests.support.server import RunningServer, serve_engine
from tests.support.speech_client import make_sentence, wait_until

CHUNK = bytes(3200)


@pytest.fixture(scope="module")
def served() -> Iterator[RunningServer]:
    with serve_engine(FakeEngine(Script(hypothesis=guess_words)), limits={"stall_s": 20}) as served:
        yield served


async def all_events(client: PromptClient, chunks: Any, **options: Any) -> list[Event]:
    return [event async for event in client.dictate(chunks, **options)]


def finals(events: list[Event]) -> list[tuple[str, int]]:
    return [(event.text, event.data["end_ms"]) for event in events if event.type == "final"]


async def cut_now_and_then(pcm: bytes, net: Proxy, rng: random.Random, down_s: float) -> AsyncIterator[bytes]:
    """Audio during which the network fails, for a moment or a while."""
    for at in range(0, len(pcm), 4001):
        if rng.random() < 0.1:
            net.down = True
            net.cut()
            asyncio.get_running_loop().call_later(rng.random() * down_s, setattr, net, "down", False)
        await asyncio.sleep(0.002)
        yield pcm[at : at + 4001]


@pytest.mark.parametrize("provider", ["fake", "cloud_stub"])
@pytest.mark.parametrize("seed", range(2))
async def test_a_network_that_breaks_changes_nothing(served: RunningServer, provider: str, seed: int) -> None:
    pcm = make_sentence(1.0) * 3
    options = {"provider": provider, "endpointing": "command", "session_id": "mine"}
    whole = [pcm[at : at + 4001] for at in range(0, len(pcm), 4001)]
    unbroken = finals(await all_events(PromptClient(served.url), whole, **options))
    async with run_proxy(served.url) as net:
        chunks = cut_now_and_then(pcm, net, random.Random(seed), 0.3)
        events = await all_events(PromptClient(net.url), chunks, **options)
        assert net.opened > 3
    assert finals(events) == unbroken
    assert len(unbroken) >= 3
    told = [event.data["seq"] for event in events if event.type != "resumed"]
    assert told == sorted(set(told))
    assert "resumed" in {event.type for event in events}
    assert "ack" not in {event.type for event in events}


async def test_a_recording_survives_too(start_server: StartServer) -> None:
    """With the engine that everybody has."""
    url = start_server(Settings(_env_file=None, stt={"provider": "pocketsphinx"}))
    file = SAMPLES / "en_weather_madrid_48k.wav"
    unbroken = await PromptClient(url).transcribe(file, lang="en", words=True)
    async with run_proxy(url) as net:
        asking = asyncio.create_task(PromptClient(net.url).transcribe(file, lang="en", words=True))
        # What is cut before `ready`, with the token, cannot be resumed.
        await wait_until(lambda: net.bytes_up > 100_000 and net.bytes_down > 400, 60)
        net.cut()
        assert await asking == unbroken
        assert net.opened == 2


async def test_it_can_be_switched_off(served: RunningServer) -> None:
    async with run_proxy(served.url) as net:

        async def speak() -> AsyncIterator[bytes]:
            yield CHUNK
            net.cut()
            await asyncio.sleep(30)

        with pytest.raises(ConnectionLost):
            await all_events(PromptClient(net.url), speak(), provider="cloud_stub", resume=False)
        assert net.opened == 1


async def test_its_patience_ends(served: RunningServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dictation, "RESUME_S", 0.5)
    async with run_proxy(served.url) as net:

        async def speak() -> AsyncIterator[bytes]:
            yield CHUNK
            await asyncio.sleep(0.2)
            net.down = True
            net.cut()
            await asyncio.sleep(30)

        with pytest.raises(ConnectionLost, match="broke off"):
            await all_events(PromptClient(net.url), speak(), provider="cloud_stub")


async def test_a_line_that_is_lost_after_the_last_audio_loses_no_final(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Behind the last `status` nothing comes by itself: an answer to a ping tells whether anybody is there."""
    monkeypatch.setattr(dictation, "SILENCE_S", 1.5)
    monkeypatch.setattr(dictation, "KEEP_ALIVE_S", 0.3)
    engine = FakeEngine(Script(hypothesis=guess_words, delays_s={"finish": 2.5}))
    with serve_engine(engine, limits={"stall_s": 20}) as slow:
        async with run_proxy(slow.url) as net:

            async def speak() -> AsyncIterator[bytes]:
                yield make_sentence(0.0)
                await asyncio.sleep(1.5)  # until the server has acknowledged it
                asyncio.get_running_loop().call_later(1.0, net.freeze)

            async with asyncio.timeout(20):
                events = await all_events(
                    PromptClient(net.url), speak(), endpointing="manual", events=["status"]
                )
    assert [event.type for event in events if event.type in ("resumed", "final", "stopped")] == [
        "resumed",
        "final",
        "stopped",
    ]


async def test_a_server_that_forgot_is_not_asked_twice() -> None:
    """It has been started anew, say: the error is that of the loss."""
    asked = 0

    async def answer(socket: ServerConnection) -> None:
        nonlocal asked
        asked += 1
        if "start" in str(await socket.recv()):
            await socket.send(make_message("ready", resume_token="t"))
            socket.transport.abort()
            return
        await socket.send(make_message("error", code="resume_refused", message="no", fatal=False))
        await socket.wait_closed()

    async with run_fake_speech_server(answer) as url:
        with pytest.raises(ConnectionLost, match="broke off"):
            await all_events(PromptClient(url), [CHUNK])
    assert asked == 2


@pytest.mark.parametrize(
    ("close_code", "error"),
    [
        (1001, ""),
        (1002, ""),
        (1007, ""),
        (1011, ""),
        (1008, "slow_reader"),
        (4408, "idle_timeout"),
        (1011, "internal_error"),
    ],
)
async def test_every_close_that_a_dictation_survives_is_followed_by_a_resume(
    close_code: int, error: str
) -> None:
    async def answer(socket: ServerConnection) -> None:
        if "start" in str(await socket.recv()):
            await socket.send(make_message("ready", resume_token="t"))
            if error:
                await socket.send(make_message("error", code=error, message="why", fatal=True))
            await socket.close(close_code)
            return
        await socket.send(make_message("resumed", next_audio_seq=1, stopping=True))
        await socket.send(make_message("stopped"))
        await socket.wait_closed()

    async with run_fake_speech_server(answer) as url:
        events = await all_events(PromptClient(url), [CHUNK])
    assert [event.type for event in events] == ["ready", "resumed", "stopped"]


async def test_a_fault_of_a_real_server_changes_nothing(
    served: RunningServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    chunks = [CHUNK, make_sentence(1.0)]
    unbroken = finals(await all_events(PromptClient(served.url), chunks, provider="fake"))
    receive = SpeechSession.receive
    faults = iter([RuntimeError("broken")])

    async def fail_once(session: SpeechSession, data: Any) -> Any:
        if isinstance(data, bytes) and (fault := next(faults, None)) is not None:
            raise fault
        return await receive(session, data)

    monkeypatch.setattr(SpeechSession, "receive", fail_once)
    events = await all_events(PromptClient(served.url), chunks, provider="fake")
    assert [event.type for event in events][:2] == ["ready", "resumed"]
    assert finals(events) == unbroken != []
    assert next(faults, None) is None


@pytest.mark.parametrize(
    ("before_the_fault", "sockets"), [([], 2), (["resumed", "ack", "partial"], 2), (["resumed", "final"], 3)]
)
async def test_a_server_that_fails_again_is_resumed_only_after_a_final(
    before_the_fault: list[str], sockets: int
) -> None:
    """A fault that the audio causes would come for ever."""
    asked = 0

    async def answer(socket: ServerConnection) -> None:
        nonlocal asked
        asked += 1
        is_start = "start" in str(await socket.recv())
        kinds = ["ready"] if is_start else before_the_fault if asked == 2 else []
        for kind in kinds:
            fields = {
                "resume_token": "t",
                "audio_seq": 0,
                "next_audio_seq": 1,
                "stopping": True,
                "text": "one",
            }
            await socket.send(make_message(kind, **fields))
        await socket.send(make_message("error", code="internal_error", message="a fault", fatal=True))
        await socket.close(1011, "internal_error")

    async with run_fake_speech_server(answer) as url:
        with pytest.raises(ServerFailed, match="a fault"):
            await all_events(PromptClient(url), [CHUNK])
    assert asked == sockets


@pytest.mark.parametrize(("close_code", "expected"), [(1012, ConnectionLost), (1008, Refused)])
async def test_a_server_that_stops_by_itself_says_why(close_code: int, expected: type[Exception]) -> None:
    """The finals have come; that not all was heard must not look like success."""

    async def answer(socket: ServerConnection) -> None:
        await socket.send(make_message("ready", resume_token="t"))
        await socket.send(make_message("final", text="half of it"))
        await socket.send(make_message("stopped", stats={}))
        await socket.close(close_code)

    async def speak() -> AsyncIterator[bytes]:
        yield CHUNK
        await asyncio.sleep(30)

    seen: list[str] = []

    async def look() -> None:
        async for event in PromptClient(url).dictate(speak()):
            seen.append(event.type)  # noqa: PERF401  # what came before the error counts

    async with run_fake_speech_server(answer) as url:
        with pytest.raises(expected):
            await look()
    assert seen == ["ready", "final", "stopped"]


async def test_audio_that_is_not_acknowledged_is_bounded() -> None:
    """A server that takes everything and acknowledges nothing is not sent more than is kept."""
    heard = 0

    async def answer(socket: ServerConnection) -> None:
        nonlocal heard
        await socket.recv()
        await socket.send(make_message("ready", resume_token="t"))
        async for data in socket:
            heard += len(data)

    async with run_fake_speech_server(answer) as url:
        source = (bytes(1 << 20) for _ in range(100))
        telling = asyncio.create_task(all_events(PromptClient(url), source))
        await wait_until(lambda: heard >= 4 << 20)
        await asyncio.wait([telling], timeout=0.3)
        assert not telling.done()
        telling.cancel()
        await asyncio.wait([telling])
    assert 4 << 20 <= heard < 5 << 20


async def test_a_server_that_falls_silent_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dictation, "SILENCE_S", 0.3)
    came_back = asyncio.Event()

    async def answer(socket: ServerConnection) -> None:
        if "start" in str(await socket.recv()):
            await socket.send(make_message("ready", resume_token="t"))
            await socket.send(make_message("ack", audio_seq=0))
        else:
            await socket.send(make_message("resumed", next_audio_seq=1, stopping=False))
            await socket.send(make_message("stopped", stats={}))
            await socket.close()
            came_back.set()
        await socket.wait_closed()

    async def speak() -> AsyncIterator[bytes]:
        yield CHUNK
        await came_back.wait()

    async with run_fake_speech_server(answer) as url:
        events = await all_events(PromptClient(url), speak())
    assert [event.type for event in events] == ["ready", "resumed", "stopped"]
