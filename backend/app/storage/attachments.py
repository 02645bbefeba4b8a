"""Files of messages: rows that say what each one is; their contents lie in the data folder (`attached_files.py`)."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from sqlalchemy import ColumnElement, Row, delete, func, or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.errors import AttachmentNotReady, NotFound
from app.storage.common import execute_and_count, insert_rows, utc_now
from app.storage.tables import AttachmentRow, RunRow, UserRow
from app.utils.ids import new_id

Kind = Literal["image", "text", "document", "audio", "video"]
State = Literal["working", "ready", "failed"]

_COLUMNS = tuple(AttachmentRow.__table__.columns)
_COPIED_COLUMNS = (
    *(
        "user_id",
        "position",
        "name",
        "kind",
        "media_type",
        "size_bytes",
        "sha256",
        "width",
        "height",
        "pages",
    ),
    *("tokens", "total_tokens", "cut", "views", "has_thumbnail", "as_text", "state", "error"),
)
"""The columns that a copy of a file takes over."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Attachment:
    """A file as the database has it."""

    id: UUID
    user_id: UUID
    message_id: UUID | None
    name: str
    kind: Kind
    media_type: str
    size_bytes: int
    sha256: str
    """Of what is kept, in hexadecimal digits."""
    width: int | None = None
    height: int | None = None
    pages: int | None = None
    tokens: int | None = None
    total_tokens: int | None = None
    cut: bool = False
    views: int = 0
    has_thumbnail: bool = False
    as_text: bool = False
    state: State = "ready"
    error: dict[str, Any] | None = None
    created_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class NewAttachment:
    """A file that has been read; see `AttachmentRow` for its fields."""

    name: str
    kind: Kind
    media_type: str
    size_bytes: int
    sha256: str
    width: int | None = None
    height: int | None = None
    pages: int | None = None
    tokens: int | None = None
    total_tokens: int | None = None
    cut: bool = False
    views: int = 0
    has_thumbnail: bool = False
    state: State = "ready"
    run_id: UUID | None = None
    """The process that works on it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NewFiles:
    """The files of a message that is going to be stored."""

    ids: tuple[UUID, ...]
    """In order. One that another message has already is copied."""
    text_tokens: int
    """Most tokens of their texts together, which a model is sent."""
    as_text: bool = False
    """Whether no picture of them is to be sent."""


async def create(session: AsyncSession, user_id: UUID, new: NewAttachment) -> Attachment:
    """Store the row of a file that no message has yet."""
    fields = {name: getattr(new, name) for name in NewAttachment.__dataclass_fields__}
    row = AttachmentRow(id=new_id(), user_id=user_id, created_at=utc_now(), **fields)
    session.add(row)
    await session.flush()
    return to_attachment(row)


async def get(session: AsyncSession, user_id: UUID, attachment_id: UUID) -> Attachment:
    """Return a file.

    Raises:
        NotFound: this user has no such file.
    """
    row = await session.scalar(select(AttachmentRow).where(*_is(user_id, attachment_id)))
    if row is None:
        raise unknown_attachment()
    return to_attachment(row)


async def remove(session: AsyncSession, user_id: UUID, attachment_id: UUID) -> None:
    """Delete the row of a file, also where a message has it.

    Raises:
        NotFound: this user has no such file.
    """
    if not await execute_and_count(session, delete(AttachmentRow).where(*_is(user_id, attachment_id))):
        raise unknown_attachment()


async def load_for(
    session: AsyncSession, message_ids: Collection[UUID]
) -> Mapping[UUID, tuple[Attachment, ...]]:
    """Return the files of messages, in order. The caller has found the messages to be the user's."""
    row = AttachmentRow
    found: dict[UUID, list[Attachment]] = {}
    if message_ids:
        statement = select(*_COLUMNS).where(row.message_id.in_(message_ids))
        for each in await session.execute(statement.order_by(row.message_id, row.position, row.id)):
            found.setdefault(each.message_id, []).append(to_attachment(each))
    return {message_id: tuple(files) for message_id, files in found.items()}


async def attach(session: AsyncSession, user_id: UUID, message_id: UUID, new: NewFiles) -> None:
    """Give files to a message. Texts that are too much together are cut in fair shares, and marked as cut.

    Raises:
        NotFound: this user has no such file.
        AttachmentNotReady: the text of one is still being made, or could not be made.
    """
    rows = [await _find_ready(session, user_id, attachment_id) for attachment_id in dict.fromkeys(new.ids)]
    _give_rows(session, message_id, rows, new)
    await session.flush()


async def attach_imported(
    session: AsyncSession, user_id: UUID, ids_of: Mapping[UUID, tuple[UUID, ...]], text_tokens: int
) -> int:
    """Give files to stored messages after those that they have, by the messages' ids; how many.

    Also recordings whose text is still made. One that has been deleted meanwhile is left away.
    """
    row, count = AttachmentRow, 0
    for message_id, ids in ids_of.items():
        mine = select(row).where(row.user_id == user_id, row.id.in_(ids))
        found = {each.id: each for each in await session.scalars(mine)}
        rows = [found[id_] for id_ in ids if id_ in found]
        begin = await session.scalar(select(func.count()).where(row.message_id == message_id)) or 0
        _give_rows(session, message_id, rows, NewFiles(ids=ids, text_tokens=text_tokens), begin)
        await session.flush()
        count += len(rows)
    return count


async def list_names(session: AsyncSession, message_ids: Collection[UUID]) -> dict[UUID, list[str]]:
    """Return the names of the files of messages. The caller has found the messages to be the user's."""
    if not message_ids:
        return {}
    row = AttachmentRow
    found: dict[UUID, list[str]] = {}
    for each in await session.execute(
        select(row.message_id, row.name).where(row.message_id.in_(message_ids))
    ):
        if each.message_id is not None:
            found.setdefault(each.message_id, []).append(each.name)
    return found


async def remove_unsent_of(session: AsyncSession, user_id: UUID, ids: Collection[UUID]) -> int:
    """Delete the rows of those of a user's files that no message has; their number."""
    row = AttachmentRow
    unsent = delete(row).where(row.user_id == user_id, row.id.in_(ids), row.message_id.is_(None))
    return await execute_and_count(session, unsent)


def _give_rows(
    session: AsyncSession, message_id: UUID, rows: Sequence[AttachmentRow], new: NewFiles, begin: int = 0
) -> None:
    shares = share_tokens([row.tokens or 0 for row in rows], new.text_tokens)
    for position, (row, share) in enumerate(zip(rows, shares, strict=True), begin):
        changes = {"message_id": message_id, "position": position, "as_text": new.as_text}
        if share < (row.tokens or 0):
            changes |= {"tokens": share, "cut": True}
        if row.message_id is None:
            for name, value in changes.items():
                setattr(row, name, value)
        else:
            session.add(AttachmentRow(id=new_id(), **{**_copy_values(row), **changes}))


async def copy_for(session: AsyncSession, copy_of: Mapping[UUID, UUID]) -> None:
    """Copy the files of messages to the copies of those, by the ids of both. Contents are shared."""
    row = AttachmentRow
    found = await session.execute(select(*_COLUMNS).where(row.message_id.in_(copy_of)).order_by(row.id))
    copies = [
        {**_copy_values(each), "id": new_id(), "message_id": copy_of[each.message_id], "run_id": None}
        for each in found
    ]
    await insert_rows(session, AttachmentRow, copies)


async def list_hashes(session: AsyncSession, user_id: UUID, ids: Sequence[UUID]) -> list[str]:
    """Return the hashes of a user's files in this order, without those that do not exist."""
    mine = (AttachmentRow.user_id == user_id, AttachmentRow.id.in_(ids))
    statement = select(AttachmentRow.id, AttachmentRow.sha256).where(*mine)
    found = {row.id: row.sha256 for row in await session.execute(statement)}
    return [found[id_] for id_ in dict.fromkeys(ids) if id_ in found]


async def lock_owner(session: AsyncSession, user_id: UUID) -> bool:
    """Keep others from adding and deleting this user's contents until the transaction ends; false for no user."""
    found = await session.scalar(
        select(UserRow.id).where(UserRow.id == user_id).with_for_update(key_share=True)
    )
    return found is not None


async def sum_bytes(session: AsyncSession, user_id: UUID) -> int:
    """Return the bytes of all contents of a user; the same content counts once."""
    row = AttachmentRow
    contents = select(row.sha256, row.size_bytes).where(row.user_id == user_id).distinct().subquery()
    return await session.scalar(select(func.coalesce(func.sum(contents.c.size_bytes), 0))) or 0


async def list_contents(session: AsyncSession, user_id: UUID) -> set[str]:
    """Return the hashes of all contents that a user's files have."""
    row = AttachmentRow
    return set(await session.scalars(select(row.sha256).where(row.user_id == user_id).distinct()))


async def remove_unsent(session: AsyncSession, before: datetime) -> set[UUID]:
    """Delete the rows of files that no message has had since `before`; the ids of their users."""
    row = AttachmentRow
    old = (row.message_id.is_(None), row.created_at < before)
    owners = set(await session.scalars(select(row.user_id).where(*old).distinct()))
    if owners:
        await session.execute(delete(row).where(*old))
    return owners


# -- recordings, whose text is made later


async def count_working(session: AsyncSession, user_id: UUID) -> int:
    """Return how many of a user's files are being worked on, or wait for it."""
    row = AttachmentRow
    working = select(func.count()).where(row.user_id == user_id, row.state == "working")
    return (await session.execute(working)).scalar_one()


async def take_working(session: AsyncSession, run_id: UUID) -> tuple[Attachment, ...]:
    """Take over what processes worked on that have ended, for this one; oldest first."""
    row = AttachmentRow
    left = or_(row.run_id.is_(None), row.run_id.not_in(select(RunRow.id)))
    statement = select(row).where(row.state == "working", left).order_by(row.id)
    found = (await session.scalars(statement.with_for_update(skip_locked=True))).all()
    for each in found:
        each.run_id = run_id
    return tuple(map(to_attachment, found))


async def finish(
    session: AsyncSession, attachment_id: UUID, *, tokens: int, total_tokens: int, cut: bool
) -> bool:
    """Say that the text of a file is made; false where the file is gone."""
    return await _end(
        session, attachment_id, state="ready", tokens=tokens, total_tokens=total_tokens, cut=cut
    )


async def fail(session: AsyncSession, attachment_id: UUID, error: dict[str, Any]) -> bool:
    """Say why the text of a file could not be made; false where the file is gone."""
    return await _end(session, attachment_id, state="failed", error=error)


async def _end(session: AsyncSession, attachment_id: UUID, **values: Any) -> bool:
    row = AttachmentRow
    working = update(row).where(row.id == attachment_id, row.state == "working")
    return bool(await execute_and_count(session, working.values(run_id=None, **values)))


# -- inside


def share_tokens(wanted: Sequence[int], budget: int) -> list[int]:
    """Divide a budget: who wants less than a fair share gets all of it, and the others the same.

    Pure; the sum is at most the budget.
    """
    shares = [0] * len(wanted)
    left = budget
    order = sorted(range(len(wanted)), key=lambda at: wanted[at])
    for done, at in enumerate(order):
        shares[at] = min(wanted[at], left // (len(order) - done))
        left -= shares[at]
    return shares


def to_attachment(row: "AttachmentRow | Row[*tuple[Any, ...]]") -> Attachment:
    """Turn a row into the dataclass that the services see."""
    return Attachment(**{name: getattr(row, name) for name in Attachment.__dataclass_fields__})


def unknown_attachment() -> NotFound:
    """The error for a file that does not exist, and for one of another user."""
    return NotFound("no attachment has this id; send the file with POST /api/attachments")


async def _find_ready(session: AsyncSession, user_id: UUID, attachment_id: UUID) -> AttachmentRow:
    row = await session.scalar(select(AttachmentRow).where(*_is(user_id, attachment_id)))
    if row is None:
        raise unknown_attachment()
    if row.state == "working":
        raise AttachmentNotReady("the text of an attached recording is still being made; wait for it")
    if row.state == "failed":
        raise AttachmentNotReady("the text of an attached recording could not be made; take it away")
    return row


def _copy_values(row: "AttachmentRow | Row[*tuple[Any, ...]]") -> dict[str, Any]:
    return {name: getattr(row, name) for name in _COPIED_COLUMNS} | {"created_at": utc_now()}


def _is(user_id: UUID, attachment_id: UUID) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    return AttachmentRow.id == attachment_id, AttachmentRow.user_id == user_id
