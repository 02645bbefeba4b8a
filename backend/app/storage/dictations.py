"""Dictations of a user and their finals: stored while they go on, listed, searched and deleted."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Table, delete, exists, func, insert, select, update
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.errors import NotFound
from app.storage import search
from app.storage.common import Page, execute_and_count, make_page, older_than_cursor, utc_now
from app.storage.database import Database
from app.storage.tables import DictationFinalRow, DictationRow, SearchEntryRow, UserRow
from app.utils.folding import split_words


@dataclass(frozen=True, slots=True)
class NewFinal:
    """A final as its session gives it."""

    n: int
    """0, 1, 2 … in its dictation."""
    utterance_id: str
    text: str
    raw_text: str | None = None
    """As the engine gave it, where `text` was bettered."""
    start_ms: int | None = None
    end_ms: int | None = None
    lang: str | None = None
    words: list[Any] | None = None


@dataclass(frozen=True, slots=True)
class StoredFinal(NewFinal):
    """A final as it is kept."""

    created_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class StoredDictation:
    id: UUID
    user_id: UUID
    session_label: str | None
    lang: str | None
    provider: str | None
    model: str | None
    started_at: datetime
    ended_at: datetime | None
    """None while it goes on, or where the server ended before it did."""
    finals: int
    """How many there are."""
    first_text: str
    """The first final that is not empty; what a list shows."""


async def start(
    session: AsyncSession,
    user_id: UUID,
    *,
    session_label: str | None = None,
    lang: str | None = None,
    provider: str | None = None,
    model: str | None = None,
) -> UUID:
    """A new dictation; its id."""
    row = DictationRow(
        user_id=user_id, session_label=session_label, lang=lang, provider=provider, model=model
    )
    session.add(row)
    await session.flush()
    return row.id


async def add_finals(
    session: AsyncSession, user_id: UUID, dictation_id: UUID, finals: Sequence[NewFinal]
) -> None:
    """Keep finals and make them findable.

    Raises:
        NotFound: this user has no such dictation any more.
    """
    mine = exists().where(DictationRow.id == dictation_id, DictationRow.user_id == user_id)
    if not await session.scalar(select(mine)):
        raise unknown_dictation(dictation_id)
    for final in finals:
        row = DictationFinalRow(
            dictation_id=dictation_id,
            n=final.n,
            utterance_id=final.utterance_id,
            text=final.text,
            raw_text=final.raw_text,
            start_ms=final.start_ms,
            end_ms=final.end_ms,
            lang=final.lang,
            words=final.words,
        )
        session.add(row)
        await session.flush()
        search.index_final(session, user_id, row.id, final.text)


async def end(session: AsyncSession, user_id: UUID, dictation_id: UUID) -> None:
    """A dictation is over; one that was deleted meanwhile is no fault."""
    mine = (DictationRow.id == dictation_id, DictationRow.user_id == user_id)
    await session.execute(update(DictationRow).where(*mine).values(ended_at=utc_now()))


async def get(
    session: AsyncSession, user_id: UUID, dictation_id: UUID
) -> tuple[StoredDictation, tuple[StoredFinal, ...]]:
    """A dictation and its finals in order.

    Raises:
        NotFound: this user has no such dictation.
    """
    mine = (DictationRow.id == dictation_id, DictationRow.user_id == user_id)
    row = await session.scalar(select(DictationRow).where(*mine))
    if row is None:
        raise unknown_dictation(dictation_id)
    statement = select(DictationFinalRow).where(DictationFinalRow.dictation_id == dictation_id)
    finals = tuple(map(_final, await session.scalars(statement.order_by(DictationFinalRow.n))))
    first = next((final.text for final in finals if final.text), "")
    return _dictation(row, len(finals), first), finals


async def find_latest_text(session: AsyncSession, user_id: UUID, session_label: str) -> str | None:
    """The finals of the user's last dictation of this label, joined by spaces; None where there is none."""
    row = DictationRow
    mine = select(row.id).where(row.user_id == user_id, row.session_label == session_label)
    latest = await session.scalar(mine.order_by(row.started_at.desc(), row.id.desc()).limit(1))
    if latest is None:
        return None
    said = select(DictationFinalRow.text).where(DictationFinalRow.dictation_id == latest)
    return " ".join(await session.scalars(said.order_by(DictationFinalRow.n)))


async def list_page(
    session: AsyncSession, user_id: UUID, *, limit: int = 50, before: str | None = None, q: str = ""
) -> Page[StoredDictation]:
    """One page, the last started first; with `q` only those of which one final has all its words.

    Raises:
        BadRequest: `before` is no cursor.
    """
    row, final = DictationRow, DictationFinalRow
    counted = select(func.count()).where(final.dictation_id == row.id).correlate(row).scalar_subquery()
    first = (
        select(final.text)
        .where(final.dictation_id == row.id, final.text != "")
        .order_by(final.n)
        .limit(1)
        .correlate(row)
        .scalar_subquery()
    )
    statement = select(row, counted, func.coalesce(first, "")).where(row.user_id == user_id)
    if before is not None:
        statement = statement.where(older_than_cursor(before, row.started_at, row.id))
    if q.strip():
        matching = search.select_dictations(session, user_id, q)
        if matching is None:
            return Page((), None)
        statement = statement.where(row.id.in_(matching))
    ordered = statement.order_by(row.started_at.desc(), row.id.desc()).limit(limit + 1)
    return make_page([_dictation(*each) for each in await session.execute(ordered)], limit, "started_at")


async def remove(session: AsyncSession, user_id: UUID, dictation_id: UUID) -> None:
    """Delete a dictation with its finals.

    Raises:
        NotFound: this user has no such dictation.
    """
    mine = (DictationRow.id == dictation_id, DictationRow.user_id == user_id)
    if not await execute_and_count(session, delete(DictationRow).where(*mine)):
        raise unknown_dictation(dictation_id)


async def remove_all(session: AsyncSession, user_id: UUID) -> int:
    """Delete every dictation of a user; how many there were."""
    return await execute_and_count(session, delete(DictationRow).where(DictationRow.user_id == user_id))


async def remove_old(session: AsyncSession, since: datetime, limit: int) -> int:
    """Delete up to `limit` dictations of all users that were started before."""
    old = select(DictationRow.id).where(DictationRow.started_at < since).limit(limit)
    return await execute_and_count(session, delete(DictationRow).where(DictationRow.id.in_(old)))


def unknown_dictation(dictation_id: UUID) -> NotFound:
    return NotFound(f"no dictation {str(dictation_id)!r}; list yours with GET /api/dictations")


def _dictation(row: DictationRow, finals: int, first_text: str) -> StoredDictation:
    return StoredDictation(
        row.id,
        row.user_id,
        row.session_label,
        row.lang,
        row.provider,
        row.model,
        row.started_at,
        row.ended_at,
        finals,
        first_text,
    )


def _final(row: DictationFinalRow) -> StoredFinal:
    return StoredFinal(
        row.n,
        row.utterance_id,
        row.text,
        row.raw_text,
        row.start_ms,
        row.end_ms,
        row.lang,
        row.words,
        row.created_at,
    )


logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class NewDictation:
    """A dictation that gets its row with its first final."""

    id: UUID
    user_id: UUID
    session_label: str | None
    lang: str | None
    provider: str | None
    model: str | None
    started_at: datetime


@dataclass(frozen=True, slots=True)
class PendingFinal:
    """A final on its way in; it has its id already, so that it can be kept once however often it is tried."""

    id: UUID
    dictation_id: UUID
    final: NewFinal
    created_at: datetime


@dataclass(frozen=True, slots=True)
class DictationBatch:
    """What one transaction takes in."""

    begun: Sequence[NewDictation]
    finals: Sequence[PendingFinal]
    ended: Sequence[tuple[UUID, datetime]] = ()
    tried: bool = False
    """Whether an earlier try may have been kept although it seemed to fail: a connection can break in a commit."""


@dataclass(frozen=True, slots=True)
class BatchResult:
    """What became of a batch."""

    there: frozenset[UUID] = frozenset()
    """Dictations that have their row."""
    gone: frozenset[UUID] = frozenset()
    """Dictations that have none (any more), or whose user is not there: nothing of them was kept."""
    kept: int = 0
    """Finals that were."""
    refused: int = 0
    """Finals that the database does not take."""


async def store_batch(database: Database, batch: DictationBatch) -> BatchResult:
    """Keep a batch; what the database does not take of one dictation costs no other one its finals.

    Raises:
        StorageUnavailable: nothing was kept.
    """
    try:
        async with database.write() as session:
            return await _take_in(session, batch)
    except DBAPIError as error:
        # A fault of values or of a row that went in this moment. The text of it may quote what was said.
        ids = {arrival.dictation_id for arrival in batch.finals} | {begun.id for begun in batch.begun}
        if len(ids) < 2:
            logger.error("finals of a dictation cannot be kept: %s", type(error.orig).__name__)
            return BatchResult(refused=len(batch.finals))
    taken = [await store_batch(database, _of(batch, one)) for one in sorted(ids)]
    return BatchResult(
        frozenset().union(*(each.there for each in taken)),
        frozenset().union(*(each.gone for each in taken)),
        sum(each.kept for each in taken),
        sum(each.refused for each in taken),
    )


def _of(batch: DictationBatch, dictation_id: UUID) -> DictationBatch:
    return replace(
        batch,
        begun=[begun for begun in batch.begun if begun.id == dictation_id],
        finals=[arrival for arrival in batch.finals if arrival.dictation_id == dictation_id],
        ended=[end for end in batch.ended if end[0] == dictation_id],
    )


async def _take_in(session: AsyncSession, batch: DictationBatch) -> BatchResult:
    finals = batch.finals
    if batch.tried:
        batch, finals = await _without_kept(session, batch)
    if batch.begun:
        users = {begun.user_id for begun in batch.begun}
        known = set(await session.scalars(select(UserRow.id).where(UserRow.id.in_(users))))
        rows = [_begun_row(begun) for begun in batch.begun if begun.user_id in known]
        await _insert(session, DictationRow, rows)
    ids = {arrival.dictation_id for arrival in batch.finals}
    statement = select(DictationRow.id, DictationRow.user_id).where(DictationRow.id.in_(ids))
    owners = {row.id: row.user_id for row in await session.execute(statement)} if ids else {}
    taken = [arrival for arrival in finals if arrival.dictation_id in owners]
    await _insert(session, DictationFinalRow, [_final_row(arrival) for arrival in taken])
    found = ((arrival, " ".join(split_words(arrival.final.text))) for arrival in taken)
    await _insert(
        session,
        SearchEntryRow,
        [
            {
                "user_id": owners[arrival.dictation_id],
                "kind": "dictation",
                "final_id": arrival.id,
                "folded": folded,
            }
            for arrival, folded in found
            if folded
        ],
    )
    for dictation_id, ended_at in batch.ended:
        over = update(DictationRow).where(DictationRow.id == dictation_id).values(ended_at=ended_at)
        await session.execute(over, execution_options={"synchronize_session": False})
    return BatchResult(frozenset(owners), frozenset(ids - owners.keys()), len(taken))


async def _without_kept(
    session: AsyncSession, batch: DictationBatch
) -> tuple[DictationBatch, Sequence[PendingFinal]]:
    """What an earlier try has not kept after all."""
    dictations = {begun.id for begun in batch.begun}
    there = set(await session.scalars(select(DictationRow.id).where(DictationRow.id.in_(dictations))))
    ids = {arrival.id for arrival in batch.finals}
    kept = set(await session.scalars(select(DictationFinalRow.id).where(DictationFinalRow.id.in_(ids))))
    begun = [begun for begun in batch.begun if begun.id not in there]
    return replace(batch, begun=begun), [arrival for arrival in batch.finals if arrival.id not in kept]


async def _insert(
    session: AsyncSession, table: type[DictationRow | DictationFinalRow | SearchEntryRow], rows: list[Any]
) -> None:
    """All rows with one statement, past the layer that would make an object of each."""
    if rows:
        assert isinstance(table.__table__, Table)
        await session.execute(insert(table.__table__), rows)


def _begun_row(begun: NewDictation) -> dict[str, Any]:
    return {
        "id": begun.id,
        "user_id": begun.user_id,
        "session_label": begun.session_label,
        "lang": begun.lang,
        "provider": begun.provider,
        "model": begun.model,
        "started_at": begun.started_at,
    }


def _final_row(arrival: PendingFinal) -> dict[str, Any]:
    final = arrival.final
    return {
        "id": arrival.id,
        "dictation_id": arrival.dictation_id,
        "n": final.n,
        "utterance_id": final.utterance_id,
        "text": final.text,
        "raw_text": final.raw_text,
        "start_ms": final.start_ms,
        "end_ms": final.end_ms,
        "lang": final.lang,
        "words": final.words,
        "created_at": arrival.created_at,
    }
