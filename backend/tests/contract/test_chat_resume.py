"""Answers over lines that break: whatever is cut, and wherever, the texts that come are the answer, once."""

import random
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Sequence
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import anyio
import httpx2
import pytest

from app.providers.agent.events import ToolCall, ToolResult
from app.providers.base import ChatRequest
from tests.fakes.engine import FakeEngine
from tests.fakes.llm_providers import FakeAssistant, FakeChat, delta, with_models
from tests.fakes.paced_upstream import PacedUpstream, make_pieces
from tests.support.accounts import ACCOUNTS, Team, make_bearer
from tests.support.command import run_server_process
from tests.support.conversations import SseEvent, join_content, parse_events
from tests.support.proxy import Proxy, run_proxy
from tests.support.server import RunningServer, serve_engine

PATIENCE_S = 30
THOUGHTS = [f"(¿{n}? 思)" for n in range(40)]
TEXTS = [f"«{n}» ñandú 👍 " for n in range(120)]


CALLS = [
    event
    for n in range(30)
    for event in (
        ToolCall(f"call_{n}", "count", "numbers", {"n": n}),
        ToolResult(f"call_{n}", "count", "numbers", f'"{n} ñ"', False, n),
    )
]


class PacedChat(FakeAssistant):
    """Thinks, speaks and calls by turns, with a moment after each piece."""

    async def stream(self, request: ChatRequest) -> AsyncGenerator[dict[str, Any], None]:
        async with aclosing(super().stream(request)) as chunks:
            async for chunk in chunks:
                yield chunk
                await anyio.sleep(0.004)


def paced(*, acts: bool) -> FakeChat:
    pieces: list[Any] = [delta(text) for text in TEXTS]
    for n, thought in enumerate(THOUGHTS):
        pieces.insert(3 * n, delta("", reasoning_content=thought))
    for n, call in enumerate(CALLS if acts else ()):
        pieces.insert(2 * n + n // 20, call)
    return PacedChat([*pieces, delta("", finish="stop")])


@pytest.fixture(scope="module")
def served() -> Iterator[RunningServer]:
    models = {"fake": paced(acts=True), "plain": paced(acts=False)}
    with serve_engine(
        FakeEngine(), registrations=with_models(**models), llm={"provider": "fake", "discover": False}
    ) as one:
        yield one


@dataclass
class Listener:
    """A client that comes back with the last id it has read, as an EventSource does."""

    line: Proxy
    client: httpx2.AsyncClient
    chance: random.Random
    message_id: str | None = None
    events: list[SseEvent] = field(default_factory=list)
    cuts: int = 0
    stalls: int = 0

    @property
    def ended(self) -> bool:
        return bool(self.events) and self.events[-1].name in ("done", "error")

    async def follow(self) -> None:
        """To the end, each line being cut after a random number of bytes."""
        with anyio.fail_after(PATIENCE_S):
            while not self.ended:
                headers = {"Last-Event-ID": self.events[-1].id} if self.events else {}
                await self.listen("GET", f"/api/chat/stream/{self.message_id}", headers=headers)

    async def listen(self, method: str, path: str, **request: Any) -> None:
        """One request, and what comes of its answer before the line is cut; later each time nothing has come."""
        self.line.cut_after_bytes = self.chance.randrange(1, 1500) + 300 * self.stalls
        body = ""
        try:
            async with self.client.stream(method, path, **request) as answer:
                assert answer.status_code == 200
                async for part in answer.aiter_text():
                    body += part
        except httpx2.TransportError:
            self.cuts += 1
        come = parse_events(body)
        self.stalls = 0 if come else self.stalls + 1
        self.events += come


def client_of(served: RunningServer) -> httpx2.AsyncClient:
    return httpx2.AsyncClient(base_url=served.url, trust_env=False, timeout=PATIENCE_S)


async def new_conversation(client: httpx2.AsyncClient) -> str:
    made: str = (await client.post("/api/conversations", json={})).json()["id"]
    return made


async def last_message(client: httpx2.AsyncClient, conversation_id: str) -> dict[str, Any]:
    with anyio.fail_after(PATIENCE_S):
        path = f"/api/conversations/{conversation_id}/messages"
        while not (found := (await client.get(path)).json()):  # noqa: ASYNC110  # a server tells nobody
            await anyio.sleep(0.01)
    last: dict[str, Any] = found[-1]
    return last


async def asked(listener: Listener, client: httpx2.AsyncClient, model: str = "fake") -> str:
    """Send a message over a line that is cut; a client that was told no id finds it in the conversation."""
    conversation_id = await new_conversation(client)
    body = {"conversation_id": conversation_id, "message": "hello", "model": model}
    await listener.listen("POST", "/api/chat/stream", json=body)
    if listener.events:
        listener.message_id = listener.events[0].data["message_id"]
    else:
        listener.message_id = (await last_message(client, conversation_id))["id"]
    return conversation_id


def assert_whole(events: list[SseEvent], calls: Sequence[ToolCall | ToolResult] = CALLS) -> None:
    """The answer, no event of it twice, and one end."""
    assert join_content(events) == "".join(TEXTS)
    assert join_content(events, "reasoning") == "".join(THOUGHTS)
    assert [event.name for event in events if event.name in ("done", "error")] == ["done"]
    assert events[-1].data["status"] == "completed"
    called = [event.data["call_id"] for event in events if event.name.startswith("tool_")]
    assert called == [call.call_id for call in calls]
    told = [event for event in events if event.name not in ("start", "done")]
    places = [tuple(map(int, event.id.split("."))) for event in told]
    assert places == sorted(set(places))
    if not calls:
        assert {len(cursor) for cursor in places} == {2}, (
            "ids of an answer without tools are as they always were"
        )


@asynccontextmanager
async def listener_at(
    served: RunningServer, seed: int, message_id: str | None = None
) -> AsyncIterator[Listener]:
    one_each = httpx2.Limits(max_keepalive_connections=0)
    async with (
        run_proxy(served.url) as line,
        httpx2.AsyncClient(base_url=line.url, trust_env=False, timeout=PATIENCE_S, limits=one_each) as client,
    ):
        yield Listener(line, client, random.Random(seed), message_id)


@pytest.mark.parametrize("model", ["fake", "plain"])
@pytest.mark.parametrize("seed", range(8))
async def test_a_line_that_is_cut_at_any_byte(served: RunningServer, seed: int, model: str) -> None:
    """Of an answer with tools, and of one without."""
    calls = CALLS if model == "fake" else []
    async with client_of(served) as client, listener_at(served, seed) as listener:
        conversation_id = await asked(listener, client, model)
        await listener.follow()
        assert_whole(listener.events, calls)
        assert listener.cuts > 20
        stored = await last_message(client, conversation_id)
        assert (stored["content"], stored["reasoning"]) == ("".join(TEXTS), "".join(THOUGHTS))
        assert [event["data"]["call_id"] for event in stored["tool_events"]] == [
            call.call_id for call in calls
        ]
        again = {"Last-Event-ID": listener.events[-1].id}
        assert (await client.get(f"/api/chat/stream/{listener.message_id}", headers=again)).status_code == 204


async def test_many_clients_follow_one_answer(served: RunningServer) -> None:
    """Each over a line of its own that breaks, and one that comes when all is over."""
    async with client_of(served) as client, listener_at(served, 1) as first:
        await asked(first, client)
        async with (
            listener_at(served, 2, first.message_id) as second,
            listener_at(served, 3, first.message_id) as third,
            anyio.create_task_group() as group,
        ):
            for listener in (first, second, third):
                group.start_soon(listener.follow)
        async with listener_at(served, 4, first.message_id) as late:
            await late.follow()
        for listener in (first, second, third, late):
            assert_whole(listener.events)
            assert listener.cuts


# -- ids that are none


@pytest.fixture(scope="module")
def team() -> Iterator[tuple[RunningServer, Team]]:
    with serve_engine(FakeEngine(), accounts=ACCOUNTS) as one:
        yield one, Team(one.resources.settings)


@pytest.mark.parametrize(
    "wrong",
    [b"7", b"a.b", b"-1.0", b"1.-1", b"1.0.END", b"1.0.end.end", b"1.0.0", b"9999999999.0", b"0x1.0",
     b"1.0,2.0", "٣.٠".encode(), b"\xff", b"1" * 200],
)  # fmt: skip
async def test_an_id_that_no_event_has(served: RunningServer, wrong: bytes) -> None:
    async with client_of(served) as client:
        body = {"conversation_id": await new_conversation(client), "message": "hello", "model": "echo"}
        events = parse_events((await client.post("/api/chat/stream", json=body)).text)
        path = f"/api/chat/stream/{events[0].data['message_id']}"
        answer = await client.get(path, headers=[(b"Last-Event-ID", wrong)])
        assert (answer.status_code, answer.json()["error"]["code"]) == (400, "bad_request")
        assert "last-event-id" in answer.json()["error"]["message"].lower()


@pytest.mark.parametrize("ahead", ["6.0", "6.3", "999999999.999999999"])
async def test_an_id_of_a_longer_answer_brings_the_end_alone(served: RunningServer, ahead: str) -> None:
    async with client_of(served) as client:
        body = {"conversation_id": await new_conversation(client), "message": "hello", "model": "echo"}
        events = parse_events((await client.post("/api/chat/stream", json=body)).text)
        path = f"/api/chat/stream/{events[0].data['message_id']}"
        again = parse_events((await client.get(path, headers={"Last-Event-ID": ahead})).text)
        assert [event.name for event in again] == ["done"]


async def test_an_answer_of_somebody_else(team: tuple[RunningServer, Team]) -> None:
    """Also while it is made, and with an id of one of its events."""
    served, people = team
    owner, other = (make_bearer(people.token(people.add(name))) for name in ("owner", "other"))
    async with client_of(served) as client:
        made = (await client.post("/api/conversations", json={}, headers=owner)).json()["id"]
        body = {"conversation_id": made, "message": "hello", "model": "echo"}
        events = parse_events((await client.post("/api/chat/stream", json=body, headers=owner)).text)
        path = f"/api/chat/stream/{events[0].data['message_id']}"
        for last in ("", events[1].id, events[-1].id):
            answer = await client.get(path, headers={**other, "Last-Event-ID": last})
            assert (answer.status_code, answer.json()["error"]["code"]) == (404, "not_found")
        of_the_question = f"/api/chat/stream/{events[0].data['user_message_id']}"
        assert (await client.get(of_the_question, headers=owner)).status_code == 404


# -- servers that come and go


async def test_a_client_that_has_read_more_than_was_kept(tmp_path: Path) -> None:
    """After `kill -9` it is told the end, nothing twice, and nothing that contradicts what it has."""
    question = "1 fast"
    async with PacedUpstream().serve() as upstream:
        env = {"OPENAI_BASE_URL": upstream.base_url, "OPENAI_API_KEY": "k", "OPENAI_MODEL": "tiny"}
        body = ""
        async with run_server_process(tmp_path, **env) as server, server.client() as client:
            asked = {"conversation_id": await new_conversation(client), "message": question}
            try:
                async with client.stream("POST", "/api/chat/stream", json=asked) as answer:
                    async for part in answer.aiter_text():
                        body += part
                        if len(join_content(parse_events(body))) > 2000:
                            server.kill()
            except httpx2.TransportError:
                events = parse_events(body)
        async with run_server_process(tmp_path, **env) as server, server.client() as client:
            path = f"/api/chat/stream/{events[0].data['message_id']}"
            rest = parse_events((await client.get(path, headers={"Last-Event-ID": events[-1].id})).text)
            kept = parse_events((await client.get(path)).text)
    assert (rest[-1].name, rest[-1].data["code"]) == ("error", "interrupted")
    assert join_content(events) + join_content(rest) == max(join_content(kept), join_content(events), key=len)
    assert "".join(make_pieces(question)).startswith(join_content(events))
    assert join_content(events).startswith(join_content(kept)) or join_content(kept).startswith(
        join_content(events)
    )
