"""The running answers of a process: started, followed, stopped and drained, on both kinds of database."""

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
)
from app.services.chat import answers
from app.services.chat.events import Cursor, TextDelta
from app.storage import conversations, messages
from app.storage.database import Database
from app.utils.ids import new_id
from tests.fakes.llm_providers import FakeChat, Gate, delta, pieces
from tests.support.conversations import get_done, get_failed, join_reasoning, join_text, run_chat_services


async def test_an_answer_that_nobody_follows_is_made(
    database: Database, storage_settings: Settings, ana: UUID
) -> None:
    gate = Gate()
    async with run_chat_services(
        database, storage_settings, ana, FakeChat(pieces("Hel", gate, "lo"))
    ) as chat:
        turn = await chat.send()
        async with aclosing(await chat.answers.follow(ana, turn.assistant.id)) as events:
            assert isinstance((await anext(events)).event, TextDelta)
        gate.set()
        await chat.wait_until_saved(turn.assistant, "Hello")


async def test_what_is_told_from_any_place_on_is_the_rest(
    database: Database, storage_settings: Settings, ana: UUID
) -> None:
    """While it is made, and when it is stored."""
    gate, text = Gate(), "¿Qué tal? 👍🏽 fine"
    script = [delta("", reasoning_content="hm "), *map(delta, text[:9]), gate]
    script += [delta("", reasoning_content="ok"), *map(delta, text[9:]), delta("", finish="stop")]
    async with run_chat_services(database, storage_settings, ana, FakeChat(script)) as chat:
        turn = await chat.send()
        places = [Cursor(said, thought) for said in range(len(text) + 2) for thought in range(7)]
        live: dict[Cursor, Any] = {}

        async def follow(cursor: Cursor) -> None:
            live[cursor] = await chat.collect_events(turn.assistant.id, cursor)

        async with anyio.create_task_group() as group:
            for cursor in places:
                group.start_soon(follow, cursor)
            await anyio.lowlevel.checkpoint()
            gate.set()
        stored = {cursor: await chat.collect_events(turn.assistant.id, cursor) for cursor in places}
    for cursor in places:
        for events in (live[cursor], stored[cursor]):
            assert join_text(events) == text[cursor.text :]
            assert join_reasoning(events) == "hm ok"[cursor.reasoning :]
            assert get_done(events).finish_reason == "stop"


async def test_every_event_tells_where_to_go_on(
    database: Database, storage_settings: Settings, ana: UUID
) -> None:
    async with run_chat_services(
        database, storage_settings, ana, FakeChat(list(map(delta, "one two three")))
    ) as chat:
        turn = await chat.send()
        deliveries = await chat.collect_deliveries(turn.assistant.id)
        events = [event for _, event in deliveries]
        for at, (cursor, _) in enumerate(deliveries):
            rest = await chat.collect_events(turn.assistant.id, cursor)
            assert join_text(events[: at + 1]) + join_text(rest) == "one two three"


@pytest.mark.parametrize("storage_settings", ["postgresql"], indirect=True)
async def test_stop_says_so_where_the_process_that_answers_does_not_react(
    database: Database, storage_settings: Settings, ana: UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It may be gone: its lease has not run out. SQLite has one process."""
    monkeypatch.setattr(answers, "STOP_S", 0.3)
    async with run_chat_services(database, storage_settings, ana, FakeChat()) as chat:
        async with database.write() as session:
            conversation = await conversations.create(session, ana)
            turn = await messages.append_turn(session, ana, conversation.id, "hola", run_id=new_id())
        with pytest.raises(Busy, match="does not react"):
            await chat.answers.stop(ana, conversation.id)
        assert (await chat.load(turn.assistant)).status == "streaming"


async def test_stop_keeps_what_had_arrived(database: Database, storage_settings: Settings, ana: UUID) -> None:
    model = FakeChat([delta("Hel"), None])
    async with run_chat_services(database, storage_settings, ana, model) as chat:
        turn = await chat.send()
        async with aclosing(await chat.answers.follow(ana, turn.assistant.id)) as events:
            await anext(events)
            assert await chat.answers.stop(ana, turn.user.conversation_id) == turn.assistant.id
            rest = [event async for _, event in events]
        stored = await chat.load(turn.assistant)
        assert (stored.content, stored.status) == ("Hel", "interrupted")
        assert (
            get_done(rest).status
            == get_done(await chat.collect_events(turn.assistant.id)).status
            == "stopped"
        )
        assert (model.opened, model.closed) == (1, 1)
        assert await chat.answers.stop(ana, turn.user.conversation_id) is None
        with pytest.raises(NotFound):
            await chat.answers.stop(new_id(), turn.user.conversation_id)


async def test_one_answer_at_a_time(database: Database, storage_settings: Settings, ana: UUID) -> None:
    """Of ten messages at once one is taken, the others leave no trace."""
    async with run_chat_services(database, storage_settings, ana, FakeChat([delta("a"), None])) as chat:
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
        assert len(await chat.messages(conversation.id, all_branches=True)) == 2


async def test_the_end_of_the_server_keeps_what_had_arrived(
    database: Database, storage_settings: Settings, ana: UUID
) -> None:
    """And whoever comes back to the next server is told it."""
    async with run_chat_services(database, storage_settings, ana, FakeChat([delta("Hel"), None])) as chat:
        turn = await chat.send()
        async with aclosing(await chat.answers.follow(ana, turn.assistant.id)) as events:
            first = await anext(events)
            with anyio.fail_after(30):
                await chat.answers.drain()
            assert get_failed([event async for _, event in events]).code == "interrupted"
        with pytest.raises(Interrupted):
            await chat.answers.send(ana, turn.user.conversation_id, "more")
    async with run_chat_services(database, storage_settings, ana, FakeChat()) as chat:
        stored = await chat.load(turn.assistant)
        assert (stored.content, stored.status) == ("Hel", "interrupted")
        again = await chat.collect_events(turn.assistant.id, first.cursor)
        assert (join_text(again), get_failed(again).code) == ("", "interrupted")
        after = await chat.answers.send(ana, turn.user.conversation_id, "more")
        assert join_text(await chat.collect_events(after.assistant.id)) == "Hello"


async def test_nothing_of_another_user_can_be_reached(
    database: Database, storage_settings: Settings, ana: UUID
) -> None:
    async with run_chat_services(database, storage_settings, ana, FakeChat([delta("secret"), None])) as chat:
        turn = await chat.send()
        bob, theirs = new_id(), turn.user.conversation_id
        for attempt in (
            chat.answers.follow(bob, turn.assistant.id),
            chat.answers.send(bob, theirs, "hello"),
            chat.answers.answer(bob, theirs, turn.user.id),
            chat.answers.stop(bob, theirs),
            chat.conversations.get(bob, theirs),
            chat.branches.list_messages(bob, theirs, all_branches=False, last=9),
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
    async with run_chat_services(
        database, storage_settings, ana, FakeChat(), message_chars=1000, answers=1
    ) as chat:
        conversation = await chat.conversations.create(ana)
        for text in ("", " \n\t"):
            with pytest.raises(BadRequest, match="empty"):
                await chat.answers.send(ana, conversation.id, text)
        with pytest.raises(MessageTooBig, match=r"chat\.message_chars"):
            await chat.answers.send(ana, conversation.id, "x" * 1001)
        with pytest.raises(NotFound):
            await chat.answers.send(ana, conversation.id, "hello", parent=new_id())
        assert await chat.messages(conversation.id) == ()


async def test_so_many_answers_at_once(database: Database, storage_settings: Settings, ana: UUID) -> None:
    async with run_chat_services(database, storage_settings, ana, FakeChat([None]), answers=1) as chat:
        turn = await chat.send()
        with pytest.raises(ServerFull, match=r"chat\.answers"):
            await chat.send()
        await chat.answers.stop(ana, turn.user.conversation_id)
        await chat.send()


async def test_nothing_is_kept_of_answers_that_have_ended(
    database: Database, storage_settings: Settings, ana: UUID
) -> None:
    async with run_chat_services(database, storage_settings, ana, FakeChat()) as chat:
        for _ in range(5):
            turn = await chat.send()
            await chat.collect_events(turn.assistant.id)
        with anyio.fail_after(30):
            while chat.answers.count:  # noqa: ASYNC110  # nothing tells of it
                await anyio.sleep(0.01)
