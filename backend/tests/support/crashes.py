"""Conversations through `kill -9`: what each client received is recorded, and compared with what is stored."""

import random
import sqlite3
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import closing
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

import anyio
import httpx2

from tests.fakes.paced_upstream import PACES, PacedUpstream, make_pieces
from tests.support.command import ServerProcess, run_server_process
from tests.support.conversations import SseEvent, parse_events

LONGEST_S = 4.0
"""Each server is killed at a random moment within this time."""
SAVED_S = 0.5
"""The most of an answer that may be lost: the text that was shown this short before the kill (s) …"""
SLACK_S = 0.5
"""… and this much more on a busy machine (s), and as long as the server took to answer anything at the time."""
LOOK_S = 0.05

Between = Callable[[], Awaitable[None]]


@dataclass
class Exchange:
    """One message of a user, and what its client received."""

    conversation_id: str
    question: str
    whole: str
    """The complete answer."""
    question_id: str | None = None
    """None until the server has acknowledged it."""
    answer_id: str | None = None
    text: str = ""
    times: list[tuple[float, int]] = field(default_factory=list)
    """When how many characters had arrived."""
    done: bool = False
    kept: tuple[str, str] | None = None
    """Status and text as they were stored at the first start after the answer; they must not change."""

    def take(self, event: SseEvent) -> None:
        if event.name == "start":
            self.question_id, self.answer_id = event.data["user_message_id"], event.data["message_id"]
        elif event.name == "message":
            self.text += event.data["content"]
            self.times.append((time.monotonic(), len(self.text)))
        else:
            assert event.name == "done", event
            self.done = True

    def chars_at(self, when_s: float) -> int:
        return max((chars for at_s, chars in self.times if at_s <= when_s), default=0)


class CrashCampaign:
    """Kills servers one after the other on the same data, while users speak to them."""

    def __init__(
        self,
        folder: Path,
        seed: int,
        between: Between | None = None,
        *,
        speakers: int = 4,
        earliest_s: float = 0.0,
        **env: str,
    ) -> None:
        self._folder, self._env = folder, env
        self._speakers, self._earliest_s = speakers, earliest_s
        self._between = between
        """Called between a kill and the next start."""
        self._chance = random.Random(seed)
        self._numbers = count()
        self._late_s = 0.0
        """The longest that the server took for a simple answer in the last seconds before it was killed."""
        self._conversations: list[str] = []
        self._exchanges: list[Exchange] = []
        self.tally: Counter[str] = Counter()
        self.most_lost_chars = 0
        self.most_lost_s = 0.0

    async def run(self, kills: int) -> None:
        """Kill this many servers; check after each kill that the next server has everything acknowledged."""
        async with PacedUpstream().serve() as upstream:
            self._env |= {"OPENAI_BASE_URL": upstream.base_url, "OPENAI_API_KEY": "k", "OPENAI_MODEL": "tiny"}
            for _ in range(kills):
                async with run_server_process(self._folder, **self._env) as server:
                    await self._speak_until_killed(server)
                await self._after_a_kill()
            async with run_server_process(self._folder, **self._env) as server, server.client() as client:
                await self._check(client)

    async def _after_a_kill(self) -> None:
        self.tally["kills"] += 1
        if self._between is not None:
            await self._between()
        if not self._env.get("PROMPTER_STORAGE__URL"):
            await anyio.to_thread.run_sync(_assert_sound, self._folder / "data" / "prompter.db")

    # -- before a kill

    async def _speak_until_killed(self, server: ServerProcess) -> None:
        async with server.client() as client, anyio.create_task_group() as group:
            await self._check(client)
            for place in await self._places(client):
                group.start_soon(self._speak, client, place, random.Random(self._chance.random()))
            asked: list[float] = []
            self._late_s = 0.0
            group.start_soon(self._note_lateness, client, asked)
            await anyio.sleep(self._chance.uniform(self._earliest_s, LONGEST_S))
            self._killed_s = time.monotonic()
            await anyio.to_thread.run_sync(server.kill)
            self._late_s = max(self._late_s, time.monotonic() - asked[-1] if asked else 0.0)

    async def _note_lateness(self, client: httpx2.AsyncClient, asked: list[float]) -> None:
        """Ask again and again until the server is gone; `asked` gets when."""
        while True:
            asked.append(time.monotonic())
            try:
                await client.get("/health")
            except httpx2.TransportError:
                return
            self._late_s = max(self._late_s, time.monotonic() - asked[-1])
            await anyio.sleep(LOOK_S)

    async def _places(self, client: httpx2.AsyncClient) -> list[str]:
        """A conversation for each speaker: an earlier one, sometimes a new one."""
        while len(self._conversations) < self._speakers or self._chance.random() < 0.3:
            made = await client.post("/api/conversations", json={})
            self._conversations.append(made.json()["id"])
        return self._chance.sample(self._conversations, self._speakers)

    async def _speak(self, client: httpx2.AsyncClient, place: str, chance: random.Random) -> None:
        """Send messages and read their answers until the server is gone."""
        while True:
            question = f"{next(self._numbers)} {chance.choice(list(PACES))}"
            exchange = Exchange(place, question, "".join(make_pieces(question)))
            self._exchanges.append(exchange)
            try:
                await _say(client, exchange)
            except httpx2.TransportError:
                return
            assert exchange.done, exchange

    # -- after it

    async def _check(self, client: httpx2.AsyncClient) -> None:
        for place in self._conversations:
            path = f"/api/conversations/{place}/messages"
            answer = await client.get(path, params={"branches": True, "limit": 10_000})
            assert answer.status_code == 200, answer.text
            stored = answer.json()
            _assert_pairs(stored)
            for exchange in [each for each in self._exchanges if each.conversation_id == place]:
                self._compare(exchange, {message["id"]: message for message in stored})
        for place in self._conversations[-self._speakers :]:
            exchange = Exchange(place, question := f"{next(self._numbers)} again", question)
            self._exchanges.append(exchange)
            await _say(client, exchange, model="echo")
            # Questions in a row, as after an answer of which nothing was kept, are sent as one.
            assert exchange.done
            assert exchange.text.endswith(question)
            exchange.whole = exchange.text

    def _compare(self, exchange: Exchange, stored: dict[str, dict[str, Any]]) -> None:
        if exchange.question_id is None or exchange.answer_id is None:
            self.tally["never acknowledged"] += exchange.kept is None
            exchange.kept = ("", "")
            return
        question, answer = stored[exchange.question_id], stored[exchange.answer_id]
        assert (question["content"], question["status"]) == (exchange.question, "complete")
        assert answer["parent_id"] == exchange.question_id
        status, text = answer["status"], answer["content"]
        if exchange.kept is not None:
            assert exchange.kept == (status, text), "what was kept has changed"
            return
        exchange.kept = (status, text)
        if status == "complete":
            assert text == exchange.whole
            assert text.startswith(exchange.text)
            self.tally["complete, and told so" if exchange.done else "complete, not told"] += 1
            return
        assert not exchange.done, "an answer whose end was told is not whole"
        assert (status, answer["error"]["code"]) == ("interrupted", "interrupted")
        assert exchange.whole.startswith(text)
        self._assert_little_lost(exchange, len(text))
        self.tally["interrupted"] += 1

    def _assert_little_lost(self, exchange: Exchange, kept: int) -> None:
        self.most_lost_chars = max(self.most_lost_chars, len(exchange.text) - kept)
        self.tally["interrupted with more than was seen"] += kept > len(exchange.text)
        lost_at_s = min((at_s for at_s, chars in exchange.times if chars > kept), default=self._killed_s)
        self.most_lost_s = max(self.most_lost_s, self._killed_s - lost_at_s)
        assert kept >= exchange.chars_at(self._killed_s - SLACK_S - SAVED_S - self._late_s), (
            f"{exchange.question}: only {kept} characters are kept, {self._killed_s - lost_at_s:.2f} s are lost"
        )


async def _say(client: httpx2.AsyncClient, exchange: Exchange, **more: str) -> None:
    """Send the message and record each event."""
    asked = {"conversation_id": exchange.conversation_id, "message": exchange.question, **more}
    rest = ""
    async with client.stream("POST", "/api/chat/stream", json=asked) as answer:
        assert answer.status_code == 200, await answer.aread()
        async for part in answer.aiter_text():
            whole, _, rest = (rest + part).rpartition("\n\n")
            for event in parse_events(f"{whole}\n\n") if whole else ():
                exchange.take(event)


def _assert_pairs(stored: list[dict[str, Any]]) -> None:
    """Every question is stored once and has one answer, and no answer is still streaming."""
    assert "streaming" not in {message["status"] for message in stored}
    questions = [message for message in stored if message["role"] == "user"]
    assert len({question["content"] for question in questions}) == len(questions)
    answers = [message["parent_id"] for message in stored if message["role"] == "assistant"]
    assert sorted(answers) == sorted(question["id"] for question in questions)


def _assert_sound(path: Path) -> None:
    """The file and its search index are intact before the next server opens them."""
    with closing(sqlite3.connect(path)) as file:
        assert file.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        assert file.execute("PRAGMA foreign_key_check").fetchall() == []
        file.execute("INSERT INTO search_index(search_index) VALUES ('integrity-check')")
        file.rollback()
