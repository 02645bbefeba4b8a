"""Conversations in the database: listed newest first, owned, renamed, forked and deleted with all they hold."""

from datetime import timedelta
from uuid import UUID

import pytest
from sqlalchemy import event, func, select, text, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.errors import BadRequest, Busy, NotFound
from app.storage import answers, conversations, lifecycle, messages, search
from app.storage.common import utc_now
from app.storage.database import Database
from app.storage.tables import ConversationRow, MessageRow, SearchEntryRow
from app.utils.ids import new_id


async def rows(session: AsyncSession, table: type) -> int:
    return await session.scalar(select(func.count()).select_from(table)) or 0


async def test_what_changes_last_is_first_wherever_the_clock_stands(
    database: Database, ana: UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was an hour ahead, and is right again; the times shown are its own."""
    monkeypatch.setattr(conversations, "utc_now", lambda: utc_now() + timedelta(hours=1))
    async with database.write() as session:
        one, two = [(await conversations.create(session, ana, title=title)).id for title in ("one", "two")]
    monkeypatch.undo()
    async with database.write() as session:
        three = (await conversations.create(session, ana, title="three")).id
        await messages.append(session, ana, one, "hello")
        fork = await messages.fork(session, ana, one)
        await conversations.change(session, ana, two, title="zwei")
    async with database.read() as session:
        page = await conversations.list_page(session, ana, limit=3)
        rest = await conversations.list_page(session, ana, limit=3, before=page.next_before)
    assert [each.id for each in (*page.items, *rest.items)] == [two, fork, one, three]
    assert all(abs(each.updated_at - utc_now()) < timedelta(minutes=10) for each in page.items)


async def test_the_list_is_newest_first_in_pages_that_neither_skip_nor_repeat(
    database: Database, ana: UUID, bob: UUID
) -> None:
    """Also while others are changed between two pages."""
    made = []
    for n in range(25):
        async with database.write() as session:
            made.append((await conversations.create(session, ana, title=f"c{n}")).id)
            await conversations.create(session, bob)
    async with database.read() as session:
        first = await conversations.list_page(session, ana, limit=10)
    assert [item.id for item in first.items] == made[:14:-1]
    async with database.write() as session:
        await conversations.change(session, ana, made[0], title="renamed")
        await conversations.remove(session, ana, made[15])
    seen = [item.id for item in first.items]
    cursor = first.next_before
    while cursor:
        async with database.read() as session:
            page = await conversations.list_page(session, ana, limit=10, before=cursor)
        seen += [item.id for item in page.items]
        cursor = page.next_before
    assert seen == made[:0:-1]  # the renamed one is at the head now, where this reader has been already
    async with database.read() as session:
        assert (await conversations.list_page(session, ana, limit=1)).items[0].id == made[0]


@pytest.mark.parametrize("cursor", ["", "x", "1-2", "99999999999999999999-" + str(new_id()), f"-{new_id()}"])
async def test_a_broken_cursor_is_a_bad_request(database: Database, ana: UUID, cursor: str) -> None:
    async with database.read() as session:
        with pytest.raises(BadRequest, match="cursor"):
            await conversations.list_page(session, ana, before=cursor)


async def test_a_page_with_counts_is_two_statements(database: Database, ana: UUID) -> None:
    """The page with its messages counted, and how many conversations there are; however many are listed."""
    async with database.write() as session:
        for n in range(5):
            conversation = await conversations.create(session, ana)
            for _ in range(n):
                await messages.append(session, ana, conversation.id, "hola")
    statements: list[str] = []
    async with database.read() as session:
        connection = (await session.connection()).sync_connection
        event.listen(connection, "before_cursor_execute", lambda *args: statements.append(args[2]))
        page = await conversations.list_page(session, ana)
    assert sorted(item.message_count for item in page.items) == [0, 1, 2, 3, 4]
    assert page.total == 5
    assert len(statements) == 2


async def test_what_belongs_to_somebody_else_is_not_found(database: Database, ana: UUID, bob: UUID) -> None:
    """Reading, changing, deleting and answering alike."""
    async with database.write() as session:
        mine = await conversations.create(session, ana, title="secreto")
        message = await messages.append(session, ana, mine.id, "hola")
    calls = (
        lambda s: conversations.get(s, bob, mine.id),
        lambda s: conversations.change(s, bob, mine.id, title="x"),
        lambda s: conversations.remove(s, bob, mine.id),
        lambda s: messages.append(s, bob, mine.id, "x"),
        lambda s: messages.append_turn(s, bob, mine.id, "x", run_id=database.run_id),
        lambda s: messages.append_answer(s, bob, mine.id, run_id=database.run_id),
        lambda s: messages.list_ids(s, bob, mine.id, all_branches=False),
        lambda s: messages.read_branch(s, bob, mine.id),
        lambda s: messages.get(s, bob, message.id),
        lambda s: messages.show_branch(s, bob, message.id),
        lambda s: messages.fork(s, bob, mine.id),
    )
    for call in calls:
        with pytest.raises(NotFound):
            async with database.write() as session:
                await call(session)
    async with database.read() as session:
        assert (await conversations.list_page(session, bob)).items == ()
        assert await search.find(session, bob, "secreto") == ()
        kept = await conversations.get(session, ana, mine.id)
    assert (kept.title, kept.message_count) == ("secreto", 1)


async def test_a_parent_of_another_conversation_is_not_found(database: Database, ana: UUID) -> None:
    async with database.write() as session:
        one, two = [(await conversations.create(session, ana)).id for _ in range(2)]
        foreign = await messages.append(session, ana, one, "hola")
    for call in (
        lambda s: messages.append(s, ana, two, "x", parent=foreign.id),
        lambda s: messages.read_branch(s, ana, two, foreign.id),
        lambda s: messages.fork(s, ana, two, foreign.id),
    ):
        with pytest.raises(NotFound):
            async with database.write() as session:
                await call(session)
    async with database.read() as session:
        assert sorted(item.message_count for item in (await conversations.list_page(session, ana)).items) == [
            0,
            1,
        ]


async def test_the_first_message_names_a_conversation_that_has_no_name(database: Database, ana: UUID) -> None:
    async with database.write() as session:
        unnamed = await conversations.create(session, ana)
        named = await conversations.create(session, ana, title="Mía")
        long = "¿Qué  tiempo hace\nhoy " + "en Sevilla " * 20
        first = await messages.append_turn(session, ana, unnamed.id, long, run_id=database.run_id)
        other = await messages.append_turn(session, ana, named.id, long, run_id=database.run_id)
    assert first.title == "¿Qué tiempo hace hoy en Sevilla en Sevilla en"
    assert other.title == "Mía"
    async with database.read() as session:
        assert {hit.kind for hit in await search.find(session, ana, "sevilla")} == {"title", "message"}


async def test_a_title_has_no_markdown(database: Database, ana: UUID) -> None:
    async with database.write() as session:
        id_ = (await conversations.create(session, ana)).id
        text = "# Title\n- one\n- **two**\n| a | b |"
        turn = await messages.append_turn(session, ana, id_, text, run_id=database.run_id)
    assert turn.title == "Title one two a b"


async def test_branches_by_edit_and_new_answer(database: Database, ana: UUID) -> None:
    """The shown branch is the last written one; any other can be shown again, down to its newest leaf."""
    async with database.write() as session:
        conversation = (await conversations.create(session, ana)).id
        turn = await messages.append_turn(session, ana, conversation, "uno", run_id=database.run_id)
        assert await answers.finish(session, turn.assistant.id, database.run_id, "complete", "primera")
        second = await messages.append_answer(
            session, ana, conversation, run_id=database.run_id, parent=turn.user.id
        )
        assert await answers.finish(session, second.id, database.run_id, "complete", "segunda")
        edited = await messages.append(session, ana, conversation, "uno, mejor", parent=turn.user.parent_id)
        deeper = await messages.append(session, ana, conversation, "y más")
    async with database.read() as session:
        shown = await messages.read_branch(session, ana, conversation)
        assert [message.id for message in shown] == [edited.id, deeper.id]
        versions = await messages.list_versions(session, conversation, [second, edited])
        assert messages.select_versions(versions, second) == (turn.assistant.id, second.id)
        assert messages.select_versions(versions, edited) == (turn.user.id, edited.id)
        assert len(await messages.list_ids(session, ana, conversation, all_branches=True)) == 5
        other = await messages.read_branch(session, ana, conversation, second.id)
        assert [message.content for message in other] == ["uno", "segunda"]
    async with database.write() as session:
        assert await messages.show_branch(session, ana, turn.user.id) == second.id
        assert await messages.show_branch(session, ana, edited.id) == deeper.id


async def test_the_last_messages_of_a_long_branch(database: Database, ana: UUID) -> None:
    async with database.write() as session:
        conversation = (await conversations.create(session, ana)).id
        for n in range(30):
            await messages.append(session, ana, conversation, str(n))
    async with database.read() as session:
        last = await messages.read_branch(session, ana, conversation, last=10)
        whole = await messages.read_branch(session, ana, conversation)
    assert [message.content for message in last] == [str(n) for n in range(20, 30)]
    assert [message.content for message in whole] == [str(n) for n in range(30)]


async def test_a_fork_is_a_conversation_of_its_own(database: Database, ana: UUID) -> None:
    async with database.write() as session:
        source = (await conversations.create(session, ana, title="Viaje", model="m")).id
        first = await messages.append(session, ana, source, "uno")
        await messages.append(session, ana, source, "dos")
        copy = await messages.fork(session, ana, source, first.id)
    async with database.write() as session:
        await conversations.remove(session, ana, source)
    async with database.read() as session:
        forked = await conversations.get(session, ana, copy)
        kept = await messages.read_branch(session, ana, copy)
        assert (forked.title, forked.model, forked.message_count) == ("Viaje", "m", 1)
        assert [message.content for message in kept] == ["uno"]
        assert [hit.message_id for hit in await search.find(session, ana, "uno")] == [kept[0].id]


async def test_deleting_takes_the_whole_tree(database: Database, ana: UUID) -> None:
    """Deeper than SQLite follows cascades, with branches, and nothing left to be found."""
    async with database.write() as session:
        conversation = (await conversations.create(session, ana)).id
        parent: UUID | None = None
        for n in range(1500):
            row = MessageRow(
                conversation_id=conversation, parent_id=parent, role="user", content=str(n), status="complete"
            )
            session.add(row)
            await session.flush()
            search.index_message(session, ana, conversation, row.id, row.content)
            parent = row.id
    async with database.write() as session:
        await conversations.remove(session, ana, conversation)
    async with database.read() as session:
        assert [await rows(session, table) for table in (ConversationRow, MessageRow, SearchEntryRow)] == [
            0,
            0,
            0,
        ]
        assert await search.find(session, ana, "1499") == ()


async def test_deleting_a_user_takes_everything_of_theirs(database: Database, ana: UUID, bob: UUID) -> None:
    for user in (ana, bob):
        async with database.write() as session:
            conversation = (await conversations.create(session, user)).id
            await messages.append(session, user, conversation, "hola")
    async with database.write() as session:
        await session.execute(text("DELETE FROM users WHERE name = 'ana'"))
    async with database.read() as session:
        assert [await rows(session, table) for table in (ConversationRow, MessageRow)] == [1, 1]
        assert len(await search.find(session, bob, "hola")) == 2


async def test_retention_deletes_what_is_idle_for_longer(database: Database, ana: UUID) -> None:
    """Not what is being answered; in batches, however many there are."""
    old = utc_now() - timedelta(days=31)
    async with database.write() as session:
        for _ in range(lifecycle.BATCH + 5):
            session.add(ConversationRow(user_id=ana, title="vieja", updated_at=old))
        fresh = await conversations.create(session, ana, title="nueva")
        answered = await conversations.create(session, ana)
        await messages.append_turn(session, ana, answered.id, "hola", run_id=database.run_id)
        idle = update(ConversationRow).where(ConversationRow.id == answered.id).values(updated_at=old)
        await session.execute(idle)
    assert await lifecycle.apply_retention(database, 30) == lifecycle.BATCH + 5
    async with database.read() as session:
        left = {item.id for item in (await conversations.list_page(session, ana)).items}
    assert left == {fresh.id, answered.id}


async def test_one_answer_at_a_time(database: Database, ana: UUID) -> None:
    async with database.write() as session:
        conversation = (await conversations.create(session, ana)).id
        turn = await messages.append_turn(session, ana, conversation, "hola", run_id=database.run_id)
    for call in (
        lambda s: messages.append(s, ana, conversation, "x"),
        lambda s: messages.append_turn(s, ana, conversation, "x", run_id=database.run_id),
        lambda s: messages.append_answer(s, ana, conversation, run_id=database.run_id, parent=turn.user.id),
    ):
        with pytest.raises(Busy):
            async with database.write() as session:
                await call(session)
    async with database.write() as session:
        assert await answers.finish(session, turn.assistant.id, database.run_id, "complete", "¡Hola!")
        await messages.append(session, ana, conversation, "x")


async def test_text_that_no_database_takes_is_kept_as_far_as_it_can_be(database: Database, ana: UUID) -> None:
    """NUL and halves of characters; the rest survives, in titles, messages, search and JSON."""
    odd = "a\x00b \ud83d c \U0001f600"
    async with database.write() as session:
        conversation = await conversations.create(session, ana, title=odd, settings={"x": odd[:3]})
        await messages.append(session, ana, conversation.id, odd)
    async with database.read() as session:
        kept = await messages.read_branch(session, ana, conversation.id)
        again = await conversations.get(session, ana, conversation.id)
    assert kept[0].content == again.title == "a\ufffdb \ufffd c \U0001f600"
    assert again.settings == {"x": "a\x00b"}
