"""Messages of a conversation: a tree whose branches are edits and new answers, read by branch, page or version."""

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from sqlalchemy import CTE, ColumnElement, Row, Select, exists, func, literal, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.errors import Busy, IdReused, NotFound
from app.storage import attachments, search
from app.storage.attachments import Attachment, NewFiles
from app.storage.common import insert_rows, replace_unstorable, utc_now
from app.storage.conversations import DEFAULT_TITLE, find_next_place, unknown_conversation
from app.storage.tables import ConversationRow, MessageRow
from app.utils.ids import continue_after, new_id
from app.utils.titles import make_title

Role = Literal["system", "user", "assistant", "tool"]
Status = Literal["streaming", "complete", "interrupted", "failed"]
Parent = UUID | Literal["leaf"] | None
"""The message that a new one follows: an id, `leaf` (the end of the shown branch), or None (the beginning)."""

Versions = Mapping[UUID | None, tuple[UUID, ...]]
"""Parent id -> the ids of its children, oldest first; only parents with several children."""
MAX_VERSIONS = 100
"""Versions listed for one message. Ten thousand versions that each list all others would take gigabytes."""

_COPY_BATCH = 200
"""Messages copied at a time, so that a long conversation is never whole in memory."""
_COPIED_COLUMNS = (
    *("role", "content", "reasoning", "status", "model", "provider", "finish_reason", "usage", "error"),
    *("tool_data", "created_at"),
)
"""The columns that a copy of a message takes over."""
_COLUMNS = tuple(MessageRow.__table__.columns)
"""Selected where many messages are read: an object of the ORM for each would take twice the time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """A message as the database has it."""

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
    client_message_id: UUID | None = None
    attachments: tuple[Attachment, ...] = ()
    """Its files, where the message was read with them: by `get`, and in a branch or a page."""
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class NewTurn:
    """A user's message and the answer to it; a new one is still empty."""

    user: Message
    assistant: Message
    title: str
    """The title of the conversation, which a first message may have changed."""


async def append(
    session: AsyncSession,
    user_id: UUID,
    conversation_id: UUID,
    content: str,
    *,
    role: Role = "user",
    parent: Parent = "leaf",
) -> Message:
    """Store a complete message without beginning an answer to it.

    Raises:
        NotFound: this user has no such conversation, or the conversation has no such parent.
        Busy: an answer is under way in the conversation.
    """
    conversation = await _lock(session, user_id, conversation_id)
    parent_id = await _find_parent_id(session, conversation, parent)
    return to_message(await _add_message(session, conversation, content, role, parent_id))


async def append_turn(
    session: AsyncSession,
    user_id: UUID,
    conversation_id: UUID,
    content: str,
    *,
    run_id: UUID,
    parent: Parent = "leaf",
    model: str | None = None,
    client_message_id: UUID | None = None,
    files: NewFiles | None = None,
) -> NewTurn:
    """Store a user's message with its files, and an empty answer that this process is going to stream.

    To edit a message, give the parent of the edited message: the new message begins another branch there.

    Raises:
        NotFound: this user has no such conversation or file, or the conversation has no such parent.
        Busy: an answer is under way in the conversation.
        AttachmentNotReady: the text of a file is still being made, or could not be made.
    """
    conversation = await _lock(session, user_id, conversation_id)
    parent_id = await _find_parent_id(session, conversation, parent)
    question = await _add_message(
        session, conversation, content, "user", parent_id, client_message_id=client_message_id
    )
    if files is not None and files.ids:
        await attachments.attach(session, user_id, question.id, files)
    answer = await _add_empty_answer(session, conversation, question.id, run_id, model)
    (asked,) = await _add_attachments(session, (to_message(question),))
    if conversation.title == DEFAULT_TITLE and asked.attachments:
        conversation.title = make_title(asked.attachments[0].name) or DEFAULT_TITLE
        await search.index_title(session, user_id, conversation.id, conversation.title)
    return NewTurn(user=asked, assistant=to_message(answer), title=conversation.title)


async def append_answer(
    session: AsyncSession,
    user_id: UUID,
    conversation_id: UUID,
    *,
    run_id: UUID,
    parent: Parent = "leaf",
    model: str | None = None,
    client_message_id: UUID | None = None,
) -> Message:
    """Store one more empty answer to a message, which this process is going to stream.

    Raises:
        NotFound: this user has no such conversation, or the conversation has no such parent.
        Busy: an answer is under way in the conversation.
    """
    conversation = await _lock(session, user_id, conversation_id)
    parent_id = await _find_parent_id(session, conversation, parent)
    answer = await _add_empty_answer(
        session, conversation, parent_id, run_id, model, client_message_id=client_message_id
    )
    return to_message(answer)


async def find_by_client_id(
    session: AsyncSession, conversation_id: UUID, client_message_id: UUID | None
) -> Message | None:
    """Return the message that a request with this id of the client's has made, or None.

    The caller has found the conversation to be the user's.
    """
    if client_message_id is None:
        return None
    row = MessageRow
    same = (row.conversation_id == conversation_id, row.client_message_id == client_message_id)
    found = (await session.execute(select(row).where(*same))).scalar_one_or_none()
    return to_message(found) if found is not None else None


async def find_turn(
    session: AsyncSession,
    user_id: UUID,
    conversation_id: UUID,
    client_message_id: UUID | None,
    *,
    content: str,
    parent: Parent,
    files: Sequence[UUID] = (),
    lock: bool = False,
) -> NewTurn | None:
    """Return what `append_turn` has made for this id of the client's before, or None.

    `lock` keeps other requests from making it until the transaction ends.

    Raises:
        NotFound: this user has no such conversation.
        IdReused: the client sent something else with this id.
    """
    conversation = await _find_conversation(session, user_id, conversation_id, lock=lock)
    if (question := await find_by_client_id(session, conversation_id, client_message_id)) is None:
        return None
    (question,) = await _add_attachments(session, (question,))
    hashes = await attachments.list_hashes(session, user_id, files)
    is_same = question.role == "user" and question.content == replace_unstorable(content)
    is_same = is_same and hashes == [each.sha256 for each in question.attachments]
    if not is_same or (parent != "leaf" and parent != question.parent_id):
        raise _make_reused()
    answers = select(MessageRow).where(MessageRow.parent_id == question.id).order_by(MessageRow.id).limit(1)
    answer = (await session.execute(answers)).scalar_one()  # both were stored together
    return NewTurn(user=question, assistant=to_message(answer), title=conversation.title)


async def find_answer(
    session: AsyncSession,
    user_id: UUID,
    conversation_id: UUID,
    client_message_id: UUID | None,
    *,
    question_id: UUID,
    lock: bool = False,
) -> Message | None:
    """Return what `append_answer` has made for this id of the client's before, or None. Otherwise as `find_turn`."""
    await _find_conversation(session, user_id, conversation_id, lock=lock)
    answer = await find_by_client_id(session, conversation_id, client_message_id)
    if answer is not None and (answer.role != "assistant" or answer.parent_id != question_id):
        raise _make_reused()
    return answer


async def get(session: AsyncSession, user_id: UUID, message_id: UUID) -> Message:
    """Return a message.

    Raises:
        NotFound: this user has no such message.
    """
    statement = _select_own(user_id).where(MessageRow.id == message_id)
    if (row := await session.scalar(statement)) is None:
        raise unknown_message()
    (found,) = await _add_attachments(session, (to_message(row),))
    return found


async def read_branch(
    session: AsyncSession,
    user_id: UUID,
    conversation_id: UUID,
    leaf_id: UUID | None = None,
    *,
    last: int | None = None,
) -> tuple[Message, ...]:
    """Return the messages from the beginning to a leaf, by default the shown leaf; with `last` only so many at the end.

    Raises:
        NotFound: this user has no such conversation, or the conversation has no such message.
    """
    conversation = await _find_conversation(session, user_id, conversation_id)
    leaf_id = leaf_id or conversation.active_leaf_id
    if leaf_id is None:
        return ()
    found = await _read_path(session, conversation_id, leaf_id, last)
    if not found:
        raise unknown_message()
    return found


async def read_last(
    session: AsyncSession, user_id: UUID, conversation_id: UUID, last: int, *, all_branches: bool
) -> tuple[Message, ...]:
    """Return the last messages of all branches, or of the shown branch, oldest first.

    Raises:
        NotFound: this user has no such conversation.
    """
    if not all_branches:
        return await read_branch(session, user_id, conversation_id, last=last)
    await _find_conversation(session, user_id, conversation_id)
    statement = select(*_COLUMNS).where(MessageRow.conversation_id == conversation_id)
    newest = (await session.execute(statement.order_by(MessageRow.id.desc()).limit(last))).all()
    return await _add_attachments(session, tuple(map(to_message, reversed(newest))))


async def show_branch(session: AsyncSession, user_id: UUID, message_id: UUID) -> UUID:
    """Show the branch of a message, down to its newest leaf, and return the id of that leaf.

    Raises:
        NotFound: this user has no such message.
        Busy: an answer is under way in the conversation.
    """
    message = await get(session, user_id, message_id)
    conversation = await _lock(session, user_id, message.conversation_id)
    below = select(MessageRow.id).where(MessageRow.id == message_id).cte("below", recursive=True)
    below = below.union_all(select(MessageRow.id).join(below, MessageRow.parent_id == below.c.id))
    has_children = exists().where(MessageRow.parent_id == below.c.id)
    newest = select(below.c.id).where(~has_children).order_by(below.c.id.desc()).limit(1)
    leaf_id: UUID = (await session.execute(newest)).scalar_one()
    conversation.active_leaf_id = leaf_id
    return leaf_id


async def fork(
    session: AsyncSession, user_id: UUID, conversation_id: UUID, leaf_id: UUID | None = None
) -> UUID:
    """Copy a branch into a new conversation and return the id of that conversation.

    Raises:
        NotFound: this user has no such conversation, or the conversation has no such message.
        Busy: an answer is under way in the conversation.
    """
    source = await _lock(session, user_id, conversation_id)
    copy = ConversationRow(
        user_id=user_id,
        title=source.title,
        model=source.model,
        system_prompt=source.system_prompt,
        settings=source.settings,
        ordered_at=await find_next_place(session, user_id),
    )
    session.add(copy)
    await session.flush()
    await search.index_title(session, user_id, copy.id, copy.title)
    leaf_id = leaf_id or source.active_leaf_id
    path = await find_path_ids(session, conversation_id, leaf_id) if leaf_id else []
    if leaf_id and not path:
        raise unknown_message()
    for begin in range(0, len(path), _COPY_BATCH):
        await _copy(session, path[begin : begin + _COPY_BATCH], copy)
    return copy.id


async def list_ids(
    session: AsyncSession, user_id: UUID, conversation_id: UUID, *, all_branches: bool
) -> Sequence[UUID]:
    """Return the ids of all messages, or of the messages of the shown branch, oldest first.

    Raises:
        NotFound: this user has no such conversation.
    """
    if not all_branches:
        leaf_id = (await _find_conversation(session, user_id, conversation_id)).active_leaf_id
        return await find_path_ids(session, conversation_id, leaf_id) if leaf_id else []
    mine = (MessageRow.conversation_id == conversation_id, ConversationRow.user_id == user_id)
    joined = select(MessageRow.id).join(ConversationRow, ConversationRow.id == MessageRow.conversation_id)
    return (await session.scalars(joined.where(*mine).order_by(MessageRow.id))).all()


async def find_path_ids(session: AsyncSession, conversation_id: UUID, leaf_id: UUID) -> Sequence[UUID]:
    """Return the ids of the messages of a conversation from the root to a leaf; none if it has no such message."""
    columns = MessageRow.__table__.c
    path = _select_path(conversation_id, leaf_id, None, (columns.id, columns.parent_id))
    return (await session.scalars(select(path.c.id).order_by(path.c.depth.desc()))).all()


async def read_page(session: AsyncSession, conversation_id: UUID, ids: Sequence[UUID]) -> tuple[Message, ...]:
    """Return these messages of a conversation in this order, without those that no longer exist.

    The statement names the ids alone: with the conversation, PostgreSQL would read all of its messages.
    """
    rows = await session.execute(select(*_COLUMNS).where(MessageRow.id.in_(ids)))
    found = {row.id: to_message(row) for row in rows if row.conversation_id == conversation_id}
    return await _add_attachments(session, tuple(found[id_] for id_ in ids if id_ in found))


async def list_versions(session: AsyncSession, conversation_id: UUID, among: Sequence[Message]) -> Versions:
    """Return which messages are versions of these messages of a conversation. Its other messages are not read."""
    row = MessageRow
    found: dict[UUID | None, list[UUID]] = {}
    parent_ids = {message.parent_id for message in among if message.parent_id is not None}
    several = select(row.parent_id).where(row.parent_id.in_(parent_ids)).group_by(row.parent_id)
    children = select(row.parent_id, row.id).where(row.parent_id.in_(several.having(func.count() > 1)))
    for parent_id, id_ in await session.execute(children.order_by(row.id)):
        found.setdefault(parent_id, []).append(id_)
    if any(message.parent_id is None for message in among):
        roots = select(row.id).where(row.conversation_id == conversation_id, row.parent_id.is_(None))
        found[None] = list(await session.scalars(roots.order_by(row.id)))
    return {parent_id: tuple(ids) for parent_id, ids in found.items() if len(ids) > 1}


def select_versions(found: Versions, message: Message) -> Sequence[UUID]:
    """Return the ids of a message and its other versions, oldest first; of very many only the nearest ones."""
    ids = found.get(message.parent_id, (message.id,))
    at = bisect_left(ids, message.id)
    begin = max(min(at - MAX_VERSIONS // 2, len(ids) - MAX_VERSIONS), 0)
    return ids[begin : begin + MAX_VERSIONS]


def to_message(row: "MessageRow | Row[*tuple[Any, ...]]") -> Message:
    """Turn a row into the dataclass that the services see."""
    return Message(
        id=row.id,
        conversation_id=row.conversation_id,
        parent_id=row.parent_id,
        role=row.role,  # type: ignore[arg-type]  # this module alone writes the column
        content=row.content,
        reasoning=row.reasoning,
        status=row.status,  # type: ignore[arg-type]  # as above
        model=row.model,
        provider=row.provider,
        finish_reason=row.finish_reason,
        usage=row.usage,
        error=row.error,
        tool_data=row.tool_data,
        client_message_id=row.client_message_id,
        created_at=row.created_at,
        updated_at=row.updated_at,
    )


def unknown_message() -> NotFound:
    """The error for a message that does not exist, and for one of another user."""
    return NotFound("no message has this id; see GET /api/conversations/{id}/messages")


async def _copy(session: AsyncSession, ids: Sequence[UUID], into: ConversationRow) -> None:
    """Append copies of these messages to a conversation, each one after the one before."""
    found = await session.execute(select(*_COLUMNS).where(MessageRow.id.in_(ids)))
    rows = {row.id: row for row in found}
    copies: list[dict[str, Any]] = []
    for id_ in ids:
        values = {name: getattr(rows[id_], name) for name in _COPIED_COLUMNS}
        copies.append(
            {"id": new_id(), "conversation_id": into.id, "parent_id": into.active_leaf_id, **values}
        )
        into.active_leaf_id = copies[-1]["id"]
    await insert_rows(session, MessageRow, copies)
    copy_of = {id_: copy["id"] for id_, copy in zip(ids, copies, strict=True)}
    await attachments.copy_for(session, copy_of)
    await search.index_copies(session, into.user_id, into.id, copy_of)


def _select_own(user_id: UUID) -> Select[MessageRow]:
    joined = select(MessageRow).join(ConversationRow, ConversationRow.id == MessageRow.conversation_id)
    return joined.where(ConversationRow.user_id == user_id)


async def _find_conversation(
    session: AsyncSession, user_id: UUID, conversation_id: UUID, *, lock: bool = False
) -> ConversationRow:
    mine = (ConversationRow.id == conversation_id, ConversationRow.user_id == user_id)
    statement = select(ConversationRow).where(*mine)
    row = await session.scalar(statement.with_for_update() if lock else statement)
    if row is None:
        raise unknown_conversation()
    return row


async def _lock(session: AsyncSession, user_id: UUID, conversation_id: UUID) -> ConversationRow:
    """Lock a conversation against other processes and return it.

    Raises:
        NotFound: this user has no such conversation.
        Busy: an answer is under way in the conversation.
    """
    row = await _find_conversation(session, user_id, conversation_id, lock=True)
    streams = exists().where(MessageRow.conversation_id == conversation_id, MessageRow.status == "streaming")
    if await session.scalar(select(streams)):
        raise Busy("this conversation has an answer under way; wait for it or stop it")
    return row


def _make_reused() -> IdReused:
    return IdReused(
        "this `client_message_id` was sent with another message of this conversation; give each message its own"
    )


async def _find_parent_id(
    session: AsyncSession, conversation: ConversationRow, parent: Parent
) -> UUID | None:
    if parent is None or parent == "leaf":
        return conversation.active_leaf_id if parent == "leaf" else None
    row = await session.get(MessageRow, parent)
    if row is None or row.conversation_id != conversation.id:
        raise unknown_message()
    return parent


async def _add_message(
    session: AsyncSession,
    conversation: ConversationRow,
    content: str,
    role: Role,
    parent_id: UUID | None,
    *,
    client_message_id: UUID | None = None,
) -> MessageRow:
    """Insert a complete message and show its branch. A first message of a user gives the conversation its title."""
    row = MessageRow(
        id=await _make_newest_id(session, conversation.id),
        conversation_id=conversation.id,
        parent_id=parent_id,
        role=role,
        content=content,
        status="complete",
        client_message_id=client_message_id,
    )
    session.add(row)
    await session.flush()
    search.index_message(session, conversation.user_id, conversation.id, row.id, content)
    if role == "user" and conversation.title == DEFAULT_TITLE:
        conversation.title = make_title(content) or DEFAULT_TITLE
        await search.index_title(session, conversation.user_id, conversation.id, conversation.title)
    conversation.active_leaf_id = row.id
    conversation.updated_at = utc_now()
    conversation.ordered_at = await find_next_place(session, conversation.user_id)
    return row


async def _add_empty_answer(
    session: AsyncSession,
    conversation: ConversationRow,
    parent_id: UUID | None,
    run_id: UUID,
    model: str | None,
    *,
    client_message_id: UUID | None = None,
) -> MessageRow:
    row = MessageRow(
        id=await _make_newest_id(session, conversation.id),
        conversation_id=conversation.id,
        parent_id=parent_id,
        role="assistant",
        content="",
        status="streaming",
        model=model,
        run_id=run_id,
        client_message_id=client_message_id,
    )
    session.add(row)
    await session.flush()
    conversation.active_leaf_id = row.id
    conversation.updated_at = utc_now()
    conversation.ordered_at = await find_next_place(session, conversation.user_id)
    return row


async def _make_newest_id(session: AsyncSession, conversation_id: UUID) -> UUID:
    """Make an id that sorts after all messages of a locked conversation, wherever this machine's clock stands."""
    ids = select(MessageRow.id).where(MessageRow.conversation_id == conversation_id)
    continue_after(await session.scalar(ids.order_by(MessageRow.id.desc()).limit(1)))
    return new_id()


async def _read_path(
    session: AsyncSession, conversation_id: UUID, leaf_id: UUID, last: int | None = None
) -> tuple[Message, ...]:
    """Return the messages from the root to a leaf, in one statement with one key lookup a message."""
    path = _select_path(conversation_id, leaf_id, last, _COLUMNS)
    found = await session.execute(select(path).order_by(path.c.depth.desc()))
    return await _add_attachments(session, tuple(map(to_message, found)))


async def _add_attachments(session: AsyncSession, found: tuple[Message, ...]) -> tuple[Message, ...]:
    """The messages with their files. Only a user's have some."""
    ids = [message.id for message in found if message.role == "user"]
    files = await attachments.load_for(session, ids) if ids else {}
    return tuple(
        replace(message, attachments=files[message.id]) if message.id in files else message
        for message in found
    )


def _select_path(
    conversation_id: UUID, leaf_id: UUID, last: int | None, columns: Sequence[ColumnElement[Any]]
) -> CTE:
    """Select columns of the messages from a leaf up to the root, or to the `last`th one, with their distances.

    A join of a path with `messages` would read the whole table on PostgreSQL, which expects longer paths.
    """
    path = (
        select(*columns, literal(1).label("depth"))
        .where(MessageRow.id == leaf_id, MessageRow.conversation_id == conversation_id)
        .cte("path", recursive=True)
    )
    step = select(*columns, path.c.depth + 1).join(path, MessageRow.id == path.c.parent_id)
    return path.union_all(step if last is None else step.where(path.c.depth < last))
