"""Checkpoints: how answers are stored while their models go on, on both kinds of database."""

from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from typing import cast
from uuid import UUID

import anyio
import anyio.lowlevel
import pytest
from sqlalchemy import select

from app.core.config import Settings
from app.services.chat import checkpoints
from app.services.chat.buffer import AnswerBuffer
from app.services.chat.checkpoints import Checkpointer, CheckpointWriter
from app.services.chat.outcome import EndReason
from app.storage import conversations, messages
from app.storage.database import Database
from app.storage.tables import MessageRow
from app.storage.tool_events import ToolEvent
from tests.fakes.llm_providers import FakeChat, Gate, delta, pieces
from tests.support.conversations import get_failed, run_chat_services
from tests.support.database import CountingDatabase, FailingDatabase


async def test_what_has_arrived_is_saved_while_the_model_goes_on(
    database: Database, storage_settings: Settings, ana: UUID
) -> None:
    gate = Gate()
    model = FakeChat(pieces("a", gate, "b", None))
    async with run_chat_services(database, storage_settings, ana, model) as chat:
        turn = await chat.send()
        await chat.wait_until_saved(turn.assistant, "a")
        assert (await chat.load(turn.assistant)).status == "streaming"
        gate.set()
        await chat.wait_until_saved(turn.assistant, "ab")


MANY = 50


@dataclass
class Growing:
    """An answer that grows without a model."""

    buffer: AnswerBuffer
    checkpointer: Checkpointer
    message_id: UUID
    lost: list[EndReason]

    def grow(self, text: str) -> None:
        self.buffer.add_text(text)
        self.checkpointer.note_change()

    async def load(self, database: Database, user_id: UUID) -> messages.Message:
        async with database.read() as session:
            return await messages.get(session, user_id, self.message_id)

    async def wait_until_stored(self, database: Database, user_id: UUID, text: str) -> None:
        while (await self.load(database, user_id)).content != text:  # noqa: ASYNC110  # a database sends no events
            await anyio.sleep(0.01)


async def make_growing(database: Database, writer: CheckpointWriter, user_id: UUID) -> Growing:
    async with database.write() as session:
        made = await conversations.create(session, user_id)
        turn = await messages.append_turn(session, user_id, made.id, "hello", run_id=database.run_id)
    buffer, lost = AnswerBuffer(), list[EndReason]()
    checkpointer = Checkpointer(database, writer, buffer, turn.assistant.id, on_lost=lost.append)
    return Growing(buffer, checkpointer, turn.assistant.id, lost)


@asynccontextmanager
async def run_writer(writer: CheckpointWriter) -> AsyncIterator[None]:
    async with anyio.create_task_group() as group:
        group.start_soon(writer.run)
        with anyio.fail_after(20):
            yield
        group.cancel_scope.cancel()


async def test_many_answers_that_grow_together_are_stored_together(
    storage_settings: Settings, ana: UUID
) -> None:
    database = CountingDatabase(storage_settings)
    writer = CheckpointWriter(database)
    growing = [await make_growing(database, writer, ana) for _ in range(MANY)]
    async with run_writer(writer):
        for rounds in range(1, 4):
            database.writes = 0
            for each in growing:
                each.grow("word ")
            for each in growing:
                await each.wait_until_stored(database, ana, "word " * rounds)
            assert database.writes == 1
    assert not any(each.lost for each in growing)
    await database.aclose()


async def test_an_answer_that_cannot_be_stored_ends_alone(database: Database, ana: UUID) -> None:
    writer = CheckpointWriter(database)
    good, bad, other = [await make_growing(database, writer, ana) for _ in range(3)]
    bad.buffer.tool_events.append(cast("ToolEvent", object()))  # a fault of ours
    async with run_writer(writer):
        for each in (good, bad, other):
            each.grow("word")
        with pytest.raises(AttributeError):
            await bad.checkpointer.watch()
        for each in (good, other):
            await each.wait_until_stored(database, ana, "word")
    assert (await bad.load(database, ana)).content == ""


@pytest.mark.parametrize("storage_settings", ["postgresql"], indirect=True)
async def test_a_row_that_another_transaction_holds_delays_no_other(
    storage_settings: Settings, ana: UUID
) -> None:
    """SQLite locks the whole file."""
    database = Database(storage_settings)
    writer = CheckpointWriter(database)
    held, free = [await make_growing(database, writer, ana) for _ in range(2)]
    async with run_writer(writer):
        async with database.write() as session:
            await session.execute(
                select(MessageRow.id).where(MessageRow.id == held.message_id).with_for_update()
            )
            held.grow("word")
            free.grow("word")
            await free.wait_until_stored(database, ana, "word")
            assert (await held.load(database, ana)).content == ""
        await held.wait_until_stored(database, ana, "word")
    assert not held.lost
    await database.aclose()


async def test_what_could_not_be_stored_is_stored_once_the_database_is_back(
    storage_settings: Settings, ana: UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checkpoints, "RETRY_S", 0.01)
    database = FailingDatabase(storage_settings)
    writer = CheckpointWriter(database)
    growing = await make_growing(database, writer, ana)
    async with run_writer(writer):
        database.broken = True
        growing.grow("word")
        while database.refused < 3:  # noqa: ASYNC110  # a database sends no events
            await anyio.sleep(0.01)
        database.broken = False  # nothing more arrives
        await growing.wait_until_stored(database, ana, "word")
    await database.aclose()


async def test_a_conversation_that_another_process_deletes_ends_its_answer(
    database: Database, storage_settings: Settings, ana: UUID
) -> None:
    gate = Gate()
    async with run_chat_services(
        database, storage_settings, ana, FakeChat([delta("a"), gate, delta("b"), None])
    ) as chat:
        turn = await chat.send()
        await chat.wait_until_saved(turn.assistant, "a")
        async with database.write() as session:
            await conversations.remove(session, ana, turn.user.conversation_id)
        listening = await chat.answers.follow(ana, turn.assistant.id)
        gate.set()
        async with aclosing(listening) as events:
            with anyio.fail_after(10):
                assert get_failed([event async for _, event in events]).code == "not_found"
