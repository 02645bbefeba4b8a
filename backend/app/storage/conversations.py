"""Conversations of a user: title, model, system prompt, settings, and the list of them."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, TypedDict, Unpack
from uuid import UUID

from sqlalchemy import Select, delete, exists, func, or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.errors import NotFound
from app.storage import search
from app.storage.common import Page, execute_and_count, make_page, older_than_cursor, utc_now
from app.storage.tables import ConversationRow, MessageRow

DEFAULT_TITLE = "New Conversation"
"""The title of a conversation without one; its first message replaces it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Conversation:
    """A conversation as the database has it."""

    id: UUID
    user_id: UUID
    title: str
    model: str | None
    system_prompt: str | None
    settings: dict[str, Any]
    active_leaf_id: UUID | None
    """The last message of the shown branch."""
    archived_at: datetime | None
    created_at: datetime
    updated_at: datetime
    ordered_at: datetime
    """Its place in the list: unlike `updated_at` it only grows, also where the clock is set back."""
    message_count: int
    """Number of messages in all branches."""


class ConversationChanges(TypedDict, total=False):
    """The fields of a conversation that its user may change."""

    title: str
    model: str | None
    system_prompt: str | None
    settings: dict[str, Any]
    archived_at: datetime | None


async def create(
    session: AsyncSession,
    user_id: UUID,
    *,
    title: str = DEFAULT_TITLE,
    model: str | None = None,
    system_prompt: str | None = None,
    settings: dict[str, Any] | None = None,
) -> Conversation:
    """Insert a conversation without messages."""
    row = ConversationRow(
        user_id=user_id,
        title=title,
        model=model,
        system_prompt=system_prompt,
        settings=settings or {},
        ordered_at=await find_next_place(session, user_id),
    )
    session.add(row)
    await session.flush()
    await search.index_title(session, user_id, row.id, title)
    return to_conversation(row, 0)


async def get(session: AsyncSession, user_id: UUID, conversation_id: UUID) -> Conversation:
    """Return a conversation.

    Raises:
        NotFound: this user has no such conversation.
    """
    statement = _select(user_id).where(ConversationRow.id == conversation_id)
    found = (await session.execute(statement)).one_or_none()
    if found is None:
        raise unknown_conversation()
    return to_conversation(*found)


async def list_page(
    session: AsyncSession, user_id: UUID, *, limit: int = 50, before: str | None = None, q: str = ""
) -> Page[Conversation]:
    """Return one page, the latest change first; with `q` only conversations that have all its words.

    Raises:
        BadRequest: `before` is not a cursor.
    """
    row = ConversationRow
    statement = _select(user_id).order_by(row.ordered_at.desc(), row.id.desc()).limit(limit + 1)
    if before is not None:
        statement = statement.where(older_than_cursor(before, row.ordered_at, row.id))
    if q.strip():
        matching = search.select_conversations(session, user_id, q)
        if matching is None:
            return Page(items=(), next_before=None)
        statement = statement.where(row.id.in_(matching))
    found = [to_conversation(*each) for each in await session.execute(statement)]
    page = make_page(found, limit, "ordered_at")
    return page if q.strip() else replace(page, total=await count(session, user_id))


async def list_ids(session: AsyncSession, user_id: UUID) -> Sequence[UUID]:
    """Return the ids of all conversations of this user, the latest change first."""
    row = ConversationRow
    mine = select(row.id).where(row.user_id == user_id)
    return (await session.scalars(mine.order_by(row.ordered_at.desc(), row.id.desc()))).all()


async def count_own(session: AsyncSession, user_id: UUID, ids: Sequence[UUID]) -> int:
    """Return how many of these conversations this user has."""
    mine = (ConversationRow.user_id == user_id, ConversationRow.id.in_(ids))
    return (
        await session.execute(select(func.count()).select_from(ConversationRow).where(*mine))
    ).scalar_one()


async def count(session: AsyncSession, user_id: UUID) -> int:
    """Return how many conversations this user has."""
    statement = select(func.count()).select_from(ConversationRow).where(ConversationRow.user_id == user_id)
    return (await session.execute(statement)).scalar_one()


async def change(
    session: AsyncSession, user_id: UUID, conversation_id: UUID, **changes: Unpack[ConversationChanges]
) -> Conversation:
    """Change the given fields and return the conversation.

    Raises:
        NotFound: this user has no such conversation.
    """
    mine = (ConversationRow.id == conversation_id, ConversationRow.user_id == user_id)
    places = {"updated_at": utc_now(), "ordered_at": await find_next_place(session, user_id)}
    values = {**changes, **places}
    if not await execute_and_count(session, update(ConversationRow).where(*mine).values(**values)):
        raise unknown_conversation()
    if "title" in changes:
        await search.index_title(session, user_id, conversation_id, changes["title"])
    return await get(session, user_id, conversation_id)


async def replace_title(
    session: AsyncSession, user_id: UUID, conversation_id: UUID, old: str, new: str
) -> bool:
    """Replace a title in place, unless it is no longer `old`; whether it was replaced."""
    mine = (ConversationRow.id == conversation_id, ConversationRow.user_id == user_id)
    changed = update(ConversationRow).where(*mine, ConversationRow.title == old).values(title=new)
    if not await execute_and_count(session, changed):
        return False
    await search.index_title(session, user_id, conversation_id, new)
    return True


async def find_next_place(session: AsyncSession, user_id: UUID) -> datetime:
    """The place in the list of a conversation that changes now: before all others of its user."""
    places = select(func.max(ConversationRow.ordered_at)).where(ConversationRow.user_id == user_id)
    newest, now = await session.scalar(places), utc_now()
    return now if newest is None else max(now, newest + timedelta(microseconds=1))


async def remove(session: AsyncSession, user_id: UUID, conversation_id: UUID) -> None:
    """Delete a conversation with its messages and everything else that belongs to it.

    Raises:
        NotFound: this user has no such conversation.
    """
    mine = (ConversationRow.id == conversation_id, ConversationRow.user_id == user_id)
    if not await execute_and_count(session, delete(ConversationRow).where(*mine)):
        raise unknown_conversation()


async def remove_idle(session: AsyncSession, since: datetime, limit: int) -> int:
    """Delete up to `limit` conversations of all users without a change since `since` and without a running answer.

    One that was imported since then stays: its own times are older, and its user has just brought it.
    """
    streams = exists().where(
        MessageRow.conversation_id == ConversationRow.id, MessageRow.status == "streaming"
    )
    is_old = ConversationRow.updated_at < since
    came_before = or_(ConversationRow.imported_at.is_(None), ConversationRow.imported_at < since)
    old = select(ConversationRow.id).where(is_old, came_before, ~streams).limit(limit)
    return await execute_and_count(session, delete(ConversationRow).where(ConversationRow.id.in_(old)))


def to_conversation(row: ConversationRow, message_count: int) -> Conversation:
    """Turn a row into the dataclass that the services see."""
    return Conversation(
        id=row.id,
        user_id=row.user_id,
        title=row.title,
        model=row.model,
        system_prompt=row.system_prompt,
        settings=row.settings,
        active_leaf_id=row.active_leaf_id,
        archived_at=row.archived_at,
        created_at=row.created_at,
        updated_at=row.updated_at,
        ordered_at=row.ordered_at,
        message_count=message_count,
    )


def unknown_conversation() -> NotFound:
    """The error for a conversation that does not exist, and for one of another user."""
    return NotFound("no conversation has this id; list yours with GET /api/conversations")


def _select(user_id: UUID) -> Select[ConversationRow, int]:
    """Select a user's conversations, each with its number of messages, in one statement."""
    count = (
        select(func.count())
        .where(MessageRow.conversation_id == ConversationRow.id)
        .correlate(ConversationRow)
        .scalar_subquery()
    )
    statement = select(ConversationRow, count).where(ConversationRow.user_id == user_id)
    return statement.execution_options(populate_existing=True)
