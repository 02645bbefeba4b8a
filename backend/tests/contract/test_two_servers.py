"""Two servers on one PostgreSQL: what one is asked the other does, and an outage cuts no answer that goes on."""

import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import anyio
import anyio.to_thread
import httpx2
import pytest
from sqlalchemy import select

from app.services.chat.answers import STOP_POLL_S
from app.storage import answers
from app.storage.database import Database
from app.storage.tables import RunRow
from app.utils.ids import new_id
from tests.fakes.engine import FakeEngine
from tests.fakes.llm_providers import FakeChat, Gate, pieces, with_models
from tests.support.conversations import SseEvent, parse_events
from tests.support.database import PostgresServer
from tests.support.server import RunningServer, serve_engine

FIRST, SECOND, THIRD = ([f"{part}{n} " for n in range(20)] for part in ("one", "two", "three"))
WHOLE = "".join([*FIRST, *SECOND, *THIRD])


@dataclass
class Server:
    """One of the two, and a client of it."""

    running: RunningServer
    http: httpx2.Client
    pool: ThreadPoolExecutor

    def ask(self) -> tuple[str, Future[list[SseEvent]]]:
        """A new conversation with a prompt; its id, and the events of the answer when it has ended."""
        conversation_id = self.http.post("/api/conversations").json()["id"]
        body = {"conversation_id": conversation_id, "message": "hello"}
        reading = self.pool.submit(lambda: self.http.post("/api/chat/stream", json=body))
        return conversation_id, self.pool.submit(lambda: parse_events(reading.result().text))

    def load_answer(self, conversation_id: str, turn: int = 1) -> dict[str, Any]:
        """The answer of the n-th turn as it is stored; without text where there is none yet."""
        messages = self.http.get(f"/api/conversations/{conversation_id}/messages").json()
        return dict(messages[2 * turn - 1]) if len(messages) >= 2 * turn else {"content": ""}

    def wait_for_text(self, conversation_id: str, turn: int = 1) -> None:
        deadline_s = time.monotonic() + 20
        while not self.load_answer(conversation_id, turn)["content"]:
            assert time.monotonic() < deadline_s, "no text of the answer was stored within 20 s"
            time.sleep(0.02)


@dataclass
class Pair:
    """Two servers on one database, whose model says the second and third part of its answer when the gates open."""

    here: Server
    there: Server
    second: Gate
    third: Gate


@contextmanager
def run_two(url: str) -> Iterator[Pair]:
    second, third = Gate(), Gate()
    chat = FakeChat(pieces(*FIRST, second, *SECOND, third, *THIRD))
    settings: dict[str, Any] = {
        "registrations": with_models(fake=chat),
        "llm": {"provider": "fake", "discover": False},
        "storage": {"url": url},
    }
    with ExitStack() as stack:
        pool = stack.enter_context(ThreadPoolExecutor(8))
        served = [stack.enter_context(serve_engine(FakeEngine(), **settings)) for _ in range(2)]
        clients = [
            stack.enter_context(httpx2.Client(base_url=one.url, trust_env=False, timeout=30))
            for one in served
        ]
        here, there = (Server(running, http, pool) for running, http in zip(served, clients, strict=True))
        yield Pair(here, there, second, third)


@pytest.fixture
def two(postgres_server: PostgresServer, postgres_template: str) -> Iterator[Pair]:
    with run_two(postgres_server.create(postgres_template)) as pair:
        yield pair


def join_told(events: list[SseEvent]) -> str:
    return "".join(event.data["content"] for event in events if event.name == "message")


def test_stop_works_at_the_other_server(two: Pair) -> None:
    here, there = two.here, two.there
    conversation_id, reading = here.ask()
    there.wait_for_text(conversation_id)
    began_s = time.monotonic()
    stopped = there.http.post(f"/api/conversations/{conversation_id}/stop").json()
    events = reading.result(10)
    took_s = time.monotonic() - began_s
    stored = there.load_answer(conversation_id)
    assert stopped == {"status": "stopped", "message_id": stored["id"]}
    assert (events[-1].name, events[-1].data["status"]) == ("done", "stopped")
    assert took_s < 20.0
    assert join_told(events) == stored["content"] == "".join(FIRST)
    idle = there.http.post(f"/api/conversations/{conversation_id}/stop").json()
    assert idle == {"status": "idle", "message_id": None}
    assert there.http.post(f"/api/conversations/{new_id()}/stop").status_code == 404


def test_an_answer_goes_on_at_the_other_server_from_where_its_reader_was(two: Pair) -> None:
    """A reader whose gateway is gone has the rest from another one, and no piece twice."""
    here, there = two.here, two.there
    conversation_id, reading = here.ask()
    there.wait_for_text(conversation_id)
    message_id = there.load_answer(conversation_id)["id"]
    first = "".join(FIRST)
    following = here.pool.submit(
        lambda: there.http.get(f"/api/chat/stream/{message_id}", headers={"Last-Event-ID": f"{len(first)}.0"})
    )
    two.second.set()
    two.third.set()
    events = parse_events(following.result(30).text)
    assert join_told(events) == "".join([*SECOND, *THIRD])
    assert (events[-1].name, events[-1].data["status"]) == ("done", "completed")
    assert join_told(reading.result(30)) == WHOLE


def test_a_stop_at_the_other_server_takes_about_half_a_second() -> None:
    """The server that answers looks for it, and the one that was asked looks for the end."""
    assert 2 * STOP_POLL_S <= 0.5


async def wait_for_beats(database: Database, count: int) -> None:
    """Wait until both servers have beaten so often from now on."""
    seen: dict[UUID, set[datetime]] = {}
    with anyio.fail_after(60):
        while len(seen) < 2 or any(len(beats) <= count for beats in seen.values()):
            async with database.read() as session:
                for run in await session.scalars(select(RunRow)):
                    seen.setdefault(run.id, set()).add(run.heartbeat_at)
            await anyio.sleep(0.05)


async def test_an_outage_longer_than_the_lease_cuts_nobody(
    monkeypatch: pytest.MonkeyPatch, postgres_server: PostgresServer, postgres_template: str
) -> None:
    """Text arrives while the database is away, and after both servers were free to call each other dead."""
    monkeypatch.setattr(answers, "BEAT_S", 1.0)
    monkeypatch.setattr(answers, "LEASE_S", 3.0)
    in_thread = anyio.to_thread.run_sync
    with run_two(postgres_server.create(postgres_template)) as pair:
        asked = [(server, *server.ask()) for server in (pair.here, pair.there)]

        def list_states() -> list[str]:
            return [server.load_answer(conversation_id)["status"] for server, conversation_id, _ in asked]

        for server, conversation_id, _ in asked:
            await in_thread(server.wait_for_text, conversation_id)
        assert await in_thread(list_states) == ["streaming"] * 2
        await in_thread(postgres_server.stop)
        try:
            pair.second.set()
            await anyio.sleep(answers.LEASE_S + 1)
        finally:
            await in_thread(postgres_server.start)
        database = Database(pair.here.running.resources.settings)
        await wait_for_beats(database, answers.BEATS_BEFORE_VERDICT + 2)
        await database.aclose()
        assert await in_thread(list_states) == ["streaming"] * 2
        pair.third.set()
        for server, conversation_id, reading in asked:
            events = await in_thread(reading.result, 30)
            assert join_told(events) == WHOLE
            assert events[-1].data.get("status") == "completed", events[-1]
            stored = await in_thread(server.load_answer, conversation_id)
            assert (stored["status"], stored["content"]) == ("complete", WHOLE)


async def call_dead(server: Server) -> None:
    """What another process does to one that it has not heard of for too long."""
    database = Database(server.running.resources.settings)
    try:
        async with database.write() as session:
            assert await answers.interrupt_dead(session, database.run_id, lease_s=0) == 1
    finally:
        await database.aclose()


async def test_a_server_that_was_called_dead_stores_what_it_has_and_says_interrupted(two: Pair) -> None:
    here, there = two.here, two.there
    conversation_id, reading = here.ask()
    await anyio.to_thread.run_sync(there.wait_for_text, conversation_id)
    await call_dead(here)
    two.second.set()
    events = await anyio.to_thread.run_sync(reading.result, 20)
    assert (events[-1].name, events[-1].data["code"]) == ("error", "interrupted")
    stored = there.load_answer(conversation_id)
    told = "".join([*FIRST, *SECOND])
    assert (stored["status"], stored["content"], join_told(events)) == ("interrupted", told, told)
    # The conversation goes on, at either server.
    body = {"conversation_id": conversation_id, "message": "again"}
    answer = there.pool.submit(lambda: there.http.post("/api/chat/stream", json=body))
    await anyio.to_thread.run_sync(here.wait_for_text, conversation_id, 2)
    assert here.http.post(f"/api/conversations/{conversation_id}/stop").json()["status"] == "stopped"
    assert (await anyio.to_thread.run_sync(answer.result, 30)).status_code == 200
