"""`/api/connections`: connect a model by address and key, try it on the spot, ask it, share it, and take it back."""

import stat
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from app.providers.upstream.client import USER_AGENT
from app.services.llm import connections
from app.storage.key_file import CONNECTIONS_KEY_FILE
from tests.fakes.chat_upstream import BackgroundUpstream, run_in_background
from tests.fakes.engine import FakeEngine
from tests.support.accounts import ACCOUNTS, Person, Team, make_bearer
from tests.support.server import RunningServer, serve_engine

KEY = "sk-of-a-person-0123456789abcdef"
OTHER_KEY = "sk-of-a-person-another-fedcba98"
SAID = [{"role": "user", "content": "hello"}]


@pytest.fixture(scope="module")
def upstream() -> Iterator[BackgroundUpstream]:
    with run_in_background() as background:
        yield background


@pytest.fixture
def served(upstream: BackgroundUpstream) -> Iterator[RunningServer]:
    llm = {"discover": False, "allowed_base_urls": [upstream.base_url.removesuffix("/v1")]}
    with serve_engine(FakeEngine(), llm=llm) as served:
        yield served


@pytest.fixture
def http(served: RunningServer) -> Iterator[httpx2.Client]:
    with httpx2.Client(base_url=served.url, trust_env=False, timeout=20) as client:
        yield client


def connect(http: httpx2.Client, base_url: str, **more: Any) -> dict[str, Any]:
    body = {"base_url": base_url, "api_key": KEY, "model": "tiny", **more}
    response = http.post("/api/connections", json=body)
    assert response.status_code == 201, response.text
    made: dict[str, Any] = response.json()
    return made


def last_key(upstream: BackgroundUpstream) -> str | None:
    return upstream.fake.requests[-1].headers.get("authorization")


def test_from_an_address_and_a_key_to_an_answer(http: httpx2.Client, upstream: BackgroundUpstream) -> None:
    """Nothing answers but the echo; two requests later a model does, by every door."""
    before = http.get("/providers/llm").json()["items"]
    assert [each["name"] for each in before if each["status"] == "ready"] == ["echo"]
    tried = http.post("/api/connections/test", json={"base_url": upstream.base_url, "api_key": KEY}).json()
    assert tried["ok"] is True
    assert tried["problem"] is None
    assert (tried["model"], tried["models"][0]) == ("tiny", "tiny")
    assert tried["first_token_ms"] >= 0
    assert last_key(upstream) == f"Bearer {KEY}"

    made = connect(http, upstream.base_url)
    assert (made["name"], made["has_key"], made["key_hint"]) == ("my.custom", True, "cdef")
    assert KEY not in str(made)
    items = {each["name"]: each for each in http.get("/providers/llm").json()["items"]}
    assert (items["my.custom"]["status"], items["my.custom"]["default"]) == ("ready", True)
    assert items["my.custom"]["connection"] == {"title": "127.0.0.1", "own": True}
    assert items["echo"]["default"] is False
    assert "my.custom/tiny" in http.get("/api/models").json()
    listed = {each["id"]: each["name"] for each in http.get("/v1/models").json()["data"]}
    assert listed["my.custom/tiny"] == "tiny (127.0.0.1)"
    assert http.get("/v1/models/my.custom/tiny").status_code == 200

    for model in ("my.custom/tiny", "my.custom", None):
        asked = {"messages": SAID, **({"model": model} if model else {})}
        answer = http.post("/v1/chat/completions", json=asked).json()
        assert (answer["model"], answer["choices"][0]["message"]["content"]) == (
            "my.custom/tiny",
            "Hello world",
        )
    for more in ({}, {"provider": "my.custom"}, {"config": {"model": "my.custom/tiny"}},
                 {"provider": "my.custom", "config": {"model": "tiny"}}):  # fmt: skip
        answer = http.post("/llm/generate", json={"messages": SAID, **more}).json()
        assert (answer["provider"], answer["text"]) == ("my.custom", "Hello world"), more
    conversation = http.post("/api/conversations", json={"title": "t"}).json()["id"]
    for model in ("my.custom/tiny", None):
        said = {"conversation_id": conversation, "message": "hello", "model": model}
        told = http.post("/api/chat/stream", json=said).text
        assert '"provider":"my.custom"' in told.replace(" ", "")
        assert "Hello" in told


def test_a_key_that_is_replaced_or_deleted_is_not_used_again(
    http: httpx2.Client, upstream: BackgroundUpstream
) -> None:
    made = connect(http, upstream.base_url)
    where, ask = f"/api/connections/{made['id']}", {"model": "my.custom/tiny", "messages": SAID}
    assert http.post("/v1/chat/completions", json=ask).status_code == 200
    assert last_key(upstream) == f"Bearer {KEY}"
    changed = http.patch(where, json={"api_key": OTHER_KEY}).json()
    assert changed["key_hint"] == "ba98"
    assert http.post("/v1/chat/completions", json=ask).status_code == 200
    assert last_key(upstream) == f"Bearer {OTHER_KEY}"
    assert http.patch(where, json={"api_key": ""}).json()["has_key"] is False
    assert http.post("/v1/chat/completions", json=ask).status_code == 200
    assert last_key(upstream) is None
    count = len(upstream.fake.requests)
    assert http.delete(where).json() == {"status": "deleted"}
    assert http.post("/v1/chat/completions", json=ask).json()["error"]["code"] == "model_not_found"
    assert http.get("/api/connections").json() == []
    assert len(upstream.fake.requests) == count


def test_a_request_that_arrives_twice_connects_one_model(
    http: httpx2.Client, upstream: BackgroundUpstream
) -> None:
    body, headers = {"base_url": upstream.base_url, "api_key": KEY}, {"Idempotency-Key": "of-one-press"}
    made = [http.post("/api/connections", json=body, headers=headers) for _ in range(2)]
    assert [each.status_code for each in made] == [201, 201]
    assert made[0].json() == made[1].json()
    assert len(http.get("/api/connections").json()) == 1
    other = http.post("/api/connections", json={**body, "api_key": OTHER_KEY}, headers=headers)
    assert other.status_code == 409
    assert OTHER_KEY not in other.text


def test_a_key_belongs_to_its_address(http: httpx2.Client, upstream: BackgroundUpstream) -> None:
    """Whoever may change a connection must not be able to have its key sent elsewhere."""
    where = f"/api/connections/{connect(http, upstream.base_url)['id']}"
    refused = http.patch(where, json={"base_url": "https://elsewhere.example/v1"})
    assert (refused.status_code, refused.json()["error"]["code"]) == (400, "bad_request")
    moved = http.patch(where, json={"base_url": "https://elsewhere.example/v1", "api_key": OTHER_KEY}).json()
    assert (moved["base_url"], moved["key_hint"]) == ("https://elsewhere.example/v1", "ba98")
    same = http.patch(where, json={"base_url": "https://elsewhere.example/v2"}).json()
    assert (same["base_url"], same["needs_key"]) == ("https://elsewhere.example/v2", False)


def test_what_cannot_be_stored_is_refused(http: httpx2.Client, upstream: BackgroundUpstream) -> None:
    for wrong, code in (
        ({"base_url": "http://192.168.7.7/v1"}, "base_url_not_allowed"),
        ({"base_url": "ftp://host/v1"}, "base_url_not_allowed"),
        ({"base_url": ""}, "base_url_not_allowed"),
        ({"base_url": upstream.base_url, "api_key": "sk-käy-0123456789"}, "bad_request"),
        ({"base_url": upstream.base_url, "vendor": "nobody"}, "bad_request"),
        ({"base_url": upstream.base_url, "api_key": "k" * 1001}, "bad_request"),
    ):
        for path in ("/api/connections", "/api/connections/test"):
            response = http.post(path, json={"api_key": KEY, **wrong})
            assert (response.status_code, response.json()["error"]["code"]) == (400, code), wrong
            assert KEY not in response.text
    assert http.get("/api/connections").json() == []


def test_names_are_the_vendors_and_count_on(http: httpx2.Client, upstream: BackgroundUpstream) -> None:
    names = [connect(http, upstream.base_url, title=f"number {number}")["name"] for number in range(3)]
    assert names == ["my.custom", "my.custom-2", "my.custom-3"]
    openai = http.post("/api/connections", json={"vendor": "openai", "api_key": KEY}).json()
    assert (openai["name"], openai["base_url"], openai["title"]) == (
        "my.openai",
        "https://api.openai.com/v1",
        "OpenAI",
    )
    assert [each["title"] for each in http.get("/api/connections").json()] == [
        "OpenAI", "number 2", "number 1", "number 0",
    ]  # fmt: skip


def test_only_some_models_are_offered_where_a_user_chooses(
    http: httpx2.Client, upstream: BackgroundUpstream
) -> None:
    connect(http, upstream.base_url, models=["tiny", "clock", "tiny", " "])
    ids = [id_ for id_ in http.get("/api/models").json() if id_.startswith("my.")]
    assert ids == ["my.custom/tiny", "my.custom/clock"]


@pytest.mark.parametrize("limit", [0, 1])
def test_how_many_one_may_connect_is_a_setting(upstream: BackgroundUpstream, limit: int) -> None:
    llm = {"allowed_base_urls": [upstream.base_url.removesuffix("/v1")], "connections": limit}
    with (
        serve_engine(FakeEngine(), llm=llm) as served,
        httpx2.Client(base_url=served.url, trust_env=False, timeout=20) as http,
    ):
        for _ in range(limit):
            connect(http, upstream.base_url)
        refused = http.post("/api/connections", json={"base_url": upstream.base_url})
        assert refused.status_code == 403
        assert "llm.connections" in refused.json()["error"]["message"]
        tried = http.post("/api/connections/test", json={"base_url": upstream.base_url})
        assert tried.status_code == (200 if limit else 403)


def test_a_stored_connection_is_tried_with_its_key(http: httpx2.Client, upstream: BackgroundUpstream) -> None:
    where = f"/api/connections/{connect(http, upstream.base_url, title='Mine', model='locked')['id']}/test"
    tried = http.post(where).json()
    assert (tried["ok"], tried["problem"], tried["title"]) == (False, "wrong_key", "Mine")
    assert last_key(upstream) == f"Bearer {KEY}"
    assert KEY not in str(tried)


def test_the_key_file_is_private_and_made_when_it_is_needed(
    served: RunningServer, http: httpx2.Client, upstream: BackgroundUpstream
) -> None:
    file = served.resources.settings.data_dir / CONNECTIONS_KEY_FILE
    connect(http, upstream.base_url, api_key="")
    assert not file.exists()
    connect(http, upstream.base_url)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert KEY.encode() not in b"".join(each.read_bytes() for each in _files(file.parent))


def _files(folder: Path) -> list[Path]:
    return [each for each in folder.rglob("*") if each.is_file()]


def test_without_the_key_file_a_connection_says_that_it_needs_its_key(
    served: RunningServer, http: httpx2.Client, upstream: BackgroundUpstream
) -> None:
    made = connect(http, upstream.base_url)
    (served.resources.settings.data_dir / CONNECTIONS_KEY_FILE).unlink()
    assert http.get("/api/connections").json()[0]["needs_key"] is True
    state = next(e for e in http.get("/providers/llm").json()["items"] if e["name"] == "my.custom")
    assert (state["status"], state["default"]) == ("not_configured", False)
    ask = {"model": "my.custom/tiny", "messages": SAID}
    refused = http.post("/v1/chat/completions", json=ask).json()["error"]
    assert refused["code"] == "missing_config"
    assert "enter the key again" in refused["message"]
    assert http.post(f"/api/connections/{made['id']}/test").json()["error"]["code"] == "missing_config"
    renewed = http.patch(f"/api/connections/{made['id']}", json={"api_key": OTHER_KEY}).json()
    assert renewed["needs_key"] is False
    assert http.post("/v1/chat/completions", json=ask).status_code == 200


def test_a_prompter_that_asks_gets_no_connected_models(
    http: httpx2.Client, upstream: BackgroundUpstream
) -> None:
    """One that is connected to itself, by whichever name, would ask itself without end."""
    connect(http, upstream.base_url)
    http.headers["User-Agent"] = USER_AGENT
    count = len(upstream.fake.requests)
    assert "my.custom/tiny" not in http.get("/v1/models").text
    assert http.get("/v1/models/my.custom/tiny").status_code == 404
    for model, code in (("my.custom/tiny", 404), ("my.custom", 404), ("tiny", 404), (None, 200)):
        asked = {"messages": SAID, **({"model": model} if model else {})}
        answer = http.post("/v1/chat/completions", json=asked)
        assert answer.status_code == code, answer.text
    assert answer.json()["model"] == "echo"
    assert len(upstream.fake.requests) == count


def test_one_users_answers_leave_room_for_others(
    upstream: BackgroundUpstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All users' models share one pool of connections; a free slot comes back when an answer is left."""
    monkeypatch.setattr(connections, "_ANSWERS", 1)
    llm = {"discover": False, "allowed_base_urls": [upstream.base_url.removesuffix("/v1")]}
    with (
        serve_engine(FakeEngine(), llm=llm) as served,
        httpx2.Client(base_url=served.url, trust_env=False, timeout=20) as http,
    ):
        for _ in range(2):
            connect(http, upstream.base_url)
        ask = {"messages": SAID, "model": "my.custom/endless", "stream": True}
        with http.stream("POST", "/v1/chat/completions", json=ask) as answer:
            assert answer.status_code == 200
            refused = http.post("/v1/chat/completions", json={"messages": SAID, "model": "my.custom-2/tiny"})
            assert (refused.status_code, refused.json()["error"]["code"]) == (503, "server_full")
        deadline_s = time.monotonic() + 20
        while http.post(
            "/v1/chat/completions", json={"messages": SAID, "model": "my.custom-2/tiny"}
        ).is_error:
            assert time.monotonic() < deadline_s


# -- with accounts


@pytest.fixture
def team(upstream: BackgroundUpstream) -> Iterator[tuple[RunningServer, Team]]:
    llm = {"discover": False, "allowed_base_urls": [upstream.base_url.removesuffix("/v1")]}
    with serve_engine(FakeEngine(), accounts=ACCOUNTS, llm=llm) as served:
        yield served, Team(served.resources.settings)


def client_of(served: RunningServer, team: Team, person: Person) -> httpx2.Client:
    headers = make_bearer(team.token(person))
    return httpx2.Client(base_url=served.url, trust_env=False, timeout=20, headers=headers)


def test_a_connection_is_its_owners_alone_until_an_admin_shares_it(
    team: tuple[RunningServer, Team], upstream: BackgroundUpstream
) -> None:
    served, people = team
    root, ada = people.add("root", "admin"), people.add("ada")
    ask = {"model": "shared.custom/tiny", "messages": SAID}
    with client_of(served, people, root) as admin, client_of(served, people, ada) as user:
        own = connect(user, upstream.base_url, title="Ada's")
        refused = user.patch(f"/api/connections/{own['id']}", json={"shared": True})
        assert (refused.status_code, refused.json()["error"]["code"]) == (403, "forbidden")
        made = connect(admin, upstream.base_url, title="The team's", api_key=OTHER_KEY)
        assert not [id_ for id_ in user.get("/api/models").json() if id_.startswith("shared.")]
        assert "Ada's" not in admin.get("/providers/llm").text
        assert user.post("/v1/chat/completions", json=ask).status_code == 404

        where = f"/api/connections/{made['id']}"
        assert admin.patch(where, json={"shared": True}).json()["shared"] is True
        assert user.post("/v1/chat/completions", json=ask).status_code == 200
        assert last_key(upstream) == f"Bearer {OTHER_KEY}"
        state = next(e for e in user.get("/providers/llm").json()["items"] if e["name"] == "shared.custom")
        assert state["connection"] == {"title": "The team's", "own": False}
        assert [each["id"] for each in user.get("/api/connections").json()] == [own["id"]]
        for response in (
            user.patch(where, json={"title": "x"}),
            user.delete(where),
            user.post(f"{where}/test"),
        ):
            assert response.status_code == 404
        names = [e["name"] for e in admin.get("/providers/llm").json()["items"] if e["connection"]]
        assert names == ["my.custom"]

        assert admin.patch(where, json={"shared": False}).status_code == 200
        assert user.post("/v1/chat/completions", json=ask).status_code == 404
        assert admin.patch(where, json={"shared": True}).status_code == 200
        people.administer(lambda accounts: accounts.add("second", "correct horse battery staple", "admin"))
        people.disable(root)
        assert user.post("/v1/chat/completions", json=ask).status_code == 404


def test_two_admins_do_not_share_one_name(
    team: tuple[RunningServer, Team], upstream: BackgroundUpstream
) -> None:
    served, people = team
    with client_of(served, people, people.add("one", "admin")) as one, \
            client_of(served, people, people.add("two", "admin")) as two:  # fmt: skip
        for client, status in ((one, 200), (two, 400)):
            where = f"/api/connections/{connect(client, upstream.base_url)['id']}"
            assert client.patch(where, json={"shared": True}).status_code == status


def test_an_api_key_asks_what_its_user_has_connected(
    team: tuple[RunningServer, Team], upstream: BackgroundUpstream
) -> None:
    served, people = team
    ada = people.add("ada")
    with client_of(served, people, ada) as user:
        connect(user, upstream.base_url)
    headers = make_bearer(people.key(ada, "llm")[0])
    with httpx2.Client(base_url=served.url, trust_env=False, timeout=20, headers=headers) as program:
        ask = {"model": "my.custom/tiny", "messages": SAID}
        assert program.post("/v1/chat/completions", json=ask).status_code == 200
        assert program.get("/api/connections").status_code == 403
