"""The rows of attached files on both databases: given to messages, copied, counted, and swept."""

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from app.core.errors import AttachmentNotReady, NotFound
from app.storage import attachments, conversations, messages
from app.storage.attachments import Attachment, NewAttachment, NewFiles
from app.storage.common import utc_now
from app.storage.database import Database
from app.utils.ids import new_id


async def add(database: Database, user_id: UUID, **fields: Any) -> Attachment:
    usual: dict[str, Any] = {
        "name": "a.txt",
        "kind": "text",
        "media_type": "text/plain",
        "size_bytes": 10,
        "sha256": "a" * 64,
        "tokens": 100,
    }
    async with database.write() as session:
        return await attachments.create(session, user_id, NewAttachment(**usual | fields))


async def send(database: Database, user_id: UUID, *files: Attachment, tokens: int = 1000) -> messages.NewTurn:
    new = NewFiles(ids=tuple(file.id for file in files), text_tokens=tokens)
    async with database.write() as session:
        conversation = await conversations.create(session, user_id)
        return await messages.append_turn(
            session, user_id, conversation.id, "hello", run_id=new_id(), files=new
        )


async def test_a_message_gets_its_files_in_order_and_another_one_copies(
    database: Database, ana: UUID
) -> None:
    first, second = await add(database, ana), await add(database, ana, name="b.txt", sha256="b" * 64)
    turn = await send(database, ana, second, first)
    assert [file.id for file in turn.user.attachments] == [second.id, first.id]
    other = await send(database, ana, first, tokens=40)
    (copy,) = other.user.attachments
    assert (copy.id != first.id, copy.sha256, copy.tokens, copy.cut) == (True, first.sha256, 40, True)
    async with database.read() as session:
        assert (await attachments.get(session, ana, first.id)).tokens == 100
        assert await attachments.sum_bytes(session, ana) == 20
        assert await attachments.list_contents(session, ana) == {"a" * 64, "b" * 64}


async def test_what_belongs_to_another_user_is_not_there(database: Database, ana: UUID, bob: UUID) -> None:
    file = await add(database, ana)
    with pytest.raises(NotFound):
        await send(database, bob, file)
    async with database.write() as session:
        with pytest.raises(NotFound):
            await attachments.get(session, bob, file.id)
        with pytest.raises(NotFound):
            await attachments.remove(session, bob, file.id)
        assert await attachments.list_hashes(session, bob, [file.id]) == []
        assert await attachments.sum_bytes(session, bob) == 0


async def test_a_file_without_its_text_is_not_sent(database: Database, ana: UUID) -> None:
    file = await add(database, ana, kind="audio", state="working", tokens=None, run_id=new_id())
    with pytest.raises(AttachmentNotReady):
        await send(database, ana, file)
    async with database.write() as session:
        assert await attachments.count_working(session, ana) == 1
        (taken,) = await attachments.take_working(session, new_id())
        assert taken.id == file.id
        assert await attachments.finish(session, file.id, tokens=5, total_tokens=9, cut=True)
        assert not await attachments.fail(session, file.id, {"code": "x"})
    turn = await send(database, ana, file)
    assert (turn.user.attachments[0].tokens, turn.user.attachments[0].cut) == (5, True)


async def test_what_nobody_sent_is_removed_when_it_is_old(database: Database, ana: UUID) -> None:
    unsent, sent = await add(database, ana), await add(database, ana, sha256="b" * 64)
    await send(database, ana, sent)
    async with database.write() as session:
        assert await attachments.remove_unsent(session, utc_now() - timedelta(hours=1)) == set()
        assert await attachments.remove_unsent(session, utc_now() + timedelta(hours=1)) == {ana}
        with pytest.raises(NotFound):
            await attachments.get(session, ana, unsent.id)
        assert await attachments.list_contents(session, ana) == {"b" * 64}


async def test_the_owner_is_locked_where_there_is_one(database: Database, ana: UUID) -> None:
    async with database.write() as session:
        assert await attachments.lock_owner(session, ana)
        assert not await attachments.lock_owner(session, new_id())
