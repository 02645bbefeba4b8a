"""Messages of long conversations: which there are, then some at a time; and which are versions of each other."""

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from uuid import UUID

from sqlalchemy import func, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.storage.messages import Message, branch_ids, message_of
from app.storage.tables import ConversationRow, MessageRow

Versions = Mapping[UUID | None, tuple[UUID, ...]]
"""By parent: the messages that follow it, oldest first; only where there are several."""
MOST_BESIDE = 100
"""Of one message: each of ten thousand versions telling of all others would be gigabytes."""


async def ids_of(
    session: AsyncSession, user_id: UUID, conversation_id: UUID, *, all_branches: bool
) -> Sequence[UUID]:
    """The ids of all messages, or of those of the shown branch, oldest first.

    Raises:
        NotFound: this user has no such conversation.
    """
    if not all_branches:
        return await branch_ids(session, user_id, conversation_id)
    mine = (MessageRow.conversation_id == conversation_id, ConversationRow.user_id == user_id)
    joined = select(MessageRow.id).join(ConversationRow, ConversationRow.id == MessageRow.conversation_id)
    return (await session.scalars(joined.where(*mine).order_by(MessageRow.id))).all()


async def page(session: AsyncSession, conversation_id: UUID, ids: Sequence[UUID]) -> tuple[Message, ...]:
    """These messages in this order; one that is gone is left out."""
    wanted = (MessageRow.conversation_id == conversation_id, MessageRow.id.in_(ids))
    found = {row.id: message_of(row) for row in await session.scalars(select(MessageRow).where(*wanted))}
    return tuple(found[id_] for id_ in ids if id_ in found)


async def versions(session: AsyncSession, user_id: UUID, conversation_id: UUID) -> Versions:
    """What stands beside each other in a conversation; nothing of one that this user does not have."""
    row = MessageRow
    several = (
        select(row.parent_id).where(row.conversation_id == conversation_id).group_by(row.parent_id)
    ).having(func.count() > 1)
    statement = (
        select(row.parent_id, row.id)
        .join(ConversationRow, ConversationRow.id == row.conversation_id)
        .where(ConversationRow.id == conversation_id, ConversationRow.user_id == user_id)
        .where(or_(row.parent_id.in_(several), row.parent_id.is_(None)))
        .order_by(row.id)
    )
    found: dict[UUID | None, list[UUID]] = {}
    for parent_id, id_ in await session.execute(statement):
        found.setdefault(parent_id, []).append(id_)
    return {parent_id: tuple(ids) for parent_id, ids in found.items() if len(ids) > 1}


def beside(found: Versions, message: Message) -> Sequence[UUID]:
    """A message and its other versions, oldest first; of very many those nearest to it."""
    ids = found.get(message.parent_id, (message.id,))
    at = bisect_left(ids, message.id)
    begin = max(min(at - MOST_BESIDE // 2, len(ids) - MOST_BESIDE), 0)
    return ids[begin : begin + MOST_BESIDE]
