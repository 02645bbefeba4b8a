"""A request that arrives twice makes one thing: messages by `client_message_id`, the rest by `Idempotency-Key`."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import uuid4

import pytest

from app.core.config import Settings
from app.core.idempotency import MAX_KEY_CHARS
from tests.fakes.llm_providers import FakeChat, Gate, pieces
from tests.support.accounts import ACCOUNTS, Team, make_bearer
from tests.support.conversations import (
    ChatClient,
    SseEvent,
    join_content,
    read_error,
    run_chat_server,
)
from tests.support.database import PostgresServer


@pytest.fixture
def on_both(storage_settings: Settings) -> dict[str, Any]:
    """The arguments of a server on each of the two databases."""
    return {"storage": storage_settings.storage, "data_dir": storage_settings.data_dir}


def once() -> dict[str, str]:
    return {"client_message_id": str(uuid4())}


def ids(events: list[SseEvent]) -> tuple[str, str]:
    return events[0].data["user_message_id"], events[0].data["message_id"]


# -- messages


def test_a_message_that_arrives_twice_is_stored_and_answered_once(on_both: dict[str, Any]) -> None:
    model = FakeChat(pieces("It ", "is ", "done"))
    with run_chat_server(model, **on_both) as (talk, _):
        body = {"conversation_id": talk.conversation(), "message": "transfer 100 euros", **once()}
        first, second = talk.events("/api/chat/stream", **body), talk.events("/api/chat/stream", **body)
        assert (ids(first), join_content(first)) == (ids(second), join_content(second))
        assert second[-1] == first[-1]
        assert talk.texts(body["conversation_id"], branches=True) == ["transfer 100 euros", "It is done"]
        assert len(model.requests) == 1
        listed = talk.messages(body["conversation_id"])
        assert [each["client_message_id"] for each in listed] == [body["client_message_id"], None]


def test_ten_at_the_same_time_are_one(on_both: dict[str, Any]) -> None:
    """Also while the answer streams: all ten follow the same one, and none is told that another is under way."""
    gate = Gate()
    model = FakeChat(pieces("a", gate, "b"))
    with run_chat_server(model, **on_both) as (talk, _), ThreadPoolExecutor(10) as pool:
        body = {"conversation_id": talk.conversation(), "message": "hello", **once()}
        sent = [pool.submit(talk.events, "/api/chat/stream", **body) for _ in range(10)]
        gate.set()
        assert {join_content(each.result()) for each in sent} == {"ab"}
        assert len({ids(each.result()) for each in sent}) == 1
        assert talk.texts(body["conversation_id"], branches=True) == ["hello", "ab"]
        assert len(model.requests) == 1


def test_two_servers_make_one_of_it(postgres_server: PostgresServer, postgres_template: str) -> None:
    url = postgres_server.create(postgres_template)
    storage = {"url": url}
    model = FakeChat(pieces("ab"))
    with (
        run_chat_server(model, storage=storage) as (here, _),
        run_chat_server(model, storage=storage) as (there, _),
        ThreadPoolExecutor(8) as pool,
    ):
        body = {"conversation_id": here.conversation(), "message": "hello", **once()}
        sent = [pool.submit((here, there)[n % 2].events, "/api/chat/stream", **body) for n in range(8)]
        assert len({ids(each.result()) for each in sent}) == 1
        assert {join_content(each.result()) for each in sent} == {"ab"}
        key = {"Idempotency-Key": str(uuid4())}
        made = [
            pool.submit((here, there)[n % 2].http.post, "/api/conversations", headers=key) for n in range(8)
        ]
        assert len({each.result().json()["id"] for each in made}) == 1


def test_after_a_restart_it_is_the_same_message(on_both: dict[str, Any]) -> None:
    model = FakeChat(pieces("Hello"))
    key = {"Idempotency-Key": "a-b"}
    with run_chat_server(model, **on_both) as (talk, _):
        made = talk.http.post("/api/conversations", headers=key).json()["id"]
        body = {"conversation_id": made, "message": "hello", **once()}
        first = talk.events("/api/chat/stream", **body)
    with run_chat_server(model, **on_both) as (talk, _):
        assert talk.http.post("/api/conversations", headers=key).json()["id"] == made
        assert ids(talk.events("/api/chat/stream", **body)) == ids(first)
        assert talk.texts(made, branches=True) == ["hello", "Hello"]
    assert len(model.requests) == 1


def test_an_edit_and_another_answer_are_made_once(on_both: dict[str, Any]) -> None:
    with run_chat_server(**on_both) as (talk, _):
        id_ = talk.conversation()
        asked, answer = talk.say(id_, "one")
        edit, again = {"message": "two", **once()}, once()
        edits = [talk.events(f"/api/messages/{asked}/edit", **edit) for _ in range(2)]
        assert ids(edits[0]) == ids(edits[1])
        answers = [talk.events(f"/api/messages/{answer}/regenerate", **again) for _ in range(2)]
        assert ids(answers[0]) == ids(answers[1])
        assert answers[0][0].data["user_message_id"] == asked
        assert len(talk.messages(id_, branches=True)) == 5
        # The same answer, named by the question: still the same request for the client.
        assert ids(talk.events(f"/api/messages/{asked}/regenerate", **again)) == ids(answers[0])


def test_a_message_of_a_session_is_made_once(on_both: dict[str, Any]) -> None:
    with run_chat_server(**on_both) as (talk, _):
        key = {"Idempotency-Key": str(uuid4())}
        made = [
            talk.http.post("/api/chat/realtime/sessions", json={"initial_message": "hi"}, headers=key).json()
            for _ in range(2)
        ]
        assert made[0] == made[1]
        path = f"/api/chat/realtime/sessions/{made[0]['id']}/stream"
        for body in (once(), {"content": "and on", **once()}):
            assert talk.http.post(path, json=body).text == talk.http.post(path, json=body).text
        assert talk.texts(made[0]["id"], branches=True) == ["hi", "hi", "and on", "and on"]


def test_another_message_with_the_same_id_is_refused() -> None:
    with run_chat_server() as (talk, _):
        id_, other = talk.conversation(), talk.conversation()
        same = once()
        asked, answer = talk.say(id_, "one", **same)
        refused = [
            talk.http.post("/api/chat/stream", json={"conversation_id": id_, "message": "two", **same}),
            talk.http.post(
                "/api/chat/stream",
                json={"conversation_id": id_, "message": "one", "parent_id": answer, **same},
            ),
            talk.http.post(f"/api/messages/{answer}/regenerate", json=same),
        ]
        assert [read_error(each) for each in refused] == [(409, "id_reused")] * 3
        assert "one" not in refused[0].text
        assert talk.texts(id_, branches=True) == ["one", "one"]
        # An edit back to the same words in the same place is what was sent already.
        assert ids(talk.events(f"/api/messages/{asked}/edit", message="one", **same)) == (asked, answer)
        # Each conversation has its own ids: another one knows nothing of this.
        assert talk.say(other, "two", **same)


@pytest.mark.parametrize("id_", ["", "x", "1", 7, [], "0" * 500])
def test_an_id_that_is_no_uuid_is_refused(id_: Any) -> None:
    with run_chat_server() as (talk, _):
        body = {"conversation_id": talk.conversation(), "message": "one", "client_message_id": id_}
        assert read_error(talk.http.post("/api/chat/stream", json=body)) == (400, "bad_request")


def test_a_repeat_is_answered_when_no_more_answers_are_made() -> None:
    gate = Gate()
    with (
        run_chat_server(FakeChat(pieces("a", gate, "b")), chat={"answers": 1}) as (talk, _),
        ThreadPoolExecutor(2) as pool,
    ):
        try:
            body = {"conversation_id": talk.conversation(), "message": "hello", **once()}
            first = pool.submit(talk.events, "/api/chat/stream", **body)
            while not talk.messages(body["conversation_id"]):
                assert not first.done()
            repeat = pool.submit(talk.events, "/api/chat/stream", **body)
            other = {"conversation_id": talk.conversation(), "message": "hello", **once()}
            full = talk.http.post("/api/chat/stream", json=other)
            assert read_error(full) == (503, "server_full")
        finally:
            gate.set()
        assert join_content(repeat.result()) == join_content(first.result()) == "ab"


# -- everything else that a POST makes


@pytest.fixture(scope="module")
def talk() -> Iterator[ChatClient]:
    with run_chat_server() as (talk, _):
        yield talk


def test_a_conversation_and_a_fork_are_made_once(talk: ChatClient) -> None:
    key = {"Idempotency-Key": str(uuid4())}
    made = [talk.http.post("/api/conversations", json={"title": "Plans"}, headers=key) for _ in range(2)]
    assert [each.status_code for each in made] == [201, 201]
    assert made[0].json() == made[1].json()
    # The order of fields and spaces make no other body.
    other_form = talk.http.post(
        "/api/conversations",
        content=b'{ "title" : "Plans" }',
        headers={**key, "Content-Type": "application/json"},
    )
    assert other_form.json()["id"] == made[0].json()["id"]
    _, answer = talk.say(made[0].json()["id"], "hello")
    key = {"Idempotency-Key": str(uuid4())}
    forks = [talk.http.post(f"/api/messages/{answer}/fork", headers=key).json()["id"] for _ in range(2)]
    assert forks[0] == forks[1] != made[0].json()["id"]


def test_a_key_for_another_request_is_refused(talk: ChatClient) -> None:
    key = {"Idempotency-Key": str(uuid4())}
    assert talk.http.post("/api/conversations", json={"title": "one"}, headers=key).status_code == 201
    count = len(talk.http.get("/api/conversations?limit=200").json())
    refused = [
        talk.http.post("/api/conversations", json={"title": "two"}, headers=key),
        talk.http.post("/api/conversations", headers=key),
        talk.http.post("/api/chat/realtime/sessions", json={"title": "one"}, headers=key),
    ]
    assert [read_error(each) for each in refused] == [(409, "id_reused")] * 3
    assert "another key" in refused[0].json()["error"]["message"]
    assert len(talk.http.get("/api/conversations?limit=200").json()) == count


def test_what_failed_can_be_tried_again_with_its_key(talk: ChatClient) -> None:
    key = {"Idempotency-Key": str(uuid4())}
    assert talk.http.post("/api/conversations", json={"title": 7}, headers=key).status_code == 400
    assert talk.http.post("/api/conversations", json={"title": "7"}, headers=key).status_code == 201


def test_what_was_deleted_is_not_made_again(talk: ChatClient) -> None:
    key = {"Idempotency-Key": str(uuid4())}
    made = talk.http.post("/api/conversations", headers=key).json()["id"]
    assert talk.http.delete(f"/api/conversations/{made}").status_code == 200
    assert read_error(talk.http.post("/api/conversations", headers=key)) == (404, "not_found")


@pytest.mark.parametrize("key", [b"", b"x" * (MAX_KEY_CHARS + 1), b"\xf1", b"a\tb"])
def test_a_key_that_is_none_is_refused(talk: ChatClient, key: bytes) -> None:
    refused = talk.http.post("/api/conversations", headers={b"Idempotency-Key": key})
    assert read_error(refused) == (400, "bad_request")


def test_keys_of_users_do_not_meet() -> None:
    """And an API key is made once: its secret is not stored, so the same request gets it with another one."""
    with run_chat_server(accounts=ACCOUNTS) as (talk, served):
        team = Team(served.resources.settings)
        ada, bob = (make_bearer(team.token(team.add(name))) for name in ("ada", "bob"))
        key = {"Idempotency-Key": "1"}
        made = [talk.http.post("/api/conversations", headers={**who, **key}) for who in (ada, bob, ada)]
        ids_made = [each.json()["id"] for each in made]
        assert ids_made[0] == ids_made[2] != ids_made[1]

        body, key = {"name": "mine", "scopes": ["llm"]}, {"Idempotency-Key": str(uuid4())}
        first, second = (
            talk.http.post("/api/keys", json=body, headers={**ada, **key}).json() for _ in range(2)
        )
        assert first["id"] == second["id"]
        assert [each["id"] for each in talk.http.get("/api/keys", headers=ada).json()] == [first["id"]]
        lost = talk.http.get("/api/auth/me", headers=make_bearer(first["key"]))
        assert read_error(lost) == (401, "unauthorized")
        assert talk.http.get("/api/auth/me", headers=make_bearer(second["key"])).status_code == 200
        in_use = talk.http.post("/api/keys", json=body, headers={**ada, **key})
        assert read_error(in_use) == (409, "id_reused")
        assert talk.http.get("/api/auth/me", headers=make_bearer(second["key"])).status_code == 200
        talk.http.delete(f"/api/keys/{first['id']}", headers=ada)
        gone = talk.http.post("/api/keys", json=body, headers={**ada, **key})
        assert read_error(gone) == (404, "not_found")
        of_bob = talk.http.post("/api/keys", json=body, headers={**bob, **key}).json()
        assert of_bob["id"] != first["id"]
