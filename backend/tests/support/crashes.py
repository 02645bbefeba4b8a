"""Conversations through `kill -9`: what clients were told is written down, and held against what is kept."""

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

SPEAKERS = 4
LONGEST_S = 4.0
"""A server is killed at a random moment of its first so many seconds with them."""
SAVED_S, SAVED_CHARS = 2.0, 1024
"""How much of an answer may be lost: what arrived within so long, and at most so much …"""
SLACK_S = 1.5
"""… before this: the pause between two saves, the save itself, and a machine that others use as well."""

Between = Callable[[], Awaitable[None]]


@dataclass
class Exchange:
    """One message of a user, and what its client was told."""

    conversation_id: str
    question: str
    whole: str
    """The answer, if nothing happens to it."""
    question_id: str | None = None
    """None until the server has acknowledged it."""
    answer_id: str | None = None
    text: str = ""
    times: list[tuple[float, int]] = field(default_factory=list)
    """When so many characters had come."""
    done: bool = False
    kept: tuple[str, str] | None = None
    """Status and text as the first start after its end told them; they are final."""

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
    """Servers that are killed one after the other on the same data, and the people who speak to them."""

    def __init__(self, folder: Path, seed: int, between: Between | None = None, **env: str) -> None:
        self._folder, self._env = folder, env
        self._between = between
        """What happens between a kill and the next start."""
        self._chance = random.Random(seed)
        self._numbers = count()
        self._conversations: list[str] = []
        self._heard: list[Exchange] = []
        self.tally: Counter[str] = Counter()
        self.most_lost_chars = 0

    async def run(self, kills: int) -> None:
        """Kill so many servers; after each kill the next one has everything that was acknowledged."""
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
            await anyio.sleep(self._chance.uniform(0, LONGEST_S))
            self._killed_s = time.monotonic()
            await anyio.to_thread.run_sync(server.kill)

    async def _places(self, client: httpx2.AsyncClient) -> list[str]:
        """A conversation for each speaker: known ones, now and then a new one."""
        while len(self._conversations) < SPEAKERS or self._chance.random() < 0.3:
            made = await client.post("/api/conversations", json={})
            self._conversations.append(made.json()["id"])
        return self._chance.sample(self._conversations, SPEAKERS)

    async def _speak(self, client: httpx2.AsyncClient, place: str, chance: random.Random) -> None:
        """Say something and listen, again and again, until the server is gone."""
        while True:
            question = f"{next(self._numbers)} {chance.choice(list(PACES))}"
            heard = Exchange(place, question, "".join(make_pieces(question)))
            self._heard.append(heard)
            try:
                await _say(client, heard)
            except httpx2.TransportError:
                return
            assert heard.done, heard

    # -- after it

    async def _check(self, client: httpx2.AsyncClient) -> None:
        for place in self._conversations:
            path = f"/api/conversations/{place}/messages"
            answer = await client.get(path, params={"branches": True, "limit": 10_000})
            assert answer.status_code == 200, answer.text
            stored = answer.json()
            _assert_pairs(stored)
            for heard in [each for each in self._heard if each.conversation_id == place]:
                self._compare(heard, {message["id"]: message for message in stored})
        for place in self._conversations[-SPEAKERS:]:
            heard = Exchange(place, question := f"{next(self._numbers)} again", question)
            self._heard.append(heard)
            await _say(client, heard, model="echo")
            # Questions in a row, as after an answer of which nothing was kept, are sent as one.
            assert heard.done
            assert heard.text.endswith(question)
            heard.whole = heard.text

    def _compare(self, heard: Exchange, stored: dict[str, dict[str, Any]]) -> None:
        if heard.question_id is None or heard.answer_id is None:
            self.tally["never acknowledged"] += heard.kept is None
            heard.kept = ("", "")
            return
        question, answer = stored[heard.question_id], stored[heard.answer_id]
        assert (question["content"], question["status"]) == (heard.question, "complete")
        assert answer["parent_id"] == heard.question_id
        status, text = answer["status"], answer["content"]
        if heard.kept is not None:
            assert heard.kept == (status, text), "what was kept has changed"
            return
        heard.kept = (status, text)
        if status == "complete":
            assert text == heard.whole
            assert text.startswith(heard.text)
            self.tally["complete, and told so" if heard.done else "complete, not told"] += 1
            return
        assert not heard.done, "an answer whose end was told is not whole"
        assert (status, answer["error"]["code"]) == ("interrupted", "interrupted")
        assert heard.whole.startswith(text)
        self._assert_little_lost(heard, len(text))
        self.tally["interrupted"] += 1

    def _assert_little_lost(self, heard: Exchange, kept: int) -> None:
        self.most_lost_chars = max(self.most_lost_chars, len(heard.text) - kept)
        self.tally["interrupted with more than was seen"] += kept > len(heard.text)
        at_s = self._killed_s - SLACK_S
        assert kept >= heard.chars_at(at_s - SAVED_S), f"{heard.question}: only {kept} characters are kept"
        assert kept >= heard.chars_at(at_s) - SAVED_CHARS, (
            f"{heard.question}: only {kept} characters are kept"
        )


async def _say(client: httpx2.AsyncClient, heard: Exchange, **more: str) -> None:
    """Send the message and write down what comes, event by event."""
    asked = {"conversation_id": heard.conversation_id, "message": heard.question, **more}
    rest = ""
    async with client.stream("POST", "/api/chat/stream", json=asked) as answer:
        assert answer.status_code == 200, await answer.aread()
        async for part in answer.aiter_text():
            whole, _, rest = (rest + part).rpartition("\n\n")
            for event in parse_events(f"{whole}\n\n") if whole else ():
                heard.take(event)


def _assert_pairs(stored: list[dict[str, Any]]) -> None:
    """No message twice, none half written: each question has its answer, and none is still streamed."""
    assert "streaming" not in {message["status"] for message in stored}
    questions = [message for message in stored if message["role"] == "user"]
    assert len({question["content"] for question in questions}) == len(questions)
    answers = [message["parent_id"] for message in stored if message["role"] == "assistant"]
    assert sorted(answers) == sorted(question["id"] for question in questions)


def _assert_sound(path: Path) -> None:
    """The file and its search index, before the next server has touched them."""
    with closing(sqlite3.connect(path)) as file:
        assert file.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        assert file.execute("PRAGMA foreign_key_check").fetchall() == []
        file.execute("INSERT INTO search_index(search_index) VALUES ('integrity-check')")
        file.rollback()
