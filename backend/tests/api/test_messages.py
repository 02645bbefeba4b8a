"""Branches over HTTP: answered again, edited, shown, forked; what stands beside what; and what is refused."""

from collections.abc import Iterator
from typing import Any
from uuid import UUID

import pytest

from app.utils.ids import new_id
from tests.fakes.llm_providers import FakeChat, Gate, delta, pieces
from tests.support.accounts import ACCOUNTS, Team, make_bearer
from tests.support.conversations import (
    ChatClient,
    join_content,
    make_client,
    parse_events,
    read_error,
    run_chat_server,
    store_messages,
)
from tests.support.server import RunningServer


@pytest.fixture(scope="module")
def talk() -> Iterator[ChatClient]:
    with run_chat_server() as (talk, _):
        yield talk


def versions(talk: ChatClient, conversation_id: str) -> list[str]:
    """Each shown message as a front end draws it: `text 2/3`."""
    return [
        f"{message['content']} {message['version_ids'].index(message['id']) + 1}/{len(message['version_ids'])}"
        for message in talk.messages(conversation_id)
    ]


def test_an_answer_is_made_again_beside_the_old_one() -> None:
    model = FakeChat(pieces("first"))
    with run_chat_server(model) as (talk, _):
        id_ = talk.conversation()
        asked, old = talk.say(id_, "hello")
        model.script = pieces("second")
        events = talk.events(f"/api/messages/{old}/regenerate")
        start = events[0]
        assert (start.name, start.data["conversation_id"], start.data["user_message_id"]) == (
            "start",
            id_,
            asked,
        )
        assert (start.data["title"], join_content(events), events[-1].name) == ("hello", "second", "done")
        new = events[0].data["message_id"]
        assert talk.texts(id_) == ["hello", "second"]
        assert talk.messages(id_)[1]["version_ids"] == [old, new]
        assert versions(talk, id_) == ["hello 1/1", "second 2/2"]
        assert [message["id"] for message in talk.messages(id_, branches=True)] == [asked, old, new]
        # What is sent ends with the question: the model never sees the answer that it makes anew.
        assert model.requests[-1].body["messages"] == [{"role": "user", "content": "hello"}]


def test_a_message_that_nobody_has_answered_is_answered() -> None:
    """Also by the user's message itself, as after an answer that failed."""
    model = FakeChat([delta("Hel"), RuntimeError("broken")])
    with run_chat_server(model) as (talk, _):
        id_ = talk.conversation()
        asked = talk.events("/api/chat/stream", conversation_id=id_, message="hello")[0].data[
            "user_message_id"
        ]
        model.script = pieces("Hello")
        again = talk.events(f"/api/messages/{asked}/regenerate", model="fake/other", temperature=0.5)
        assert join_content(again) == "Hello"
        assert again[-1].data["model"] == "fake/other"
        assert model.requests[-1].body["temperature"] == 0.5
        assert versions(talk, id_) == ["hello 1/1", "Hello 2/2"]


def test_an_edit_stands_beside_the_message(talk: ChatClient) -> None:
    id_ = talk.conversation()
    talk.say(id_, "one")
    edited, _ = talk.say(id_, "two")
    talk.say(id_, "three")
    events = talk.events(f"/api/messages/{edited}/edit", message="2")
    assert join_content(events) == "2"
    assert versions(talk, id_) == ["one 1/1", "one 1/1", "2 2/2", "2 1/1"]
    assert len(talk.messages(id_, branches=True)) == 8
    assert talk.say(id_, "and on")
    assert talk.texts(id_) == ["one", "one", "2", "2", "and on", "and on"]


def test_the_first_message_can_be_edited(talk: ChatClient) -> None:
    id_ = talk.conversation()
    first, _ = talk.say(id_, "one")
    events = talk.events(f"/api/messages/{first}/edit", message="uno")
    assert versions(talk, id_) == ["uno 2/2", "uno 1/1"]
    assert talk.messages(id_)[0]["parent_id"] is None
    assert events[0].data["title"] == "one"


def test_another_branch_is_shown_down_to_its_newest_message(talk: ChatClient) -> None:
    id_ = talk.conversation()
    first, _ = talk.say(id_, "one")
    talk.say(id_, "two")
    talk.events(f"/api/messages/{first}/edit", message="uno")
    shown = talk.show(id_, first)
    assert shown.status_code == 200
    assert talk.texts(id_) == ["one", "one", "two", "two"]
    assert shown.json()["active_leaf_id"] == talk.messages(id_)[-1]["id"]
    talk.say(id_, "three")
    assert talk.texts(id_)[-2:] == ["three", "three"]
    other = talk.messages(id_)[0]["version_ids"][1]
    assert (
        talk.http.patch(f"/api/conversations/{id_}", json={"active_leaf_id": other, "title": "t"}).json()[
            "title"
        ]
        == "t"
    )
    assert talk.texts(id_) == ["uno", "uno"]
    assert [talk.texts(id_, limit=n) for n in (1, 2)] == [["uno"], ["uno", "uno"]]


def test_a_conversation_goes_on_from_a_message_in_one_of_its_own(talk: ChatClient) -> None:
    id_ = talk.conversation(
        title="Plans", model="echo", system_prompt="be brief", settings={"temperature": 0}
    )
    talk.say(id_, "one")
    _, answer = talk.say(id_, "two")
    talk.say(id_, "three")
    made = talk.http.post(f"/api/messages/{answer}/fork")
    assert made.status_code == 201
    copy = made.json()
    assert copy["id"] != id_
    assert {name: copy[name] for name in ("title", "model", "system_prompt", "message_count")} == {
        "title": "Plans",
        "model": "echo",
        "system_prompt": "be brief",
        "message_count": 4,
    }
    assert copy["settings"]["temperature"] == 0
    assert talk.texts(copy["id"]) == ["one", "one", "two", "two"]
    before = {message["id"] for message in talk.messages(id_, branches=True)}
    talk.say(copy["id"], "elsewhere")
    assert {message["id"] for message in talk.messages(id_, branches=True)} == before
    assert not before & {message["id"] for message in talk.messages(copy["id"])}
    named = talk.http.post(f"/api/messages/{answer}/fork", json={"title": " Other\nplans "}).json()
    assert named["title"] == "Other plans"
    assert talk.http.delete(f"/api/conversations/{id_}").status_code == 200
    assert len(talk.texts(copy["id"])) == 6


# -- refused


WAYS = [("regenerate", {}), ("edit", {"message": "x"}), ("fork", {})]


@pytest.mark.parametrize(("way", "body"), WAYS)
@pytest.mark.parametrize(
    "id_",
    ["x", "0", "%00", "..", "null", "'; drop table messages", str(UUID(int=0)), str(new_id()), "9" * 5000],
)
def test_an_id_that_is_none_is_not_found(talk: ChatClient, way: str, body: dict[str, Any], id_: str) -> None:
    answer = talk.http.post(f"/api/messages/{id_}/{way}", json=body)
    assert read_error(answer) == (404, "not_found")


@pytest.mark.parametrize("id_", ["", "x", str(UUID(int=0)), "\u0000", "ñ"])
def test_only_a_message_of_the_conversation_can_be_shown(talk: ChatClient, id_: str) -> None:
    one, other = talk.conversation(), talk.conversation()
    _, answer = talk.say(other, "hello")
    for wanted in (id_, answer):
        changed = talk.http.patch(f"/api/conversations/{one}", json={"active_leaf_id": wanted, "title": "no"})
        assert read_error(changed) == (404, "not_found")
        assert talk.http.get(f"/api/conversations/{one}").json()["title"] == "New Conversation"


@pytest.mark.parametrize(
    ("way", "body"),
    [
        ("edit", {}),
        ("edit", {"message": ""}),
        ("edit", {"message": " \n"}),
        ("edit", {"message": 7}),
        ("edit", {"message": None}),
        ("edit", {"message": "x", "temperature": 9}),
        ("edit", []),
        ("regenerate", {"max_tokens": -1}),
        ("regenerate", {"model": 3}),
        ("regenerate", "x"),
        ("fork", {"title": "x" * 201}),
        ("fork", {"title": []}),
    ],
)
def test_a_body_that_cannot_be_read(talk: ChatClient, way: str, body: Any) -> None:
    id_ = talk.conversation()
    asked, _ = talk.say(id_, "hello")
    assert read_error(talk.http.post(f"/api/messages/{asked}/{way}", json=body)) == (400, "bad_request")
    assert len(talk.messages(id_, branches=True)) == 2


def test_an_answer_is_not_edited_and_a_long_text_is_too_big(talk: ChatClient) -> None:
    id_ = talk.conversation()
    asked, answer = talk.say(id_, "hello")
    assert read_error(talk.http.post(f"/api/messages/{answer}/edit", json={"message": "x"})) == (
        400,
        "bad_request",
    )
    long = talk.http.post(f"/api/messages/{asked}/edit", json={"message": "x" * 100_001})
    assert read_error(long) == (413, "message_too_big")
    assert len(talk.messages(id_, branches=True)) == 2


def test_a_model_that_is_gone_is_an_event(talk: ChatClient) -> None:
    id_ = talk.conversation()
    _, answer = talk.say(id_, "hello")
    events = talk.events(f"/api/messages/{answer}/regenerate", model="gone")
    assert (events[-1].name, events[-1].data["code"]) == ("error", "model_not_found")
    assert talk.show(id_, answer).status_code == 200
    assert talk.texts(id_) == ["hello", "hello"]


def test_while_an_answer_is_under_way_the_tree_stays_as_it_is() -> None:
    gate = Gate()
    model = FakeChat(pieces("first"))
    with run_chat_server(model) as (talk, _):
        id_ = talk.conversation()
        asked, answer = talk.say(id_, "hello")
        model.script = pieces("Hel", gate, "lo")
        body: dict[str, Any] = {"conversation_id": id_, "message": "more"}
        with talk.http.stream("POST", "/api/chat/stream", json=body) as streamed:
            lines = streamed.iter_lines()
            while "Hel" not in next(lines):
                pass
            streaming = talk.messages(id_)[-1]["id"]
            for way, body in WAYS:
                for message in (asked if way == "edit" else answer, streaming):
                    refused = talk.http.post(f"/api/messages/{message}/{way}", json=body)
                    expected = (
                        (400, "bad_request") if (way, message) == ("edit", streaming) else (409, "busy")
                    )
                    assert read_error(refused) == expected
            assert read_error(talk.show(id_, answer)) == (409, "busy")
            elsewhere = talk.conversation()
            gate.set()
            talk.say(elsewhere, "not held up")
            assert any("done" in line for line in lines)
        assert len(talk.messages(id_, branches=True)) == 4
        assert len(talk.http.get("/api/conversations").json()) == 2


def test_a_client_that_leaves_does_not_end_a_new_answer() -> None:
    gate = Gate()
    model = FakeChat(pieces("first"))
    with run_chat_server(model) as (talk, _):
        id_ = talk.conversation()
        _, answer = talk.say(id_, "hello")
        model.script = pieces("sec", gate, "ond")
        with talk.http.stream("POST", f"/api/messages/{answer}/regenerate") as streamed:
            text = ""
            for part in streamed.iter_text():
                text += part
                if "sec" in text:
                    break
        gate.set()
        events = parse_events(text)
        again = talk.http.get(f"/api/chat/stream/{events[0].data['message_id']}")
        assert join_content(parse_events(again.text)) == "second"
        assert talk.texts(id_) == ["hello", "second"]


def test_what_is_anothers_is_not_there() -> None:
    with run_chat_server(accounts=ACCOUNTS) as (_, served):
        team = Team(served.resources.settings)
        ana, bob = (person(served, team, name) for name in ("ana", "bob"))
        with ana.http, bob.http:
            id_ = ana.conversation()
            asked, answer = ana.say(id_, "hello")
            mine = bob.conversation()
            for way, body in WAYS:
                for message in (asked, answer):
                    theirs = bob.http.post(f"/api/messages/{message}/{way}", json=body)
                    nobodys = bob.http.post(f"/api/messages/{new_id()}/{way}", json=body)
                    assert read_error(theirs) == read_error(nobodys) == (404, "not_found")
            assert read_error(bob.show(mine, answer)) == (404, "not_found")
            assert read_error(bob.show(id_, answer)) == (404, "not_found")
            assert len(ana.messages(id_, branches=True)) == 2
            assert bob.messages(mine) == []


def person(served: RunningServer, team: Team, name: str) -> ChatClient:
    return ChatClient(make_client(served, headers=make_bearer(team.token(team.add(name)))))


@pytest.mark.once
def test_a_long_conversation_is_read_forked_and_shown() -> None:
    """10,000 messages."""
    with run_chat_server() as (talk, served):
        id_ = talk.conversation()
        store_messages(served, id_, [f"message {n}" for n in range(10_000)])
        everything = talk.messages(id_, limit=10_000)
        assert [message["content"] for message in everything] == [f"message {n}" for n in range(10_000)]
        fork = talk.http.post(f"/api/messages/{everything[-1]['id']}/fork").json()
        assert fork["message_count"] == 10_000
        assert talk.texts(fork["id"], limit=2) == ["message 9998", "message 9999"]
        assert talk.texts(fork["id"], limit=10_000) == [message["content"] for message in everything]
        shown = talk.show(id_, everything[0]["id"]).json()
        assert shown["active_leaf_id"] == everything[-1]["id"]
        found = talk.http.get("/api/search", params={"q": "9999"}).json()
        assert {hit["conversation_id"] for hit in found} == {id_, fork["id"]}
