"""Links that show a conversation to others: made, listed and deleted by their owner, found by the hash of a token."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import delete, func, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.errors import BadRequest, Busy, NotFound
from app.storage.common import execute_and_count
from app.storage.messages import find_path_ids
from app.storage.tables import ConversationRow, MessageRow, ShareRow, UserRow

KEEP_EXPIRED = timedelta(days=30)
"""How long an expired link stays in its owner's list."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NewShare:
    """A link that is not stored yet."""

    id: UUID
    user_id: UUID
    conversation_id: UUID
    is_live: bool
    """Whether it follows the conversation. Otherwise it shows the branch and the title of this moment, for good."""
    token_hash: str = field(repr=False)
    sealed_token: str | None = field(repr=False)
    """The token for its owner to copy again."""
    attachments: bool
    dictations: bool
    expires_at: datetime | None
    created_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredShare:
    """A link as its owner sees it."""

    id: UUID
    user_id: UUID
    conversation_id: UUID
    is_live: bool
    title: str
    """What the page shows: of a snapshot that of its moment, else that of the conversation now."""
    sealed_token: str | None = field(repr=False)
    attachments: bool
    dictations: bool
    expires_at: datetime | None
    created_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenShare:
    """A link that somebody has opened."""

    conversation_id: UUID
    is_live: bool
    title: str
    leaf_id: UUID | None
    """The last message that is shown; None where there is no message."""
    attachments: bool
    dictations: bool
    expires_at: datetime | None
    created_at: datetime


async def add(session: AsyncSession, new: NewShare) -> None:
    """Insert a link to a conversation of its user that has messages.

    Raises:
        NotFound: this user has no such conversation.
        BadRequest: the conversation has no messages.
        Busy: its last answer is under way.
    """
    mine = (ConversationRow.id == new.conversation_id, ConversationRow.user_id == new.user_id)
    leaf = MessageRow.id == ConversationRow.active_leaf_id
    statement = select(ConversationRow.title, MessageRow.id, MessageRow.status).outerjoin(MessageRow, leaf)
    found = (await session.execute(statement.where(*mine))).one_or_none()
    if found is None:
        raise NotFound("no conversation has this id; list yours with GET /api/conversations")
    title, leaf_id, status = found
    if leaf_id is None:
        raise BadRequest("this conversation has no message that a link could show; send one first")
    if status == "streaming" and not new.is_live:
        raise Busy("this conversation has an answer under way; wait for it or stop it")
    session.add(
        ShareRow(
            id=new.id,
            user_id=new.user_id,
            conversation_id=new.conversation_id,
            leaf_id=leaf_id,
            live=new.is_live,
            title=None if new.is_live else title,
            token_hash=new.token_hash,
            sealed_token=new.sealed_token,
            attachments=new.attachments,
            dictations=new.dictations,
            expires_at=new.expires_at,
            created_at=new.created_at,
        )
    )
    await session.flush()


async def count_own(session: AsyncSession, user_id: UUID) -> int:
    """Return how many links a user has, expired ones included."""
    statement = select(func.count()).select_from(ShareRow).where(ShareRow.user_id == user_id)
    return (await session.execute(statement)).scalar_one()


async def get(session: AsyncSession, user_id: UUID, share_id: UUID) -> StoredShare:
    """Return a user's link.

    Raises:
        NotFound: this user has no such link.
    """
    found = await _list(session, user_id, share_id)
    if not found:
        raise unknown_share()
    return found[0]


async def list_own(session: AsyncSession, user_id: UUID) -> Sequence[StoredShare]:
    """Return a user's links, newest first."""
    return await _list(session, user_id)


async def remove(session: AsyncSession, user_id: UUID, share_id: UUID) -> None:
    """Delete a user's link.

    Raises:
        NotFound: this user has no such link.
    """
    mine = delete(ShareRow).where(ShareRow.user_id == user_id, ShareRow.id == share_id)
    if not await execute_and_count(session, mine):
        raise unknown_share()


async def find_open(session: AsyncSession, token_hash: str, now: datetime) -> OpenShare | None:
    """Return what a token opens at this time; None without such a link, behind its end, and of a disabled user."""
    statement = (
        select(ShareRow, ConversationRow.title, ConversationRow.active_leaf_id)
        .join(ConversationRow, ConversationRow.id == ShareRow.conversation_id)
        .join(UserRow, UserRow.id == ShareRow.user_id)
        .where(ShareRow.token_hash == token_hash, UserRow.disabled_at.is_(None))
        .where(or_(ShareRow.expires_at.is_(None), ShareRow.expires_at > now))
    )
    found = (await session.execute(statement)).one_or_none()
    if found is None:
        return None
    row, title, active_leaf_id = found
    return OpenShare(
        conversation_id=row.conversation_id,
        is_live=row.live,
        title=_choose_title(row, title),
        leaf_id=active_leaf_id if row.live else row.leaf_id,
        attachments=row.attachments,
        dictations=row.dictations,
        expires_at=row.expires_at,
        created_at=row.created_at,
    )


async def find_branch(
    session: AsyncSession, token_hash: str, now: datetime
) -> tuple[OpenShare, Sequence[UUID]] | None:
    """Return what a token opens, and the ids of the messages that it shows, from the first one to the last."""
    share = await find_open(session, token_hash, now)
    if share is None:
        return None
    if share.leaf_id is None:
        return share, []
    return share, await find_path_ids(session, share.conversation_id, share.leaf_id)


async def remove_expired(session: AsyncSession, now: datetime) -> None:
    """Delete the links of all users that expired long ago."""
    await session.execute(delete(ShareRow).where(ShareRow.expires_at < now - KEEP_EXPIRED))


def unknown_share() -> NotFound:
    """The error for a link that does not exist, and for one of another user."""
    return NotFound("no shared link has this id; list yours with GET /api/shares")


async def _list(session: AsyncSession, user_id: UUID, share_id: UUID | None = None) -> Sequence[StoredShare]:
    statement = (
        select(ShareRow, ConversationRow.title)
        .join(ConversationRow, ConversationRow.id == ShareRow.conversation_id)
        .where(ShareRow.user_id == user_id)
    )
    if share_id is not None:
        statement = statement.where(ShareRow.id == share_id)
    found = await session.execute(statement.order_by(ShareRow.id.desc()))
    return [_to_stored(row, title) for row, title in found]


def _to_stored(row: ShareRow, title: str) -> StoredShare:
    return StoredShare(
        id=row.id,
        user_id=row.user_id,
        conversation_id=row.conversation_id,
        is_live=row.live,
        title=_choose_title(row, title),
        sealed_token=row.sealed_token,
        attachments=row.attachments,
        dictations=row.dictations,
        expires_at=row.expires_at,
        created_at=row.created_at,
    )


def _choose_title(row: ShareRow, title: str) -> str:
    """The title of a snapshot's moment, or that of the conversation now."""
    return title if row.live or row.title is None else row.title
