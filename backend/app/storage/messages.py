"""Messages of a conversation: a tree whose branches are edits and new answers, read by branch, page and version."""

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from sqlalchemy import CTE, Select, exists, func, insert, literal, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.errors import Busy, NotFound
from app.storage import search
from app.storage.common import utc_now
from app.storage.conversations import DEFAULT_TITLE, make_title, unknown_conversation
from app.storage.tables import ConversationRow, MessageRow
from app.utils.ids import new_id

Role = Literal["system", "user", "assistant", "tool"]
Status = Literal["streaming", "complete", "interrupted", "failed"]
Parent = UUID | Literal["leaf"] | None
"""What a message follows: another one, the last one of the shown branch, or nothing (the beginning)."""

_COPIED = 200
"""How many messages are copied at a time: a long conversation never stands in memory whole."""
_TAKEN = (
    *("role", "content", "reasoning", "status", "model", "provider", "finish_reason", "usage", "error"),
    *("tool_data", "created_at"),
)
"""What of a message its copy has, too."""


@dataclass(frozen=True, slots=True)
class Message:
    id: UUID
    conversation_id: UUID
    parent_id: UUID | None
    role: Role
    content: str
    reasoning: str | None
    status: Status
    model: str | None
    provider: str | None
    finish_reason: str | None
    usage: dict[str, Any] | None
    error: dict[str, Any] | None
    tool_data: list[Any] | None
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class NewTurn:
    """A question and the place of its answer, which is still empty."""

    user: Message
    assistant: Message
    title: str
    """Of the conversation, which its first message may have named."""


async def append(
    session: AsyncSession,
    user_id: UUID,
    conversation_id: UUID,
    content: str,
    *,
    role: Role = "user",
    parent: Parent = "leaf",
) -> Message:
    """Store a finished message that nobody answers now.

    Raises:
        NotFound: this user has no such conversation, or it no such parent.
        Busy: an answer is under way.
    """
    conversation = await _lock(session, user_id, conversation_id)
    row = await _added(session, conversation, content, role, await _parent(session, conversation, parent))
    return to_message(row)


async def append_turn(
    session: AsyncSession,
    user_id: UUID,
    conversation_id: UUID,
    content: str,
    *,
    run_id: UUID,
    parent: Parent = "leaf",
    model: str | None = None,
    provider: str | None = None,
) -> NewTurn:
    """Store a user's message and the empty answer that this process is going to stream.

    To edit a message, give the parent of the edited one: the new one becomes its branch.

    Raises:
        NotFound: this user has no such conversation, or it no such parent.
        Busy: an answer is under way.
    """
    conversation = await _lock(session, user_id, conversation_id)
    asked = await _added(session, conversation, content, "user", await _parent(session, conversation, parent))
    answer = await _placeholder(session, conversation, asked.id, run_id, model, provider)
    return NewTurn(to_message(asked), to_message(answer), conversation.title)


async def append_answer(
    session: AsyncSession,
    user_id: UUID,
    conversation_id: UUID,
    *,
    run_id: UUID,
    parent: Parent = "leaf",
    model: str | None = None,
    provider: str | None = None,
) -> Message:
    """Store one more empty answer to a message, which this process is going to stream: regenerate.

    Raises:
        NotFound: this user has no such conversation, or it no such parent.
        Busy: an answer is under way.
    """
    conversation = await _lock(session, user_id, conversation_id)
    parent_id = await _parent(session, conversation, parent)
    return to_message(await _placeholder(session, conversation, parent_id, run_id, model, provider))


async def get(session: AsyncSession, user_id: UUID, message_id: UUID) -> Message:
    """Raises:
    NotFound: this user has no such message.
    """
    statement = _mine(user_id).where(MessageRow.id == message_id)
    if (row := await session.scalar(statement)) is None:
        raise unknown_message(message_id)
    return to_message(row)


async def tree(session: AsyncSession, user_id: UUID, conversation_id: UUID) -> tuple[Message, ...]:
    """All messages of all branches, oldest first.

    Raises:
        NotFound: this user has no such conversation.
    """
    await _conversation(session, user_id, conversation_id)
    statement = select(MessageRow).where(MessageRow.conversation_id == conversation_id)
    return tuple(to_message(row) for row in await session.scalars(statement.order_by(MessageRow.id)))


async def read_branch(
    session: AsyncSession,
    user_id: UUID,
    conversation_id: UUID,
    leaf_id: UUID | None = None,
    *,
    last: int | None = None,
) -> tuple[Message, ...]:
    """The messages from the beginning to a leaf, by default the shown one; only the `last` ones if wanted.

    Raises:
        NotFound: this user has no such conversation, or it no such message.
    """
    conversation = await _conversation(session, user_id, conversation_id)
    leaf_id = leaf_id or conversation.active_leaf_id
    if leaf_id is None:
        return ()
    found = await _ancestry(session, conversation_id, leaf_id, last)
    if not found:
        raise unknown_message(leaf_id)
    return tuple(map(to_message, found))


async def siblings(session: AsyncSession, user_id: UUID, message_id: UUID) -> tuple[Message, ...]:
    """A message and its other versions, oldest first: what has the same parent.

    Raises:
        NotFound: this user has no such message.
    """
    message = await get(session, user_id, message_id)
    statement = select(MessageRow).where(
        MessageRow.conversation_id == message.conversation_id,
        MessageRow.parent_id.is_not_distinct_from(message.parent_id),
    )
    return tuple(to_message(row) for row in await session.scalars(statement.order_by(MessageRow.id)))


async def show_branch(session: AsyncSession, user_id: UUID, message_id: UUID) -> UUID:
    """Show the branch of a message, down to its newest leaf; the leaf.

    Raises:
        NotFound: this user has no such message.
        Busy: an answer is under way.
    """
    message = await get(session, user_id, message_id)
    conversation = await _lock(session, user_id, message.conversation_id)
    below = select(MessageRow.id).where(MessageRow.id == message_id).cte("below", recursive=True)
    below = below.union_all(select(MessageRow.id).join(below, MessageRow.parent_id == below.c.id))
    # Ids rise with time and children are younger than parents: the newest one below has no children.
    newest = select(below.c.id).order_by(below.c.id.desc()).limit(1)
    leaf_id: UUID = (await session.execute(newest)).scalar_one()
    conversation.active_leaf_id = leaf_id
    return leaf_id


async def fork(
    session: AsyncSession, user_id: UUID, conversation_id: UUID, leaf_id: UUID | None = None
) -> UUID:
    """Copy a branch into a conversation of its own; the new conversation's id.

    Raises:
        NotFound: this user has no such conversation, or it no such message.
        Busy: an answer is under way.
    """
    source = await _lock(session, user_id, conversation_id)
    copy = ConversationRow(
        user_id=user_id,
        title=source.title,
        model=source.model,
        system_prompt=source.system_prompt,
        settings=source.settings,
    )
    session.add(copy)
    await session.flush()
    await search.index_title(session, user_id, copy.id, copy.title)
    leaf_id = leaf_id or source.active_leaf_id
    way = await _way_ids(session, conversation_id, leaf_id) if leaf_id else []
    if leaf_id and not way:
        raise unknown_message(leaf_id)
    for begin in range(0, len(way), _COPIED):
        await _copy(session, way[begin : begin + _COPIED], copy)
    return copy.id


async def list_branch_ids(session: AsyncSession, user_id: UUID, conversation_id: UUID) -> Sequence[UUID]:
    """The ids of the messages of the shown branch, from the beginning on.

    Raises:
        NotFound: this user has no such conversation.
    """
    conversation = await _conversation(session, user_id, conversation_id)
    leaf_id = conversation.active_leaf_id
    return await _way_ids(session, conversation_id, leaf_id) if leaf_id else []


async def _copy(session: AsyncSession, ids: Sequence[UUID], into: ConversationRow) -> None:
    """Put copies of these messages at the end of a conversation, each one following the one before."""
    found = await session.scalars(select(MessageRow).where(MessageRow.id.in_(ids)))
    rows = {row.id: row for row in found}
    copies: list[dict[str, Any]] = []
    for id_ in ids:
        values = {name: getattr(rows[id_], name) for name in _TAKEN}
        copies.append(
            {"id": new_id(), "conversation_id": into.id, "parent_id": into.active_leaf_id, **values}
        )
        into.active_leaf_id = copies[-1]["id"]
    await session.execute(insert(MessageRow), copies)
    copy_of = {id_: copy["id"] for id_, copy in zip(ids, copies, strict=True)}
    await search.index_copies(session, into.user_id, into.id, copy_of)


def to_message(row: MessageRow) -> Message:
    return Message(
        row.id,
        row.conversation_id,
        row.parent_id,
        row.role,  # type: ignore[arg-type]  # what is written here is read here
        row.content,
        row.reasoning,
        row.status,  # type: ignore[arg-type]
        row.model,
        row.provider,
        row.finish_reason,
        row.usage,
        row.error,
        row.tool_data,
        row.created_at,
        row.updated_at,
    )


def unknown_message(message_id: UUID) -> NotFound:
    return NotFound(f"no message {str(message_id)!r}; see GET /api/conversations/{{id}}/messages")


def _mine(user_id: UUID) -> Select[MessageRow]:
    joined = select(MessageRow).join(ConversationRow, ConversationRow.id == MessageRow.conversation_id)
    return joined.where(ConversationRow.user_id == user_id)


async def _conversation(
    session: AsyncSession, user_id: UUID, conversation_id: UUID, *, lock: bool = False
) -> ConversationRow:
    mine = (ConversationRow.id == conversation_id, ConversationRow.user_id == user_id)
    statement = select(ConversationRow).where(*mine)
    row = await session.scalar(statement.with_for_update() if lock else statement)
    if row is None:
        raise unknown_conversation(conversation_id)
    return row


async def _lock(session: AsyncSession, user_id: UUID, conversation_id: UUID) -> ConversationRow:
    """The conversation, its row locked against other processes; one that is being answered takes nothing new."""
    row = await _conversation(session, user_id, conversation_id, lock=True)
    streams = exists().where(MessageRow.conversation_id == conversation_id, MessageRow.status == "streaming")
    if await session.scalar(select(streams)):
        raise Busy(f"conversation {str(conversation_id)!r} has an answer under way; wait for it or stop it")
    return row


async def _parent(session: AsyncSession, conversation: ConversationRow, parent: Parent) -> UUID | None:
    if parent is None or parent == "leaf":
        return conversation.active_leaf_id if parent == "leaf" else None
    row = await session.get(MessageRow, parent)
    if row is None or row.conversation_id != conversation.id:
        raise unknown_message(parent)
    return parent


async def _added(
    session: AsyncSession, conversation: ConversationRow, content: str, role: Role, parent_id: UUID | None
) -> MessageRow:
    """A finished message at the end of the shown branch; it names a conversation that has no name yet."""
    row = MessageRow(
        conversation_id=conversation.id,
        parent_id=parent_id,
        role=role,
        content=content,
        status="complete",
    )
    session.add(row)
    await session.flush()
    search.index_message(session, conversation.user_id, conversation.id, row.id, content)
    if role == "user" and conversation.title == DEFAULT_TITLE:
        conversation.title = make_title(content)
        await search.index_title(session, conversation.user_id, conversation.id, conversation.title)
    conversation.active_leaf_id = row.id
    conversation.updated_at = utc_now()
    return row


async def _placeholder(
    session: AsyncSession,
    conversation: ConversationRow,
    parent_id: UUID | None,
    run_id: UUID,
    model: str | None,
    provider: str | None,
) -> MessageRow:
    row = MessageRow(
        conversation_id=conversation.id,
        parent_id=parent_id,
        role="assistant",
        content="",
        status="streaming",
        model=model,
        provider=provider,
        run_id=run_id,
    )
    session.add(row)
    await session.flush()
    conversation.active_leaf_id = row.id
    conversation.updated_at = utc_now()
    return row


async def _ancestry(
    session: AsyncSession, conversation_id: UUID, leaf_id: UUID, last: int | None = None
) -> Sequence[MessageRow]:
    """The rows from the root to a leaf of this conversation: one statement, a step by key for each message."""
    way = _way(conversation_id, leaf_id, last)
    statement = select(MessageRow).join(way, way.c.id == MessageRow.id).order_by(way.c.depth.desc())
    return (await session.scalars(statement)).all()


async def _way_ids(session: AsyncSession, conversation_id: UUID, leaf_id: UUID) -> Sequence[UUID]:
    way = _way(conversation_id, leaf_id, None)
    return (await session.scalars(select(way.c.id).order_by(way.c.depth.desc()))).all()


def _way(conversation_id: UUID, leaf_id: UUID, last: int | None) -> CTE:
    way = (
        select(MessageRow.id, MessageRow.parent_id, literal(1).label("depth"))
        .where(MessageRow.id == leaf_id, MessageRow.conversation_id == conversation_id)
        .cte("way", recursive=True)
    )
    step = select(MessageRow.id, MessageRow.parent_id, way.c.depth + 1).join(
        way, MessageRow.id == way.c.parent_id
    )
    return way.union_all(step if last is None else step.where(way.c.depth < last))


Versions = Mapping[UUID | None, tuple[UUID, ...]]
"""By parent: the messages that follow it, oldest first; only where there are several."""
MOST_BESIDE = 100
"""Of one message: each of ten thousand versions telling of all others would be gigabytes."""


async def list_ids(
    session: AsyncSession, user_id: UUID, conversation_id: UUID, *, all_branches: bool
) -> Sequence[UUID]:
    """The ids of all messages, or of those of the shown branch, oldest first.

    Raises:
        NotFound: this user has no such conversation.
    """
    if not all_branches:
        return await list_branch_ids(session, user_id, conversation_id)
    mine = (MessageRow.conversation_id == conversation_id, ConversationRow.user_id == user_id)
    joined = select(MessageRow.id).join(ConversationRow, ConversationRow.id == MessageRow.conversation_id)
    return (await session.scalars(joined.where(*mine).order_by(MessageRow.id))).all()


async def read_page(session: AsyncSession, conversation_id: UUID, ids: Sequence[UUID]) -> tuple[Message, ...]:
    """These messages in this order; one that is gone is left out."""
    wanted = (MessageRow.conversation_id == conversation_id, MessageRow.id.in_(ids))
    found = {row.id: to_message(row) for row in await session.scalars(select(MessageRow).where(*wanted))}
    return tuple(found[id_] for id_ in ids if id_ in found)


async def list_versions(session: AsyncSession, user_id: UUID, conversation_id: UUID) -> Versions:
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


def select_versions(found: Versions, message: Message) -> Sequence[UUID]:
    """A message and its other versions, oldest first; of very many those nearest to it."""
    ids = found.get(message.parent_id, (message.id,))
    at = bisect_left(ids, message.id)
    begin = max(min(at - MOST_BESIDE // 2, len(ids) - MOST_BESIDE), 0)
    return ids[begin : begin + MOST_BESIDE]
