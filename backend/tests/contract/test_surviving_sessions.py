"""Two servers on one PostgreSQL: a session goes on at the other one, and whoever has lost it writes nothing more."""

import asyncio
import json
import random
import signal
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread
import httpx2
import pytest
from sqlalchemy import func, select
from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed

from app.services.dictation import journal
from app.services.dictation.journal import SURE_S
from app.storage.database import Database
from app.storage.tables import SpeechSessionAudioRow, SpeechSessionEventRow, SpeechSessionRow
from tests.fakes.engine import FakeEngine, Script, guess_words
from tests.support.command import ServerProcess, run_program
from tests.support.database import PostgresServer
from tests.support.moving_client import MovingClient, cut_evenly
from tests.support.server import RunningServer, serve_engine
from tests.support.speech_client import PATIENCE_S, close_sockets, make_sentence

pytestmark = pytest.mark.once

OUTAGE_S = 3.0
"""The longest pause between two tries is shorter: a longer outage is the same."""
CHUNKS = cut_evenly(make_sentence(1.0) * 3)


@dataclass
class Pair:
    """Two servers, and what the database has."""

    here: RunningServer
    there: RunningServer

    def list_stored_there(self) -> list[str]:
        """The finals of the last dictation, as the second server stores them."""
        with httpx2.Client(base_url=self.there.url, trust_env=False, timeout=30) as http:
            found = http.get("/api/dictations").json()
            items = http.get(f"/api/dictations/{found[0]['id']}").json()["items"] if found else []
            return [final["text"] for final in items]

    def list_stored(self) -> list[list[str]]:
        """The finals of each dictation, the last one first, as they are stored."""
        with httpx2.Client(base_url=self.there.url, trust_env=False, timeout=30) as http:
            for server in (self.here, self.there):
                http.get(f"{server.url}/api/dictations")  # waits for what is not stored yet
            found = http.get("/api/dictations").json()
            return [
                [final["text"] for final in http.get(f"/api/dictations/{each['id']}").json()["items"]]
                for each in found
            ]


@contextmanager
def run_pair(url: str, **settings: Any) -> Iterator[Pair]:
    limits = {"stall_s": 20} | settings.pop("limits", {})
    with ExitStack() as stack:
        here, there = (
            stack.enter_context(
                serve_engine(
                    FakeEngine(Script(hypothesis=guess_words)),
                    storage={"url": url},
                    limits=limits,
                    **settings,
                )
            )
            for _ in range(2)
        )
        yield Pair(here, there)


@pytest.fixture
def pair(postgres_server: PostgresServer, postgres_template: str) -> Iterator[Pair]:
    with run_pair(postgres_server.create(postgres_template)) as pair:
        yield pair


@pytest.fixture(autouse=True)
async def nothing_left_open() -> AsyncIterator[None]:
    yield
    await close_sockets()


async def dictate(pair: Pair, moves: int, seed: int = 1) -> MovingClient:
    """Say all of it, and move to the other server so many times, anywhere."""
    rng = random.Random(seed)
    client = MovingClient(CHUNKS)
    ready = await client.start(pair.here.url, endpointing="command")
    assert ready["survives"] is True
    places = sorted(rng.sample(range(1, len(CHUNKS)), moves))
    for n, place in enumerate(places):
        await client.send(place)
        if rng.random() < 0.5:
            await client.until("ack")
        await client.move((pair.there if n % 2 == 0 else pair.here).url)
    await client.send()
    await client.stop()
    client.check_order()
    return client


async def test_finals_are_those_of_an_unbroken_session(pair: Pair) -> None:
    unbroken = await dictate(pair, 0)
    moved = await dictate(pair, 6)
    assert len(unbroken.finals) >= 3
    assert moved.finals == unbroken.finals
    assert moved.events[-1]["stats"] == unbroken.events[-1]["stats"]
    texts = [text for _, text in unbroken.finals]
    assert pair.list_stored() == [texts, texts]


async def test_a_session_that_is_not_stored_does_not_survive(pair: Pair) -> None:
    """No audio and no text of it leaves the process."""
    client = MovingClient(CHUNKS)
    ready = await client.start(pair.here.url, store=False, endpointing="command")
    assert (ready["survives"], ready["dictation_id"]) == (False, None)
    await client.send(len(CHUNKS) // 2)
    await client.until("final")
    assert await count_rows(pair) == (0, 0, 0)
    refused = await client.ask_to_resume(pair.there.url)
    assert refused["code"] == "resume_refused"
    await client.move(pair.here.url)
    await client.send()
    await client.stop()
    assert pair.list_stored() == []


async def test_a_dictation_that_is_not_stored_ends_the_log_of_the_one_before(pair: Pair) -> None:
    client = MovingClient(CHUNKS)
    await client.start(pair.here.url, endpointing="command")
    await client.send()
    await client.stop()
    assert client.connection is not None
    await client.connection.send('{"type":"start","config":{"store":false}}')
    assert (await client.until("ready"))["survives"] is False
    await wait_for_rows(pair, (0, 0, 0))


async def test_a_token_is_worth_nothing_to_anybody_else(pair: Pair) -> None:
    client, other = MovingClient(CHUNKS), MovingClient(CHUNKS, label="s2")
    await client.start(pair.here.url, endpointing="command")
    await client.send(10)
    for wrong in ("", "nonsense", client.token[:-1], client.token + "x"):
        other.token = wrong
        assert (await other.ask_to_resume(pair.there.url))["code"] == "resume_refused"
    other.token = client.token  # with another label
    assert (await other.ask_to_resume(pair.there.url))["code"] == "resume_refused"
    other.label, other.last_seq = client.label, 10**9
    assert (await other.ask_to_resume(pair.there.url))["code"] == "resume_refused"
    await client.send()  # nobody has taken it
    await client.stop()
    client.check_order()


async def test_of_two_clients_with_one_token_the_last_one_has_the_session(pair: Pair) -> None:
    first = MovingClient(CHUNKS)
    await first.start(pair.here.url, endpointing="command")
    await first.send(20)
    await first.until("ack")
    second = MovingClient(CHUNKS)
    second.token, second.last_seq, second.acked = first.token, first.last_seq, first.acked
    old = first.connection
    await second.move(pair.there.url)
    assert await read_close(first) == (1012, "resumed_elsewhere")
    first.connection = old
    await second.send()
    await second.stop()
    second.check_order()
    (stored,) = pair.list_stored()
    assert stored == [text for _, text in second.finals]
    assert pair.here.troubles == pair.there.troubles == []


async def test_what_was_asked_for_is_answered_by_the_other_server(pair: Pair) -> None:
    """A flush that waits, and `stop`: neither is asked for again."""
    client = MovingClient(CHUNKS)
    await client.start(pair.here.url, endpointing="manual")
    half = len(CHUNKS) // 2
    await client.send(half)
    assert client.connection is not None
    await client.connection.send('{"type":"flush","id":"f1"}')
    await client.until("flushed")
    await client.move(pair.there.url)
    await client.send()
    await client.connection.send('{"type":"stop"}')
    await client.until("stopped")
    assert client.connection is not None
    seen, client.last_seq = client.last_seq, client.last_seq - 1
    answer = await client.move(pair.here.url)  # `stopped` did not arrive
    assert answer["stopping"] is True
    assert (await client.event())["seq"] == seen
    assert [event["type"] for event in client.events].count("flushed") == 1
    assert len(client.finals) == 2


async def test_a_token_that_came_after_a_move_is_worth_as_much_as_another(pair: Pair) -> None:
    """`ready` of the second dictation was lost with its server: the next one sends it with a token of its own."""
    client = MovingClient(CHUNKS)
    await client.start(pair.here.url, endpointing="command")
    assert client.connection is not None
    await client.connection.send('{"type":"stop"}')
    await client.until("stopped")
    await client.connection.send('{"type":"start","session_id":"s1","config":{"endpointing":"command"}}')
    while json.loads(await client.connection.recv())["type"] != "ready":
        pass
    client.acked = 0
    await client.move(pair.there.url)
    client.token = (await client.until("ready"))["resume_token"]
    await client.send(len(CHUNKS) // 2)
    await client.until("final")
    await client.move(pair.here.url)
    await client.send()
    await client.stop()
    client.check_order()
    assert pair.list_stored() == [[text for _, text in client.finals]]


async def test_a_dictation_that_was_deleted_stays_so_at_the_other_server(pair: Pair) -> None:
    client = MovingClient(CHUNKS)
    ready = await client.start(pair.here.url, endpointing="command")
    await client.send(len(CHUNKS) // 2)
    await client.until("final")
    assert len(pair.list_stored()) == 1
    path = f"/api/dictations/{ready['dictation_id']}"
    with httpx2.Client(base_url=pair.there.url, trust_env=False, timeout=30) as http:
        assert http.delete(path).is_success
    await client.send(len(CHUNKS) // 2 + 1)
    while client.acked < client.sent:
        await client.until("ack")
    await client.move(pair.there.url)
    await client.send()
    await client.stop()
    client.check_order()
    assert pair.list_stored() == []


async def test_a_client_without_its_token_goes_on_at_the_other_server(pair: Pair) -> None:
    """Its page was loaded anew: it knows the dictation, and how far it has finals."""
    client, page = MovingClient(CHUNKS), MovingClient(CHUNKS, label="s2")
    ready = await client.start(pair.here.url, endpointing="command")
    half = len(CHUNKS) // 2
    await client.send(half)
    await client.until("final")
    while client.acked < half:
        await client.until("ack")
    told_ms = client.events[[event["type"] for event in client.events].index("final")]["end_ms"]
    again = {"continues_dictation": ready["dictation_id"], "told_ms": told_ms}
    continued = await page.start(pair.there.url, endpointing="command", **again)
    assert continued["dictation_id"] == ready["dictation_id"]
    assert continued["base_ms"] + continued["safe_ms"] - continued["from_ms"] == half * 100
    assert await read_close(client) == (1012, "resumed_elsewhere")
    page.skip(half)
    await page.send()
    await page.stop()
    (stored,) = pair.list_stored()
    assert len(stored) == len(set(stored)) == 3


async def test_text_is_made_of_a_session_whose_client_does_not_come(
    monkeypatch: pytest.MonkeyPatch, postgres_server: PostgresServer, postgres_template: str
) -> None:
    monkeypatch.setattr(journal, "ORPHANS_EVERY_S", 0.2)
    url = postgres_server.create(postgres_template)
    with run_pair(url, limits={"resume_s": 1}) as pair:
        client = MovingClient(CHUNKS)
        await client.start(pair.here.url, endpointing="command")
        half = len(CHUNKS) // 2
        await client.send(half)
        while client.acked < half:
            await client.until("ack")
        pair.here.server.should_exit = True
        with anyio.fail_after(PATIENCE_S * 2):
            while len(stored := await anyio.to_thread.run_sync(pair.list_stored_there)) < 2:  # noqa: ASYNC110
                await anyio.sleep(0.1)  # a server in another thread
        assert stored[0] == client.finals[0][1]
        await wait_for_rows(pair, (0, 0, 0))


async def test_an_outage_of_the_database_stops_nobody_and_loses_nothing(
    postgres_server: PostgresServer, postgres_template: str
) -> None:
    """Finals come while it is away, all is stored afterwards, and the session survives again."""
    limits = {"idle_session_s": 120}  # a database that recovers takes its time
    with run_pair(postgres_server.create(postgres_template), limits=limits) as pair:
        client = MovingClient(CHUNKS)
        await client.start(pair.here.url, endpointing="command")
        third = len(CHUNKS) // 3
        await client.send(third)
        await client.until("final")
        await anyio.to_thread.run_sync(postgres_server.stop)
        try:
            await client.send(2 * third + 2)
            await client.until("final")
            await anyio.sleep(OUTAGE_S)
        finally:
            await anyio.to_thread.run_sync(postgres_server.start)
        while client.acked < client.sent:
            await client.until("ack")
        await client.move(pair.there.url)
        await client.send()
        await client.stop()
        client.check_order()
        texts = [text for _, text in client.finals]
        assert texts == [text for _, text in await say_whole(pair.there.url)]
        assert await anyio.to_thread.run_sync(pair.list_stored) == [texts, texts]


async def read_close(client: MovingClient) -> tuple[int | None, str | None]:
    """How the server closes the socket of this client."""
    assert client.connection is not None
    with suppress(ConnectionClosed):
        while True:
            await client.event()
    return client.connection.close_code, client.connection.close_reason


async def count_rows(pair: Pair) -> tuple[int, ...]:
    """Sessions, pieces of audio and events that the log has."""
    database = Database(pair.here.resources.settings)
    tables = (SpeechSessionRow, SpeechSessionAudioRow, SpeechSessionEventRow)
    async with database.read() as session:
        found = [await session.scalar(select(func.count()).select_from(table)) for table in tables]
    await database.aclose()
    return tuple(count or 0 for count in found)


async def wait_for_rows(pair: Pair, wanted: tuple[int, ...]) -> None:
    with anyio.fail_after(PATIENCE_S):
        while (found := await count_rows(pair)) != wanted:  # noqa: ASYNC110  # servers in other threads
            await anyio.sleep(0.05)
    assert found == wanted


# -- servers that end, or stand still


@asynccontextmanager
async def run_gateways(url: str, folder: Path, **env: str) -> AsyncIterator[list[ServerProcess]]:
    """Two servers as processes of their own, on one database."""
    settings = {
        "PROMPTER_STORAGE__URL": url,
        "PROMPTER_STT__PROVIDER": "fake",
        "PROMPTER_LIMITS__STALL_S": "60",
        "PROMPTER_LIMITS__IDLE_SESSION_S": "600",
    }
    async with AsyncExitStack() as stack:
        gateways = []
        for name in ("a", "b"):
            (folder / name).mkdir()
            command = (sys.executable, "-m", "tests.fakes.digest_server", "--port", "0")
            program = run_program(folder / name, *command, **settings, **env)
            gateways.append(await stack.enter_async_context(program))
        yield gateways


async def list_stored_at(gateway: ServerProcess, dictation_id: str) -> list[str]:
    async with gateway.client() as http:
        await http.get("/api/dictations")  # waits for what is not stored yet
        found = (await http.get(f"/api/dictations/{dictation_id}")).json()
        return [final["text"] for final in found["items"]]


async def say_whole(url: str) -> list[tuple[int, str]]:
    """The finals of a dictation that nothing interrupts."""
    client = MovingClient(CHUNKS)
    await client.start(url, endpointing="command")
    await client.send()
    await client.stop()
    return client.finals


async def check_whole(client: MovingClient, there: ServerProcess, dictation_id: str) -> None:
    """Check that nothing is lost or doubled, neither at the client nor in the database."""
    client.check_order()
    assert client.finals == await say_whole(there.url)
    assert await list_stored_at(there, dictation_id) == [text for _, text in client.finals]


@pytest.mark.parametrize("how", ["killed", "stopped", "suspended"])
async def test_a_session_outlives_its_server(
    how: str, postgres_server: PostgresServer, postgres_template: str, tmp_path: Path
) -> None:
    """In the middle of the second sentence, when the first final has just come: no final is lost, none comes twice."""
    url = postgres_server.create(postgres_template)
    async with run_gateways(url, tmp_path) as (here, there):
        client = MovingClient(CHUNKS)
        ready = await client.start(here.url, endpointing="command")
        await client.send(len(CHUNKS) // 2)
        await client.until("final")
        match how:
            case "killed":
                here.kill()
            case "stopped":
                here.process.send_signal(signal.SIGTERM)
                assert await read_close(client) == (1012, "handed_over")
            case "suspended":
                here.process.send_signal(signal.SIGSTOP)
        first = client.connection
        await client.move(there.url)
        await client.send()
        if how == "suspended":
            await wake(here, first)
        await client.stop()
        await check_whole(client, there, ready["dictation_id"])


async def test_what_a_server_told_in_an_outage_and_took_with_it_does_not_come_again(
    postgres_server: PostgresServer, postgres_template: str, tmp_path: Path
) -> None:
    """The database is away when the second final comes, and the server is killed before it is back."""
    url = postgres_server.create(postgres_template)
    async with run_gateways(url, tmp_path) as (here, there):
        client = MovingClient(CHUNKS)
        ready = await client.start(here.url, endpointing="command")
        await client.send(len(CHUNKS) // 3)
        await client.until("final")
        await anyio.to_thread.run_sync(postgres_server.stop)
        try:
            await client.send(2 * len(CHUNKS) // 3 + 2)
            await client.until("final")
            here.kill()
        finally:
            await anyio.to_thread.run_sync(postgres_server.start)
        await move_when_database_is_back(client, there)
        await client.send()
        await client.stop()
        await check_whole(client, there, ready["dictation_id"])


async def move_when_database_is_back(client: MovingClient, there: ServerProcess) -> None:
    """A server that cannot ask the database has its client come again."""
    with anyio.fail_after(PATIENCE_S):
        while True:
            with suppress(ConnectionClosed):
                await client.move(there.url)
                return
            assert client.connection is not None
            assert client.connection.close_reason == "database_away"
            await anyio.sleep(0.1)


async def wake(gateway: ServerProcess, connection: ClientConnection | None) -> None:
    """Let a suspended server go on. It says nothing more to its client, and closes."""
    assert connection is not None
    await anyio.sleep(SURE_S + 0.5)  # it has to stand still for longer than it trusts itself
    gateway.process.send_signal(signal.SIGCONT)
    told = []
    with suppress(ConnectionClosed):
        while True:
            async with asyncio.timeout(PATIENCE_S):
                told.append(json.loads(await connection.recv())["type"])
    assert (connection.close_code, connection.close_reason) == (1012, "resumed_elsewhere")
    assert set(told) <= {"ack", "partial"}, told
