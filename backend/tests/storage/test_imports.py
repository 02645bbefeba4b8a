"""Imports and imported conversations in both databases: one at a time, known again, interrupted, kept by retention."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from app.core.errors import Busy, NotFound
from app.storage import answers, conversations, imports, messages
from app.storage.common import utc_now
from app.storage.database import Database
from app.storage.imports import KEPT, ImportedMessage, NewConversation
from app.utils.ids import new_id

AT = datetime(2024, 5, 1, 12, tzinfo=UTC)


async def create(database: Database, user_id: UUID) -> UUID:
    async with database.write() as session:
        made = await imports.create(
            session, user_id, database.run_id, name="a.json", size_bytes=5 << 30, dry_run=False
        )
    return made.id


def make_new(**fields: Any) -> NewConversation:
    about: dict[str, Any] = {
        "origin": "o" * 64,
        "own_id": "",
        "title": "Old",
        "created_at": AT,
        "updated_at": AT + timedelta(hours=1),
        "model": None,
        "system_prompt": None,
        "settings": {},
        "is_archived": False,
        **fields,
    }
    return NewConversation(**about)


def make_message(key: str, parent: str | None, content: str) -> ImportedMessage:
    return ImportedMessage(
        key=key,
        parent_key=parent,
        client_message_id=new_id(),
        role="user",
        content=content,
        reasoning=None,
        model=None,
        created_at=AT,
        folded=content.lower(),
        status="complete",
        tool_data=None,
    )


async def store(database: Database, user_id: UUID, *said: ImportedMessage) -> UUID:
    async with database.write() as session:
        target = await imports.create_target(session, user_id, make_new())
        id_of: dict[str, UUID] = {}
        await imports.add_messages(session, user_id, target.id, said, id_of)
        await imports.show_leaf(session, target.id, id_of[said[-1].key], AT)
    return target.id


async def test_an_import_from_its_beginning_to_its_end(database: Database, ana: UUID, bob: UUID) -> None:
    id_ = await create(database, ana)
    async with database.write() as session:
        assert await imports.is_any_under_way(session, ana)
        assert not await imports.is_any_under_way(session, bob)
        assert await imports.begin_work(session, id_, 7)
        assert await imports.note_progress(session, id_, 3)
    async with database.read() as session:
        found = await imports.get(session, ana, id_)
        assert (found.state, found.done, found.total, found.size_bytes) == ("working", 3, 7, 5 << 30)
        with pytest.raises(NotFound):
            await imports.get(session, bob, id_)
        assert await imports.list_all(session, bob) == ()
    async with database.write() as session:
        await imports.end(session, id_, "done", report={"created": 7})
        assert not await imports.note_progress(session, id_, 4)
        assert not await imports.is_any_under_way(session, ana)
    async with database.read() as session:
        (ended,) = await imports.list_all(session, ana)
        assert (ended.state, ended.report) == ("done", {"created": 7})


async def test_a_cancelled_import_stays_cancelled_and_gets_its_report(database: Database, ana: UUID) -> None:
    id_ = await create(database, ana)
    async with database.write() as session:
        assert (await imports.cancel_or_forget(session, ana, id_)).state == "waiting"
        assert not await imports.begin_work(session, id_, 7)
        await imports.end(session, id_, "done", report={"created": 0})
    async with database.read() as session:
        found = await imports.get(session, ana, id_)
        assert (found.state, found.report) == ("cancelled", {"created": 0})
    async with database.write() as session:
        await imports.cancel_or_forget(session, ana, id_)
    async with database.read() as session:
        assert await imports.list_all(session, ana) == ()


async def test_only_so_many_are_listed(database: Database, ana: UUID) -> None:
    first = await create(database, ana)
    async with database.write() as session:
        await imports.end(session, first, "done")
    for _ in range(KEPT):
        id_ = await create(database, ana)
        async with database.write() as session:
            await imports.end(session, id_, "failed")
    async with database.read() as session:
        listed = await imports.list_all(session, ana)
        assert len(listed) == KEPT
        with pytest.raises(NotFound):
            await imports.get(session, ana, first)


async def test_the_end_of_a_run_interrupts_its_imports(database: Database, ana: UUID) -> None:
    id_ = await create(database, ana)
    async with database.write() as session:
        await answers.end_run(session, database.run_id)
    async with database.read() as session:
        found = await imports.get(session, ana, id_)
        assert found.state == "interrupted"
        assert found.error == imports.INTERRUPTED


async def test_a_conversation_is_known_again_by_its_origin_and_its_messages(
    database: Database, ana: UUID, bob: UUID
) -> None:
    first, second = make_message("a", None, "Hello"), make_message("b", "a", "World")
    id_ = await store(database, ana, first, second)
    async with database.read() as session:
        target = await imports.find_target(session, ana, make_new(), lock=False)
        assert target is not None
        assert (target.id, target.is_new) == (id_, False)
        assert target.known[second.client_message_id] == target.leaf_id
        assert await imports.find_target(session, bob, make_new(), lock=False) is None
        assert await imports.find_target(session, ana, make_new(origin="p" * 64), lock=False) is None
        own = make_new(origin="p" * 64, own_id=str(id_))
        assert await imports.find_target(session, ana, own, lock=False) is not None
        branch = await messages.read_branch(session, ana, id_)
        assert [each.content for each in branch] == ["Hello", "World"]
        page = await conversations.list_page(session, ana, q="world")
        assert [each.id for each in page.items] == [id_]


async def test_a_conversation_that_is_answered_waits(database: Database, ana: UUID) -> None:
    id_ = await store(database, ana, make_message("a", None, "Hello"))
    async with database.write() as session:
        await messages.append_turn(session, ana, id_, "And?", run_id=database.run_id)
    with pytest.raises(Busy):
        async with database.write() as session:
            await imports.find_target(session, ana, make_new(), lock=True)


async def test_what_was_imported_now_is_not_too_old(database: Database, ana: UUID) -> None:
    """Its own times stay, and order the list; the retention counts from the import."""
    async with database.write() as session:
        young = await conversations.create(session, ana, title="Young")
    id_ = await store(database, ana, make_message("a", None, "Hello"))
    async with database.write() as session:
        assert await conversations.remove_idle(session, utc_now() - timedelta(days=1), 10) == 0
        page = await conversations.list_page(session, ana)
        assert [each.id for each in page.items] == [young.id, id_]
        assert page.items[1].updated_at == AT + timedelta(hours=1)
        assert await conversations.remove_idle(session, utc_now() + timedelta(days=1), 10) == 2
