"""Answers in conversations: begun, followed, stored, stopped and cut short, on both kinds of database."""

from contextlib import aclosing
from typing import Any
from uuid import UUID

import anyio
import anyio.lowlevel
import pytest

from app.core.config import Settings
from app.core.errors import (
    BadRequest,
    Busy,
    Interrupted,
    MessageTooBig,
    NotFound,
    ServerFull,
    StorageUnavailable,
    UpstreamError,
)
from app.services.chat import answer as runs
from app.services.chat.answer import AnswerOptions
from app.services.chat.events import Cursor, Done, TextDelta
from app.storage import conversations
from app.storage.database import Database
from app.utils.ids import new_id
from tests.fakes.chat_provider import FakeChat, delta, usage
from tests.fakes.gated_chat import Gate, GatedChat, pieces
from tests.support.chatting import chatting, done, failed, text_of, thoughts_of


@pytest.fixture(autouse=True)
def no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    """Save as soon as there is anything, and try again at once."""
    monkeypatch.setattr(runs, "PAUSE_S", 0.01)
    monkeypatch.setattr(runs, "SAVE_S", 0.03)
    monkeypatch.setattr(runs, "RETRY_S", 0.05)


async def test_a_message_is_stored_and_answered(
    database: Database, storage_settings: Settings, ana: UUID
) -> None:
    async with chatting(database, storage_settings, ana, FakeChat()) as chat:
        turn = await chat.sent("  what   is\nthis? " + "x" * 100)
        events = await chat.heard(turn.assistant.id)
        assert text_of(events) == "Hello"
        assert turn.title == ("what is this? " + "x" * 100)[:50]
        end = done(events)
        assert (end.status, end.message_id, end.finish_reason) == ("completed", turn.assistant.id, "stop")
        assert (end.model, end.provider) == ("fake/tiny", "fake")
        assert end.usage == {"prompt_tokens": 11, "completion_tokens": 2, "total_tokens": 13}
        asked, answer = await chat.conversations.messages(ana, turn.user.conversation_id)
        assert (asked.role, asked.status, asked.parent_id) == ("user", "complete", None)
        assert (answer.content, answer.status, answer.parent_id) == ("Hello", "complete", asked.id)
        assert (answer.model, answer.finish_reason, answer.error) == ("fake/tiny", "stop", None)


async def test_the_end_is_stored_before_it_is_told(
    database: Database, storage_settings: Settings, ana: UUID
) -> None:
    async with chatting(database, storage_settings, ana, FakeChat()) as chat:
        turn = await chat.sent()
        async with aclosing(await chat.answers.follow(ana, turn.assistant.id)) as events:
            async for event in events:
                if isinstance(event, Done):
                    assert (await chat.stored(turn.assistant)).status == "complete"
        again = await chat.answers.send(ana, turn.user.conversation_id, "and now?")
        assert done(await chat.heard(again.assistant.id)).status == "completed"


async def test_an_answer_that_nobody_follows_is_made(
    database: Database, storage_settings: Settings, ana: UUID
) -> None:
    gate = Gate()
    async with chatting(database, storage_settings, ana, GatedChat(pieces("Hel", gate, "lo"))) as chat:
        turn = await chat.sent()
        async with aclosing(await chat.answers.follow(ana, turn.assistant.id)) as events:
            assert isinstance(await anext(events), TextDelta)
        gate.set()
        await chat.saved(turn.assistant, "Hello")


async def test_what_is_told_from_any_place_on_is_the_rest(
    database: Database, storage_settings: Settings, ana: UUID
) -> None:
    """While it is made, and when it is stored."""
    gate, text = Gate(), "¿Qué tal? 👍🏽 fine"
    script = [delta("", reasoning_content="hm "), *map(delta, text[:9]), gate]
    script += [delta("", reasoning_content="ok"), *map(delta, text[9:]), delta("", finish="stop")]
    async with chatting(database, storage_settings, ana, GatedChat(script)) as chat:
        turn = await chat.sent()
        places = [Cursor(said, thought) for said in range(len(text) + 2) for thought in range(7)]
        live: dict[Cursor, Any] = {}

        async def follow(cursor: Cursor) -> None:
            live[cursor] = await chat.heard(turn.assistant.id, cursor)

        async with anyio.create_task_group() as group:
            for cursor in places:
                group.start_soon(follow, cursor)
            await anyio.lowlevel.checkpoint()
            gate.set()
        stored = {cursor: await chat.heard(turn.assistant.id, cursor) for cursor in places}
    for cursor in places:
        for events in (live[cursor], stored[cursor]):
            assert text_of(events) == text[cursor.text :]
            assert thoughts_of(events) == "hm ok"[cursor.reasoning :]
            assert done(events).finish_reason == "stop"


async def test_every_event_tells_where_to_go_on(
    database: Database, storage_settings: Settings, ana: UUID
) -> None:
    async with chatting(database, storage_settings, ana, FakeChat(list(map(delta, "one two three")))) as chat:
        turn = await chat.sent()
        events = await chat.heard(turn.assistant.id)
        for at, event in enumerate(events):
            rest = await chat.heard(turn.assistant.id, event.cursor)
            assert text_of(events[: at + 1]) + text_of(rest) == "one two three"


async def test_thought_is_kept_apart(database: Database, storage_settings: Settings, ana: UUID) -> None:
    script = [delta("", reasoning_content="Let me see."), delta("42"), delta("", finish="stop"), usage(3, 4)]
    async with chatting(database, storage_settings, ana, FakeChat(script)) as chat:
        turn = await chat.sent()
        events = await chat.heard(turn.assistant.id)
        assert (thoughts_of(events), text_of(events)) == ("Let me see.", "42")
        stored = await chat.stored(turn.assistant)
        assert (stored.reasoning, stored.content) == ("Let me see.", "42")


async def test_what_has_arrived_is_saved_while_the_model_goes_on(
    database: Database, storage_settings: Settings, ana: UUID
) -> None:
    gate = Gate()
    async with chatting(database, storage_settings, ana, GatedChat(pieces("a", gate, "b", None))) as chat:  # type: ignore[arg-type]
        turn = await chat.sent()
        await chat.saved(turn.assistant, "a")
        assert (await chat.stored(turn.assistant)).status == "streaming"
        gate.set()
        await chat.saved(turn.assistant, "ab")


async def test_a_kilobyte_is_saved_at_once(
    database: Database, storage_settings: Settings, ana: UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runs, "SAVE_S", 600.0)
    script = [delta("x" * 500), delta("x" * 524), None]
    async with chatting(database, storage_settings, ana, FakeChat(script)) as chat:
        turn = await chat.sent()
        await chat.saved(turn.assistant, "x" * 1024)


async def test_stop_keeps_what_had_arrived(database: Database, storage_settings: Settings, ana: UUID) -> None:
    model = FakeChat([delta("Hel"), None])
    async with chatting(database, storage_settings, ana, model) as chat:
        turn = await chat.sent()
        async with aclosing(await chat.answers.follow(ana, turn.assistant.id)) as events:
            await anext(events)
            assert await chat.answers.stop(ana, turn.user.conversation_id) == turn.assistant.id
            rest = [event async for event in events]
        stored = await chat.stored(turn.assistant)
        assert (stored.content, stored.status) == ("Hel", "interrupted")
        assert done(rest).status == done(await chat.heard(turn.assistant.id)).status == "stopped"
        assert (model.opened, model.closed) == (1, 1)
        assert await chat.answers.stop(ana, turn.user.conversation_id) is None
        with pytest.raises(NotFound):
            await chat.answers.stop(new_id(), turn.user.conversation_id)


async def test_one_answer_at_a_time(database: Database, storage_settings: Settings, ana: UUID) -> None:
    """Of ten messages at once one is taken, the others leave no trace."""
    async with chatting(database, storage_settings, ana, FakeChat([delta("a"), None])) as chat:
        conversation = await chat.conversations.create(ana)
        outcomes: list[str] = []

        async def send() -> None:
            try:
                await chat.answers.send(ana, conversation.id, "hello")
                outcomes.append("taken")
            except Busy:
                outcomes.append("busy")

        async with anyio.create_task_group() as group:
            for _ in range(10):
                group.start_soon(send)
        assert sorted(outcomes) == ["busy"] * 9 + ["taken"]
        assert len(await chat.conversations.messages(ana, conversation.id, all_branches=True)) == 2


async def test_a_deleted_conversation_ends_its_answer(
    database: Database, storage_settings: Settings, ana: UUID
) -> None:
    model = FakeChat([delta("Hel"), None])
    async with chatting(database, storage_settings, ana, model) as chat:
        turn = await chat.sent()
        async with aclosing(await chat.answers.follow(ana, turn.assistant.id)) as events:
            await anext(events)
            await chat.conversations.delete(ana, turn.user.conversation_id)
            with anyio.fail_after(10):
                assert failed([event async for event in events]).code == "not_found"
        assert model.closed == 1
        with pytest.raises(NotFound):
            await chat.answers.follow(ana, turn.assistant.id)


async def test_a_conversation_that_another_process_deletes_ends_its_answer(
    database: Database, storage_settings: Settings, ana: UUID
) -> None:
    gate = Gate()
    async with chatting(
        database, storage_settings, ana, GatedChat([delta("a"), gate, delta("b"), None])
    ) as chat:
        turn = await chat.sent()
        await chat.saved(turn.assistant, "a")
        async with database.write() as session:
            await conversations.remove(session, ana, turn.user.conversation_id)
        listening = await chat.answers.follow(ana, turn.assistant.id)
        gate.set()
        async with aclosing(listening) as events:
            with anyio.fail_after(10):
                assert failed([event async for event in events]).code == "not_found"


async def test_a_model_that_is_gone_leaves_the_message(
    database: Database, storage_settings: Settings, ana: UUID
) -> None:
    async with chatting(database, storage_settings, ana, FakeChat()) as chat:
        turn = await chat.sent("hello", options=AnswerOptions(model="gone/away"))
        end = failed(await chat.heard(turn.assistant.id))
        assert end.code == "model_not_found"
        assert "'gone/away'" in end.message
        asked, answer = await chat.conversations.messages(ana, turn.user.conversation_id)
        assert (asked.content, answer.status, answer.content) == ("hello", "failed", "")
        assert answer.error == {"code": "model_not_found", "message": end.message}


@pytest.mark.parametrize(
    ("error", "code"),
    [(UpstreamError("it broke off"), "upstream_error"), (ValueError("of the prompt"), "engine_failed")],
)
async def test_a_model_that_fails_leaves_what_had_arrived(
    database: Database, storage_settings: Settings, ana: UUID, error: Exception, code: str
) -> None:
    async with chatting(database, storage_settings, ana, FakeChat([delta("Hel"), error])) as chat:
        turn = await chat.sent()
        for _ in ("live", "stored"):
            events = await chat.heard(turn.assistant.id)
            assert (text_of(events), failed(events).code) == ("Hel", code)
            assert "of the prompt" not in failed(events).message
        stored = await chat.stored(turn.assistant)
        assert (stored.content, stored.status) == ("Hel", "failed")


async def test_an_answer_takes_no_longer_than_the_setting(
    database: Database, storage_settings: Settings, ana: UUID
) -> None:
    async with chatting(database, storage_settings, ana, FakeChat([delta("a"), None]), answer_s=0.2) as chat:
        turn = await chat.sent()
        end = failed(await chat.heard(turn.assistant.id))
        assert (end.code, "chat.answer_s" in end.message) == ("upstream_timeout", True)
        stored = await chat.stored(turn.assistant)
        assert (stored.content, stored.status) == ("a", "interrupted")


async def test_an_answer_that_never_ends_is_cut(
    database: Database, storage_settings: Settings, ana: UUID
) -> None:
    model = FakeChat([delta("x" * 600), delta("x" * 600), None])
    async with chatting(database, storage_settings, ana, model, answer_chars=1000) as chat:
        turn = await chat.sent()
        assert done(await chat.heard(turn.assistant.id)).finish_reason == "length"
        assert model.closed == 1


async def test_the_end_of_the_server_keeps_what_had_arrived(
    database: Database, storage_settings: Settings, ana: UUID
) -> None:
    """And whoever comes back to the next server is told it."""
    async with chatting(database, storage_settings, ana, FakeChat([delta("Hel"), None])) as chat:
        turn = await chat.sent()
        async with aclosing(await chat.answers.follow(ana, turn.assistant.id)) as events:
            first = await anext(events)
            with anyio.fail_after(2):
                await chat.answers.drain()
            assert failed([event async for event in events]).code == "interrupted"
        with pytest.raises(Interrupted):
            await chat.answers.send(ana, turn.user.conversation_id, "more")
    async with chatting(database, storage_settings, ana, FakeChat()) as chat:
        stored = await chat.stored(turn.assistant)
        assert (stored.content, stored.status) == ("Hel", "interrupted")
        again = await chat.heard(turn.assistant.id, first.cursor)
        assert (text_of(again), failed(again).code) == ("", "interrupted")
        after = await chat.answers.send(ana, turn.user.conversation_id, "more")
        assert text_of(await chat.heard(after.assistant.id)) == "Hello"


class FailingDatabase(Database):
    """Cannot be written while `broken`."""

    broken = False

    def write(self) -> Any:
        if self.broken:
            raise StorageUnavailable("the database cannot be written: the disk is full")
        return super().write()


async def test_an_end_that_cannot_be_stored_is_tried_again(storage_settings: Settings) -> None:
    """Nobody is told that it is done, and it is stored as soon as that can be."""
    from tests.support.postgres import person

    database, gate = FailingDatabase(storage_settings), Gate()
    try:
        ana = await person(database, "ana")
        async with chatting(database, storage_settings, ana, GatedChat(pieces("Hel", gate, "lo"))) as chat:
            turn = await chat.sent()
            following = await chat.answers.follow(ana, turn.assistant.id)
            database.broken = True
            gate.set()
            async with aclosing(following) as events:
                with anyio.fail_after(10):
                    assert failed([event async for event in events]).code == "storage_unavailable"
            with pytest.raises(StorageUnavailable):
                await chat.answers.send(ana, turn.user.conversation_id, "more")
            database.broken = False
            await chat.saved(turn.assistant, "Hello")
            assert done(await chat.heard(turn.assistant.id)).status == "completed"
    finally:
        await database.aclose()


async def test_nothing_of_another_user_can_be_reached(
    database: Database, storage_settings: Settings, ana: UUID
) -> None:
    async with chatting(database, storage_settings, ana, FakeChat([delta("secret"), None])) as chat:
        turn = await chat.sent()
        bob, theirs = new_id(), turn.user.conversation_id
        for attempt in (
            chat.answers.follow(bob, turn.assistant.id),
            chat.answers.send(bob, theirs, "hello"),
            chat.answers.answer(bob, theirs, turn.user.id),
            chat.answers.stop(bob, theirs),
            chat.conversations.get(bob, theirs),
            chat.conversations.messages(bob, theirs),
            chat.conversations.delete(bob, theirs),
            chat.conversations.change(bob, theirs, title="mine"),
        ):
            with pytest.raises(NotFound):
                await attempt
        with pytest.raises(NotFound):
            await chat.answers.follow(ana, turn.user.id)  # a question is no answer


async def test_what_cannot_be_a_message_is_refused(
    database: Database, storage_settings: Settings, ana: UUID
) -> None:
    async with chatting(database, storage_settings, ana, FakeChat(), message_chars=1000, answers=1) as chat:
        conversation = await chat.conversations.create(ana)
        for text in ("", " \n\t"):
            with pytest.raises(BadRequest, match="empty"):
                await chat.answers.send(ana, conversation.id, text)
        with pytest.raises(MessageTooBig, match=r"chat\.message_chars"):
            await chat.answers.send(ana, conversation.id, "x" * 1001)
        with pytest.raises(NotFound):
            await chat.answers.send(ana, conversation.id, "hello", parent=new_id())
        assert await chat.conversations.messages(ana, conversation.id) == ()


async def test_so_many_answers_at_once(database: Database, storage_settings: Settings, ana: UUID) -> None:
    async with chatting(database, storage_settings, ana, FakeChat([None]), answers=1) as chat:
        turn = await chat.sent()
        with pytest.raises(ServerFull, match=r"chat\.answers"):
            await chat.sent()
        await chat.answers.stop(ana, turn.user.conversation_id)
        await chat.sent()


async def test_what_was_said_before_is_sent_along(
    database: Database, storage_settings: Settings, ana: UUID
) -> None:
    model = FakeChat()
    settings = {"temperature": 0.5, "max_tokens": 9}
    async with chatting(database, storage_settings, ana, model, context_messages=3) as chat:
        made = await chat.conversations.create(ana, system_prompt="Be brief.", settings=settings)
        for text in ("one", "two", "three"):
            turn = await chat.answers.send(ana, made.id, text, options=AnswerOptions(temperature=0.0))
            await chat.heard(turn.assistant.id)
        body = model.requests[-1].body
        assert [message["content"] for message in body["messages"]] == ["Be brief.", "two", "Hello", "three"]
        assert (body["temperature"], body["max_tokens"], "top_p" in body) == (0.0, 9, False)
        edited = await chat.answers.send(ana, made.id, "uno", parent=None)
        await chat.heard(edited.assistant.id)
        assert [message["content"] for message in model.requests[-1].body["messages"]] == ["Be brief.", "uno"]
        again = await chat.answers.answer(ana, made.id, edited.user.id)
        assert text_of(await chat.heard(again.id)) == "Hello"
        assert model.requests[-1].body["messages"] == model.requests[-2].body["messages"]
        with pytest.raises(BadRequest):
            await chat.answers.answer(ana, made.id, again.id)


async def test_nothing_is_kept_of_answers_that_have_ended(
    database: Database, storage_settings: Settings, ana: UUID
) -> None:
    async with chatting(database, storage_settings, ana, FakeChat()) as chat:
        for _ in range(5):
            turn = await chat.sent()
            await chat.heard(turn.assistant.id)
        with anyio.fail_after(5):
            while chat.answers.count:  # noqa: ASYNC110  # nothing tells of it
                await anyio.sleep(0.01)
