"""Long conversations on both databases: ids, pages, versions, copies and finds of one kind."""

from typing import get_args
from uuid import UUID

import pytest

from app.core.errors import Busy, NotFound
from app.storage import conversations, messages, search
from app.storage.database import Database
from app.utils.ids import new_id
from tests.support.database import store_dictation


async def test_versions_stand_beside_each_other(database: Database, ana: UUID, bob: UUID) -> None:
    async with database.write() as session:
        id_ = (await conversations.create(session, ana)).id
        one = await messages.append(session, ana, id_, "one")
        answer = await messages.append(session, ana, id_, "1", role="assistant")
        again = await messages.append(session, ana, id_, "I", role="assistant", parent=one.id)
        uno = await messages.append(session, ana, id_, "uno", parent=None)
        other = (await conversations.create(session, ana)).id
        await messages.append(session, ana, other, "elsewhere")
    async with database.read() as session:
        found = await messages.list_versions(session, ana, id_)
        assert found == {None: (one.id, uno.id), one.id: (answer.id, again.id)}
        assert await messages.list_versions(session, ana, other) == {}
        assert await messages.list_versions(session, bob, id_) == {}
        whole = await messages.list_ids(session, ana, id_, all_branches=True)
        assert whole == [one.id, answer.id, again.id, uno.id]
        assert await messages.list_ids(session, ana, id_, all_branches=False) == [uno.id]
        assert not await messages.list_ids(session, bob, id_, all_branches=True)
        with pytest.raises(NotFound):
            await messages.list_ids(session, bob, id_, all_branches=False)
        page = await messages.read_page(session, id_, [uno.id, new_id(), one.id])
        assert [message.content for message in page] == ["uno", "one"]
        assert await messages.read_page(session, other, [uno.id]) == ()


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
        found = await messages.list_versions(session, ana, id_)
        ids = await messages.list_ids(session, ana, id_, all_branches=True)
        every = await messages.read_page(session, id_, ids)
    for at, begin in ((0, 0), (60, 10), (249, 150)):
        assert list(messages.select_versions(found, every[at])) == ids[begin : begin + 100]
        assert ids[at] in messages.select_versions(found, every[at])
    assert messages.select_versions({}, every[7]) == (ids[7],)
