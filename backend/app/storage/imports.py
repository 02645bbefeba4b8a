"""Imports: begun, counted, ended and listed; and one imported conversation, stored with all that is new of it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from sqlalchemy import ColumnElement, delete, exists, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.errors import Busy, NotFound
from app.core.notes import NoteCode
from app.storage import search
from app.storage.common import execute_and_count, insert_rows, utc_now
from app.storage.conversations import DEFAULT_TITLE
from app.storage.messages import Role, Status
from app.storage.tables import ConversationRow, ImportRow, MessageRow, UserRow
from app.utils.ids import continue_after, new_id, parse_id

ImportState = Literal["waiting", "working", "done", "failed", "cancelled", "interrupted"]
UNDER_WAY = ("waiting", "working")
KEPT = 50
"""Imports of a user that are listed; the oldest ones that have ended give way."""
INTERRUPTED: dict[str, Any] = {
    "code": "interrupted",
    "message": "the server stopped before the import ended: what came is whole; import the file again for the rest",
    "note": {"code": NoteCode.IMPORT_INTERRUPTED.value, "params": {}},
}


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredImport:
    """An import as the database has it."""

    id: UUID
    state: ImportState
    name: str
    size_bytes: int
    dry_run: bool
    done: int
    total: int | None
    report: dict[str, Any] | None
    error: dict[str, Any] | None
    created_at: datetime
    ended_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class NewConversation:
    """What is stored of an imported conversation beside its messages."""

    origin: str
    own_id: str
    """For one that this product exported: its id there, which it may still have here. Else empty."""
    title: str
    created_at: datetime
    updated_at: datetime
    model: str | None
    system_prompt: str | None
    settings: dict[str, Any]
    is_archived: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportedMessage:
    """One message to store, with the key of the message that it follows."""

    key: str
    parent_key: str | None
    client_message_id: UUID
    role: Role
    content: str
    reasoning: str | None
    model: str | None
    created_at: datetime
    folded: str
    """Its words for the search."""
    status: Status
    tool_data: list[Any] | None
    provider: str | None = None
    finish_reason: str | None = None
    usage: dict[str, Any] | None = None
    error: dict[str, Any] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """The conversation that messages are added to."""

    id: UUID
    is_new: bool
    leaf_id: UUID | None
    known: dict[UUID, UUID]
    """The messages that are there: by `client_message_id`, and by their own id."""


async def create(
    session: AsyncSession,
    user_id: UUID,
    run_id: UUID,
    *,
    name: str,
    size_bytes: int,
    dry_run: bool,
) -> StoredImport:
    """Begin an import, which waits to be worked on. The oldest ones beyond `KEPT` are forgotten."""
    row = ImportRow(
        user_id=user_id,
        state="waiting",
        name=name,
        size_bytes=size_bytes,
        dry_run=dry_run,
        run_id=run_id,
        done=0,
        created_at=utc_now(),
    )
    session.add(row)
    await session.flush()
    mine = ImportRow.user_id == user_id
    oldest = select(ImportRow.id).where(mine).order_by(ImportRow.id.desc()).offset(KEPT).limit(1)
    if (limit := await session.scalar(oldest)) is not None:
        ended = ImportRow.state.not_in(UNDER_WAY)
        await session.execute(delete(ImportRow).where(mine, ended, ImportRow.id <= limit))
    return _to_import(row)


async def is_any_under_way(session: AsyncSession, user_id: UUID) -> bool:
    """Whether the user has an import that has not ended. Until the transaction ends no other one can begin."""
    await session.execute(select(UserRow.id).where(UserRow.id == user_id).with_for_update())
    working = exists().where(ImportRow.user_id == user_id, ImportRow.state.in_(UNDER_WAY))
    return bool(await session.scalar(select(working)))


async def get(session: AsyncSession, user_id: UUID, import_id: UUID) -> StoredImport:
    """Return an import.

    Raises:
        NotFound: this user has no such import.
    """
    row = await session.scalar(
        select(ImportRow).where(ImportRow.id == import_id, ImportRow.user_id == user_id)
    )
    if row is None:
        raise unknown_import()
    return _to_import(row)


async def list_all(session: AsyncSession, user_id: UUID) -> tuple[StoredImport, ...]:
    """Return the imports of a user, the newest first."""
    statement = (
        select(ImportRow).where(ImportRow.user_id == user_id).order_by(ImportRow.id.desc()).limit(KEPT)
    )
    return tuple(map(_to_import, await session.scalars(statement)))


async def begin_work(session: AsyncSession, import_id: UUID, total: int) -> bool:
    """Note that an import is worked on, and how many conversations it has; False where it was cancelled meanwhile."""
    return await _change(session, import_id, state="working", total=total)


async def note_progress(session: AsyncSession, import_id: UUID, done: int) -> bool:
    """Note how far an import is; False where it was cancelled, or its user deleted, meanwhile."""
    return await _change(session, import_id, done=done)


async def end(
    session: AsyncSession,
    import_id: UUID,
    state: ImportState,
    *,
    report: dict[str, Any] | None = None,
    error: dict[str, Any] | None = None,
) -> None:
    """Store how an import ended. One that was cancelled stays so, and gets its report."""
    values = {"report": report, "error": error, "run_id": None, "ended_at": utc_now()}
    if not await _change(session, import_id, state=state, **values):
        cancelled = update(ImportRow).where(ImportRow.id == import_id, ImportRow.state == "cancelled")
        await execute_and_count(session, cancelled.values(report=report, run_id=None))


async def cancel_or_forget(session: AsyncSession, user_id: UUID, import_id: UUID) -> StoredImport:
    """Cancel an import that has not ended, or take one that has from the list; as it was before.

    Raises:
        NotFound: this user has no such import.
    """
    found = await get(session, user_id, import_id)
    if not await _change(session, import_id, state="cancelled", ended_at=utc_now()):
        await session.execute(delete(ImportRow).where(ImportRow.id == import_id))
    return found


async def interrupt(session: AsyncSession, whose: ColumnElement[bool]) -> int:
    """Mark imports that nobody works on any more, by `run_id`; their number."""
    values = {"state": "interrupted", "error": INTERRUPTED, "run_id": None, "ended_at": utc_now()}
    under_way = update(ImportRow).where(ImportRow.state.in_(UNDER_WAY), whose)
    return await execute_and_count(session, under_way.values(**values))


def unknown_import() -> NotFound:
    """The error for an import that does not exist, and for one of another user."""
    return NotFound("no import has this id; list yours with GET /api/import")


# -- one conversation


async def find_target(
    session: AsyncSession, user_id: UUID, new: NewConversation, *, lock: bool
) -> Target | None:
    """The conversation that an imported one is here already, with the messages that it has; None for a new one.

    `lock` keeps others from changing it until the transaction ends.

    Raises:
        Busy: an answer is under way in it.
    """
    row = ConversationRow
    mine = select(row).where(row.user_id == user_id)
    mine = mine.with_for_update() if lock else mine
    found = await session.scalar(mine.where(row.origin == new.origin))
    if found is None and (own_id := parse_id(new.own_id)) is not None:
        found = await session.scalar(mine.where(row.id == own_id))
    if found is None:
        return None
    message = MessageRow
    streams = exists().where(message.conversation_id == found.id, message.status == "streaming")
    if await session.scalar(select(streams)):
        raise Busy("an answer is under way in this conversation; import the file again after it")
    known: dict[UUID, UUID] = {}
    columns = select(message.id, message.client_message_id).where(message.conversation_id == found.id)
    for id_, client_id in await session.execute(columns.order_by(message.id)):
        known[id_] = id_
        if client_id is not None:
            known[client_id] = id_
    continue_after(max(known.values(), default=None))
    return Target(id=found.id, is_new=False, leaf_id=found.active_leaf_id, known=known)


async def create_target(session: AsyncSession, user_id: UUID, new: NewConversation) -> Target:
    """Insert an imported conversation without its messages. It stands in the list at its own time."""
    row = ConversationRow(
        user_id=user_id,
        title=new.title or DEFAULT_TITLE,
        model=new.model,
        system_prompt=new.system_prompt,
        settings=new.settings,
        archived_at=new.updated_at if new.is_archived else None,
        created_at=new.created_at,
        updated_at=new.updated_at,
        ordered_at=new.updated_at,
        origin=new.origin,
        imported_at=utc_now(),
    )
    session.add(row)
    await session.flush()
    await search.index_title(session, user_id, row.id, row.title)
    return Target(id=row.id, is_new=True, leaf_id=None, known={})


async def add_messages(
    session: AsyncSession,
    user_id: UUID,
    conversation_id: UUID,
    messages: Sequence[ImportedMessage],
    id_of: dict[str, UUID],
) -> None:
    """Insert messages, each after the one that it follows. `id_of` has the ids of those before, and gets theirs."""
    rows: list[dict[str, Any]] = []
    for message in messages:
        id_ = new_id()
        parent_id = None if message.parent_key is None else id_of[message.parent_key]
        id_of[message.key] = id_
        rows.append(
            {
                "id": id_,
                "conversation_id": conversation_id,
                "parent_id": parent_id,
                "role": message.role,
                "content": message.content,
                "reasoning": message.reasoning,
                "status": message.status,
                "model": message.model,
                "provider": message.provider,
                "finish_reason": message.finish_reason,
                "usage": message.usage,
                "error": message.error,
                "tool_data": message.tool_data,
                "client_message_id": message.client_message_id,
                "created_at": message.created_at,
                "updated_at": message.created_at,
            }
        )
    await insert_rows(session, MessageRow, rows)
    folded = [(id_of[message.key], message.folded) for message in messages]
    await search.index_imported(session, user_id, conversation_id, folded)


async def show_leaf(
    session: AsyncSession, conversation_id: UUID, leaf_id: UUID | None, updated_at: datetime
) -> None:
    """Show the branch of a message (None: as before), and note that the conversation has been imported."""
    row = await session.get_one(ConversationRow, conversation_id)
    if leaf_id is not None:
        row.active_leaf_id = leaf_id
    row.imported_at = utc_now()
    row.updated_at = max(row.updated_at, updated_at)
    row.ordered_at = max(row.ordered_at, updated_at)


async def _change(session: AsyncSession, import_id: UUID, **values: Any) -> bool:
    """Change an import that has not ended; False where there is none."""
    under_way = update(ImportRow).where(ImportRow.id == import_id, ImportRow.state.in_(UNDER_WAY))
    return bool(await execute_and_count(session, under_way.values(**values)))


def _to_import(row: ImportRow) -> StoredImport:
    return StoredImport(
        id=row.id,
        state=row.state,  # type: ignore[arg-type]  # this module alone writes the column
        name=row.name,
        size_bytes=row.size_bytes,
        dry_run=row.dry_run,
        done=row.done,
        total=row.total,
        report=row.report,
        error=row.error,
        created_at=row.created_at,
        ended_at=row.ended_at,
    )
