"""Checkpoints: when an answer is stored while its model goes on, on both kinds of database."""

from contextlib import aclosing
from uuid import UUID

import anyio
import anyio.lowlevel
import pytest

from app.core.config import Settings
from app.services.chat import checkpoints
from app.storage import conversations
from app.storage.database import Database
from tests.fakes.llm_providers import FakeChat, Gate, delta, pieces
from tests.support.conversations import get_failed, run_chat_services


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


async def test_a_kilobyte_is_saved_at_once(
    database: Database, storage_settings: Settings, ana: UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checkpoints, "SAVE_S", 600.0)
    script = [delta("x" * 500), delta("x" * 524), None]
    async with run_chat_services(database, storage_settings, ana, FakeChat(script)) as chat:
        turn = await chat.send()
        await chat.wait_until_saved(turn.assistant, "x" * 1024)


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
