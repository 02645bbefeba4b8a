"""`GET /api/search`: what is found of titles, messages and dictations, by whom, page by page."""

from collections.abc import Iterator
from typing import Any

import httpx2
import pytest

from tests.support.accounts import ACCOUNTS, Team, make_bearer
from tests.support.conversations import ChatClient, make_client, read_error, run_chat_server, store_messages


@pytest.fixture
def talk() -> Iterator[ChatClient]:
    with run_chat_server() as (talk, _):
        yield talk


def found(talk: ChatClient, q: str, **query: Any) -> list[dict[str, Any]]:
    answer = talk.http.get("/api/search", params={"q": q, **query})
    assert answer.status_code == 200, answer.text
    hits: list[dict[str, Any]] = answer.json()
    return hits


def test_titles_and_messages_are_found(talk: ChatClient) -> None:
    id_ = talk.conversation(title="Vacaciones en Cádiz")
    asked, answer = talk.say(id_, "Un hotel cerca de la PLAYA, por favor")
    by_title, by_message = found(talk, "cadiz"), found(talk, "playa hotel")
    assert [(hit["kind"], hit["conversation_id"], hit["message_id"]) for hit in by_title] == [
        ("title", id_, None)
    ]
    assert [(hit["message_id"], hit["role"]) for hit in by_message] == [
        (answer, "assistant"),
        (asked, "user"),
    ]
    for hit in by_message:
        assert (hit["kind"], hit["title"], hit["dictation_id"]) == ("message", "Vacaciones en Cádiz", None)
        marked = [hit["snippet"][start:end].lower() for start, end in hit["matches"]]
        assert sorted(marked) == ["hotel", "playa"]


def test_the_last_word_may_be_unfinished_and_kinds_are_chosen(talk: ChatClient) -> None:
    id_ = talk.conversation(title="submarine")
    talk.say(id_, "a purple submarine")
    assert len(found(talk, "subma")) == 3
    assert {hit["kind"] for hit in found(talk, "subma", kind="message")} == {"message"}
    assert [hit["kind"] for hit in found(talk, "subma", kind="title")] == ["title"]
    assert found(talk, "subma", kind="dictation") == []
    assert found(talk, "purp submarine") == []


def test_pages_go_on_where_the_one_before_ended(talk: ChatClient) -> None:
    id_ = talk.conversation()
    for n in range(4):
        talk.say(id_, f"needle ñ&={n}")
    seen, address = [], "/api/search?q=needle+%C3%B1&kind=message&limit=3"
    pages = 0
    while address:
        answer = talk.http.get(address)
        seen += [hit["message_id"] for hit in answer.json()]
        address = answer.links.get("next", {}).get("url", "")
        pages += 1
    assert pages == 3
    everything = [hit["message_id"] for hit in found(talk, "needle ñ", kind="message")]
    assert seen == everything
    assert len(set(seen)) == 8


def test_a_branch_that_is_not_shown_is_found_and_can_be_shown(talk: ChatClient) -> None:
    id_ = talk.conversation()
    asked, _ = talk.say(id_, "marmalade")
    talk.events(f"/api/messages/{asked}/edit", message="jam")
    hit = found(talk, "marmalade", kind="message")[-1]
    assert talk.texts(id_) == ["jam", "jam"]
    assert talk.show(id_, hit["message_id"]).status_code == 200
    assert talk.texts(id_) == ["marmalade", "marmalade"]


def test_what_is_deleted_is_not_found(talk: ChatClient) -> None:
    id_ = talk.conversation(title="gone soon")
    talk.say(id_, "gone soon")
    assert len(found(talk, "gone")) == 3
    talk.http.delete(f"/api/conversations/{id_}")
    assert found(talk, "gone") == []


@pytest.mark.parametrize("q", ["", " ", '"', "*", "AND", "a OR", "NEAR(", "';--", "\\", "%", "_", "(" * 400, "\u0000",
                               "👍", "x" * 500, "kind:title", "^a", "-a", "ñ" * 500])  # fmt: skip
def test_signs_mean_nothing(talk: ChatClient, q: str) -> None:
    assert found(talk, q) == []
    assert found(talk, q, order="relevance") == []


@pytest.mark.parametrize(
    "query",
    [
        {"limit": 0},
        {"limit": 101},
        {"limit": "x"},
        {"before": "x"},
        {"before": -1},
        {"before": 1 << 40},
        {"kind": "user"},
        {"order": "random"},
        {"q": "x" * 501},
    ],
)
def test_a_query_that_cannot_be_read(talk: ChatClient, query: dict[str, Any]) -> None:
    assert read_error(talk.http.get("/api/search", params={"q": "x", **query})) == (400, "bad_request")


def test_nobody_finds_what_is_anothers() -> None:
    with run_chat_server(accounts=ACCOUNTS) as (_, served):
        team = Team(served.resources.settings)
        people = [team.add(name) for name in ("ana", "bob")]
        admin = team.add("admin", "admin")
        ana, bob, chief = (
            ChatClient(make_client(served, headers=make_bearer(team.token(person))))
            for person in (*people, admin)
        )
        with ana.http, bob.http, chief.http:
            ana.say(ana.conversation(title="secret"), "secret")
            assert len(found(ana, "secret")) == 3
            assert found(bob, "secret") == found(chief, "secret") == []
            assert bob.http.get("/api/conversations", params={"q": "secret"}).json() == []
        with httpx2.Client(base_url=served.url, trust_env=False) as nobody:
            assert read_error(nobody.get("/api/search?q=secret")) == (401, "unauthorized")


@pytest.mark.once
def test_ten_thousand_finds() -> None:
    with run_chat_server() as (talk, served):
        id_ = talk.conversation()
        store_messages(served, id_, [f"message {n}" for n in range(10_000)])
        assert len(found(talk, "message", limit=100)) == 100
        assert len(found(talk, "message", limit=100, order="relevance")) == 100
        assert found(talk, "message 77")[0]["snippet"] == "message 7799"
