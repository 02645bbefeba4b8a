"""Two servers on one PostgreSQL: what one is asked the other does, and an outage cuts no answer that goes on."""

import time
from collections.abc import AsyncGenerator, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, aclosing, contextmanager
from dataclasses import dataclass
from typing import Any

import anyio
import anyio.to_thread
import httpx2
import pytest

from app.providers.base import ChatRequest
from app.storage import answers
from app.storage.database import Database
from app.utils.ids import new_id
from tests.fakes.engine import FakeEngine
from tests.fakes.llm_providers import FakeChat, delta, with_models
from tests.support.conversations import SseEvent, parse_events
from tests.support.database import PostgresServer
from tests.support.server import RunningServer, serve_engine

WORDS = [f"word{n} " for n in range(500)]


class SlowChat(FakeChat):
    """Says a word every 20 ms."""

    async def stream(self, request: ChatRequest) -> AsyncGenerator[dict[str, Any], None]:
        async with aclosing(super().stream(request)) as chunks:
            async for chunk in chunks:
                yield chunk
                await anyio.sleep(0.02)


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


@contextmanager
def run_two(url: str) -> Iterator[tuple[Server, Server]]:
    chat = SlowChat([*(delta(word) for word in WORDS), delta("", finish="stop")])
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
        one, two = (Server(running, http, pool) for running, http in zip(served, clients, strict=True))
        yield one, two


@pytest.fixture
def two(postgres_server: PostgresServer, postgres_template: str) -> Iterator[tuple[Server, Server]]:
    with run_two(postgres_server.create(postgres_template)) as servers:
        yield servers


def join_told(events: list[SseEvent]) -> str:
    return "".join(event.data["content"] for event in events if event.name == "message")


def test_stop_works_at_the_other_server(two: tuple[Server, Server]) -> None:
    here, there = two
    conversation_id, reading = here.ask()
    there.wait_for_text(conversation_id)
    began_s = time.monotonic()
    stopped = there.http.post(f"/api/conversations/{conversation_id}/stop").json()
    events = reading.result(10)
    took_s = time.monotonic() - began_s
    stored = there.load_answer(conversation_id)
    assert stopped == {"status": "stopped", "message_id": stored["id"]}
    assert (events[-1].name, events[-1].data["status"]) == ("done", "stopped")
    assert took_s < 1.0
    assert join_told(events) == stored["content"]
    assert len(stored["content"]) < len("".join(WORDS))
    idle = there.http.post(f"/api/conversations/{conversation_id}/stop").json()
    assert idle == {"status": "idle", "message_id": None}
    assert there.http.post(f"/api/conversations/{new_id()}/stop").status_code == 404


def test_an_outage_longer_than_the_lease_cuts_nobody(
    monkeypatch: pytest.MonkeyPatch, postgres_server: PostgresServer, postgres_template: str
) -> None:
    monkeypatch.setattr(answers, "BEAT_S", 1.0)
    monkeypatch.setattr(answers, "LEASE_S", 3.0)
    with run_two(postgres_server.create(postgres_template)) as servers:
        asked = [server.ask() for server in servers]
        for server, (conversation_id, _) in zip(servers, asked, strict=True):
            server.wait_for_text(conversation_id)
        postgres_server.stop()
        try:
            time.sleep(4.0)
        finally:
            postgres_server.start()
        for server, (conversation_id, reading) in zip(servers, asked, strict=True):
            events = reading.result(30)
            assert join_told(events) == "".join(WORDS)
            assert events[-1].data.get("status") == "completed", events[-1]
            stored = server.load_answer(conversation_id)
            assert (stored["status"], stored["content"]) == ("complete", "".join(WORDS))


async def call_dead(server: Server) -> None:
    """What another process does to one that it has not heard of for too long."""
    database = Database(server.running.resources.settings)
    try:
        async with database.write() as session:
            assert await answers.interrupt_dead(session, database.run_id, lease_s=0) == 1
    finally:
        await database.aclose()


async def test_a_server_that_was_called_dead_stores_what_it_has_and_says_interrupted(
    two: tuple[Server, Server],
) -> None:
    here, there = two
    conversation_id, reading = here.ask()
    await anyio.to_thread.run_sync(there.wait_for_text, conversation_id)
    await anyio.sleep(0.5)
    await call_dead(here)
    events = await anyio.to_thread.run_sync(reading.result, 20)
    assert (events[-1].name, events[-1].data["code"]) == ("error", "interrupted")
    stored = there.load_answer(conversation_id)
    assert (stored["status"], stored["content"]) == ("interrupted", join_told(events))
    assert 0 < len(stored["content"]) < len("".join(WORDS))
    # The conversation goes on, at either server.
    body = {"conversation_id": conversation_id, "message": "again"}
    answer = there.pool.submit(lambda: there.http.post("/api/chat/stream", json=body))
    await anyio.to_thread.run_sync(here.wait_for_text, conversation_id, 2)
    assert here.http.post(f"/api/conversations/{conversation_id}/stop").json()["status"] == "stopped"
    assert (await anyio.to_thread.run_sync(answer.result, 30)).status_code == 200
