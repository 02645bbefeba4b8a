"""One answer from its message to its stored end, on both kinds of database."""

from contextlib import aclosing
from uuid import UUID

import anyio
import anyio.lowlevel
import pytest

from app.core.config import Settings
from app.core.errors import (
    NotFound,
    StorageUnavailable,
    UpstreamError,
)
from app.services.chat.events import Done
from app.storage.database import Database
from tests.fakes.llm_providers import FakeChat, Gate, delta, pieces
from tests.support.conversations import get_done, get_failed, join_text, run_chat_services
from tests.support.database import FailingDatabase, add_user


async def test_a_message_is_stored_and_answered(
    database: Database, storage_settings: Settings, ana: UUID
) -> None:
    async with run_chat_services(database, storage_settings, ana, FakeChat()) as chat:
        turn = await chat.send("  what   is\nthis? " + "x" * 100)
        events = await chat.collect_events(turn.assistant.id)
        assert join_text(events) == "Hello"
        assert turn.title == ("what is this? " + "x" * 100)[:50]
        end = get_done(events)
        assert (end.status, end.message_id, end.finish_reason) == ("completed", turn.assistant.id, "stop")
        assert (end.model, end.provider) == ("fake/tiny", "fake")
        assert end.usage == {"prompt_tokens": 11, "completion_tokens": 2, "total_tokens": 13}
        asked, answer = await chat.messages(turn.user.conversation_id)
        assert (asked.role, asked.status, asked.parent_id) == ("user", "complete", None)
        assert (answer.content, answer.status, answer.parent_id) == ("Hello", "complete", asked.id)
        assert (answer.model, answer.finish_reason, answer.error) == ("fake/tiny", "stop", None)


async def test_the_end_is_stored_before_it_is_told(
    database: Database, storage_settings: Settings, ana: UUID
) -> None:
    async with run_chat_services(database, storage_settings, ana, FakeChat()) as chat:
        turn = await chat.send()
        async with aclosing(await chat.answers.follow(ana, turn.assistant.id)) as events:
            async for _, event in events:
                if isinstance(event, Done):
                    assert (await chat.load(turn.assistant)).status == "complete"
        again = await chat.answers.send(ana, turn.user.conversation_id, "and now?")
        assert get_done(await chat.collect_events(again.assistant.id)).status == "completed"


async def test_a_deleted_conversation_ends_its_answer(
    database: Database, storage_settings: Settings, ana: UUID
) -> None:
    model = FakeChat([delta("Hel"), None])
    async with run_chat_services(database, storage_settings, ana, model) as chat:
        turn = await chat.send()
        async with aclosing(await chat.answers.follow(ana, turn.assistant.id)) as events:
            await anext(events)
            await chat.conversations.delete(ana, turn.user.conversation_id)
            with anyio.fail_after(10):
                assert get_failed([event async for _, event in events]).code == "not_found"
        assert model.closed == 1
        with pytest.raises(NotFound):
            await chat.answers.follow(ana, turn.assistant.id)


@pytest.mark.parametrize(
    ("error", "code"),
    [(UpstreamError("it broke off"), "upstream_error"), (ValueError("of the prompt"), "engine_failed")],
)
async def test_a_model_that_fails_leaves_what_had_arrived(
    database: Database, storage_settings: Settings, ana: UUID, error: Exception, code: str
) -> None:
    async with run_chat_services(database, storage_settings, ana, FakeChat([delta("Hel"), error])) as chat:
        turn = await chat.send()
        for _ in ("live", "stored"):
            events = await chat.collect_events(turn.assistant.id)
            assert (join_text(events), get_failed(events).code) == ("Hel", code)
            assert "of the prompt" not in get_failed(events).message
        stored = await chat.load(turn.assistant)
        assert (stored.content, stored.status) == ("Hel", "failed")


async def test_an_answer_takes_no_longer_than_the_setting(
    database: Database, storage_settings: Settings, ana: UUID
) -> None:
    async with run_chat_services(
        database, storage_settings, ana, FakeChat([delta("a"), None]), answer_s=0.2
    ) as chat:
        turn = await chat.send()
        end = get_failed(await chat.collect_events(turn.assistant.id))
        assert (end.code, "chat.answer_s" in end.message) == ("upstream_timeout", True)
        stored = await chat.load(turn.assistant)
        assert (stored.content, stored.status) == ("a", "interrupted")


async def test_an_end_that_cannot_be_stored_is_tried_again(storage_settings: Settings) -> None:
    """Nobody is told that it is done, and it is stored as soon as that can be."""
    database, gate = FailingDatabase(storage_settings), Gate()
    try:
        ana = await add_user(database, "ana")
        async with run_chat_services(
            database, storage_settings, ana, FakeChat(pieces("Hel", gate, "lo"))
        ) as chat:
            turn = await chat.send()
            following = await chat.answers.follow(ana, turn.assistant.id)
            database.broken = True
            gate.set()
            async with aclosing(following) as events:
                with anyio.fail_after(10):
                    assert get_failed([event async for _, event in events]).code == "storage_unavailable"
            with pytest.raises(StorageUnavailable):
                await chat.answers.send(ana, turn.user.conversation_id, "more")
            database.broken = False
            await chat.wait_until_saved(turn.assistant, "Hello")
            assert get_done(await chat.collect_events(turn.assistant.id)).status == "completed"
    finally:
        await database.aclose()
