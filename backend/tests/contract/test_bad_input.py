"""Every row of the table of bad input in docs/speech-socket.md, and input that nobody has thought of."""

import base64
import json
import random
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from websockets.exceptions import ConnectionClosed

from app.core.errors import PrompterError, all_errors
from app.schemas.speech_socket import Audio
from app.services.dictation.messages import parse_pcm, parse_seq
from tests.conftest import ROOT
from tests.fakes.engine import FakeEngine
from tests.support.server import RunningServer, serve_engine
from tests.support.speech_client import SpeechClient, connect_speech_client, list_types, make_sentence

STARTED = '{"type":"start","session_id":"s1","config":{"provider":"cloud_stub"}}'
CODES = {error.code for error in all_errors()}


@dataclass(frozen=True)
class Row:
    id: str
    state: str
    sent: list[str]
    code: str | None
    effect: str


def read_table() -> list[Row]:
    text = (ROOT / "docs" / "speech-socket.md").read_text(encoding="utf-8")
    table = text.split("<!-- bad-input: begin -->")[1].split("<!-- bad-input: end -->")[0]
    rows = []
    for line in table.strip().splitlines()[2:]:
        cells = [re.findall(r"`([^`]*)`", cell) for cell in line.strip("| ").split(" | ")]
        (name,), (state,), sent, (code,), (effect,) = cells
        rows.append(Row(name, state, sent, None if code == "-" else code, effect))
    return rows


ROWS = read_table()


@pytest.fixture(scope="module")
def served() -> Iterator[RunningServer]:
    with serve_engine(FakeEngine()) as served:
        yield served


@pytest.fixture(scope="module")
def impatient() -> Iterator[RunningServer]:
    with serve_engine(FakeEngine(), limits={"idle_session_s": 0.5, "idle_socket_s": 0.5}) as served:
        yield served


async def play(client: SpeechClient, row: Row) -> None:
    for item in row.sent:
        kind, _, argument = item.partition(" ")
        if kind == "@binary":
            await client.connection.send(bytes(int(argument)))
        elif kind == "@text":
            await client.connection.send("x" * int(argument))
        elif kind != "@silence":
            await client.connection.send(item)


async def reach(client: SpeechClient, state: str) -> None:
    if state != "new":
        await client.connection.send(STARTED)
        await client.until("ready")
    if state == "stopped":
        await client.stop()


async def prove_alive(client: SpeechClient, row: Row) -> list[str]:
    """The socket answers, a dictation takes audio and ends; gives the codes of errors on the way."""
    await client.check_alive()
    codes = [event["code"] for event in client.events if event["type"] == "error"]
    if row.state == "started":
        chunk = bytes(3200)
        await client.audio(chunk)
        assert "partial" in list_types(await client.stop())
        assert {event["session_id"] for event in client.events} == {"s1"}
    else:
        await client.start("next", provider="cloud_stub")
    return codes


def test_the_table_is_there() -> None:
    assert len(ROWS) > 50
    assert len({row.id for row in ROWS}) == len(ROWS)
    assert {row.code for row in ROWS} - {None} <= CODES


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.id)
async def test_row(served: RunningServer, impatient: RunningServer, row: Row) -> None:
    silent = any(item.startswith("@silence") for item in row.sent)
    async with connect_speech_client((impatient if silent else served).url) as client:
        await reach(client, row.state)
        await play(client, row)
        if row.effect == "goes on":
            assert await prove_alive(client, row) == ([row.code] if row.code else [])
            return
        assert await client.until_closed() == int(row.effect.removeprefix("closes "))
        errors = [event for event in client.events if event["type"] == "error"]
        assert [(event["code"], event["fatal"]) for event in errors] == [(row.code, True)]


@pytest.mark.parametrize("name", ["idle_session_s", "idle_socket_s"])
async def test_an_idle_error_names_its_limit(impatient: RunningServer, name: str) -> None:
    async with connect_speech_client(impatient.url) as client:
        if name == "idle_session_s":
            await client.start()
        assert await client.until_closed() == 4408
        assert f"limits.{name}" in client.events[-1]["message"]


async def test_a_message_over_the_limit_in_bytes_but_not_in_letters_is_too_big(served: RunningServer) -> None:
    async with connect_speech_client(served.url) as client:
        await client.connection.send(json.dumps({"type": "ping", "x": "ñ" * 600_000}, ensure_ascii=False))
        assert await client.until_closed() == 1009


async def test_bad_chunks_leave_no_trace_in_the_dictation(served: RunningServer) -> None:
    heard = []
    for bad in (False, True):
        async with connect_speech_client(served.url) as client:
            await client.start()
            pcm = make_sentence()
            for at in range(0, len(pcm), 3200):
                if bad:
                    await client.audio(b"\x01\x02", 8000) if at else None
                    await client.send("audio", format="pcm16", sample_rate=16_000, data="%%%%")
                    await client.send("audio", format="mp3", sample_rate=16_000, data="AAAA")
                    await client.send("start", config={"provider": "cloud_stub"})
                await client.audio(pcm[at : at + 3200])
            heard.append([event["text"] for event in await client.stop() if event["type"] == "final"])
    assert heard[0] == heard[1]
    assert len(heard[0]) == 1


# -- ids and labels of every kind -------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["ping", "flush"])
@pytest.mark.parametrize(
    "raw", ["1e30", "18446744073709551616", "-9223372036854775809", "1.0", "true", '""', '"\\u0000"', "1e400"]
)
async def test_odd_ids_are_echoed_or_refused_and_never_fatal(
    served: RunningServer, kind: str, raw: str
) -> None:
    async with connect_speech_client(served.url) as client:
        await client.start(provider="cloud_stub")
        await client.connection.send(f'{{"type":"{kind}","id":{raw}}}')
        event = await client.event()
        assert event["type"] in ("error", "pong", "flushed")
        assert not event.get("fatal")
        await client.check_alive()


# -- fuzz -------------------------------------------------------------------------------------------

ATOMS: list[Any] = [
    None, True, False, 0, -1, 1, 2**31, 2**63, 2**64, 1e308, 0.5, "", "auto", "es", "cloud_stub", "fake",
    "pcm16", "AAAA", "ñ", "\x00", "💥", "x" * 300, [], {}, [[]], {"silence_ms": 300}, ["ack"], {"a": 1},
]  # fmt: skip
FIELDS = {
    "start": ("session_id", "config"),
    "audio": ("format", "sample_rate", "data"),
    "flush": ("id",),
    "stop": ("id",),
    "ping": ("id",),
    "pong": ("id",),
}
CONFIG = (
    "lang", "langs", "likely_langs", "provider", "model", "sample_rate", "partials", "words", "vocabulary",
    "endpointing", "events",
)  # fmt: skip
AUDIO = {"type": "audio", "format": "pcm16", "sample_rate": 16_000, "data": "AAAA"}


def random_message(rng: random.Random) -> str | bytes:
    choice = rng.random()
    if choice < 0.15:
        return rng.randbytes(rng.randrange(64))
    if choice < 0.25:
        return rng.choice(
            ["", "{", "null", "[1", '{"type":', '{"a":' * 2000, "\ufeff{}", "{}" * 3, "1e999", '"\\ud800"']
        )
    if choice < 0.4:
        return json.dumps(rng.choice(ATOMS))
    kind = rng.choice([*FIELDS, rng.choice(ATOMS)])
    message: dict[str, Any] = {"type": kind}
    for name in FIELDS.get(kind, ("x",)) if isinstance(kind, str) else ("x",):
        if rng.random() < 0.8:
            message[name] = rng.choice(ATOMS)
    if kind == "audio" and rng.random() < 0.7:
        message = AUDIO | {rng.choice(list(AUDIO)): rng.choice(ATOMS)} | {"type": "audio"}
    if kind == "start" and rng.random() < 0.8:
        message["config"] = {name: rng.choice(ATOMS) for name in rng.sample(CONFIG, rng.randrange(3))}
    text = json.dumps(message, ensure_ascii=rng.random() < 0.5)
    return text if rng.random() < 0.9 else text[: rng.randrange(len(text))]


@pytest.mark.parametrize("seed", range(8))
async def test_random_messages_never_kill_socket_or_server(served: RunningServer, seed: int) -> None:
    rng = random.Random(seed)
    served.log.clear()
    async with connect_speech_client(served.url) as client:
        for round_ in range(20):
            messages = [random_message(rng) for _ in range(25)]
            try:
                for message in messages:
                    await client.connection.send(message)
                await client.check_alive()
            except ConnectionClosed as error:
                pytest.fail(
                    f"round {round_} closed the socket with {error.rcvd} after {messages}; {served.log[-1:]}"
                )
        assert not any(event.get("fatal") for event in client.events)
        assert {"error", "pong", "ready"} <= set(list_types(client.events))
    async with connect_speech_client(served.url) as client:
        await client.check_alive()
    assert served.troubles == []


base64s = st.binary(max_size=12).map(lambda data: base64.b64encode(data).decode())
maybe: st.SearchStrategy[Any] = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(0, 60_000),
    st.floats(),
    st.text(max_size=8),
    st.lists(st.integers(), max_size=1),
)


@settings(max_examples=200)
@given(
    body=st.fixed_dictionaries(
        {},
        optional={
            "format": st.one_of(st.just("pcm16"), maybe),
            "sample_rate": st.one_of(st.sampled_from([7999, 8000, 48_000, 48_001]), maybe),
            "data": st.one_of(base64s, maybe),
            "seq": maybe,
        },
    )
)
@example(body={"format": "pcm16", "sample_rate": 8000, "data": "AAA="})
def test_the_check_by_hand_agrees_with_the_model(body: dict[str, Any]) -> None:
    body = {"type": "audio", **body}
    by_model = by_hand = True
    try:
        Audio.model_validate(body)
    except ValidationError:
        by_model = False
    try:
        parse_seq(body)
        parse_pcm(body)
    except PrompterError as error:
        # The model knows the shape of a message, not its samples.
        by_hand = error.code in ("invalid_base64", "odd_length")
    assert by_hand == by_model
