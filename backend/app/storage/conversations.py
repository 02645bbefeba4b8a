"""Conversations of a user: what they are called, what they are sent with, and the list of them."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypedDict, Unpack
from uuid import UUID

from sqlalchemy import Select, delete, exists, func, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.errors import NotFound
from app.storage import search
from app.storage.common import Page, execute_and_count, make_page, older_than_cursor, utc_now
from app.storage.tables import ConversationRow, MessageRow

DEFAULT_TITLE = "New Conversation"
"""Of one that nobody named; its first message names it."""
TITLE_CHARS = 50


@dataclass(frozen=True, slots=True)
class Conversation:
    id: UUID
    user_id: UUID
    title: str
    model: str | None
    system_prompt: str | None
    settings: dict[str, Any]
    active_leaf_id: UUID | None
    """The last message of the branch that is shown."""
    archived_at: datetime | None
    created_at: datetime
    updated_at: datetime
    message_count: int
    """Messages of all branches."""


class ConversationChanges(TypedDict, total=False):
    """What of a conversation its user may change."""

    title: str
    model: str | None
    system_prompt: str | None
    settings: dict[str, Any]
    archived_at: datetime | None


def make_title(text: str) -> str:
    """A title out of a first message: its first characters on one line."""
    return " ".join(text[: 20 * TITLE_CHARS].split())[:TITLE_CHARS].rstrip() or DEFAULT_TITLE


async def create(
    session: AsyncSession,
    user_id: UUID,
    *,
    title: str = DEFAULT_TITLE,
    model: str | None = None,
    system_prompt: str | None = None,
    settings: dict[str, Any] | None = None,
) -> Conversation:
    """A new conversation without messages."""
    row = ConversationRow(
        user_id=user_id,
        title=title,
        model=model,
        system_prompt=system_prompt,
        settings=settings or {},
    )
    session.add(row)
    await session.flush()
    await search.index_title(session, user_id, row.id, title)
    return to_conversation(row, 0)


async def get(session: AsyncSession, user_id: UUID, conversation_id: UUID) -> Conversation:
    """Raises:
    NotFound: this user has no such conversation.
    """
    statement = _selected(user_id).where(ConversationRow.id == conversation_id)
    found = (await session.execute(statement)).one_or_none()
    if found is None:
        raise unknown_conversation(conversation_id)
    return to_conversation(*found)


async def list_page(
    session: AsyncSession, user_id: UUID, *, limit: int = 50, before: str | None = None, q: str = ""
) -> Page[Conversation]:
    """One page, the last changed first; with `q` only those in which its words stand.

    Raises:
        BadRequest: `before` is no cursor.
    """
    row = ConversationRow
    statement = _selected(user_id).order_by(row.updated_at.desc(), row.id.desc()).limit(limit + 1)
    if before is not None:
        statement = statement.where(older_than_cursor(before, row.updated_at, row.id))
    if q.strip():
        matching = search.select_conversations(session, user_id, q)
        if matching is None:
            return Page((), None)
        statement = statement.where(row.id.in_(matching))
    found = [to_conversation(*each) for each in await session.execute(statement)]
    return make_page(found, limit, "updated_at")


async def change(
    session: AsyncSession, user_id: UUID, conversation_id: UUID, **changes: Unpack[ConversationChanges]
) -> Conversation:
    """Raises:
    NotFound: this user has no such conversation.
    """
    mine = (ConversationRow.id == conversation_id, ConversationRow.user_id == user_id)
    values = {**changes, "updated_at": utc_now()}
    if not await execute_and_count(session, update(ConversationRow).where(*mine).values(**values)):
        raise unknown_conversation(conversation_id)
    if "title" in changes:
        await search.index_title(session, user_id, conversation_id, changes["title"])
    return await get(session, user_id, conversation_id)


async def remove(session: AsyncSession, user_id: UUID, conversation_id: UUID) -> None:
    """Delete a conversation with all that belongs to it.

    Raises:
        NotFound: this user has no such conversation.
    """
    mine = (ConversationRow.id == conversation_id, ConversationRow.user_id == user_id)
    if not await execute_and_count(session, delete(ConversationRow).where(*mine)):
        raise unknown_conversation(conversation_id)


async def remove_all(session: AsyncSession, user_id: UUID) -> int:
    """Delete every conversation of a user; how many there were."""
    return await execute_and_count(session, delete(ConversationRow).where(ConversationRow.user_id == user_id))


async def remove_idle(session: AsyncSession, since: datetime, limit: int) -> int:
    """Delete up to `limit` conversations of all users that nothing has changed since, none that is being answered."""
    streams = exists().where(
        MessageRow.conversation_id == ConversationRow.id, MessageRow.status == "streaming"
    )
    old = select(ConversationRow.id).where(ConversationRow.updated_at < since, ~streams).limit(limit)
    return await execute_and_count(session, delete(ConversationRow).where(ConversationRow.id.in_(old)))


def to_conversation(row: ConversationRow, message_count: int) -> Conversation:
    return Conversation(
        row.id,
        row.user_id,
        row.title,
        row.model,
        row.system_prompt,
        row.settings,
        row.active_leaf_id,
        row.archived_at,
        row.created_at,
        row.updated_at,
        message_count,
    )


def unknown_conversation(conversation_id: UUID) -> NotFound:
    """The same words for one that is not there and for one of somebody else."""
    return NotFound(f"no conversation {str(conversation_id)!r}; list yours with GET /api/conversations")


def _selected(user_id: UUID) -> Select[ConversationRow, int]:
    """A user's conversations, each with its count: one statement, whatever their number."""
    counted = (
        select(func.count())
        .where(MessageRow.conversation_id == ConversationRow.id)
        .correlate(ConversationRow)
        .scalar_subquery()
    )
    statement = select(ConversationRow, counted).where(ConversationRow.user_id == user_id)
    return statement.execution_options(populate_existing=True)
