"""Tools in conversations over HTTP: the events on the wire, the questions, the list, the copies and the files."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import httpx2
import pytest
from pydantic import BaseModel

from app.providers.agent.events import ToolCall, ToolError, ToolResult
from app.providers.registry import Registrations
from app.schemas.chat import (
    ApprovalDecidedEvent,
    ApprovalRequiredEvent,
    ToolCallEvent,
    ToolErrorEvent,
    ToolResultEvent,
)
from app.utils.ids import new_id
from tests.fakes.engine import FakeEngine
from tests.fakes.llm_providers import CALL, QUESTION, RESULT, FakeAssistant, delta, with_models
from tests.support.accounts import ACCOUNTS, Team, make_bearer
from tests.support.conversations import (
    ChatClient,
    SseEvent,
    join_content,
    make_client,
    parse_events,
    read_error,
    run_chat_server,
)
from tests.support.server import RunningServer, serve_engine

END = delta("", finish="stop")
EVENTS: dict[str, type[BaseModel]] = {
    "tool_call": ToolCallEvent,
    "approval_required": ApprovalRequiredEvent,
    "approval_decided": ApprovalDecidedEvent,
    "tool_result": ToolResultEvent,
    "tool_error": ToolErrorEvent,
}
WRONG = ToolError("call_2", "nope", "", "there is no such tool", 0, "unknown_tool")


def asking() -> FakeAssistant:
    return FakeAssistant([delta("Let me see. "), CALL, QUESTION, delta("There."), END])


@contextmanager
def question(talk: ChatClient, headers: dict[str, str] | None = None) -> Iterator[tuple[SseEvent, Any]]:
    """The event by which an answer asks, and how to read all events of its stream afterwards."""
    made = talk.http.post("/api/conversations", json={}, headers=headers).json()
    asked = {"conversation_id": made["id"], "message": "hello"}
    with talk.http.stream("POST", "/api/chat/stream", json=asked, headers=headers) as answer:
        body = ""
        parts = answer.iter_text()
        while "event: approval_required" not in body or not body.endswith("\n\n"):
            body += next(parts)
        (event,) = [event for event in parse_events(body) if event.name == "approval_required"]
        yield event, lambda: parse_events(body + "".join(parts))


def decide(
    talk: ChatClient,
    event: SseEvent,
    body: Any,
    headers: dict[str, str] | None = None,
    other: dict[str, str] | None = None,
) -> httpx2.Response:
    """Say something to a question; `other` are ids to ask for in the place of its own."""
    ids = {"message_id": event.data["message_id"], "call_id": event.data["call_id"], **(other or {})}
    path = f"/api/messages/{ids['message_id']}/approvals/{ids['call_id']}"
    return talk.http.post(path, json=body, headers=headers)


def test_events_are_what_their_schemas_say_and_come_back_in_every_place() -> None:
    script = [delta("é👍"), CALL, RESULT, delta("x"), ToolCall("call_2", "nope", "", {}), WRONG, delta("y")]
    with run_chat_server(FakeAssistant([*script, END])) as (talk, _):
        id_ = talk.conversation()
        events = talk.events("/api/chat/stream", conversation_id=id_, message="hello")
        names = ["start", "message", "tool_call", "tool_result", "message", "tool_call", "tool_error"]
        assert [event.name for event in events] == [*names, "message", "done"]
        assert [event.id for event in events][1:] == [
            *("2.0", "2.0.1", "2.0.2", "3.0.2", "3.0.3", "3.0.4", "4.0.4", "4.0.4.end")
        ]
        for event in events:
            if event.name in EVENTS:
                model = EVENTS[event.name].model_validate(event.data)
                assert set(event.data) == set(model.model_dump())
        path = f"/api/chat/stream/{events[0].data['message_id']}"
        for at, event in enumerate(events[:-1]):
            rest = talk.http.get(path, headers={"Last-Event-ID": event.id})
            assert parse_events(rest.text) == events[at + 1 :]
        last = talk.http.get(path, headers={"Last-Event-ID": events[-1].id})
        assert last.status_code == 204
        listed = talk.messages(id_)[1]
        assert listed["content"] == join_content(events) == "é👍xy"
        assert [(each["event"], each["data"]) for each in listed["tool_events"]] == [
            (event.name, event.data) for event in events if event.name in EVENTS
        ]
        assert [each["text"] for each in listed["tool_events"]] == [2, 2, 3, 3]
        assert talk.messages(id_)[0]["tool_events"] == []


@pytest.mark.parametrize(("approved", "end"), [(True, "tool_result"), (False, "tool_error")])
def test_a_question_is_answered_while_its_stream_is_read(approved: bool, end: str) -> None:
    with run_chat_server(asking()) as (talk, _), question(talk) as (event, rest):
        ApprovalRequiredEvent.model_validate(event.data)
        said = decide(talk, event, {"approved": approved})
        decision = "approved" if approved else "denied"
        assert (said.status_code, said.json()) == (200, {"call_id": "call_1", "decision": decision})
        events = rest()
        names = ["start", "message", "tool_call", "approval_required", "approval_decided", end]
        assert [event.name for event in events] == [*names, "message", "done"]
        ApprovalDecidedEvent.model_validate(events[4].data)
        assert decide(talk, event, {"approved": approved}).json() == said.json()
        assert read_error(decide(talk, event, {"approved": not approved})) == (409, "approval_over")


@pytest.mark.parametrize(
    "body",
    [None, [], {}, {"approved": None}, {"approved": "yes"}, {"approved": 1}, {"approve": True}],
)
def test_a_word_that_is_none_decides_nothing(body: Any) -> None:
    model = asking()
    with run_chat_server(model) as (talk, _), question(talk) as (event, rest):
        assert read_error(decide(talk, event, body)) == (400, "bad_request")
        assert model.decisions == []
        assert decide(talk, event, {"approved": True}).status_code == 200
        assert rest()[-1].name == "done"


@pytest.mark.parametrize(
    "other",
    [{"message_id": "nope"}, {"message_id": str(new_id())}, {"call_id": "call_2"}, {"call_id": "%00"}],
)
def test_a_question_that_nobody_asked(other: dict[str, str]) -> None:
    model = asking()
    with run_chat_server(model) as (talk, _), question(talk) as (event, rest):
        assert read_error(decide(talk, event, {"approved": True}, other=other)) == (404, "not_found")
        decide(talk, event, {"approved": False})
        rest()
    assert model.decisions == ["denied"]


def test_nobody_decides_for_somebody_else() -> None:
    """Not another user, an admin neither, and no key that is not made for conversations."""
    model = asking()
    with _team(with_models(fake=model)) as (served, team), make_client(served) as http:
        talk = ChatClient(http)
        ana, bob, root = (team.add(name) for name in ("ana", "bob", "root"))
        hers = make_bearer(team.token(ana))
        with question(talk, hers) as (event, rest):
            yes = {"approved": True}
            for other in (
                make_bearer(team.token(bob)),
                make_bearer(team.token(root)),
                make_bearer(team.key(bob, "chat")[0]),
            ):
                assert read_error(decide(talk, event, yes, other)) == (404, "not_found")
            assert read_error(decide(talk, event, yes)) == (401, "unauthorized")
            for_prompts = make_bearer(team.key(ana, "llm")[0])
            assert read_error(decide(talk, event, yes, for_prompts)) == (403, "forbidden")
            assert model.decisions == []
            assert decide(talk, event, yes, hers).status_code == 200
            assert rest()[-1].name == "done"


def test_two_people_at_once_decide_for_themselves() -> None:
    model = asking()
    with _team(with_models(fake=model)) as (served, team), ThreadPoolExecutor(2) as threads:

        def talks(name: str, approved: bool) -> list[str]:
            with (
                make_client(served) as http,
                question(ChatClient(http), them := tokens[name]) as (event, rest),
            ):
                assert decide(ChatClient(http), event, {"approved": approved}, them).status_code == 200
                return [event.name for event in rest() if event.name.startswith("tool_")]

        tokens = {name: make_bearer(team.token(team.add(name))) for name in ("ana", "bob")}
        hers, his = (threads.submit(talks, name, name == "ana") for name in tokens)
        assert hers.result(30) == ["tool_call", "tool_result"]
        assert his.result(30) == ["tool_call", "tool_error"]
    assert sorted(model.decisions) == ["approved", "denied"]


def test_stop_ends_a_question() -> None:
    with run_chat_server(asking()) as (talk, _), question(talk) as (event, rest):
        (made,) = talk.http.get("/api/conversations").json()
        stopped = talk.http.post(f"/api/conversations/{made['id']}/stop").json()
        assert stopped == {"status": "stopped", "message_id": event.data["message_id"]}
        events = rest()
        assert [event.name for event in events[-2:]] == ["tool_error", "done"]
        ToolErrorEvent.model_validate(events[-2].data)
        assert (events[-2].data["code"], events[-1].data["status"]) == ("stopped", "stopped")
        assert read_error(decide(talk, event, {"approved": True})) == (409, "approval_over")


def test_what_tools_gave_is_copied_and_exported() -> None:
    """As data: no Markdown of a tool is alive in a file."""
    bad = "</details><img src=x> ![x](http://x/y) \n## User\n[a]: b `"
    script = [
        ToolCall("call_1", "find", "shop", {"q": bad}),
        ToolResult("call_1", "find", "shop", bad, False, 1),
    ]
    model = FakeAssistant([*script, delta("ok"), END])
    with run_chat_server(model) as (talk, _):
        id_ = talk.conversation()
        _, answer = talk.say(id_, "hello")
        copy = talk.http.post(f"/api/messages/{answer}/fork").json()["id"]
        assert talk.messages(copy)[1]["tool_events"] == talk.messages(id_)[1]["tool_events"] != []
        path = f"/api/conversations/{id_}/export"
        exported = talk.http.get(f"{path}?format=json").json()["messages"][1]
        assert exported["tool_data"] == talk.messages(id_)[1]["tool_events"]
        (line,) = [line for line in talk.http.get(path).text.splitlines() if line.startswith("- Tool")]
        assert line.startswith("- Tool find ")
        assert "\\<img src=x\\>" in line
        assert "\\!\\[x\\]" in line
        assert talk.http.get("/api/search?q=details").json() == [], "what tools gave is not what was said"


@contextmanager
def _team(registrations: Registrations) -> Iterator[tuple[RunningServer, Team]]:
    llm = {"provider": "fake", "discover": False}
    with serve_engine(FakeEngine(), registrations=registrations, llm=llm, accounts=ACCOUNTS) as served:
        yield served, Team(served.resources.settings)
