"""What assistants' tools do in conversations: told once and in order, kept, asked about, and ended with the answer."""

import math
from contextlib import aclosing
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID

import anyio
import anyio.lowlevel
import pytest

from app.core.config import Settings
from app.core.errors import ApprovalOver, NotFound
from app.providers.agent.events import ToolCall, ToolError, ToolResult
from app.services.chat import tools
from app.services.chat.buffer import AnswerBuffer
from app.services.chat.checkpoints import Checkpointer, CheckpointWriter
from app.services.chat.events import AnswerEvent, Cursor, Delivery, ReasoningDelta, TextDelta
from app.services.chat.model_loop import AnswerIds
from app.storage import approvals, messages
from app.storage.answers import checkpoint, interrupt_dead
from app.storage.common import utc_now
from app.storage.database import Database
from app.storage.messages import Message, NewTurn
from app.storage.tool_events import ToolEvent, load_tool_events
from app.utils.deadline import PausableDeadline
from app.utils.ids import new_id
from tests.fakes.llm_providers import CALL, QUESTION, RESULT, FakeAssistant, FakeChat, Gate, delta
from tests.support.conversations import (
    ChatServices,
    get_done,
    get_failed,
    join_reasoning,
    join_text,
    run_chat_services,
)
from tests.support.database import FailingDatabase, PostgresServer, add_user, make_settings

END = delta("", finish="stop")


def names(events: list[AnswerEvent]) -> list[str]:
    """The events in a word each; neighbouring words of text are one."""
    found: list[str] = []
    for event in events:
        name = event.name if isinstance(event, ToolEvent) else type(event).__name__
        if not (found and found[-1] == name and isinstance(event, TextDelta | ReasoningDelta)):
            found.append(name)
    return found


def happened(events: list[AnswerEvent]) -> list[tuple[str, dict[str, Any]]]:
    return [(event.name, event.data) for event in events if isinstance(event, ToolEvent)]


def told(message: Message) -> list[tuple[str, dict[str, Any]]]:
    """What is stored of it."""
    return [(each.name, each.data) for each in load_tool_events(message.tool_data)]


async def asked(chat: ChatServices, turn: NewTurn) -> None:
    """Wait until the answer asks its user."""
    with anyio.fail_after(20):
        async with aclosing(await chat.answers.follow(chat.user_id, turn.assistant.id)) as events:
            async for _, event in events:
                if isinstance(event, ToolEvent) and event.name == "approval_required":
                    return
    raise AssertionError("nobody was asked")


async def test_calls_stand_between_the_words_and_are_kept(
    database: Database, storage_settings: Settings, ana: UUID
) -> None:
    wrong = ToolError("call_2", "nope", "", "there is no such tool", 0, "unknown_tool")
    second = ToolCall("call_2", "nope", "", {"_raw": "{"})
    script = [delta("One moment. "), CALL, RESULT, delta("", reasoning_content="hm"), second, wrong]
    model = FakeAssistant([*script, delta("It is sent."), END])
    async with run_chat_services(database, storage_settings, ana, model) as chat:
        turn = await chat.send()
        events = await chat.collect_events(turn.assistant.id)
        stored = await chat.load(turn.assistant)
    calls = ["tool_call", "tool_result", "ReasoningDelta", "tool_call", "tool_error"]
    assert names(events) == ["TextDelta", *calls, "TextDelta", "Done"]
    about = {"call_id": "call_1", "name": "find_order", "toolset": "shop"}
    assert happened(events)[:2] == [
        ("tool_call", {**about, "arguments": {"order": "1042"}}),
        ("tool_result", {**about, "result": '{"status":"sent"}', "truncated": False, "ms": 3}),
    ]
    assert happened(events)[3][1] == {
        "call_id": "call_2",
        "name": "nope",
        "toolset": "",
        "code": "unknown_tool",
        "error": "there is no such tool",
        "ms": 0,
    }
    assert told(stored) == happened(events)
    assert stored.content == join_text(events) == "One moment. It is sent."


async def test_an_assistant_acts_for_its_user_in_conversations_alone(
    database: Database, storage_settings: Settings, ana: UUID
) -> None:
    model = FakeAssistant([delta("hi"), END])
    async with run_chat_services(database, storage_settings, ana, model) as chat:
        turn = await chat.send()
        get_done(await chat.collect_events(turn.assistant.id))
    (acting,) = model.contexts
    assert (acting.caller.user_id, acting.conversation_id) == (ana, turn.user.conversation_id)
    assert acting.caller.role == "user"
    assert set(acting.caller.scopes) == {"chat"}


async def test_from_any_place_on_each_event_comes_once_and_in_its_order(
    database: Database, storage_settings: Settings, ana: UUID
) -> None:
    """While it is made and when it is stored, from every place at which a reader can have been cut off."""
    gate, script = Gate(), list[Any](map(delta, "abc"))
    for n in range(3):
        call = ToolCall(f"call_{n}", "count", "", {"n": n})
        script += [call, delta("", reasoning_content="th"), delta("é👍"), gate]
        script += [ToolResult(call.call_id, "count", "", str(n), False, 0)]
    model = FakeAssistant([*script, delta("end"), END])
    async with run_chat_services(database, storage_settings, ana, model) as chat:
        turn = await chat.send()
        live: dict[Cursor, list[Delivery]] = {}

        async def follow(cursor: Cursor) -> None:
            live[cursor] = await chat.collect_deliveries(turn.assistant.id, cursor)

        places = [Cursor(a, b, tool_events=c) for a in range(13) for b in range(0, 7, 2) for c in range(7)]
        async with anyio.create_task_group() as group:
            for cursor in places:
                group.start_soon(follow, cursor)
            await anyio.lowlevel.checkpoint()
            gate.set()
        told_whole = await chat.collect_deliveries(turn.assistant.id)
        whole = [event for _, event in told_whole]
        stored = {cursor: await chat.collect_deliveries(turn.assistant.id, cursor) for cursor in places}
        for at, (place, _) in enumerate(told_whole):
            cursor = Cursor.parse(str(place))
            rest = [] if cursor.at_end else await chat.collect_events(turn.assistant.id, cursor)
            heard = [*whole[: at + 1], *rest]
            assert happened(heard) == happened(whole)
            assert (join_text(heard), names(heard)) == ("abcé👍é👍é👍end", names(whole))
    assert len(happened(whole)) == 6
    for cursor in places:
        for deliveries in (live[cursor], stored[cursor]):
            events = [event for _, event in deliveries]
            assert happened(events) == happened(whole)[cursor.tool_events :]
            assert join_text(events) == "abcé👍é👍é👍end"[cursor.text :]
            assert join_reasoning(events) == "ththth"[cursor.reasoning :]
            assert str(deliveries[-1].cursor) == str(told_whole[-1].cursor)


@pytest.mark.parametrize(("approved", "end"), [(True, "tool_result"), (False, "tool_error")])
async def test_a_call_waits_for_its_user(
    database: Database, storage_settings: Settings, ana: UUID, approved: bool, end: str
) -> None:
    model = FakeAssistant([CALL, QUESTION, delta("so be it"), END])
    async with run_chat_services(database, storage_settings, ana, model) as chat:
        turn = await chat.send()
        await asked(chat, turn)
        assert model.decisions == []
        decision = await chat.answers.decide(ana, turn.assistant.id, "call_1", approved=approved)
        events = await chat.collect_events(turn.assistant.id)
        again = chat.answers.decide(ana, turn.assistant.id, "call_1", approved=approved)
        assert await again == decision == ("approved" if approved else "denied")
        with pytest.raises(ApprovalOver, match="already"):
            await chat.answers.decide(ana, turn.assistant.id, "call_1", approved=not approved)
        stored = await chat.load(turn.assistant)
    assert model.decisions == [decision]
    assert names(events)[:4] == ["tool_call", "approval_required", "approval_decided", end]
    question = happened(events)[1][1]
    assert question["message_id"] == str(turn.assistant.id)
    assert question["arguments"] == {"order": "1042"}
    assert happened(events)[2][1]["decision"] == decision
    assert told(stored) == happened(events)


async def test_whoever_says_nothing_in_time_has_not_allowed_it(
    database: Database, storage_settings: Settings, ana: UUID
) -> None:
    model = FakeAssistant([CALL, QUESTION, delta("then not"), END])
    async with run_chat_services(database, storage_settings, ana, model, approval_s=0.05) as chat:
        turn = await chat.send()
        events = await chat.collect_events(turn.assistant.id)
        with pytest.raises(ApprovalOver):
            await chat.answers.decide(ana, turn.assistant.id, "call_1", approved=True)
    assert model.decisions == ["expired"]
    assert happened(events)[-1][1]["code"] == "approval_expired"
    assert get_done(events).status == "completed"


async def test_a_clock_that_jumps_forwards_closes_no_question(
    database: Database, storage_settings: Settings, ana: UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the clock the question is a day over; its tool waits on, and its user is heard."""
    monkeypatch.setattr(tools, "utc_now", lambda: utc_now() - timedelta(days=1))
    model = FakeAssistant([CALL, QUESTION, delta("so be it"), END])
    async with run_chat_services(database, storage_settings, ana, model) as chat:
        turn = await chat.send()
        await asked(chat, turn)
        assert await chat.answers.decide(ana, turn.assistant.id, "call_1", approved=True) == "approved"
        get_done(await chat.collect_events(turn.assistant.id))
    assert model.decisions == ["approved"]


async def test_a_question_that_cannot_be_closed_waits_on(storage_settings: Settings) -> None:
    """Its user is never told `approved` by a database that did not hear that the time was over."""
    database = FailingDatabase(storage_settings)
    model = FakeAssistant([CALL, QUESTION, delta("so be it"), END])
    try:
        ana = await add_user(database, "ana")
        async with run_chat_services(database, storage_settings, ana, model, approval_s=0.5) as chat:
            turn = await chat.send()
            await asked(chat, turn)
            database.broken = True
            with anyio.fail_after(20):
                while database.refused < 2:  # noqa: ASYNC110  # a database sends no events
                    await anyio.sleep(0.02)
            database.broken = False
            decision = await chat.answers.decide(ana, turn.assistant.id, "call_1", approved=True)
            get_done(await chat.collect_events(turn.assistant.id))
        assert model.decisions == [decision] == ["approved"]
    finally:
        await database.aclose()


async def test_the_time_of_a_question_is_not_the_answers(
    database: Database, storage_settings: Settings, ana: UUID
) -> None:
    async with run_chat_services(database, storage_settings, ana, FakeChat()) as chat:
        made = await chat.conversations.create(ana)
        async with database.write() as session:
            turn = await messages.append_turn(session, ana, made.id, "hello", run_id=database.run_id)
    buffer, deadline = AnswerBuffer(), PausableDeadline(100)
    scope = deadline.make_scope()
    ids = AnswerIds(ana, made.id, turn.user.id, turn.assistant.id)
    saving = Checkpointer(
        database, CheckpointWriter(database), buffer, turn.assistant.id, on_lost=scope.cancel
    )
    host = tools.ToolHost(database, ids, buffer, saving, deadline, 20)

    async def ask(n: int) -> None:
        await host.request_approval(replace(QUESTION, call_id=f"call_{n}"))

    with anyio.fail_after(20):
        async with anyio.create_task_group() as group:
            group.start_soon(ask, 1)
            group.start_soon(ask, 2)
            for n in (1, 2):
                while len(buffer.tool_events) < n + 1:  # noqa: ASYNC110  # a buffer tells its readers, and this is none
                    await anyio.sleep(0.01)
                assert scope.deadline == math.inf
                host.deliver_decision(f"call_{n}", "approved")
    assert [each.name for each in buffer.tool_events].count("approval_decided") == 2
    assert 0 < scope.deadline - anyio.current_time() <= 100


async def test_the_time_of_an_answer_goes_on_after_a_question(
    database: Database, storage_settings: Settings, ana: UUID
) -> None:
    model = FakeAssistant([CALL, QUESTION, None])
    async with run_chat_services(
        database, storage_settings, ana, model, answer_s=0.3, approval_s=0.05
    ) as chat:
        events = await chat.collect_events((await chat.send()).assistant.id)
    assert get_failed(events).code == "upstream_timeout"


async def test_only_its_user_is_asked(database: Database, storage_settings: Settings, ana: UUID) -> None:
    bob = await add_user(database, "bob")
    async with run_chat_services(
        database, storage_settings, ana, FakeAssistant([CALL, QUESTION, END])
    ) as chat:
        turn = await chat.send()
        await asked(chat, turn)
        for user_id, message_id, call_id in (
            (bob, turn.assistant.id, "call_1"),
            (ana, new_id(), "call_1"),
            (ana, turn.user.id, "call_1"),
            (ana, turn.assistant.id, "call_2"),
            (ana, turn.assistant.id, "\0'; --" * 99),
        ):
            with pytest.raises(NotFound):
                await chat.answers.decide(user_id, message_id, call_id, approved=True)
        assert await chat.answers.decide(ana, turn.assistant.id, "call_1", approved=False) == "denied"


async def test_of_two_who_decide_at_once_one_is_heard(
    database: Database, storage_settings: Settings, ana: UUID
) -> None:
    model = FakeAssistant([CALL, QUESTION, END])
    said: list[str] = []
    async with run_chat_services(database, storage_settings, ana, model) as chat:
        turn = await chat.send()
        await asked(chat, turn)

        async def decide(approved: bool) -> None:
            try:
                said.append(await chat.answers.decide(ana, turn.assistant.id, "call_1", approved=approved))
            except ApprovalOver:
                said.append("over")

        async with anyio.create_task_group() as group:
            for n in range(10):
                group.start_soon(decide, n % 2 == 0)
        get_done(await chat.collect_events(turn.assistant.id))
    assert len(set(said) - {"over"}) == 1
    assert model.decisions == [next(iter(set(said) - {"over"}))]
    assert said.count("over") == 5


async def test_two_people_are_asked_at_once(
    database: Database, storage_settings: Settings, ana: UUID
) -> None:
    """Each decides for a call of the same name, and neither for the other's."""
    bob = await add_user(database, "bob")
    model = FakeAssistant([CALL, QUESTION, delta("ok"), END])
    async with run_chat_services(database, storage_settings, ana, model) as chat:
        hers, other = await chat.send(), replace(chat, user_id=bob)
        his = await other.send()
        await asked(chat, hers)
        await asked(other, his)
        await chat.answers.decide(ana, hers.assistant.id, "call_1", approved=True)
        events = await chat.collect_events(hers.assistant.id)
        assert happened(events)[-1][0] == "tool_result"
        assert (await other.load(his.assistant)).status == "streaming"
        await chat.answers.decide(bob, his.assistant.id, "call_1", approved=False)
        assert happened(await other.collect_events(his.assistant.id))[-1][0] == "tool_error"
    assert model.decisions == ["approved", "denied"]


@pytest.mark.parametrize("step", [QUESTION, None], ids=["asking", "running"])
async def test_stop_ends_questions_and_running_tools(
    database: Database, storage_settings: Settings, ana: UUID, step: Any
) -> None:
    model = FakeAssistant([delta("a moment"), CALL, step, delta("never")])
    async with run_chat_services(database, storage_settings, ana, model) as chat:
        turn = await chat.send()
        await chat.wait_until_saved(turn.assistant, "a moment")
        if step is QUESTION:
            await asked(chat, turn)
        assert await chat.answers.stop(ana, turn.user.conversation_id) == turn.assistant.id
        events = await chat.collect_events(turn.assistant.id)
        assert get_done(events).status == "stopped"
        name, data = happened(events)[-1]
        assert (name, data["code"], data["call_id"], data["ms"]) == ("tool_error", "stopped", "call_1", None)
        stored = await chat.load(turn.assistant)
        assert (stored.status, told(stored)) == ("interrupted", happened(events))
        if step is QUESTION:
            with pytest.raises(ApprovalOver, match="ended"):
                await chat.answers.decide(ana, turn.assistant.id, "call_1", approved=True)
    assert model.decisions == []


async def test_the_end_of_the_server_ends_questions(
    database: Database, storage_settings: Settings, ana: UUID
) -> None:
    model = FakeAssistant([CALL, QUESTION, END])
    async with run_chat_services(database, storage_settings, ana, model) as chat:
        turn = await chat.send()
        await asked(chat, turn)
        await chat.answers.drain()
        stored = await chat.load(turn.assistant)
    assert (stored.status, told(stored)[-1][1]["code"]) == ("interrupted", "interrupted")
    assert model.decisions == []


async def test_a_conversation_that_is_deleted_takes_its_question_along(
    database: Database, storage_settings: Settings, ana: UUID
) -> None:
    model = FakeAssistant([CALL, QUESTION, END])
    async with run_chat_services(database, storage_settings, ana, model) as chat:
        turn = await chat.send()
        await asked(chat, turn)
        await chat.conversations.delete(ana, turn.user.conversation_id)
        with pytest.raises(NotFound):
            await chat.answers.decide(ana, turn.assistant.id, "call_1", approved=True)
        with anyio.fail_after(20):
            while chat.answers.count:  # noqa: ASYNC110  # nobody follows it
                await anyio.sleep(0.01)
    assert model.decisions == []


async def test_what_a_killed_process_left_says_so(
    database: Database, storage_settings: Settings, ana: UUID
) -> None:
    """Its calls have an end as well, and readers who come back are told everything."""
    dead = new_id()
    async with run_chat_services(database, storage_settings, ana, FakeChat()) as chat:
        conversation = await chat.conversations.create(ana)
        calls = [
            ToolEvent.create("tool_call", 4, 0, {"call_id": id_, "name": "x", "toolset": "y"}) for id_ in "ab"
        ]
        ended = ToolEvent.create("tool_result", 4, 0, {"call_id": "a", "result": "1"})
        async with database.write() as session:
            turn = await messages.append_turn(session, ana, conversation.id, "hello", run_id=dead)
            entries = [each.to_json() for each in (*calls, ended)]
            assert await checkpoint(session, turn.assistant.id, dead, "wait", None, entries)
            assert await checkpoint(session, turn.assistant.id, dead, "wait for it")
            await approvals.ask(session, turn.assistant.id, "b", utc_now() + timedelta(hours=1))
        async with database.write() as session:
            assert await interrupt_dead(session, database.run_id, lease_s=0) == 1
        events = await chat.collect_events(turn.assistant.id)
        assert get_failed(events).code == "interrupted"
        wanted = ["TextDelta", "tool_call", "tool_call", "tool_result", "TextDelta", "tool_error", "Failed"]
        assert names(events) == wanted
        last = happened(events)[-1][1]
        assert (last["call_id"], last["code"]) == ("b", "interrupted")
        assert last["error"] == "the server ended before this call did; how the call ended is unknown"
        with pytest.raises(ApprovalOver, match="ended"):
            await chat.answers.decide(ana, turn.assistant.id, "b", approved=True)


async def test_another_process_may_hear_the_word(
    postgres_server: PostgresServer,
    postgres_template: str,
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """On PostgreSQL the request that decides need not come to the process that answers."""
    monkeypatch.setattr(tools, "POLL_S", 0.02)
    settings = make_settings(tmp_path_factory.mktemp("two"), postgres_server.create(postgres_template))
    one, two = Database(settings), Database(settings)
    try:
        ana = await add_user(one, "ana")
        model = FakeAssistant([CALL, QUESTION, delta("done"), END])
        async with (
            run_chat_services(one, settings, ana, model) as here,
            run_chat_services(two, settings, ana, model) as there,
        ):
            turn = await here.send()
            await asked(there, turn)
            assert await there.answers.decide(ana, turn.assistant.id, "call_1", approved=True) == "approved"
            events = await there.collect_events(turn.assistant.id)
        assert names(events) == [
            *("tool_call", "approval_required", "approval_decided", "tool_result", "TextDelta", "Done")
        ]
        assert model.decisions == ["approved"]
    finally:
        await one.aclose()
        await two.aclose()
