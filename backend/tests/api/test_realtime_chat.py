"""Real-time chat sessions over HTTP: the words on the wire, and that they are conversations underneath."""

import json
import os
import re
import subprocess
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import httpx2
import orjson
import pytest

from app.core.security import LOCAL_USER_ID
from app.schemas.realtime_chat import RealtimeSessionOut, realtime_event
from tests.fakes.engine import FakeEngine
from tests.fakes.llm_providers import FakeChat, delta, with_models
from tests.support.accounts import ACCOUNTS, Team, make_bearer
from tests.support.server import RunningServer, serve_engine

UNKNOWN = "0197a3b2-5c1d-7e8f-9a0b-1c2d3e4f5a6b"
SESSIONS = "/api/chat/realtime/sessions"
ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture(scope="module")
def served() -> Iterator[RunningServer]:
    with serve_engine(
        FakeEngine(),
        registrations=with_models(fake=FakeChat(), stuck=FakeChat([delta("Hel"), None])),
        llm={"provider": "echo", "discover": False},
    ) as served:
        yield served


@pytest.fixture
async def http(served: RunningServer) -> AsyncIterator[httpx2.AsyncClient]:
    async with httpx2.AsyncClient(base_url=served.url, trust_env=False, timeout=20) as client:
        yield client


def events_of(body: str) -> list[dict[str, Any]]:
    """The events of a stream, in which there is nothing but lines of `data`."""
    blocks = body.split("\n\n")
    assert blocks.pop() == ""
    events = []
    for block in blocks:
        assert re.fullmatch(r"data: \{.*\}", block), block
        events.append(orjson.loads(block.removeprefix("data: ")))
        realtime_event.validate_json(block.removeprefix("data: "), strict=True)
    return events


async def made(http: httpx2.AsyncClient, **body: Any) -> dict[str, Any]:
    answer = await http.post(SESSIONS, json=body)
    assert answer.status_code == 201, answer.text
    session: dict[str, Any] = answer.json()
    RealtimeSessionOut.model_validate(session)
    return session


async def said(http: httpx2.AsyncClient, session: dict[str, Any], **body: Any) -> list[dict[str, Any]]:
    answer = await http.post(f"{SESSIONS}/{session['id']}/stream", json=body)
    assert answer.status_code == 200, answer.text
    assert answer.headers["Content-Type"].startswith("text/event-stream")
    return events_of(answer.text)


async def messages(http: httpx2.AsyncClient, session: dict[str, Any]) -> list[tuple[str, str]]:
    """What is stored, as the other door shows it."""
    found = (await http.get(f"/api/conversations/{session['id']}/messages")).json()
    return [(message["role"], message["content"]) for message in found]


async def test_a_session_is_a_conversation(http: httpx2.AsyncClient) -> None:
    session = await made(http, title="  Holiday \n plans ")
    assert session["title"] == "Holiday plans"
    assert session["user_id"] == str(LOCAL_USER_ID)
    shown = (await http.get(f"/api/conversations/{session['id']}")).json()
    assert {name: shown[name] for name in ("id", "title", "created_at", "updated_at")} == {
        name: session[name] for name in ("id", "title", "created_at", "updated_at")
    }
    assert await messages(http, session) == []


async def test_it_needs_no_body(http: httpx2.AsyncClient) -> None:
    answer = await http.post(SESSIONS)
    assert (answer.status_code, answer.json()["title"]) == (201, "New Conversation")


async def test_an_initial_message_is_stored_and_no_model_asked(http: httpx2.AsyncClient) -> None:
    session = await made(http, initial_message="Where is it\nwarm?")
    assert session["title"] == "Where is it warm?"
    assert session["updated_at"] >= session["created_at"]
    assert await messages(http, session) == [("user", "Where is it\nwarm?")]


async def test_the_events_of_an_answer(http: httpx2.AsyncClient) -> None:
    session = await made(http)
    start, *pieces, done = await said(http, session, content="Say hello", model="echo")
    assert start == {"type": "start", "session_id": session["id"], "message_id": done["message_id"]}
    assert {piece["type"] for piece in pieces} == {"content"}
    assert "".join(piece["content"] for piece in pieces) == "Say hello"
    assert done == {"type": "done", "message_id": start["message_id"], "full_content": "Say hello"}
    assert await messages(http, session) == [("user", "Say hello"), ("assistant", "Say hello")]


async def test_the_first_answer_reads_the_initial_message_too(http: httpx2.AsyncClient) -> None:
    session = await made(http, initial_message="I am Ana.")
    *_, done = await said(http, session, content="Who am I?")
    assert done["full_content"] == "I am Ana.\n\nWho am I?"
    assert [role for role, _ in await messages(http, session)] == ["user", "user", "assistant"]


async def test_the_initial_message_itself_can_be_answered(http: httpx2.AsyncClient) -> None:
    session = await made(http, title="t", initial_message="hola")
    *_, done = await said(http, session)
    assert done["full_content"] == "hola"
    assert await messages(http, session) == [("user", "hola"), ("assistant", "hola")]
    answer = await http.post(f"{SESSIONS}/{session['id']}/stream", json={})
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "bad_request")


async def test_a_failure_is_an_event(http: httpx2.AsyncClient) -> None:
    session = await made(http)
    start, error = await said(http, session, content="hello", model="nobody/nothing")
    assert (error["type"], error["code"]) == ("error", "model_not_found")
    assert error["message_id"] == start["message_id"]
    assert (await messages(http, session))[0] == ("user", "hello")


async def test_an_answer_goes_on_without_its_client_and_holds_the_session(http: httpx2.AsyncClient) -> None:
    session = await made(http)
    way = f"{SESSIONS}/{session['id']}/stream"
    async with http.stream("POST", way, json={"content": "hello", "model": "stuck"}) as answer:
        lines = (line async for line in answer.aiter_lines() if line)
        start = orjson.loads((await anext(lines)).removeprefix("data: "))
        assert orjson.loads((await anext(lines)).removeprefix("data: ")) == {
            "type": "content",
            "content": "Hel",
        }
    busy = await http.post(way, json={"content": "again"})
    assert (busy.status_code, busy.json()["error"]["code"]) == (409, "busy")
    stopped = (await http.post(f"/api/conversations/{session['id']}/stop")).json()
    assert stopped == {"status": "stopped", "message_id": start["message_id"]}
    assert await messages(http, session) == [("user", "hello"), ("assistant", "Hel")]


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"content": ""}, 400),
        ({"content": " \n"}, 400),
        ({}, 400),
        ({"content": 7}, 400),
        ({"content": "x", "model": ["y"]}, 400),
        ([], 400),
        ({"content": "x" * 200_000}, 413),
        ({"content": "x" * (1 << 20)}, 413),
    ],
)
async def test_what_cannot_be_said(http: httpx2.AsyncClient, body: Any, status: int) -> None:
    session = await made(http)
    answer = await http.post(f"{SESSIONS}/{session['id']}/stream", json=body)
    assert answer.status_code == status, answer.text
    assert "xxx" not in answer.text
    assert await messages(http, session) == []


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"title": 7}, 400),
        ({"title": "x" * 201}, 400),
        ({"initial_message": ["x"]}, 400),
        ({"initial_message": "x" * 200_000}, 413),
    ],
)
async def test_what_cannot_be_begun(http: httpx2.AsyncClient, body: Any, status: int) -> None:
    """Nothing half made stays behind."""
    before = len((await http.get("/api/conversations?limit=200")).json())
    answer = await http.post(SESSIONS, json=body)
    assert answer.status_code == status, answer.text
    assert len((await http.get("/api/conversations?limit=200")).json()) == before


async def test_no_session_of_this_id(http: httpx2.AsyncClient) -> None:
    for id_ in (UNKNOWN, "x", "7", UNKNOWN.replace("-", ""), UNKNOWN + "%00"):
        answer = await http.post(f"{SESSIONS}/{id_}/stream", json={"content": "hello"})
        assert (answer.status_code, answer.json()["error"]["code"]) == (404, "not_found")


async def test_a_session_belongs_to_its_user() -> None:
    with serve_engine(FakeEngine(), accounts=ACCOUNTS, llm={"provider": "echo", "discover": False}) as served:
        team = Team(served.resources.settings)
        ana, bob = team.add("ana"), team.add("bob")
        async with httpx2.AsyncClient(base_url=served.url, trust_env=False, timeout=20) as http:
            assert (await http.post(SESSIONS, json={})).status_code == 401
            http.headers.update(make_bearer(team.token(ana)))
            session = await made(http, initial_message="hola")
            assert session["user_id"] == str(ana.id)
            way = f"{SESSIONS}/{session['id']}/stream"
            theirs = await http.post(way, json={"content": "x"}, headers=make_bearer(team.token(bob)))
            assert (theirs.status_code, theirs.json()["error"]["code"]) == (404, "not_found")
            assert await messages(http, session) == [("user", "hola")]
            assert (await said(http, session))[-1]["full_content"] == "hola"
            speaker = make_bearer(team.key(ana, "stt", "llm")[0])
            assert (await http.post(SESSIONS, json={}, headers=speaker)).status_code == 403


# -- the examples of the documents


def examples() -> list[str]:
    page = (ROOT / "docs" / "http-api.md").read_text(encoding="utf-8")
    section = page.split("## Real-time chat sessions", 1)[1].split("\n## ", 1)[0]
    return [block for block in re.findall(r"^```sh\n(.*?)^```$", section, re.S | re.M) if "curl" in block]


@pytest.mark.skipif(os.name != "posix", reason="the examples are for a POSIX shell")
def test_the_examples_run(served: RunningServer) -> None:
    """As they stand in the document, one after another in one shell; only the address is changed."""
    begin, say = examples()
    script = "".join((begin, "echo\n", say)).replace("http://127.0.0.1:8000", served.url)
    assert script.count(served.url) == 2
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script], capture_output=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr.decode()
    session, _, body = done.stdout.decode().partition("\n")
    assert json.loads(session)["title"] == "Holiday plans"
    start, *_, last = events_of(body)
    assert start["session_id"] == json.loads(session)["id"]
    assert last["full_content"] == "Where is it warm in May?\n\nBy the sea, please."
