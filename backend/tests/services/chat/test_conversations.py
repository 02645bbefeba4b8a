"""Conversations, their branches and real-time sessions as services, on both kinds of database."""

from uuid import UUID

import pytest

from app.core.config import Settings
from app.core.errors import BadRequest, MessageTooBig, NotFound
from app.services.chat.answers import AnswerOptions
from app.services.chat.conversations import DEFAULT_TITLE, RealtimeSessions, make_title_line, select_versions
from app.storage.database import Database
from app.utils.ids import new_id
from tests.fakes.llm_providers import FakeChat
from tests.support.conversations import get_done, run_chat_services

OPTIONS = AnswerOptions()


@pytest.mark.parametrize(
    ("given", "title"),
    [("  two\n lines\t", "two lines"), ("\0", "\ufffd"), (" ", "")],
)
def test_a_title_is_one_line(given: str, title: str) -> None:
    assert make_title_line(given) == title


async def test_a_conversation_is_made_listed_changed_and_deleted(
    database: Database, storage_settings: Settings, ana: UUID
) -> None:
    async with run_chat_services(database, storage_settings, ana, FakeChat()) as chat:
        plain = await chat.conversations.create(ana)
        made = await chat.conversations.create(
            ana, title=" Holiday\nplans ", model="echo", settings={"top_p": 0.5}
        )
        assert (plain.title, made.title, made.settings) == (DEFAULT_TITLE, "Holiday plans", {"top_p": 0.5})
        page = await chat.conversations.list_page(ana, limit=1)
        assert [each.id for each in page.items] == [made.id]
        rest = await chat.conversations.list_page(ana, limit=9, before=page.next_before)
        assert ([each.id for each in rest.items], rest.next_before) == ([plain.id], None)
        found = await chat.conversations.list_page(ana, limit=9, q="holiday")
        assert [each.id for each in found.items] == [made.id]
        with pytest.raises(BadRequest, match="before"):
            await chat.conversations.list_page(ana, limit=9, before="x")
        changed = await chat.conversations.change(ana, made.id, model=None)
        assert (changed.model, changed.title) == (None, "Holiday plans")
        await chat.conversations.delete(ana, made.id)
        with pytest.raises(NotFound):
            await chat.conversations.get(ana, made.id)


async def test_versions_stand_beside_each_other_and_one_is_shown(
    database: Database, storage_settings: Settings, ana: UUID
) -> None:
    async with run_chat_services(database, storage_settings, ana, FakeChat()) as chat:
        turn = await chat.send("first")
        get_done(await chat.collect_events(turn.assistant.id))
        again = await chat.branches.regenerate(ana, turn.assistant.id, OPTIONS)
        assert (again.user.id, again.title) == (turn.user.id, turn.title)
        get_done(await chat.collect_events(again.assistant.id))
        edited = await chat.branches.edit(ana, turn.user.id, "second", OPTIONS)
        get_done(await chat.collect_events(edited.assistant.id))
        id_ = turn.user.conversation_id
        shown = await chat.messages(id_)
        assert [message.content for message in shown] == ["second", "Hello"]
        every, versions = await chat.branches.list_messages(ana, id_, all_branches=True, last=100)
        assert len(every) == 5
        beside = {message.id: list(select_versions(versions, message)) for message in every}
        assert beside[turn.assistant.id] == [turn.assistant.id, again.assistant.id]
        assert beside[edited.user.id] == [turn.user.id, edited.user.id]
        assert beside[edited.assistant.id] == [edited.assistant.id]
        last, _ = await chat.branches.list_messages(ana, id_, all_branches=True, last=2)
        assert [message.id for message in last] == [edited.user.id, edited.assistant.id]
        back = await chat.conversations.change(ana, id_, show=turn.user.id)
        assert back.active_leaf_id == again.assistant.id
        with pytest.raises(BadRequest, match="only a message of the user"):
            await chat.branches.edit(ana, turn.assistant.id, "no", OPTIONS)


async def test_a_fork_is_a_conversation_of_its_own(
    database: Database, storage_settings: Settings, ana: UUID
) -> None:
    async with run_chat_services(database, storage_settings, ana, FakeChat()) as chat:
        turn = await chat.send("first")
        get_done(await chat.collect_events(turn.assistant.id))
        copy = await chat.branches.fork(ana, turn.assistant.id)
        named = await chat.branches.fork(ana, turn.user.id, " Another\none ")
        assert (copy.title, copy.message_count) == (turn.title, 2)
        assert (named.title, named.message_count) == ("Another one", 1)
        assert [each.content for each in await chat.messages(copy.id)] == ["first", "Hello"]
        other = await chat.send("elsewhere")
        get_done(await chat.collect_events(other.assistant.id))
        with pytest.raises(NotFound):
            await chat.conversations.change(ana, copy.id, show=other.user.id)
        with pytest.raises(NotFound):
            await chat.branches.fork(new_id(), turn.user.id)


async def test_a_session_begins_with_its_message_or_nothing(
    database: Database, storage_settings: Settings, ana: UUID
) -> None:
    async with run_chat_services(database, storage_settings, ana, FakeChat(), message_chars=20) as chat:
        sessions = RealtimeSessions(database, chat.answers)
        empty = await sessions.create(ana, "", " ")
        assert (empty.title, empty.message_count) == (DEFAULT_TITLE, 0)
        with pytest.raises(BadRequest, match="`content` is missing"):
            await sessions.send(ana, empty.id, None, None)
        with pytest.raises(MessageTooBig):
            await sessions.create(ana, "Plans", "x" * 21)
        begun = await sessions.create(ana, "Plans", "Where to?")
        assert (begun.title, begun.message_count) == ("Plans", 1)
        get_done(await chat.collect_events(await sessions.send(ana, begun.id, None, None)))
        with pytest.raises(BadRequest):  # it has been answered
            await sessions.send(ana, begun.id, None, None)
        get_done(await chat.collect_events(await sessions.send(ana, begun.id, "And when?", "fake/tiny")))
        contents = [message.content for message in await chat.messages(begun.id)]
        assert contents == ["Where to?", "Hello", "And when?", "Hello"]
