"""`/api/conversations` over HTTP: the exact words, pages, and what is refused."""

from collections.abc import AsyncIterator, Iterator
from typing import Any

import httpx2
import pytest

from tests.fakes.engine import FakeEngine
from tests.fakes.llm_providers import FakeChat, delta, with_models
from tests.support.conversations import parse_events
from tests.support.server import RunningServer, serve_engine

UNKNOWN = "0197a3b2-5c1d-7e8f-9a0b-1c2d3e4f5a6b"


@pytest.fixture(scope="module")
def served() -> Iterator[RunningServer]:
    with serve_engine(
        FakeEngine(),
        registrations=with_models(fake=FakeChat(), stuck=FakeChat([delta("Hel"), None])),
        llm={"provider": "fake", "discover": False},
    ) as served:
        yield served


@pytest.fixture
async def client(served: RunningServer) -> AsyncIterator[httpx2.AsyncClient]:
    async with httpx2.AsyncClient(base_url=served.url, trust_env=False, timeout=20) as client:
        yield client


async def made(client: httpx2.AsyncClient, **body: Any) -> str:
    answer = await client.post("/api/conversations", json=body)
    assert answer.status_code == 201, answer.text
    id_: str = answer.json()["id"]
    return id_


async def said(client: httpx2.AsyncClient, conversation_id: str, text: str, **body: Any) -> httpx2.Response:
    asked = {"conversation_id": conversation_id, "message": text, **body}
    return await client.post("/api/chat/stream", json=asked)


async def test_a_new_conversation(client: httpx2.AsyncClient) -> None:
    answer = await client.post("/api/conversations")
    shown = answer.json()
    assert (answer.status_code, shown["title"], shown["message_count"]) == (201, "New Conversation", 0)
    assert shown["created_at"] <= shown["updated_at"]
    assert shown["created_at"].endswith("Z")
    assert (await client.get(f"/api/conversations/{shown['id']}")).json() == shown
    assert (await client.get(f"/api/conversations/{shown['id']}/messages")).json() == []


async def test_what_it_is_given_is_kept(client: httpx2.AsyncClient) -> None:
    given = {
        "title": " My \n plans ",
        "model": "echo",
        "system_prompt": "Be brief.",
        "settings": {"top_p": 0.5},
    }
    id_ = await made(client, **given)
    shown = (await client.get(f"/api/conversations/{id_}")).json()
    assert shown["title"] == "My plans"
    assert shown["settings"] == {"temperature": None, "top_p": 0.5, "max_tokens": None}
    assert (shown["model"], shown["system_prompt"], shown["archived"]) == ("echo", "Be brief.", False)


async def test_its_first_message_names_it(client: httpx2.AsyncClient) -> None:
    untitled, titled = await made(client), await made(client, title="Mine")
    for id_ in (untitled, titled):
        assert (await said(client, id_, "What is this?\n" + "y" * 60)).status_code == 200
    assert (await client.get(f"/api/conversations/{untitled}")).json()["title"] == "What is this? " + "y" * 36
    assert (await client.get(f"/api/conversations/{titled}")).json()["title"] == "Mine"


async def test_the_messages_are_a_list(client: httpx2.AsyncClient) -> None:
    id_ = await made(client)
    await said(client, id_, "hello")
    asked, answer = (await client.get(f"/api/conversations/{id_}/messages")).json()
    assert (asked["role"], asked["content"], asked["status"], asked["parent_id"]) == (
        "user",
        "hello",
        "complete",
        None,
    )
    assert (answer["role"], answer["content"], answer["status"]) == ("assistant", "Hello", "complete")
    assert (answer["parent_id"], answer["model"], answer["finish_reason"]) == (
        asked["id"],
        "fake/tiny",
        "stop",
    )
    assert asked["timestamp"] <= answer["timestamp"]
    assert (await client.get(f"/api/conversations/{id_}/messages?limit=1")).json() == [answer]
    again = await said(client, id_, "HELLO", parent_id=answer["id"])
    assert again.status_code == 200
    other = await said(client, id_, "other", parent_id=asked["parent_id"])
    assert other.status_code == 200
    shown = (await client.get(f"/api/conversations/{id_}/messages")).json()
    assert [message["content"] for message in shown] == ["hello", "Hello", "HELLO", "Hello", "other", "Hello"]


async def test_branches_are_shown_when_asked_for(client: httpx2.AsyncClient) -> None:
    id_ = await made(client)
    await said(client, id_, "one")
    first = (await client.get(f"/api/conversations/{id_}/messages")).json()[0]
    await said(client, id_, "two", parent_id=first["id"])
    shown = (await client.get(f"/api/conversations/{id_}/messages")).json()
    every = (await client.get(f"/api/conversations/{id_}/messages?branches=true")).json()
    assert [message["content"] for message in shown] == ["one", "two", "Hello"]
    assert [message["content"] for message in every] == ["one", "Hello", "two", "Hello"]


async def test_the_list_has_pages(client: httpx2.AsyncClient) -> None:
    """Newest first; each `Link` leads to the next page, the last page has none."""
    ids = [await made(client, title=f"page zebra {n}") for n in range(5)]
    await said(client, ids[0], "now the newest")
    found: list[str] = []
    address: str | None = "/api/conversations?limit=2&q=zebra"
    pages = 0
    while address is not None:
        answer = await client.get(address)
        assert isinstance(answer.json(), list)
        assert set(answer.json()[0]) >= {"id", "title", "created_at", "updated_at", "message_count"}
        found += [each["id"] for each in answer.json()]
        address, pages = answer.links.get("next", {}).get("url"), pages + 1
    assert found == [ids[0], *ids[:0:-1]]
    assert pages == 3


async def test_the_list_says_how_many_there_are(client: httpx2.AsyncClient) -> None:
    """On every page, and not of a search, which counts nothing."""
    before = int((await client.get("/api/conversations?limit=1")).headers["X-Total-Count"])
    ids = [await made(client, title=f"counted {n}") for n in range(3)]
    first = await client.get("/api/conversations?limit=2")
    second = await client.get(first.links["next"]["url"])
    assert [int(page.headers["X-Total-Count"]) for page in (first, second)] == [before + 3] * 2
    await client.delete(f"/api/conversations/{ids[0]}")
    assert int((await client.get("/api/conversations")).headers["X-Total-Count"]) == before + 2
    assert "X-Total-Count" not in (await client.get("/api/conversations?q=counted")).headers


async def test_it_can_be_changed(client: httpx2.AsyncClient) -> None:
    id_ = await made(client, title="Before", model="echo", settings={"temperature": 1})
    path = f"/api/conversations/{id_}"
    changed = (await client.patch(path, json={"title": "After", "archived": True, "model": None})).json()
    assert (changed["title"], changed["archived"], changed["model"]) == ("After", True, None)
    assert changed["settings"]["temperature"] == 1
    assert (await client.get(path)).json() == changed
    same = (await client.patch(path, json={})).json()
    assert same == changed
    back = (await client.patch(path, json={"archived": False, "settings": None, "title": ""})).json()
    assert (back["archived"], back["settings"]["temperature"], back["title"]) == (
        False,
        None,
        "New Conversation",
    )


async def test_it_can_be_deleted(client: httpx2.AsyncClient) -> None:
    id_ = await made(client)
    await said(client, id_, "hello")
    answer = await client.delete(f"/api/conversations/{id_}")
    assert (answer.status_code, answer.json()) == (200, {"status": "deleted"})
    assert (await client.get(f"/api/conversations/{id_}/messages")).status_code == 404
    assert (await client.delete(f"/api/conversations/{id_}")).status_code == 404
    assert id_ not in {each["id"] for each in (await client.get("/api/conversations")).json()}


async def test_stop(client: httpx2.AsyncClient) -> None:
    id_ = await made(client, model="stuck/any")
    assert (await client.post(f"/api/conversations/{id_}/stop")).json() == {
        "status": "idle",
        "message_id": None,
    }
    body = {"conversation_id": id_, "message": "hello"}
    async with client.stream("POST", "/api/chat/stream", json=body) as answer:
        text, stopped = "", None
        async for part in answer.aiter_text():
            text += part
            if stopped is None and "event: message" in text:
                stopped = (await client.post(f"/api/conversations/{id_}/stop")).json()
    end = parse_events(text)[-1]
    assert (end.name, end.data["status"], end.data["finish_reason"]) == ("done", "stopped", None)
    assert stopped == {"status": "stopped", "message_id": end.data["message_id"]}
    kept = (await client.get(f"/api/conversations/{id_}/messages")).json()[-1]
    assert (kept["content"], kept["status"], kept["error"]["code"]) == ("Hel", "interrupted", "stopped")


@pytest.mark.parametrize(
    "id_", [UNKNOWN, "1", "x" * 300, "%00", "..%2f..", f"{{{UNKNOWN}}}", UNKNOWN.replace("-", "")]
)
async def test_an_unknown_or_malformed_id_is_not_found(client: httpx2.AsyncClient, id_: str) -> None:
    for method, path in (
        ("GET", ""),
        ("PATCH", ""),
        ("DELETE", ""),
        ("GET", "/messages"),
        ("POST", "/stop"),
    ):
        json = {"title": "x"} if method == "PATCH" else None
        answer = await client.request(method, f"/api/conversations/{id_}{path}", json=json)
        assert (answer.status_code, answer.json()["error"]["code"]) == (404, "not_found"), (method, path)


@pytest.mark.parametrize(
    "body",
    [
        {"title": 1},
        {"title": "x" * 201},
        {"system_prompt": "x" * 100_001},
        {"settings": {"temperature": 3}},
        {"settings": {"max_tokens": 0}},
        {"settings": {"max_tokens": 10**30}},
        {"settings": []},
        {"archived": "perhaps"},
        [],
        "text",
    ],
)
async def test_a_body_that_cannot_be_read_changes_nothing(client: httpx2.AsyncClient, body: Any) -> None:
    id_ = await made(client, title="Kept")
    answer = await client.patch(f"/api/conversations/{id_}", json=body)
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "bad_request")
    assert (await client.get(f"/api/conversations/{id_}")).json()["title"] == "Kept"


@pytest.mark.parametrize(
    "query", ["limit=0", "limit=201", "limit=x", "before=x", f"before=1-{UNKNOWN}x", "q=" + "x" * 501]
)
async def test_a_query_that_cannot_be_read(client: httpx2.AsyncClient, query: str) -> None:
    answer = await client.get(f"/api/conversations?{query}")
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "bad_request")


@pytest.mark.parametrize(
    ("title", "status"), [("a\\u0000b", 201), ("a\\ud800b", 400), ("\\ud83d\\ude00", 201)]
)
async def test_characters_that_cannot_be_stored(client: httpx2.AsyncClient, title: str, status: int) -> None:
    """NUL is replaced, half of a character refused; both halves are one."""
    body = f'{{"title": "{title}"}}'
    answer = await client.post(
        "/api/conversations", content=body, headers={"Content-Type": "application/json"}
    )
    assert answer.status_code == status
    if status == 201:
        shown = (await client.get(f"/api/conversations/{answer.json()['id']}")).json()
        assert shown["title"] == answer.json()["title"]
        assert shown["title"] in ("a\ufffdb", "😀")
