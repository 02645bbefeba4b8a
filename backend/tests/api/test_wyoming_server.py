"""The door of Wyoming with the official package as its client: Home Assistant's order, bounds, owners, the end."""

import asyncio
import gc
import json
import random
import socket
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import pytest
from wyoming.asr import Transcribe, Transcript
from wyoming.audio import AudioChunk, AudioStart, AudioStop
from wyoming.client import AsyncTcpClient
from wyoming.event import Event
from wyoming.info import Describe, Info, SelectProgram

from app.api.deps import Resources
from app.api.dialects.wyoming_wire import WyomingEvent, encode_event
from app.api.wyoming_server import DESCRIBE_S, WyomingConnection
from app.core.errors import CannotStart
from app.core.security import LOCAL_USER_ID
from app.main import create_app
from tests.fakes.engine import FakeEngine, Gate, Script, guess_words
from tests.support.accounts import ACCOUNTS, Team
from tests.support.server import fake_settings, own_data_folder, serve_engine, with_engine
from tests.support.speech_client import make_sentence, wait_until

LOOPBACK = {"uri": "tcp://127.0.0.1:0"}
RATE = 16_000
FORMAT: Any = {"rate": RATE, "width": 2, "channels": 1}
PATIENCE_S = 20.0


@asynccontextmanager
async def serving(engine: FakeEngine | None = None, **fields: Any) -> AsyncIterator[Resources]:
    """An application in this loop, without HTTP."""
    with own_data_folder(fake_settings(**{"wyoming": LOOPBACK, **fields})) as settings:
        app = create_app(settings, registrations=with_engine(engine or FakeEngine()))
        async with app.router.lifespan_context(app):
            yield app.state.resources


@asynccontextmanager
async def connected(resources: Resources) -> AsyncIterator[AsyncTcpClient]:
    async with AsyncTcpClient("127.0.0.1", resources.wyoming.port, read_timeout=PATIENCE_S) as client:
        yield client


async def say(client: AsyncTcpClient, pcm: bytes, chunk_s: float = 0.1, pace: float = 0.0) -> None:
    """Audio in chunks; `pace` is how many seconds each second takes."""
    step = int(chunk_s * RATE) * 2
    for at in range(0, len(pcm), step):
        await client.write_event(AudioChunk(**FORMAT, audio=pcm[at : at + step]).event())
        await asyncio.sleep(chunk_s * pace)


async def read_until(client: AsyncTcpClient, kind: str) -> list[Event]:
    found: list[Event] = []
    while not found or found[-1].type != kind:
        event = await client.read_event()
        assert event is not None, f"the connection ended before {kind!r}: {[each.type for each in found]}"
        found.append(event)
    return found


async def command(client: AsyncTcpClient, pcm: bytes, **asked: Any) -> list[Event]:
    """A command as Home Assistant sends one, up to its last event."""
    await client.write_event(Transcribe(**asked).event())
    await client.write_event(AudioStart(**FORMAT).event())
    await say(client, pcm)
    await client.write_event(AudioStop().event())
    return await read_until(client, "transcript-stop")


def text_of(events: list[Event]) -> str:
    [found] = [Transcript.from_event(event) for event in events if event.type == "transcript"]
    return str(found.text)


async def test_describe_is_what_home_assistant_reads() -> None:
    """It takes the first program, and the languages of its installed models."""
    async with serving() as resources, connected(resources) as client:
        await client.write_event(Describe().event())
        [event] = await read_until(client, "info")
    first = Info.from_event(event).asr[0]
    assert first.name == "prompter"
    assert [model.languages for model in first.models if model.installed] == [["en"], ["en"]]
    assert (first.supports_transcript_streaming, first.requires_external_vad) == (True, False)
    assert Info.from_event(event).tts == []


async def test_describe_waits_for_no_engine_that_is_known() -> None:
    """Home Assistant waits for a second: `info` comes while the engine is still asked."""
    assert DESCRIBE_S < 1
    engine, gate = FakeEngine(), Gate()
    async with serving(engine) as resources, connected(resources) as client:
        await client.write_event(Describe().event())
        [first] = await read_until(client, "info")
        engine.script.gates["status"] = gate
        await client.write_event(Describe().event())
        [second] = await read_until(client, "info")
        gate.open()
        assert second.data == first.data


async def test_a_command_in_the_order_of_home_assistant() -> None:
    engine = FakeEngine(Script(hypothesis=guess_words, final=lambda _: "Turn on the lights."))
    async with serving(engine) as resources, connected(resources) as client:
        events = await command(client, make_sentence(0.0), language="en", transcript_names=["Ana"])
    kinds = [event.type for event in events]
    assert (kinds[0], kinds[-2:]) == ("transcript-start", ["transcript", "transcript-stop"])
    assert set(kinds[1:-2]) == {"transcript-chunk"}
    assert text_of(events) == "Turn on the lights."
    assert engine.sessions[0].config.lang == "en"
    assert engine.sessions[0].config.vocabulary == ("Ana",)
    assert engine.all_closed


async def test_a_live_command_ends_by_itself() -> None:
    """Of a server that needs no other detector Home Assistant sends no `audio-stop`: it waits for the transcript."""
    engine = FakeEngine(Script(final=lambda _: "Turn on the lights."))
    async with serving(engine) as resources, connected(resources) as client:
        await client.write_event(Transcribe(language="en", vad_sensitivity="aggressive").event())
        await client.write_event(AudioStart(**FORMAT).event())
        upload = asyncio.create_task(say(client, make_sentence(8.0), pace=1.0))
        events = await read_until(client, "transcript-stop")
        assert not upload.done()
        upload.cancel()
        assert text_of(events) == "Turn on the lights."
        await client.write_event(AudioStop().event())
        assert text_of(await command(client, make_sentence(0.0))) == "Turn on the lights."  # the next one


async def test_a_recording_with_pauses_has_one_transcript() -> None:
    numbers = iter(range(1, 100))
    engine = FakeEngine(Script(final=lambda _: f"Sentence {next(numbers)}."))
    async with serving(engine) as resources, connected(resources) as client:
        events = await command(client, make_sentence(2.0) * 3)
    assert text_of(events) == "Sentence 1. Sentence 2. Sentence 3."


async def test_five_minutes_without_a_word_have_an_empty_transcript() -> None:
    async with serving() as resources, connected(resources) as client:
        events = await command(client, bytes(2 * RATE * 300))
    assert text_of(events) == ""


async def test_several_commands_on_one_connection() -> None:
    engine = FakeEngine(Script(final=lambda stream: f"{len(stream.audio) > 0}"))
    async with serving(engine) as resources, connected(resources) as client:
        for _ in range(3):
            assert text_of(await command(client, make_sentence(0.0))) == "True"
    assert len(engine.sessions) == 3


async def test_an_engine_is_chosen_by_its_program() -> None:
    async with serving() as resources, connected(resources) as client:
        await client.write_event(SelectProgram(name="nobody").event())
        await client.write_event(AudioStart(**FORMAT).event())
        [error] = await read_until(client, "error")
        assert error.data["code"] == "model_not_found"
        await client.write_event(AudioStop().event())
        await client.write_event(SelectProgram(name="fake/large").event())
        await command(client, make_sentence(0.0))


async def test_a_client_that_leaves_frees_its_engine_and_keeps_its_finals() -> None:
    engine = FakeEngine(Script(final=lambda _: "Turn on the lights."))
    async with serving(engine) as resources:
        async with connected(resources) as client:
            await client.write_event(AudioStart(**FORMAT).event())
            await say(client, make_sentence(2.0) + make_sentence(0.0))
            await read_until(client, "transcript-chunk")
        await wait_until(lambda: engine.all_closed and resources.sockets.open == 0)
        await wait_until(lambda: resources.sessions.dictating == 0)
        listed = await resources.dictations.list_page(LOCAL_USER_ID, limit=10)
    assert [entry.session_label for entry in listed.items] == ["wyoming"]


async def test_a_browser_cannot_speak_here() -> None:
    """A page may have it send any body to this port: the request's first line ends the connection."""
    engine = FakeEngine()
    async with serving(engine) as resources:
        reader, writer = await asyncio.open_connection("127.0.0.1", resources.wyoming.port)
        writer.write(
            b'POST / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n{"type": "audio-start"}\n{"type": "audio-chunk"}\n'
        )
        raw = await asyncio.wait_for(reader.read(), PATIENCE_S)
        writer.close()
    assert json.loads(raw.partition(b"\n")[2])["code"] == "invalid_message"
    assert engine.sessions == []


async def test_connections_are_bounded_and_said_to_be() -> None:
    async with serving(limits={"sockets": 1}) as resources, connected(resources) as first:
        await first.write_event(Describe().event())
        await read_until(first, "info")
        async with connected(resources) as second:
            [error] = await read_until(second, "error")
            assert error.data["code"] == "server_full"
            assert await second.read_event() is None


async def test_a_payload_is_bounded() -> None:
    async with serving(limits={"message_bytes": 2048}) as resources, connected(resources) as client:
        await client.write_event(AudioChunk(**FORMAT, audio=bytes(4096)).event())
        [error] = await read_until(client, "error")
        assert error.data["code"] == "message_too_big"


async def test_whoever_says_nothing_is_sent_away() -> None:
    async with serving(limits={"idle_socket_s": 0.3}) as resources, connected(resources) as client:
        [error] = await read_until(client, "error")
        assert error.data["code"] == "idle_timeout"
        await wait_until(lambda: resources.sockets.open == 0)


async def test_an_engine_that_fails_says_so() -> None:
    engine = FakeEngine(Script(failures={"finish": RuntimeError("secret words")}))
    async with serving(engine) as resources, connected(resources) as client:
        await client.write_event(AudioStart(**FORMAT).event())
        await say(client, make_sentence(0.0))
        await client.write_event(AudioStop().event())
        *_, error = await read_until(client, "error")
        assert (error.data["code"], "secret" in error.data["text"]) == ("engine_failed", False)


async def test_the_end_of_the_server_brings_what_was_said() -> None:
    engine = FakeEngine(Script(final=lambda _: "Turn on"))
    async with serving(engine) as resources, connected(resources) as client:
        await client.write_event(AudioStart(**FORMAT).event())
        await say(client, make_sentence(0.0))
        await wait_until(lambda: bool(engine.streams))
        drained = asyncio.create_task(resources.sessions.drain())
        events = await read_until(client, "transcript-stop")
        assert await client.read_event() is None
        await asyncio.wait_for(drained, PATIENCE_S)
        assert text_of(events) == "Turn on"
        async with connected(resources) as late:
            assert await late.read_event() is None


async def test_an_end_does_not_wait_for_a_call_that_hangs() -> None:
    gate = Gate()
    engine = FakeEngine(Script(gates={"finish": gate}))
    async with serving(engine, limits={"stop_s": 0.2}) as resources, connected(resources) as client:
        await client.write_event(AudioStart(**FORMAT).event())
        await say(client, make_sentence(0.0))
        await client.write_event(AudioStop().event())
        await asyncio.to_thread(gate.reached.wait, PATIENCE_S)
        await asyncio.wait_for(resources.sessions.drain(), PATIENCE_S)
        gate.open()


# -- bytes of anybody

MESSAGES = 20_000
PER_CONNECTION = 100
KINDS = (
    "describe",
    "select-program",
    "transcribe",
    "audio-start",
    "audio-stop",
    "ping",
    "detect",
    "",
    "\x00",
)
STRANGE: tuple[Any, ...] = (
    None,
    True,
    -1,
    2**70,
    1.5,
    "",
    "en",
    "xx",
    "x" * 3000,
    "\ud800",
    [],
    ["Ana"],
    [1],
    {"a": 1},
)
FIELDS = ("rate", "width", "channels", "language", "name", "vad_sensitivity", "transcript_names", "text")
WRONG = (
    b"\n", b"GET / HTTP/1.1\r\n\r\n", b"[1]\n", b'"x"\n', b"{}\n", b'{"type": 7}\n', b"\xff\xfe{\n", b"{" * 70_000,
    b'{"type": "ping", "data": [1]}\n', b'{"type": "ping", "data_length": -1}\n',
    b'{"type": "ping", "data_length": 2}\n[]',
    b'{"type": "audio-chunk", "payload_length": 99999999999}\n', b'{"type": "ping", "payload_length": true}\n',
    b'{"type": "ping", "data_length": 1' + b"0" * 5000 + b"}\n",
)  # fmt: skip


def make_message(chance: random.Random, speech: bytes) -> bytes:
    """An event of the protocol, often with odd fields, and now and then bytes that are none."""
    draw = chance.random()
    if draw < 0.005:
        return chance.choice(WRONG)
    if draw < 0.007:
        return chance.randbytes(chance.randrange(1, 2000))
    if draw < 0.5:
        at = chance.randrange(0, len(speech) - 3200, 2)
        return encode_event(
            WyomingEvent("audio-chunk", FORMAT, speech[at : at + chance.choice([0, 2, 640, 3199, 3200])])
        )
    data = dict(FORMAT) if chance.random() < 0.7 else {}
    for name in chance.sample(FIELDS, chance.choice([0, 0, 1, 2])):
        data[name] = chance.choice(STRANGE)
    kind = chance.choice(KINDS)
    raw = json.dumps({"type": kind, "data": data, "version": chance.choice(STRANGE)}).encode()
    return raw + b"\n"


@pytest.mark.once
async def test_twenty_thousand_strange_messages_over_tcp_break_nothing(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Each connection ends, by itself or by an error of the protocol; nothing of it stays, and the door stays open."""
    chance, speech = random.Random(11), make_sentence(1.0)
    engine = FakeEngine(Script(hypothesis=guess_words, final=guess_words))
    codes: Counter[str] = Counter()
    sent = 0

    async def talk(port: int, seed: int) -> None:
        nonlocal sent
        own = random.Random(seed)
        reader, writer = await asyncio.open_connection("127.0.0.1", port)

        async def read() -> None:
            while line := await reader.readline():
                header = json.loads(line)
                body = await reader.readexactly(header.get("data_length", 0))
                codes[json.loads(body)["code"] if header["type"] == "error" else header["type"]] += 1

        reading = asyncio.create_task(read())
        with suppress(ConnectionError):
            for _ in range(PER_CONNECTION):
                raw = make_message(own, speech)
                cut = own.randrange(len(raw) + 1)
                writer.write(raw[:cut])
                if own.random() < 0.2:
                    await writer.drain()
                writer.write(raw[cut:])
                sent += 1
                await writer.drain()
            if own.random() < 0.7:
                writer.write_eof()
            else:
                writer.transport.abort()
        async with asyncio.timeout(PATIENCE_S):
            await asyncio.gather(reading, return_exceptions=True)
        writer.close()

    async with serving(engine) as resources:
        while sent < MESSAGES:
            seeds = [chance.getrandbits(32) for _ in range(20)]
            await asyncio.gather(*(talk(resources.wyoming.port, seed) for seed in seeds))
        await wait_until(lambda: resources.sockets.open == 0 and resources.sessions.dictating == 0)
        assert engine.all_closed
        assert resources.wyoming.tasks.problem == ""
        async with connected(resources) as client:
            assert text_of(await command(client, make_sentence(0.0)))
        await wait_until(lambda: resources.sockets.open == 0)
        gc.collect()
        assert [each for each in gc.get_objects() if isinstance(each, WyomingConnection)] == []
    assert {
        "info",
        "pong",
        "transcript",
        "invalid_message",
        "message_too_big",
        "already_started",
    } <= set(codes)
    assert not {"internal_error", "engine_failed"} & set(codes)
    assert [record.getMessage() for record in caplog.records if record.levelname == "ERROR"] == []


# -- who


async def test_without_an_address_there_is_no_door() -> None:
    async with serving(wyoming={}) as resources:
        assert resources.wyoming.port == 0
        assert resources.wyoming.tasks.problem == ""


async def test_other_machines_are_kept_out_without_accounts() -> None:
    with pytest.raises(CannotStart, match="no accounts"):
        async with serving(wyoming={"uri": "tcp://0.0.0.0:0"}):
            pass


async def test_a_port_in_use_is_one_line() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        uri = f"tcp://127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(CannotStart, match=r"wyoming\.uri: cannot listen at .* in use"):
            async with serving(wyoming={"uri": uri}):
                pass


async def test_with_accounts_a_user_is_named() -> None:
    for user in ("", "nobody"):
        with pytest.raises(CannotStart, match=r"wyoming\.user"):
            async with serving(accounts=ACCOUNTS, wyoming={**LOOPBACK, "user": user}):
                pass


async def test_the_history_is_the_named_users_and_ends_with_the_user() -> None:
    with own_data_folder(fake_settings(accounts=ACCOUNTS)) as folder:
        with serve_engine(FakeEngine(), accounts=ACCOUNTS, data_dir=folder.data_dir) as served:
            team = Team(served.resources.settings)
            team.add("admin", "admin")
            ana, bob = team.add("ana"), team.add("bob")
        door = {**LOOPBACK, "user": "Ana"}
        engine = FakeEngine(Script(final=lambda _: "Turn on"))
        async with serving(engine, accounts=ACCOUNTS, wyoming=door, data_dir=folder.data_dir) as resources:
            async with connected(resources) as client:
                await command(client, make_sentence(0.0))
            of_ana = await resources.dictations.list_page(ana.id, limit=10)
            of_bob = await resources.dictations.list_page(bob.id, limit=10)
            assert (len(of_ana.items), len(of_bob.items)) == (1, 0)
            team.disable(ana)
            async with connected(resources) as client:
                [error] = await read_until(client, "error")
                assert error.data["code"] == "unauthorized"
