"""Finals of dictations that go on: many in one short transaction, whatever has been deleted meanwhile."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Table, insert, select, update
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncSession

from app.storage.database import Database
from app.storage.dictations import NewFinal
from app.storage.tables import DictationFinalRow, DictationRow, SearchEntryRow, UserRow
from app.utils.folding import words_of

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Begun:
    """A dictation that gets its row with its first final."""

    id: UUID
    user_id: UUID
    session_label: str | None
    lang: str | None
    provider: str | None
    model: str | None
    started_at: datetime


@dataclass(frozen=True, slots=True)
class Arrival:
    """A final on its way in; it has its id already, so that it can be kept once however often it is tried."""

    id: UUID
    dictation_id: UUID
    final: NewFinal
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Batch:
    """What one transaction takes in."""

    begun: Sequence[Begun]
    finals: Sequence[Arrival]
    ended: Sequence[tuple[UUID, datetime]] = ()
    tried: bool = False
    """Whether an earlier try may have been kept although it seemed to fail: a connection can break in a commit."""


@dataclass(frozen=True, slots=True)
class Taken:
    """What became of a batch."""

    there: frozenset[UUID] = frozenset()
    """Dictations that have their row."""
    gone: frozenset[UUID] = frozenset()
    """Dictations that have none (any more), or whose user is not there: nothing of them was kept."""
    kept: int = 0
    """Finals that were."""
    refused: int = 0
    """Finals that the database does not take."""


async def take_in(database: Database, batch: Batch) -> Taken:
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
            return Taken(refused=len(batch.finals))
    taken = [await take_in(database, _of(batch, one)) for one in sorted(ids)]
    return Taken(
        frozenset().union(*(each.there for each in taken)),
        frozenset().union(*(each.gone for each in taken)),
        sum(each.kept for each in taken),
        sum(each.refused for each in taken),
    )


def _of(batch: Batch, dictation_id: UUID) -> Batch:
    return replace(
        batch,
        begun=[begun for begun in batch.begun if begun.id == dictation_id],
        finals=[arrival for arrival in batch.finals if arrival.dictation_id == dictation_id],
        ended=[end for end in batch.ended if end[0] == dictation_id],
    )


async def _take_in(session: AsyncSession, batch: Batch) -> Taken:
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
    found = ((arrival, " ".join(words_of(arrival.final.text))) for arrival in taken)
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
    return Taken(frozenset(owners), frozenset(ids - owners.keys()), len(taken))


async def _without_kept(session: AsyncSession, batch: Batch) -> tuple[Batch, Sequence[Arrival]]:
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


def _begun_row(begun: Begun) -> dict[str, Any]:
    return {
        "id": begun.id,
        "user_id": begun.user_id,
        "session_label": begun.session_label,
        "lang": begun.lang,
        "provider": begun.provider,
        "model": begun.model,
        "started_at": begun.started_at,
    }


def _final_row(arrival: Arrival) -> dict[str, Any]:
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
