"""Dictations and their finals: written in batches while people speak, listed, read, found by label and deleted."""

import logging
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Literal, cast
from uuid import UUID

from sqlalchemy import ColumnElement, and_, delete, func, or_, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.errors import NotFound
from app.storage import search
from app.storage.common import Page, execute_and_count, insert_rows, make_page, older_than_cursor
from app.storage.database import Database
from app.storage.tables import DictationFinalRow, DictationRow, DictationVersionRow, UserRow
from app.utils.joining import TextPart, join_texts

logger = logging.getLogger(__name__)

BEGINNING_CHARS = 200
"""Characters of a version that lists read."""


DictationState = Literal["recording", "heard", "final", "interrupted"]
"""`heard`: all audio has arrived. `final`: all text is stored. `interrupted`: it broke off, and text may be missing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NewFinal:
    """A final as its session gives it."""

    n: int
    """0, 1, 2 … in its dictation."""
    utterance_id: str
    text: str
    raw_text: str | None = None
    """The engine's own text, where `text` is an improved version of it."""
    start_ms: int | None = None
    end_ms: int | None = None
    lang: str | None = None
    joined: bool = False
    """The text goes on with the sentence of the final before it."""
    words: list[Any] | None = None
    recovered: bool = False
    """A server made it from spooled audio, after a crash, without the client."""

    @property
    def part(self) -> TextPart:
        return TextPart(self.text, self.joined, self.lang)


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredFinal(NewFinal):
    """A final as the database has it."""

    created_at: datetime


@dataclass(frozen=True, slots=True)
class DictationStart:
    """When a dictation began, and how far it is."""

    started_at: datetime
    state: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredDictation:
    """A dictation as the database has it."""

    id: UUID
    user_id: UUID
    session_label: str | None
    """The `session_id` that its client chose; not unique."""
    lang: str | None
    provider: str | None
    model: str | None
    started_at: datetime
    ended_at: datetime | None
    """None while the dictation goes on, and when the server ended before the dictation did."""
    state: DictationState
    finals: int
    """Number of finals."""
    first_text: str
    """The first final that is not empty, for lists."""
    version_id: UUID | None = None
    """The version that `lang`, `provider`, `model`, `finals` and `first_text` are of; None for what was heard live."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NewDictation:
    """A dictation whose row is inserted when its first audio has arrived."""

    id: UUID
    user_id: UUID
    session_label: str | None
    lang: str | None
    provider: str | None
    model: str | None
    started_at: datetime
    state: DictationState = "recording"
    run_id: UUID | None = None
    """The process in which it goes on."""


_CHANGED = ("state", "ended_at", "lang", "provider", "model")


@dataclass(frozen=True, slots=True, kw_only=True)
class DictationChange:
    """What becomes of a dictation. None leaves what is stored."""

    dictation_id: UUID
    state: DictationState | None = None
    ended_at: datetime | None = None
    lang: str | None = None
    provider: str | None = None
    model: str | None = None
    run_id: UUID | None = None
    """The process in which it goes on, for `recording` and `heard`."""
    is_empty: bool = False
    """It has ended and came to nothing: the row goes, unless there is a final."""

    def then(self, later: "DictationChange") -> "DictationChange":
        """Both, one after the other."""
        told = {name: getattr(later, name) for name in _CHANGED if getattr(later, name) is not None}
        if later.state is not None:
            told["run_id"] = later.run_id
        return replace(self, **told, is_empty=later.is_empty)

    def values(self) -> dict[str, Any]:
        """The columns that change."""
        values = {name: getattr(self, name) for name in _CHANGED if getattr(self, name) is not None}
        return values if self.state is None else {**values, "run_id": self.run_id}


@dataclass(frozen=True, slots=True, kw_only=True)
class PendingFinal:
    """A final that is not stored yet. Its id is fixed, so that a repeated attempt stores it only once."""

    id: UUID
    dictation_id: UUID
    final: NewFinal
    created_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class DictationBatch:
    """Dictations, finals and changes that one transaction stores, in this order."""

    dictations: Sequence[NewDictation] = ()
    finals: Sequence[PendingFinal] = ()
    changes: Sequence[DictationChange] = ()
    withdrawn: Sequence[tuple[UUID, frozenset[str]]] = ()
    """Dictations, and utterances whose finals are deleted: those that were stored before."""
    shared: frozenset[UUID] = frozenset()
    """Dictations with which another process may go on: then nothing of them is stored."""
    run_id: UUID | None = None
    """The process that stores; beside `shared`."""
    is_retry: bool = False
    """Whether an earlier attempt may have been stored: a connection can break during a commit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchResult:
    """The outcome of one batch."""

    stored_dictations: frozenset[UUID] = frozenset()
    """Dictations that have a row."""
    missing_dictations: frozenset[UUID] = frozenset()
    """Dictations without a row: they or their user were deleted, and nothing of them was stored."""
    stored_finals: int = 0
    """Number of finals that were stored."""
    refused_finals: int = 0
    """Number of finals that the database does not accept."""


async def get(
    session: AsyncSession, user_id: UUID, dictation_id: UUID
) -> tuple[StoredDictation, tuple[StoredFinal, ...]]:
    """Return a dictation as it was heard live, and its finals in order.

    Raises:
        NotFound: this user has no such dictation.
    """
    mine = (DictationRow.id == dictation_id, DictationRow.user_id == user_id)
    row = await session.scalar(select(DictationRow).where(*mine))
    if row is None:
        raise unknown_dictation()
    statement = select(DictationFinalRow).where(DictationFinalRow.dictation_id == dictation_id)
    finals = tuple(map(_to_final, await session.scalars(statement.order_by(DictationFinalRow.n))))
    first = next((final.text for final in finals if final.text), "")
    return _to_dictation(row, len(finals), first), finals


async def require(session: AsyncSession, user_id: UUID, dictation_id: UUID) -> DictationStart:
    """Return what is known of a dictation without its finals.

    Raises:
        NotFound: this user has no such dictation.
    """
    mine = (DictationRow.id == dictation_id, DictationRow.user_id == user_id)
    found = (await session.execute(select(DictationRow.started_at, DictationRow.state).where(*mine))).first()
    if found is None:
        raise unknown_dictation()
    return DictationStart(*found)


async def find_latest_text(session: AsyncSession, user_id: UUID, session_label: str) -> str | None:
    """Return the text of the user's latest dictation with this label and with finals; None if there is none."""
    row = DictationRow
    has_finals = select(DictationFinalRow.id).where(DictationFinalRow.dictation_id == row.id).exists()
    mine = select(row.id).where(row.user_id == user_id, row.session_label == session_label, has_finals)
    latest = await session.scalar(mine.order_by(row.id.desc()).limit(1))
    if latest is None:
        return None
    final = DictationFinalRow
    texts = select(final.text, final.joined, final.lang).where(final.dictation_id == latest)
    return join_texts(TextPart(*row) for row in await session.execute(texts.order_by(final.n)))


async def find_end_ms(session: AsyncSession, dictation_id: UUID) -> int:
    """Return where the last stored final of a dictation ends; 0 where there is none."""
    last = select(func.max(DictationFinalRow.end_ms)).where(DictationFinalRow.dictation_id == dictation_id)
    return await session.scalar(last) or 0


async def find_existing(session: AsyncSession, ids: Collection[UUID]) -> set[UUID]:
    """Return those of these dictations that exist, whosever they are."""
    asked, found = sorted(ids), set[UUID]()
    for at in range(0, len(asked), 500):
        some = select(DictationRow.id).where(DictationRow.id.in_(asked[at : at + 500]))
        found.update(await session.scalars(some))
    return found


async def list_page(
    session: AsyncSession, user_id: UUID, *, limit: int = 50, before: str | None = None, q: str = ""
) -> Page[StoredDictation]:
    """Return one page, the latest start first, by id; with `q` only dictations with a final that has all its words.

    Raises:
        BadRequest: `before` is not a cursor.
    """
    row, final = DictationRow, DictationFinalRow
    count = select(func.count()).where(final.dictation_id == row.id).correlate(row).scalar_subquery()
    first = (
        select(final.text)
        .where(final.dictation_id == row.id, final.text != "")
        .order_by(final.n)
        .limit(1)
        .correlate(row)
        .scalar_subquery()
    )
    version = DictationVersionRow
    shown = (version.id, version.lang, version.provider, version.model, version.final_count)
    beginning = func.substr(version.text, 1, BEGINNING_CHARS)
    statement = select(row, count, func.coalesce(first, ""), *shown, beginning).where(row.user_id == user_id)
    statement = statement.outerjoin(version, version.id == row.current_version_id)
    if before is not None:
        statement = statement.where(older_than_cursor(before, None, row.id))
    if q.strip():
        matching = search.select_dictations(session, user_id, q)
        if matching is None:
            return Page(items=(), next_before=None)
        statement = statement.where(row.id.in_(matching))
    ordered = statement.order_by(row.id.desc()).limit(limit + 1)
    return make_page([_to_item(found) for found in await session.execute(ordered)], limit, "started_at")


async def remove(session: AsyncSession, user_id: UUID, dictation_id: UUID) -> None:
    """Delete a dictation with its finals.

    Raises:
        NotFound: this user has no such dictation.
    """
    mine = (DictationRow.id == dictation_id, DictationRow.user_id == user_id)
    if not await execute_and_count(session, delete(DictationRow).where(*mine)):
        raise unknown_dictation()


async def remove_old(session: AsyncSession, since: datetime, limit: int) -> int:
    """Delete up to `limit` dictations of all users that started before `since`; return how many were deleted."""
    old = select(DictationRow.id).where(DictationRow.started_at < since).limit(limit)
    return await execute_and_count(session, delete(DictationRow).where(DictationRow.id.in_(old)))


async def store_batch(database: Database, batch: DictationBatch) -> BatchResult:
    """Store a batch. If the database refuses one dictation, the finals of all others are stored.

    Raises:
        StorageUnavailable: nothing was stored.
    """
    try:
        async with database.write() as session:
            return await _store(session, batch)
    except DBAPIError as error:
        # A bad value, or a row that was deleted at this moment. The error's text may quote what was said.
        ids = _list_ids(batch)
        if len(ids) < 2:
            logger.error("the finals of a dictation cannot be stored: %s", type(error.orig).__name__)
            return BatchResult(refused_finals=len(batch.finals))
    results = [await store_batch(database, _only(batch, dictation_id)) for dictation_id in sorted(ids)]
    return BatchResult(
        stored_dictations=frozenset().union(*(each.stored_dictations for each in results)),
        missing_dictations=frozenset().union(*(each.missing_dictations for each in results)),
        stored_finals=sum(each.stored_finals for each in results),
        refused_finals=sum(each.refused_finals for each in results),
    )


def unknown_dictation() -> NotFound:
    """The error for a dictation that does not exist, and for one of another user."""
    return NotFound("no dictation has this id; list yours with GET /api/dictations")


def _only(batch: DictationBatch, dictation_id: UUID) -> DictationBatch:
    return replace(
        batch,
        dictations=[new for new in batch.dictations if new.id == dictation_id],
        finals=[final for final in batch.finals if final.dictation_id == dictation_id],
        changes=[change for change in batch.changes if change.dictation_id == dictation_id],
        withdrawn=[each for each in batch.withdrawn if each[0] == dictation_id],
    )


async def _store(session: AsyncSession, batch: DictationBatch) -> BatchResult:
    ids = _list_ids(batch)
    if batch.is_retry:
        batch = await _drop_stored(session, batch)
    await _insert_dictations(session, batch.dictations, batch.shared)
    owners = await _find_owners(session, batch, ids)
    for dictation_id, utterance_ids in batch.withdrawn:
        final = DictationFinalRow
        of_these = (final.dictation_id == dictation_id, final.utterance_id.in_(utterance_ids))
        await execute_and_count(session, delete(final).where(*of_these))
    finals = [final for final in batch.finals if final.dictation_id in owners]
    await insert_rows(session, DictationFinalRow, [_final_values(final) for final in finals])
    texts = [(owners[final.dictation_id], final.id, final.final.text) for final in finals]
    await search.index_finals(session, texts)
    for change in batch.changes:
        if change.dictation_id in owners or change.dictation_id not in batch.shared:
            await _change(session, change)
    return BatchResult(
        stored_dictations=frozenset(owners),
        missing_dictations=frozenset(ids - owners.keys()),
        stored_finals=len(finals),
    )


async def _find_owners(session: AsyncSession, batch: DictationBatch, ids: set[UUID]) -> dict[UUID, UUID]:
    """Who has the dictations that are there and are this process's; no other takes them before the commit."""
    if not ids:
        return {}
    row = DictationRow
    mine = or_(row.run_id == batch.run_id, and_(row.run_id.is_(None), row.state != "final"))
    statement = select(row.id, row.user_id).where(row.id.in_(ids - batch.shared))
    owners = {row.id: row.user_id for row in await session.execute(statement)}
    if batch.shared:
        statement = select(row.id, row.user_id).where(row.id.in_(ids & batch.shared), mine)
        locked = statement.order_by(row.id).with_for_update()
        owners |= {row.id: row.user_id for row in await session.execute(locked)}
    return owners


def _list_ids(batch: DictationBatch) -> set[UUID]:
    ids = {final.dictation_id for final in batch.finals} | {new.id for new in batch.dictations}
    ids |= {dictation_id for dictation_id, _ in batch.withdrawn}
    return ids | {change.dictation_id for change in batch.changes}


async def _change(session: AsyncSession, change: DictationChange) -> None:
    mine = DictationRow.id == change.dictation_id
    if change.is_empty:
        await remove_empty(session, mine)
    if values := change.values():
        await execute_and_count(session, update(DictationRow).where(mine).values(**values))


async def remove_empty(session: AsyncSession, which: ColumnElement[bool]) -> int:
    """Delete those of these dictations that have no final; return how many were deleted."""
    has_finals = (
        select(DictationFinalRow.id).where(DictationFinalRow.dictation_id == DictationRow.id).exists()
    )
    return await execute_and_count(session, delete(DictationRow).where(which, ~has_finals))


async def remove_forgotten(session: AsyncSession, ids: Collection[UUID], since: datetime) -> int:
    """Delete those of these dictations, and of all that started before `since`, that are over and have no final."""
    is_over = DictationRow.state.in_(("final", "interrupted"))
    return await remove_empty(
        session, and_(is_over, or_(DictationRow.id.in_(ids), DictationRow.started_at < since))
    )


async def interrupt(session: AsyncSession, whose: ColumnElement[bool]) -> int:
    """Mark dictations with which their processes do not go on; return how many there were."""
    dead = update(DictationRow).where(DictationRow.run_id.is_not(None), whose)
    return await execute_and_count(session, dead.values(state="interrupted", run_id=None))


async def interrupt_left(session: AsyncSession, dictation_id: UUID, run_id: UUID) -> None:
    """Mark a dictation, unless this process goes on with it: whichever process did has left its audio here."""
    await interrupt(session, and_(DictationRow.id == dictation_id, DictationRow.run_id != run_id))


async def _drop_stored(session: AsyncSession, batch: DictationBatch) -> DictationBatch:
    """The batch without the rows that an earlier attempt has stored after all."""
    dictation_ids = {new.id for new in batch.dictations}
    dictations = set(await session.scalars(select(DictationRow.id).where(DictationRow.id.in_(dictation_ids))))
    final_ids = {final.id for final in batch.finals}
    finals = set(
        await session.scalars(select(DictationFinalRow.id).where(DictationFinalRow.id.in_(final_ids)))
    )
    return replace(
        batch,
        dictations=[new for new in batch.dictations if new.id not in dictations],
        finals=[final for final in batch.finals if final.id not in finals],
    )


async def _insert_dictations(
    session: AsyncSession, dictations: Sequence[NewDictation], shared: frozenset[UUID] = frozenset()
) -> None:
    """Insert the dictations whose users still exist; another process may have inserted one that is shared."""
    if dictations:
        user_ids = {new.user_id for new in dictations}
        users = set(await session.scalars(select(UserRow.id).where(UserRow.id.in_(user_ids))))
        rows = [_dictation_values(new) for new in dictations if new.user_id in users]
        await insert_rows(session, DictationRow, [row for row in rows if row["id"] not in shared])
        for row in rows:
            if row["id"] in shared:
                await session.execute(insert(DictationRow).values(**row).on_conflict_do_nothing())


async def take_over(session: AsyncSession, new: NewDictation, *, was_stored: bool) -> None:
    """Have this process go on with a dictation, unless it is over.

    `was_stored`: another process has stored it, so that it has been deleted where it is not there.
    """
    if not was_stored:
        await _insert_dictations(session, [new], frozenset((new.id,)))
    row = DictationRow
    taken = update(row).where(row.id == new.id, row.user_id == new.user_id, row.state != "final")
    await execute_and_count(session, taken.values(run_id=new.run_id, state="recording"))


def _dictation_values(new: NewDictation) -> dict[str, Any]:
    return {
        "id": new.id,
        "user_id": new.user_id,
        "session_label": new.session_label,
        "lang": new.lang,
        "provider": new.provider,
        "model": new.model,
        "started_at": new.started_at,
        "state": new.state,
        "run_id": new.run_id,
    }


def _final_values(pending: PendingFinal) -> dict[str, Any]:
    final = pending.final
    return {
        "id": pending.id,
        "dictation_id": pending.dictation_id,
        "n": final.n,
        "utterance_id": final.utterance_id,
        "text": final.text,
        "raw_text": final.raw_text,
        "start_ms": final.start_ms,
        "end_ms": final.end_ms,
        "lang": final.lang,
        "joined": final.joined,
        "words": final.words,
        "recovered": final.recovered,
        "created_at": pending.created_at,
    }


def _to_item(found: Any) -> StoredDictation:
    """A dictation of a list, as the version that is shown has it."""
    row, count, first, version_id, lang, provider, model, version_count, version_text = found
    dictation = _to_dictation(row, count, first)
    if version_id is None:
        return dictation
    return replace(
        dictation,
        version_id=version_id,
        lang=lang,
        provider=provider,
        model=model,
        finals=version_count,
        first_text=version_text,
    )


def _to_dictation(row: DictationRow, finals: int, first_text: str) -> StoredDictation:
    return StoredDictation(
        id=row.id,
        user_id=row.user_id,
        session_label=row.session_label,
        lang=row.lang,
        provider=row.provider,
        model=row.model,
        started_at=row.started_at,
        ended_at=row.ended_at,
        state=cast("DictationState", row.state),
        finals=finals,
        first_text=first_text,
    )


def _to_final(row: DictationFinalRow) -> StoredFinal:
    return StoredFinal(
        n=row.n,
        utterance_id=row.utterance_id,
        text=row.text,
        raw_text=row.raw_text,
        start_ms=row.start_ms,
        end_ms=row.end_ms,
        lang=row.lang,
        joined=row.joined,
        words=row.words,
        recovered=row.recovered,
        created_at=row.created_at,
    )
