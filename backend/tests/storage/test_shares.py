"""Shared links as rows, on both databases: one's own, what a token opens, snapshots, ends, and what they go with."""

from dataclasses import replace
from datetime import timedelta
from uuid import UUID

import pytest
from sqlalchemy import delete, func, select, update

from app.core.errors import BadRequest, Busy, NotFound
from app.storage import conversations, messages, shares
from app.storage.common import utc_now
from app.storage.database import Database
from app.storage.shares import KEEP_EXPIRED, NewShare, OpenShare
from app.storage.tables import ShareRow, UserRow
from app.utils.ids import new_id


async def talk(database: Database, user_id: UUID, *texts: str, title: str = "Plans") -> UUID:
    """A conversation with these messages; its id."""
    async with database.write() as session:
        made = await conversations.create(session, user_id, title=title)
        for n, text in enumerate(texts):
            role: messages.Role = "assistant" if n % 2 else "user"
            await messages.append(session, user_id, made.id, text, role=role)
    return made.id


def new_share(user_id: UUID, conversation_id: UUID, token_hash: str = "a" * 64, **fields: object) -> NewShare:
    plain = NewShare(
        id=new_id(),
        user_id=user_id,
        conversation_id=conversation_id,
        is_live=False,
        token_hash=token_hash,
        sealed_token="v1:sealed",
        attachments=False,
        dictations=False,
        expires_at=None,
        created_at=utc_now(),
    )
    return replace(plain, **fields)  # type: ignore[arg-type]  # what a test gives


async def add(database: Database, new: NewShare) -> None:
    async with database.write() as session:
        await shares.add(session, new)


async def find(database: Database, token_hash: str = "a" * 64) -> OpenShare | None:
    async with database.read() as session:
        return await shares.find_open(session, token_hash, utc_now())


async def read(database: Database, token_hash: str = "a" * 64) -> tuple[str, list[str]]:
    """The title and the texts that a token opens."""
    async with database.read() as session:
        opened = await shares.find_branch(session, token_hash, utc_now())
        assert opened is not None
        share, ids = opened
        found = await messages.read_page(session, share.conversation_id, ids)
    return share.title, [message.content for message in found]


async def test_a_link_is_its_owners_alone(database: Database, ana: UUID, bob: UUID) -> None:
    first = new_share(ana, await talk(database, ana, "one", title="A"), "1" * 64)
    second = new_share(ana, await talk(database, ana, "two", title="B"), "2" * 64, is_live=True)
    for new in (first, second, new_share(bob, await talk(database, bob, "three"), "3" * 64)):
        await add(database, new)
    async with database.read() as session:
        listed = await shares.list_own(session, ana)
        assert [(each.id, each.title, each.is_live) for each in listed] == [
            (second.id, "B", True),
            (first.id, "A", False),
        ]
        assert await shares.get(session, ana, first.id) == listed[1]
        assert await shares.count_own(session, ana) == 2
        with pytest.raises(NotFound):
            await shares.get(session, bob, first.id)
    async with database.write() as session:
        with pytest.raises(NotFound):
            await shares.remove(session, bob, first.id)
        await shares.remove(session, ana, first.id)
    assert await find(database, "1" * 64) is None
    assert await find(database, "2" * 64) is not None


async def test_a_conversation_of_another_or_without_messages_is_not_shared(
    database: Database, ana: UUID, bob: UUID
) -> None:
    with pytest.raises(NotFound):
        await add(database, new_share(bob, await talk(database, ana, "one")))
    with pytest.raises(NotFound):
        await add(database, new_share(ana, new_id()))
    with pytest.raises(BadRequest, match="no message"):
        await add(database, new_share(ana, await talk(database, ana)))


async def test_a_snapshot_stays_and_a_live_link_follows(database: Database, ana: UUID) -> None:
    conversation = await talk(database, ana, "one", "two")
    await add(database, new_share(ana, conversation, "1" * 64))
    await add(database, new_share(ana, conversation, "2" * 64, is_live=True))
    async with database.write() as session:
        await messages.append(session, ana, conversation, "three")
        await conversations.change(session, ana, conversation, title="Renamed")
    assert await read(database, "1" * 64) == ("Plans", ["one", "two"])
    assert await read(database, "2" * 64) == ("Renamed", ["one", "two", "three"])
    async with database.write() as session:  # an edit of the first message: another branch
        await messages.append(session, ana, conversation, "uno", parent=None)
    assert await read(database, "1" * 64) == ("Plans", ["one", "two"])
    assert await read(database, "2" * 64) == ("Renamed", ["uno"])


async def test_a_snapshot_waits_for_the_end_of_an_answer(database: Database, ana: UUID) -> None:
    conversation = await talk(database, ana)
    async with database.write() as session:
        await messages.append_turn(session, ana, conversation, "one", run_id=database.run_id)
    with pytest.raises(Busy):
        await add(database, new_share(ana, conversation))
    await add(database, new_share(ana, conversation, is_live=True))
    assert (await read(database))[1] == ["one", ""]


async def test_a_link_ends_at_its_time_and_is_deleted_long_after(database: Database, ana: UUID) -> None:
    conversation, now = await talk(database, ana, "one"), utc_now()
    ends = {
        "1" * 64: now + timedelta(hours=1),
        "2" * 64: now - timedelta(seconds=1),
        "3" * 64: now - KEEP_EXPIRED,
    }
    for token_hash, end in ends.items():
        await add(database, new_share(ana, conversation, token_hash, expires_at=end - timedelta(seconds=1)))
    assert [await find(database, each) is None for each in ends] == [False, True, True]
    async with database.write() as session:
        await shares.remove_expired(session, now)
        assert await shares.count_own(session, ana) == 2


async def test_links_of_a_disabled_user_open_nothing(database: Database, ana: UUID) -> None:
    await add(database, new_share(ana, await talk(database, ana, "one")))
    async with database.write() as session:
        await session.execute(update(UserRow).where(UserRow.id == ana).values(disabled_at=utc_now()))
    assert await find(database) is None
    async with database.write() as session:
        await session.execute(update(UserRow).where(UserRow.id == ana).values(disabled_at=None))
    assert await find(database) is not None


@pytest.mark.parametrize("gone", ["conversation", "user", "retention"])
async def test_a_link_goes_with_what_it_shows(database: Database, ana: UUID, gone: str) -> None:
    conversation = await talk(database, ana, "one")
    await add(database, new_share(ana, conversation))
    async with database.write() as session:
        if gone == "conversation":
            await conversations.remove(session, ana, conversation)
        elif gone == "user":
            await session.execute(delete(UserRow).where(UserRow.id == ana))
        else:
            assert await conversations.remove_idle(session, utc_now() + timedelta(days=1), 10) == 1
        assert await session.scalar(select(func.count()).select_from(ShareRow)) == 0
    assert await find(database) is None
