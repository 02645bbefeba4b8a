"""Sessions that survive: whatever happens to the connection, the finals are those of an unbroken session."""

import asyncio
import contextlib
import hashlib
import json
import random
import time
from collections.abc import AsyncIterator, Iterator
from itertools import pairwise

import pytest
from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed

from app.core.config import Settings
from app.core.security import LOCAL_USER_ID
from app.providers.base import WindowRequest, WindowResult
from app.providers.registry import Registration, Registrations, list_stt_registrations
from app.services.history.transcripts import SessionLabel
from tests.fakes.engine import FakeEngine, Gate, Script, guess_words
from tests.fakes.window_engine import FakeWindowEngine, WindowScript
from tests.support.proxy import run_proxy
from tests.support.server import RunningServer, run_server, serve_engine
from tests.support.speech_client import (
    Event,
    ResumingClient,
    close_sockets,
    connect_speech_client,
    gather,
    list_texts,
    list_types,
    load_speech,
    make_sentence,
    make_speech_without_pauses,
    wait_until,
)

RATE_HZ = 16_000


@pytest.fixture(scope="module")
def served() -> Iterator[RunningServer]:
    # A client that is slow because the machine is busy shall not be taken for one that has stopped speaking.
    with serve_engine(FakeEngine(Script(hypothesis=guess_words)), limits={"stall_s": 20}) as served:
        yield served


@pytest.fixture(autouse=True)
async def nothing_left_open() -> AsyncIterator[None]:
    yield
    await close_sockets()


def cut_up(pcm: bytes, rng: random.Random) -> list[bytes]:
    """Chunks of any size; every second one, which travels as JSON, holds whole samples, if the one before does."""
    chunks: list[bytes] = []
    at = 0
    while at < len(pcm):
        size = rng.randrange(1, 8000)
        if len(chunks) % 2:
            size += size % 2
        chunks.append(pcm[at : at + size])
        at += size
    if len(chunks) % 2 == 0 and len(chunks[-1]) % 2:
        chunks[-1] = chunks[-1][:-1]
    return chunks


def finals(client: ResumingClient) -> list[tuple[str, int, int, int]]:
    return [
        (event["text"], event["utterance_id"], event["start_ms"], event["end_ms"])
        for event in client.events
        if event["type"] == "final"
    ]


@pytest.mark.parametrize("provider", ["fake", "cloud_stub"])
@pytest.mark.parametrize("seed", range(3))
async def test_finals_are_those_of_an_unbroken_session(
    served: RunningServer, provider: str, seed: int
) -> None:
    """Dozens of real TCP connections, aborted between messages and in the middle of them."""
    rng = random.Random(seed)
    chunks = cut_up(make_sentence(1.0) * 3, rng)
    found = []
    cuts = 0
    for chance in (0.0, 0.15):
        client = ResumingClient(served.url)
        await client.start(provider=provider, endpointing="command")
        await client.dictate(chunks, rng, chance, RATE_HZ)
        assert client.connection is not None
        await client.connection.close()
        found.append((finals(client), client.events[-1]["stats"]))
        cuts = client.cuts
    assert cuts > 5
    assert len(found[0][0]) >= 3
    assert found[1] == found[0]
    assert [line for line in served.log if not line.startswith("INFO")] == []


# -- a sentence that is cut in the middle of a word

CUTS_S = [0.35 + 0.17 * step for step in range(12)]
"""Places in a sentence of 2.7 s whose speech begins at 0.4 s: in words and between them."""
STALL_S = 1.0
PATIENCE_S = 20
"""With a machine that has other things to do."""


def hear_every_sample(request: WindowRequest) -> WindowResult:
    """A text that differs whenever the audio differs in a single bit."""
    text = f"heard {len(request.samples)} {hashlib.sha256(request.samples.tobytes()).hexdigest()[:16]}"
    return WindowResult(text, "en", lang_sure=True, trusted=True)


@pytest.fixture(scope="module", params=["incremental", "window", "pocketsphinx"])
def stalling(request: pytest.FixtureRequest) -> Iterator[RunningServer]:
    """A server that ends the sentence of a silent client soon."""
    engine: FakeEngine | FakeWindowEngine = FakeEngine(Script(hypothesis=guess_words))
    if request.param == "window":
        engine = FakeWindowEngine(WindowScript(hear_every_sample))
    if request.param == "pocketsphinx":
        pytest.importorskip("pocketsphinx", reason="the embedded engine is not installed")
    name = "pocketsphinx" if request.param == "pocketsphinx" else "fake"
    fake = Registration("fake", lambda: lambda _: engine, "tests")
    settings = Settings(
        _env_file=None,
        stt={"provider": name},
        limits={"stall_s": STALL_S},
        scheduler={"admit_load": 10},  # a dozen at once
    )
    registrations = Registrations(stt={**list_stt_registrations(), "fake": fake})
    with run_server(settings, registrations=registrations) as served:
        yield served


async def say(client: ResumingClient, pcm: bytes) -> None:
    """Send audio in chunks of 50 ms, as a microphone cuts it but faster than it speaks."""
    assert client.connection is not None
    for at in range(0, len(pcm), 1600):
        await client.connection.send(pcm[at : at + 1600])


async def say_rest(client: ResumingClient, pcm: bytes, resumed: Event) -> list[tuple[str, int, int, int]]:
    """Go on from where the server is; the finals."""
    assert client.connection is not None
    await say(client, pcm[1600 * (resumed["next_audio_seq"] - 1) :])
    await client.connection.send('{"type":"stop"}')
    while (await client.event(client.connection))["type"] != "stopped":
        pass
    return finals(client)


@pytest.mark.parametrize("loss", ["frozen", "frozen, then thawed", "reset"])
async def test_a_line_that_is_lost_in_a_word_loses_no_word(stalling: RunningServer, loss: str) -> None:
    pcm = make_sentence(1.0)
    whole = ResumingClient(stalling.url)
    await whole.start()
    unbroken = await say_rest(whole, pcm, {"next_audio_seq": 1})
    assert len(unbroken) == 1

    async def dictate(cut_s: float) -> list[tuple[str, int, int, int]]:
        async with run_proxy(stalling.url) as line:
            client = ResumingClient(line.url)
            await client.start()
            assert client.connection is not None
            cut = int(cut_s * 20) * 1600
            await say(client, pcm[:cut])
            await client.connection.send('{"type":"ping"}')
            while (await client.event(client.connection))["type"] != "pong":
                pass  # the server has it all
            old = client.connection
            if loss == "reset":
                line.cut()
            else:
                line.freeze()
            await asyncio.sleep(2 * STALL_S)  # longer than a silent client is given
            if loss == "frozen, then thawed":
                line.thaw()
                return await say_rest(client, pcm, {"next_audio_seq": 1 + cut // 1600})
            found = await say_rest(client, pcm, await client.resume())
            old.transport.abort()
            return found

    is_real = unbroken[0][0].startswith("what is the weather")  # a real engine takes its time
    cuts_s = CUTS_S[::3] if is_real else CUTS_S
    told = await gather(*(dictate(cut_s) for cut_s in cuts_s))
    assert told == [unbroken] * len(cuts_s)
    assert stalling.troubles == []


@pytest.mark.parametrize("loss", ["frozen", "reset"])
async def test_a_lost_line_gives_the_engine_back_and_is_heard_again(loss: str) -> None:
    engine = FakeEngine(Script(hypothesis=guess_words))
    pcm = make_sentence(1.0)
    with serve_engine(engine, limits={"stall_s": STALL_S}) as served:
        whole = ResumingClient(served.url)
        await whole.start()
        unbroken = await say_rest(whole, pcm, {"next_audio_seq": 1})
        async with run_proxy(served.url) as line:
            client = ResumingClient(line.url)
            await client.start()
            await say(client, pcm[:64_000])
            assert client.connection is not None
            while (await client.event(client.connection))["type"] != "partial":
                pass
            broken = engine.sessions[1].streams[0]
            if loss == "reset":
                line.cut()
            else:
                line.freeze()
            await wait_until(lambda: broken.closed)
            assert not broken.finished
            assert not engine.sessions[1].closed
            assert served.resources.sockets.open == (2 if loss == "frozen" else 1)
            assert await say_rest(client, pcm, await client.resume()) == unbroken
    anew = engine.sessions[1].streams[1]
    assert anew.audio.startswith(broken.audio)
    partials = [event for event in client.events if event["type"] == "partial"]
    assert [event["revision"] for event in partials] == list(range(1, len(partials) + 1))
    stable = [event["stable"] for event in partials]
    assert all(after.startswith(before) for before, after in pairwise(stable))


async def test_what_was_said_before_the_loss_is_told_whole_at_the_end_of_the_window() -> None:
    engine = FakeEngine(Script(hypothesis=guess_words))
    with serve_engine(engine, limits={"resume_s": 0.5}) as served:
        await lost_mid_sentence(served)
        await wait_until(lambda: engine.all_closed)
        broken, anew = engine.streams
        assert (broken.finished, anew.finished) == (False, True)
        assert anew.audio.startswith(broken.audio)
        text = served.resources.transcripts.get_text(SessionLabel(LOCAL_USER_ID, "s1"))
        assert text == anew.digest


async def test_a_line_that_stays_lost_is_waited_for_so_long_and_no_longer() -> None:
    """It looks open until `idle_session_s` is over; then the window begins, and at its end the sentence is decoded."""
    engine = FakeEngine(Script(hypothesis=guess_words))
    limits = {"stall_s": 0.3, "idle_session_s": 1.5, "resume_s": 0.5}
    with serve_engine(engine, limits=limits) as served:
        async with run_proxy(served.url) as line:
            client = ResumingClient(line.url)
            await client.start()
            await say(client, make_sentence(0.0)[:64_000])
            assert client.connection is not None
            while (await client.event(client.connection))["type"] != "partial":
                pass
            line.freeze()
            began_s = time.monotonic()
            await wait_until(lambda: engine.all_closed, 15)
            assert time.monotonic() - began_s >= 1.5
        broken, anew = engine.streams
        assert (broken.finished, anew.finished) == (False, True)
        text = served.resources.transcripts.get_text(SessionLabel(LOCAL_USER_ID, "s1"))
        assert text == anew.digest
        assert await refusal(served, client.token) == REFUSED


async def test_a_client_that_falls_silent_gets_its_final(stalling: RunningServer) -> None:
    """Also behind a proxy, where only the answer to a ping tells it from a client whose line is lost."""
    async with run_proxy(stalling.url) as line:
        client = ResumingClient(line.url)
        await client.start(events=["speech_stopped"])
        await say(client, make_sentence(0.0))
        assert client.connection is not None
        began_s = time.monotonic()
        while (await client.event(client.connection))["type"] != "speech_stopped":
            pass
        assert STALL_S * 0.9 < time.monotonic() - began_s < STALL_S + PATIENCE_S
        while (await client.event(client.connection))["type"] != "final":
            pass


async def test_a_client_that_closed_with_1000_is_gone(served: RunningServer) -> None:
    client = ResumingClient(served.url)
    await client.start()
    assert client.connection is not None
    await client.connection.close(1000)
    await wait_until(lambda: served.resources.sockets.open == 0)
    assert await refusal(served, client.token) == REFUSED


@pytest.mark.parametrize("code", [1001, 3000, 4999])
async def test_any_other_close_is_a_loss(served: RunningServer, code: int) -> None:
    client = ResumingClient(served.url)
    await client.start()
    assert client.connection is not None
    await client.connection.close(code)
    assert (await client.resume())["next_audio_seq"] == 1


REFUSED_FRAMES = {
    "bad UTF-8": (1007, bytes((0x81, 0x82, 0, 0, 0, 0, 0xFF, 0xFE))),
    "a reserved bit": (1002, bytes((0xC1, 0x81, 0, 0, 0, 0, 0x78))),
    "an unknown opcode": (1002, bytes((0x83, 0x81, 0, 0, 0, 0, 0x78))),
    "too large for the server": (1009, bytes((0x82, 0xFF)) + (1 << 40).to_bytes(8, "big") + bytes(4)),
}
"""Frames of a client that the WebSocket library refuses by itself, and the code that it closes with."""


@pytest.mark.parametrize("frame", REFUSED_FRAMES)
async def test_a_frame_that_the_library_refuses_is_a_loss(served: RunningServer, frame: str) -> None:
    """The server still answers when it comes: a send behind the library's own close fails."""
    code, refused = REFUSED_FRAMES[frame]
    speech = load_speech().tobytes()
    unbroken = ResumingClient(served.url)
    await unbroken.start(endpointing="manual")
    await unbroken.dictate([speech[:32_000], speech[32_000:]], random.Random(0), 0, RATE_HZ)
    client = ResumingClient(served.url)
    await client.start(endpointing="manual")
    assert client.connection is not None
    await client.connection.send(speech[:32_000])
    await client.event(client.connection)  # the engine answers
    answers = b"".join(bytes((0x81, 0x81, 0, 0, 0, 0)) + b"{" for _ in range(20))
    client.connection.transport.write(answers + refused)
    with contextlib.suppress(ConnectionClosed):
        while True:
            await client.event(client.connection)
    assert client.connection.close_code in (code, 1006)  # a reset may overtake the close
    assert (await client.resume())["next_audio_seq"] == 2
    await client.connection.send(speech[32_000:])
    await client.connection.send('{"type":"stop"}')
    while (await client.event(client.connection))["type"] != "stopped":
        pass
    assert finals(client) == finals(unbroken)
    assert [line for line in served.troubles if "Invalid UTF-8 sequence" not in line] == []


# -- tokens

REFUSED = "no dictation can be resumed with this token; send `start` for a new one"


async def refusal(served: RunningServer, token: str, **fields: object) -> str:
    """What a `resume` is answered; the socket can be used for a `start` afterwards."""
    async with connect_speech_client(served.url) as client:
        await client.send("resume", resume_token=token, **{"last_event_seq": 1, **fields})
        error = await client.event()
        assert (error["type"], error["code"], error["fatal"]) == ("error", "resume_refused", False)
        await client.start(provider="cloud_stub")
        await client.stop()
        return str(error["message"])


async def test_a_wrong_token_is_refused_whether_or_not_the_session_exists(served: RunningServer) -> None:
    async with connect_speech_client(served.url) as client:
        token = (await client.start("mine"))["resume_token"]
        answers = {
            await refusal(served, "nonsense"),
            await refusal(served, token[:-1]),
            await refusal(served, "mine", session_id="mine"),
            await refusal(served, token, session_id="yours"),
            await refusal(served, token, session_id="mine", last_event_seq=99),
            await refusal(served, "ñ" * 200),
        }
        assert answers == {REFUSED}
        await client.check_alive()


async def test_tokens_are_long_and_never_the_same(served: RunningServer) -> None:
    tokens = set()
    async with connect_speech_client(served.url) as client:
        for _ in range(5):
            tokens.add((await client.start(provider="cloud_stub"))["resume_token"])
            await client.stop()
    assert len(tokens) == 5
    assert min(map(len, tokens)) >= 43  # 256 bits in base64


async def test_resume_is_the_first_message_on_its_socket(served: RunningServer) -> None:
    async with connect_speech_client(served.url) as other, connect_speech_client(served.url) as client:
        token = (await other.start())["resume_token"]
        await client.start(provider="cloud_stub")
        await client.send("resume", session_id="s1", resume_token=token, last_event_seq=1)
        assert (await client.until("error"))[-1]["code"] == "already_started"
        await other.check_alive()


# -- what an audio message is

PCM = {"format": "pcm16", "sample_rate": RATE_HZ, "data": "AAA="}


async def test_a_number_that_is_not_the_next_is_refused_and_names_the_next(served: RunningServer) -> None:
    async with connect_speech_client(served.url) as client:
        await client.start(provider="cloud_stub")
        await client.send("audio", seq=1, **PCM)
        await client.connection.send(bytes(4))
        for wrong in (1, 2, 4, 2**40):
            await client.send("audio", seq=wrong, **PCM)
            error = (await client.until("error"))[-1]
            assert error["code"] == "audio_seq_mismatch"
            assert "the next audio message is 3" in error["message"]
        await client.send("audio", seq="3", **PCM)
        assert (await client.until("error"))[-1]["code"] == "invalid_message"
        await client.send("audio", seq=3, **PCM)
        assert list_texts(await client.stop(), "final") == ["(mock) transcripción final #1"]


async def test_an_invalid_chunk_counts_as_an_audio_message(served: RunningServer) -> None:
    """The client has counted it, too."""
    async with connect_speech_client(served.url) as client:
        await client.start(provider="cloud_stub")
        await client.send("audio", seq=1, **PCM | {"data": "%%%"})
        await client.send("audio", seq=2, **PCM | {"sample_rate": 7})
        await client.send("audio", seq=3, **PCM)
        assert list_types(await client.stop()) == ["error", "error", "partial", "stopped"]


# -- takeover, window, bounds


async def test_resume_takes_over_a_socket_that_looks_open(served: RunningServer) -> None:
    first = ResumingClient(served.url)
    await first.start(provider="cloud_stub")
    assert first.connection is not None
    old = first.connection
    await old.send(bytes(320))
    await first.event(old)
    resumed = await first.resume()
    assert resumed["next_audio_seq"] == 2
    with pytest.raises(ConnectionClosed):
        await old.recv()
    assert (old.close_code, old.close_reason) == (1008, "resumed_elsewhere")
    await first.connection.send(bytes(320))
    assert "chunk=2" in (await first.event(first.connection))["text"]


async def test_resume_takes_over_from_a_reader_under_back_pressure() -> None:
    engine = FakeEngine(Script(delays_s={"accept": 0.05}))
    with serve_engine(engine, limits={"backlog_s": 2}) as served:
        client = ResumingClient(served.url)
        await client.start(partials=False, endpointing="manual")
        assert client.connection is not None
        chunks = [make_speech_without_pauses(1).tobytes()] * 20
        old = client.connection
        sending = asyncio.create_task(_send_all(old, chunks))
        await wait_until(lambda: bool(engine.streams) and engine.streams[0].pieces > 1)
        resumed = await client.resume()
        await asyncio.gather(sending, return_exceptions=True)
        assert resumed["next_audio_seq"] < 20
        await _send_all(client.connection, chunks[resumed["next_audio_seq"] - 1 :])
        await client.connection.send('{"type":"stop"}')
        while (event := await client.event(client.connection))["type"] != "stopped":
            pass
        assert event["stats"]["audio_ms"] == 20_000


async def _send_all(connection: ClientConnection, chunks: list[bytes]) -> None:
    for chunk in chunks:
        await connection.send(chunk)


async def test_ten_who_resume_at_once_leave_one_owner(served: RunningServer) -> None:
    client = ResumingClient(served.url)
    await client.start(provider="cloud_stub")
    clients = [ResumingClient(served.url) for _ in range(10)]
    for other in clients:
        other.token, other.events = client.token, list(client.events)

    async def claim(other: ResumingClient) -> None:
        await other.resume()

    await asyncio.gather(*map(claim, clients), return_exceptions=True)
    alive, closed_with = [], []
    for other in clients:
        assert other.connection is not None
        try:
            await other.connection.send(bytes(320))
            if (await other.event(other.connection))["type"] == "partial":
                alive.append(other)
        except ConnectionClosed:
            closed_with.append(other.connection.close_code)
    assert len(alive) == 1
    assert closed_with == [1008] * 9


async def until_closed(connection: ClientConnection) -> tuple[int | None, list[Event]]:
    """The close code, and the events before it."""
    events = [json.loads(message) async for message in _messages(connection)]
    return connection.close_code, events


async def _messages(connection: ClientConnection) -> AsyncIterator[str | bytes]:
    with contextlib.suppress(ConnectionClosed):
        while True:
            yield await connection.recv()


async def lost_mid_sentence(served: RunningServer, **config: object) -> ResumingClient:
    client = ResumingClient(served.url)
    await client.start(**config)
    assert client.connection is not None
    await client.connection.send(load_speech().tobytes())
    while (await client.event(client.connection))["type"] != "partial":
        pass
    client.connection.transport.abort()
    return client


async def test_at_the_end_of_the_window_what_was_said_is_finalised_and_kept() -> None:
    engine = FakeEngine(Script(hypothesis=guess_words, final=lambda _: "what was said"))
    with serve_engine(engine, limits={"resume_s": 0.3}) as served:
        client = await lost_mid_sentence(served)
        await wait_until(lambda: served.resources.sessions.waiting == 1)
        assert not engine.all_closed
        await wait_until(lambda: served.resources.sessions.waiting == 0)
        assert engine.all_closed
        assert served.resources.transcripts.get_text(SessionLabel(LOCAL_USER_ID, "s1")) == "what was said"
        assert await refusal(served, client.token) == REFUSED
        assert served.resources.sockets.open <= 1


async def test_no_timer_runs_while_a_session_waits() -> None:
    """Stall, idle and slow-reader limits are for clients that are there."""
    engine = FakeEngine(Script(hypothesis=guess_words))
    limits = {"stall_s": 0.05, "idle_session_s": 0.3, "slow_reader_s": 0.1}
    with serve_engine(engine, limits=limits) as served:
        client = ResumingClient(served.url)
        await client.start(endpointing="manual")
        assert client.connection is not None
        await client.connection.send(load_speech().tobytes()[:32_000])
        client.connection.transport.abort()
        await wait_until(lambda: served.resources.sessions.waiting == 1)
        await asyncio.sleep(0.6)
        assert [stream.finished for stream in engine.streams] in ([], [False])
        await client.resume()
        await client.connection.send('{"type":"stop"}')
        while (await client.event(client.connection))["type"] != "stopped":
            pass
        assert len(finals(client)) == 1


async def test_a_client_that_fell_silent_may_come_back() -> None:
    """So a network that is gone without a word looks from here."""
    with serve_engine(FakeEngine(), limits={"idle_session_s": 0.4}) as served:
        client = ResumingClient(served.url)
        await client.start(provider="cloud_stub")
        assert client.connection is not None
        assert (await until_closed(client.connection))[0] == 4408
        connection = await client.open()
        ask = {"type": "resume", "resume_token": client.token, "last_event_seq": client.last_seq}
        await connection.send(json.dumps(ask))
        assert json.loads(await connection.recv())["type"] == "resumed"
        await connection.send(bytes(320))
        assert "chunk=1" in json.loads(await connection.recv())["text"]


async def test_events_after_stop_are_not_lost(served: RunningServer) -> None:
    client = ResumingClient(served.url)
    await client.start(endpointing="manual")
    assert client.connection is not None
    await client.connection.send(load_speech().tobytes())
    await client.connection.send('{"type":"stop"}')
    client.connection.transport.abort()
    await wait_until(lambda: served.resources.sessions.waiting >= 1)
    resumed = await client.resume()
    if not resumed["stopping"]:  # the abort may have overtaken it
        await client.connection.send('{"type":"stop"}')
    while (await client.event(client.connection))["type"] != "stopped":
        pass
    assert [event["seq"] for event in client.events] == list(range(1, len(client.events) + 1))
    # The socket is as good as any other.
    await client.connection.send('{"type":"start","config":{"provider":"cloud_stub"}}')
    assert (await client.event(client.connection))["type"] == "ready"


async def test_an_engine_that_fails_meanwhile_is_told_on_return() -> None:
    gate = Gate()
    script = Script(
        hypothesis=guess_words, gates={"finish": gate}, failures={"finish": RuntimeError("broken")}
    )
    with serve_engine(FakeEngine(script)) as served:
        client = ResumingClient(served.url)
        await client.start()
        assert client.connection is not None
        await client.connection.send(make_sentence())
        await asyncio.to_thread(gate.reached.wait, 5)
        client.connection.transport.abort()
        await wait_until(lambda: served.resources.sessions.waiting == 1)
        gate.open()
        connection = await client.open()
        ask = {"type": "resume", "resume_token": client.token, "last_event_seq": client.last_seq}
        await connection.send(json.dumps(ask))
        code, events = await until_closed(connection)
        assert events[0]["type"] == "resumed"
        assert (events[-1]["type"], events[-1]["code"], events[-1]["fatal"]) == (
            "error",
            "engine_failed",
            True,
        )
        assert code == 1011


async def test_the_oldest_of_too_many_that_wait_is_finalised() -> None:
    engine = FakeEngine(Script(hypothesis=guess_words))
    with serve_engine(engine, limits={"waiting_sessions": 3}) as served:
        lost = [await lost_mid_sentence(served) for _ in range(6)]
        await wait_until(lambda: sum(session.closed for session in engine.sessions) == 3)
        await wait_until(lambda: served.resources.sessions.waiting == 3)
        for client in lost[:3]:
            assert await refusal(served, client.token) == REFUSED
        for client in lost[3:]:
            await client.resume()
        assert all(session.streams[-1].finished for session in engine.sessions[:3])


async def test_waiting_sessions_take_no_place() -> None:
    with serve_engine(FakeEngine(Script(hypothesis=guess_words)), limits={"sockets": 2}) as served:
        for _ in range(4):
            await lost_mid_sentence(served)
            await wait_until(lambda: served.resources.sockets.open == 0)
        async with connect_speech_client(served.url) as client:
            await client.check_alive()


async def test_the_transcript_can_be_sent_after_the_client_was_lost(served: RunningServer) -> None:
    async with connect_speech_client(served.url) as client:
        await client.start("to-send", provider="cloud_stub")
        for _ in range(3):
            await client.audio(bytes(320))
        await client.until("final")
        client.connection.transport.abort()
    assert (
        served.resources.transcripts.get_text(SessionLabel(LOCAL_USER_ID, "to-send"))
        == "(mock) transcripción final #1"
    )


async def test_resume_s_0_switches_resuming_off() -> None:
    engine = FakeEngine(Script(hypothesis=guess_words))
    with serve_engine(engine, limits={"resume_s": 0}) as served:
        client = await lost_mid_sentence(served)
        await wait_until(lambda: engine.all_closed)
        assert await refusal(served, client.token) == REFUSED
