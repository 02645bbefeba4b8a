"""Long conversations on both databases: ids, pages, versions, copies and finds of one kind."""

import itertools
import time
from collections.abc import Awaitable, Callable
from itertools import pairwise
from typing import Any, get_args
from uuid import UUID

import pytest
from sqlalchemy import text, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.errors import Busy, NotFound
from app.storage import answers, conversations, messages, search
from app.storage.common import insert_rows
from app.storage.database import Database
from app.storage.tables import ConversationRow, MessageRow
from app.utils import ids
from app.utils.ids import new_id
from tests.support.database import store_dictation

pytestmark = pytest.mark.once


async def test_versions_stand_beside_each_other(database: Database, ana: UUID, bob: UUID) -> None:
    async with database.write() as session:
        id_ = (await conversations.create(session, ana)).id
        one = await messages.append(session, ana, id_, "one")
        answer = await messages.append(session, ana, id_, "1", role="assistant")
        again = await messages.append(session, ana, id_, "I", role="assistant", parent=one.id)
        uno = await messages.append(session, ana, id_, "uno", parent=None)
        other = (await conversations.create(session, ana)).id
        elsewhere = await messages.append(session, ana, other, "elsewhere")
    async with database.read() as session:
        found = await messages.list_versions(session, id_, [one, answer, again, uno])
        assert found == {None: (one.id, uno.id), one.id: (answer.id, again.id)}
        assert await messages.list_versions(session, id_, [again]) == {one.id: (answer.id, again.id)}
        assert await messages.list_versions(session, other, [elsewhere]) == {}
        assert await messages.list_versions(session, id_, []) == {}
        for count, all_branches, texts in (
            (9, True, ["one", "1", "I", "uno"]),
            (2, True, ["I", "uno"]),
            (9, False, ["uno"]),
        ):
            last = await messages.read_last(session, ana, id_, count, all_branches=all_branches)
            assert [message.content for message in last] == texts
            with pytest.raises(NotFound):
                await messages.read_last(session, bob, id_, count, all_branches=all_branches)
        whole = await messages.list_ids(session, ana, id_, all_branches=True)
        assert whole == [one.id, answer.id, again.id, uno.id]
        assert await messages.list_ids(session, ana, id_, all_branches=False) == [uno.id]
        assert not await messages.list_ids(session, bob, id_, all_branches=True)
        with pytest.raises(NotFound):
            await messages.list_ids(session, bob, id_, all_branches=False)
        page = await messages.read_page(session, id_, [uno.id, new_id(), one.id])
        assert [message.content for message in page] == ["uno", "one"]
        assert await messages.read_page(session, other, [uno.id]) == ()


async def count_steps(session: AsyncSession, work: Callable[[], Awaitable[object]]) -> float:
    """How much the database does for this: steps of SQLite's machine, or rows that PostgreSQL reads."""
    if session.get_bind().dialect.name == "postgresql":
        count = "SELECT seq_tup_read + idx_tup_fetch FROM pg_stat_xact_user_tables WHERE relname = 'messages'"
        before = (await session.execute(text(count))).scalar_one()
        await work()
        return float((await session.execute(text(count))).scalar_one() - before)
    steps = itertools.count()
    driver: Any = (await (await session.connection()).get_raw_connection()).driver_connection
    await driver.set_progress_handler(lambda: next(steps) and None, 1)
    await work()
    await driver.set_progress_handler(None, 1)
    return next(steps)


@pytest.mark.parametrize("all_branches", [False, True])
async def test_a_page_costs_what_it_holds(database: Database, ana: UUID, all_branches: bool) -> None:
    """Of 2000 messages with versions at the beginning as much as of 40."""
    costs: list[float] = []
    for length in (40, 2000):
        async with database.write() as session:
            id_ = (await conversations.create(session, ana)).id
            await messages.append(session, ana, id_, "version", parent=None)
            first = await messages.append(session, ana, id_, "0", parent=None)
            rows = [{"id": new_id(), "content": f"{n}"} for n in range(1, length)]
            parents = [first.id, *(row["id"] for row in rows)]
            same = {"conversation_id": id_, "role": "user", "status": "complete"}
            about = zip(rows, parents, strict=False)
            await insert_rows(session, MessageRow, [{**row, "parent_id": up, **same} for row, up in about])
            leaf = update(ConversationRow).where(ConversationRow.id == id_)
            await session.execute(leaf.values(active_leaf_id=parents[-1]))
        if not database.is_sqlite:
            async with database.write() as session:
                await session.execute(text("ANALYZE messages"))
        async with database.read() as session:

            async def read_page(session: AsyncSession = session, id_: UUID = id_) -> None:
                found = await messages.read_last(session, ana, id_, 5, all_branches=all_branches)
                assert len(found) == 5
                assert await messages.list_versions(session, id_, found) == {}

            costs.append(await count_steps(session, read_page))
    assert costs[1] < 1.5 * costs[0]


async def test_a_long_branch_is_copied_whole_and_found_twice(database: Database, ana: UUID) -> None:
    """Longer than what is copied at a time."""
    async with database.write() as session:
        id_ = (await conversations.create(session, ana, title="long")).id
        for n in range(450):
            await messages.append(session, ana, id_, f"word{n}", role="assistant" if n % 2 else "user")
    async with database.write() as session:
        copy = await messages.fork(session, ana, id_)
    async with database.read() as session:
        old, new = [await messages.read_branch(session, ana, each) for each in (id_, copy)]
        assert [message.content for message in new] == [message.content for message in old]
        assert [message.created_at for message in new] == [message.created_at for message in old]
        assert new[0].parent_id is None
        assert [message.parent_id for message in new[1:]] == [message.id for message in new[:-1]]
        hits = await search.find(session, ana, "word449", kind="message")
        assert {hit.message_id for hit in hits} == {old[-1].id, new[-1].id}


async def test_another_branch_is_not_shown_while_an_answer_is_under_way(
    database: Database, ana: UUID
) -> None:
    async with database.write() as session:
        id_ = (await conversations.create(session, ana)).id
        turn = await messages.append_turn(session, ana, id_, "hello", run_id=database.run_id)
    with pytest.raises(Busy):
        async with database.write() as session:
            await messages.show_branch(session, ana, turn.user.id)


async def test_only_one_kind_is_found(database: Database, ana: UUID) -> None:
    async with database.write() as session:
        id_ = (await conversations.create(session, ana, title="volcano")).id
        await messages.append(session, ana, id_, "a volcano")
    await store_dictation(database, ana, "volcano!")
    async with database.read() as session:
        for kind in get_args(search.SearchKind):
            for order in get_args(search.SearchOrder):
                hits = await search.find(session, ana, "volc", kind=kind, order=order)
                assert [hit.kind for hit in hits] == [kind]


async def test_of_very_many_versions_a_message_tells_the_nearest(database: Database, ana: UUID) -> None:
    """Each of ten thousand telling of all others would be gigabytes."""
    async with database.write() as session:
        id_ = (await conversations.create(session, ana)).id
        for n in range(250):
            await messages.append(session, ana, id_, f"{n}", parent=None)
    async with database.read() as session:
        every = await messages.read_last(session, ana, id_, 1000, all_branches=True)
        found = await messages.list_versions(session, id_, every[-1:])
    ids = tuple(message.id for message in every)
    for at, begin in ((0, 0), (60, 10), (249, 150)):
        assert messages.select_versions(found, every[at]) == ids[begin : begin + 100]
        assert ids[at] in messages.select_versions(found, every[at])
    assert messages.select_versions({}, every[7]) == (ids[7],)


async def test_messages_after_a_clock_that_was_set_back_come_last(
    database: Database, ana: UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process, or another server, whose clock is an hour behind what is stored."""
    async with database.write() as session:
        id_ = (await conversations.create(session, ana)).id
        monkeypatch.setattr(ids, "_last", (time.time_ns() // 1_000_000 + 3_600_000) << 12)
        before = [await messages.append(session, ana, id_, "one")]
        before.append(await messages.append(session, ana, id_, "1", role="assistant"))
        beside = await messages.append(session, ana, id_, "uno", parent=None)
        monkeypatch.setattr(ids, "_last", 0)
        after = [await messages.append(session, ana, id_, "two", parent=before[-1].id)]
        after.append(await messages.append(session, ana, id_, "2", role="assistant"))
        again = await messages.append_answer(
            session, ana, id_, run_id=database.run_id, parent=after[0].id, model="m"
        )
        await answers.end_run(session, database.run_id)
        every = [*before, beside, *after, again]
        assert await messages.list_ids(session, ana, id_, all_branches=True) == [each.id for each in every]
        assert await messages.show_branch(session, ana, before[0].id) == again.id
        shown = await messages.read_branch(session, ana, id_)
        assert [message.content for message in shown] == ["one", "1", "two", ""]
        monkeypatch.setattr(ids, "_last", 0)
        copy = await messages.fork(session, ana, id_)
        copied = await messages.read_branch(session, ana, copy)
        assert all(one.id < two.id for one, two in pairwise(copied))


async def test_a_branch_is_shown_to_its_end_where_ids_run_backwards(
    database: Database, ana: UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As earlier versions stored them: the leaf is a message without answers, whatever its id."""
    late = (time.time_ns() // 1_000_000 + 3_600_000) << 12
    stored: list[UUID] = []
    async with database.write() as session:
        id_ = (await conversations.create(session, ana)).id
        for n in range(4):
            monkeypatch.setattr(ids, "_last", late - n * 1_000_000)
            row = MessageRow(
                id=new_id(),
                conversation_id=id_,
                parent_id=stored[-1] if stored else None,
                role="assistant" if n % 2 else "user",
                content=f"{n}",
                status="complete",
            )
            session.add(row)
            await session.flush()
            stored.append(row.id)
        assert stored == sorted(stored, reverse=True)
        assert await messages.show_branch(session, ana, stored[0]) == stored[-1]
        shown = await messages.read_branch(session, ana, id_)
    assert [message.id for message in shown] == stored
