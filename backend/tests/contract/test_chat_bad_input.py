"""Conversations that are asked for badly, or while their database cannot serve: one clear answer, nothing half kept.

Elsewhere: fields of the wrong type or size, a model that is gone, a conversation deleted in mid-stream
(test_chat_stream, test_realtime_sessions, test_conversations); what is somebody else's, tokens, paths and headers
(test_access_matrix, test_accounts, services/test_accounts_tokens); random bodies (test_openapi_fuzz).
"""

import json
import resource
import sqlite3
import sys
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anyio
import httpx2
import pytest

from app.core.config import AccountSettings, Settings
from tests.fakes.engine import FakeEngine
from tests.fakes.llm_providers import FakeChat, with_models
from tests.fakes.paced_upstream import PacedUpstream, make_pieces
from tests.support.accounts import ACCOUNTS, PASSWORD, Team, make_bearer
from tests.support.command import ServerProcess, run_server_process
from tests.support.conversations import join_content, parse_events
from tests.support.server import serve_engine

pytestmark = pytest.mark.once

SOON_S = 30
linux_only = pytest.mark.skipif(sys.platform != "linux", reason="only Linux limits another process's files")

# -- bodies -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Asked:
    """A server, and a conversation of who asks."""

    http: httpx2.Client
    conversation_id: str

    def stored(self) -> tuple[Any, Any]:
        """Everything that a refused request could have changed."""
        path = f"/api/conversations/{self.conversation_id}/messages"
        return self.http.get("/api/conversations").json(), self.http.get(path).json()


@pytest.fixture(scope="module", params=["none", "accounts"])
def asked(request: pytest.FixtureRequest) -> Iterator[Asked]:
    mode: dict[str, Any] = {"accounts": ACCOUNTS} if request.param == "accounts" else {}
    with serve_engine(
        FakeEngine(),
        registrations=with_models(fake=FakeChat()),
        llm={"provider": "fake", "discover": False},
        **mode,
    ) as served:
        headers = {}
        if mode:
            team = Team(served.resources.settings)
            headers = make_bearer(team.key(team.add("ada"), "chat")[0])
        with httpx2.Client(base_url=served.url, trust_env=False, timeout=SOON_S, headers=headers) as http:
            yield Asked(http, http.post("/api/conversations", json={"title": "mine"}).json()["id"])
        assert not [line for line in served.log if line.startswith("ERROR")]


WRITES = [
    "POST /api/chat/stream",
    "POST /api/chat/realtime/sessions/{id}/stream",
    "PATCH /api/conversations/{id}",
    "POST /api/conversations",
    "POST /api/chat/realtime/sessions",
]
"""Routes that take a body; the last two may go without one."""
NO_OBJECT = [b"{", b"[]", b"7", b'"message"', b"{'message':1}", b'{"message":"\xff"}', b"\x00", b"[" * 100_000,
             b'{"a":' * 50_000, b"\xef\xbb\xbf{}x", b"message=hello"]  # fmt: skip
MEGABYTE = b"x" * (1 << 20)


@pytest.mark.parametrize("route", WRITES)
@pytest.mark.parametrize("body", NO_OBJECT, ids=lambda body: repr(body[:14]))
def test_a_body_that_is_no_object(asked: Asked, route: str, body: bytes) -> None:
    assert_refused(asked, route, body, {400}, "bad_request")


@pytest.mark.parametrize("route", WRITES)
def test_a_megabyte(asked: Asked, route: str) -> None:
    """Whichever field it stands in."""
    for field in ("message", "content", "title", "initial_message", "system_prompt", "model"):
        body = {"conversation_id": asked.conversation_id, "message": "hi", "content": "hi"}
        whole = json.dumps({**body, field: MEGABYTE.decode()}).encode()
        if route.endswith(("sessions", "conversations")) and field in ("message", "content"):
            continue  # a field that this route does not know
        if "conversation" in route and field == "initial_message":
            continue
        assert_refused(asked, route, whole, {400, 413}, None)


@pytest.mark.parametrize("path", ["mine", "..", "%2e%2e", "%00", "%F0%9F%91%8D", "{id}%00", "{id}/", "{id}%2Fx",
                                  "{id};x=1", "%20{id}", "{id}%09", "{{id}}", "urn:uuid:{id}"])  # fmt: skip
def test_a_path_that_is_nearly_a_conversation(asked: Asked, path: str) -> None:
    before = asked.stored()
    spelled = path.replace("{id}", asked.conversation_id)
    for method in ("GET", "DELETE"):
        answer = asked.http.request(method, f"/api/conversations/{spelled}")
        assert answer.status_code in (307, 400, 401, 404, 405), answer.text
        if answer.status_code == 307:  # to the very same, without what was too much
            assert answer.headers["location"].endswith(f"/api/conversations/{asked.conversation_id}")
    assert asked.stored() == before


def assert_refused(asked: Asked, route: str, body: bytes, statuses: set[int], code: str | None) -> None:
    before = asked.stored()
    method, path = route.split(" ")
    path = path.replace("{id}", asked.conversation_id)
    answer = asked.http.request(method, path, content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code in statuses, (route, body[:20], answer.status_code, answer.text[:300])
    error = answer.json()["error"]
    assert code in (None, error["code"])
    assert len(answer.content) < 1000, "the input is not repeated"
    assert asked.stored() == before


# -- at once ----------------------------------------------------------------------------------------------------


async def test_of_many_messages_at_once_one_is_taken() -> None:
    """The others are told `busy`, and leave nothing."""
    model = FakeChat([None])
    with serve_engine(
        FakeEngine(), registrations=with_models(fake=model), llm={"provider": "fake", "discover": False}
    ) as served:
        async with httpx2.AsyncClient(base_url=served.url, trust_env=False, timeout=SOON_S) as http:
            id_ = (await http.post("/api/conversations", json={})).json()["id"]
            said: Counter[int] = Counter()

            async def send(n: int) -> None:
                body = {"conversation_id": id_, "message": f"message {n}"}
                async with http.stream("POST", "/api/chat/stream", json=body) as answer:
                    said[answer.status_code] += 1
                    if answer.status_code != 200:
                        assert json.loads(await answer.aread())["error"]["code"] == "busy"

            async with anyio.create_task_group() as group:
                for n in range(12):
                    group.start_soon(send, n)
            assert said == {200: 1, 409: 11}
            stored = (await http.get(f"/api/conversations/{id_}/messages?branches=true")).json()
            assert [message["role"] for message in stored] == ["user", "assistant"]


# -- a database that cannot serve -------------------------------------------------------------------------------


@dataclass(frozen=True)
class Shop:
    """A server in a process of its own, somebody with an account, and what they have there."""

    server: ServerProcess
    http: httpx2.AsyncClient
    folder: Path
    conversation_id: str
    question_id: str

    def writes(self) -> dict[str, tuple[str, dict[str, Any]]]:
        """Everything that writes, by route."""
        id_, question = self.conversation_id, self.question_id
        said = {"message": "not kept", "content": "not kept", "model": "echo"}
        return {
            "POST /api/chat/stream": ("/api/chat/stream", {"conversation_id": id_, **said}),
            "POST /api/conversations": ("/api/conversations", {"title": "not kept"}),
            "PATCH /api/conversations": (f"/api/conversations/{id_}", {"title": "not kept"}),
            "DELETE /api/conversations": (f"/api/conversations/{id_}", {}),
            "POST /api/messages/edit": (f"/api/messages/{question}/edit", said),
            "POST /api/messages/regenerate": (f"/api/messages/{question}/regenerate", {}),
            "POST /api/messages/fork": (f"/api/messages/{question}/fork", {}),
            "POST realtime": ("/api/chat/realtime/sessions", {"initial_message": "not kept"}),
            "POST realtime/stream": (f"/api/chat/realtime/sessions/{id_}/stream", said),
            "POST /api/auth/login": ("/api/auth/login", {"name": "ada", "password": PASSWORD}),
            "POST /api/keys": ("/api/keys", {"name": "not kept", "scopes": ["chat"]}),
        }

    async def assert_refused(self, route: str) -> None:
        method = route.split(" ")[0]
        path, body = self.writes()[route]
        answer = await self.http.request(method, path, json=None if method == "DELETE" else body)
        assert answer.status_code == 503, (route, answer.status_code, answer.text)
        assert answer.json()["error"]["code"] == "storage_unavailable", answer.text

    async def kept(self) -> list[Any]:
        """All there is to read; reading goes on whatever writing does."""
        paths = ("/api/conversations", f"/api/conversations/{self.conversation_id}/messages?branches=true",
                 "/api/keys", "/api/search?q=kept", "/api/auth/me")  # fmt: skip
        answers = [await self.http.get(path) for path in paths]
        assert {answer.status_code for answer in answers} == {200}
        return [answer.json() for answer in answers]


@asynccontextmanager
async def shop(folder: Path) -> AsyncIterator[Shop]:
    async with PacedUpstream().serve() as upstream:
        model = {"OPENAI_BASE_URL": upstream.base_url, "OPENAI_API_KEY": "k", "OPENAI_MODEL": "tiny"}
        async with (
            run_server_process(folder, PROMPTER_ACCOUNTS__MODE="accounts", **model) as server,
            server.client() as http,
        ):
            settings = Settings(
                _env_file=None, data_dir=folder / "data", accounts=AccountSettings(mode="accounts")
            )
            team = await anyio.to_thread.run_sync(Team, settings)
            ada = await anyio.to_thread.run_sync(team.add, "ada")
            http.headers |= make_bearer(await anyio.to_thread.run_sync(team.token, ada))
            id_ = (await http.post("/api/conversations", json={})).json()["id"]
            body = {"conversation_id": id_, "message": "kept", "model": "echo"}
            events = parse_events((await http.post("/api/chat/stream", json=body)).text)
            yield Shop(server, http, folder, id_, events[0].data["user_message_id"])
        assert "Traceback" not in server.log


@contextmanager
def full_disk(server: ServerProcess) -> Iterator[None]:
    """No file of the server may grow beyond its first page."""
    resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE, (4096, resource.RLIM_INFINITY))
    try:
        yield
    finally:
        unlimited = (resource.RLIM_INFINITY, resource.RLIM_INFINITY)
        resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE, unlimited)


@linux_only
async def test_a_full_disk(tmp_path: Path) -> None:
    """Each write is refused in the same words; when there is room again all of them work."""
    async with shop(tmp_path) as one:
        before = await one.kept()
        with full_disk(one.server):
            for route in one.writes():
                await one.assert_refused(route)
            assert await one.kept() == before
        for route in sorted(one.writes(), key=lambda route: route.startswith("DELETE")):
            path, body = one.writes()[route]
            method = route.split(" ")[0]
            answer = await one.http.request(method, path, json=None if method == "DELETE" else body)
            assert answer.status_code in (200, 201), (route, answer.text)
    assert_sound(tmp_path)


@linux_only
async def test_a_disk_that_fills_up_in_mid_answer(tmp_path: Path) -> None:
    """Who listens hears all of it, then that it could not be kept; it is kept as soon as there is room."""
    async with shop(tmp_path) as one:
        id_ = (await one.http.post("/api/conversations", json={})).json()["id"]
        body, text = {"conversation_id": id_, "message": "1 brisk"}, ""
        async with one.http.stream("POST", "/api/chat/stream", json=body) as answer:
            parts = answer.aiter_text()
            text += await anext(parts)
            with full_disk(one.server):
                async for part in parts:
                    text += part
        events, whole = parse_events(text), "".join(make_pieces("1 brisk"))
        assert join_content(events) == whole
        assert (events[-1].name, events[-1].data["code"]) == ("error", "storage_unavailable")
        last = await ended(one.http, id_)
        assert (last["status"], last["content"], last["error"]) == ("complete", whole, None)
    assert_sound(tmp_path)


async def test_a_database_that_another_process_locks(tmp_path: Path) -> None:
    async with shop(tmp_path) as one:
        before = await one.kept()
        with closing(sqlite3.connect(tmp_path / "data" / "prompter.db", isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            with anyio.fail_after(SOON_S):
                async with anyio.create_task_group() as group:
                    for route in ("POST /api/chat/stream", "POST /api/auth/login"):
                        group.start_soon(one.assert_refused, route)
            assert await one.kept() == before
            other.execute("ROLLBACK")
        body = {"conversation_id": one.conversation_id, "message": "again", "model": "echo"}
        events = parse_events((await one.http.post("/api/chat/stream", json=body)).text)
        assert events[-1].name == "done"


async def ended(http: httpx2.AsyncClient, id_: str) -> dict[str, Any]:
    """The last message of a conversation, when it is not streamed any more."""
    with anyio.fail_after(SOON_S):
        while True:
            last: dict[str, Any] = (await http.get(f"/api/conversations/{id_}/messages")).json()[-1]
            if last["status"] != "streaming":
                return last
            await anyio.sleep(0.1)


def assert_sound(folder: Path) -> None:
    with closing(sqlite3.connect(folder / "data" / "prompter.db")) as file:
        assert file.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        assert file.execute("PRAGMA foreign_key_check").fetchall() == []
