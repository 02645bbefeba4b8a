"""Two servers on one PostgreSQL: a session goes on at the other one, and whoever has lost it writes nothing more."""

import random
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import httpx2
import pytest

from tests.fakes.engine import FakeEngine, Script, guess_words
from tests.support.database import PostgresServer
from tests.support.moving_client import MovingClient, cut_evenly
from tests.support.server import RunningServer, serve_engine
from tests.support.speech_client import close_sockets, make_sentence

CHUNKS = cut_evenly(make_sentence(1.0) * 3)


@dataclass
class Pair:
    """Two servers, and what the database has."""

    here: RunningServer
    there: RunningServer

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
