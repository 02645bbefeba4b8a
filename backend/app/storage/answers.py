"""Answers while they are streamed: checkpoints, one end, and the leases by which dead processes are noticed."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal, TypedDict, Unpack
from uuid import UUID

from sqlalchemy import ColumnElement, Table, and_, bindparam, delete, func, not_, or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.storage import dictation_versions, dictations, imports, search
from app.storage.common import execute_and_count, is_sqlite, utc_now
from app.storage.tables import (
    ConversationRow,
    DictationRow,
    DictationVersionRow,
    ImportRow,
    MessageRow,
    RunRow,
)
from app.storage.tool_events import dump_tool_events, interrupt_open_calls, load_tool_events

BEAT_S = 15.0
"""Time between two heartbeats of a process (s)."""
LEASE_S = 60.0
"""Time after its last heartbeat during which a process counts as alive (s)."""
BEATS_BEFORE_VERDICT = 2
"""Beats without a gap after which a process may call others dead: they have had the time of two beats to come back."""
INTERRUPTED: dict[str, Any] = {
    "code": "interrupted",
    "message": "the server ended while it answered; what had arrived is here",
}


class AnswerResult(TypedDict, total=False):
    """The columns that an answer gets at its end, besides its text."""

    reasoning: str | None
    model: str | None
    provider: str | None
    finish_reason: str | None
    usage: dict[str, Any] | None
    error: dict[str, Any] | None
    tool_data: list[Any] | None


async def checkpoint(
    session: AsyncSession,
    message_id: UUID,
    run_id: UUID,
    content: str,
    reasoning: str | None = None,
    tool_data: list[Any] | None = None,
) -> bool:
    """Store what has arrived; False where the row is deleted or belongs to another process: the caller stops then.

    None as `tool_data` leaves the stored events as they are.
    """
    values: dict[str, Any] = {"content": content, "reasoning": reasoning, "updated_at": utc_now()}
    if tool_data is not None:
        values["tool_data"] = tool_data
    mine = (MessageRow.id == message_id, *_streamed_by(run_id))
    return await execute_and_count(session, update(MessageRow).where(*mine).values(**values)) == 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """What has arrived of one answer. None as `tool_data` leaves the stored events as they are."""

    message_id: UUID
    content: str
    reasoning: str | None
    tool_data: list[Any] | None


RowOwner = Literal["ours", "taken", "deleted", "locked"]
"""`taken`: the answer has ended, or another process has it; `locked`: another transaction holds the row now."""


async def claim(session: AsyncSession, run_id: UUID, message_ids: Sequence[UUID]) -> dict[UUID, RowOwner]:
    """Lock the rows of these answers as far as they are free; whose each of them is.

    Rows that others hold are skipped: two transactions that lock several rows each could wait for each other.
    """
    these = MessageRow.id.in_(message_ids)
    is_ours = and_(*_streamed_by(run_id)).label("is_ours")
    free = select(MessageRow.id, is_ours).where(these).with_for_update(skip_locked=True, key_share=True)
    owners: dict[UUID, RowOwner] = {
        id_: "ours" if ours else "taken" for id_, ours in await session.execute(free)
    }
    if len(owners) < len(message_ids):
        there = set(await session.scalars(select(MessageRow.id).where(these)))
        owners |= {id_: "locked" if id_ in there else "deleted" for id_ in message_ids if id_ not in owners}
    return owners


async def store_checkpoints(session: AsyncSession, checkpoints: Sequence[Checkpoint]) -> None:
    """Store what has arrived of answers whose rows this session has claimed."""
    table = MessageRow.__table__
    assert isinstance(table, Table)
    columns = {"content": bindparam("text"), "reasoning": bindparam("thoughts"), "updated_at": utc_now()}
    plain = update(table).where(table.c.id == bindparam("row_id")).values(**columns)
    texts, acts = [], []
    for each in checkpoints:
        row = {"row_id": each.message_id, "text": each.content, "thoughts": each.reasoning}
        if each.tool_data is None:
            texts.append(row)
        else:
            acts.append({**row, "events": each.tool_data})
    if texts:
        await session.execute(plain, texts)
    if acts:
        await session.execute(plain.values(tool_data=bindparam("events")), acts)


async def finish(
    session: AsyncSession,
    message_id: UUID,
    run_id: UUID,
    status: Literal["complete", "interrupted", "failed"],
    content: str,
    **result: Unpack[AnswerResult],
) -> bool:
    """Store an answer for good and index it; False where the row is deleted or belongs to another process.

    An answer whose process was called dead is stored too: that process has more of it than the row.
    """
    statement = select(MessageRow, ConversationRow.user_id).join(
        ConversationRow, ConversationRow.id == MessageRow.conversation_id
    )
    ours = (MessageRow.id == message_id, or_(and_(*_streamed_by(run_id)), _was_called_dead()))
    found = (await session.execute(statement.where(*ours).with_for_update(of=MessageRow))).one_or_none()
    if found is None:
        return False
    row, user_id = found
    if row.status != "streaming":
        if (row.error or {}).get("code") != INTERRUPTED["code"]:
            return False
        await search.forget_message(session, message_id)
    for name, value in {**result, "content": content}.items():
        setattr(row, name, value)
    _close(session, row, user_id, status)
    return True


async def is_stored(session: AsyncSession, message_id: UUID) -> bool:
    """Whether the row of an answer exists, whoever streams it."""
    return await session.get(MessageRow, message_id) is not None


async def request_stop(session: AsyncSession, conversation_id: UUID) -> UUID | None:
    """Ask the process that streams an answer of this conversation to stop it; its id, or None where there is none."""
    streamed = (MessageRow.conversation_id == conversation_id, MessageRow.status == "streaming")
    message_id = await session.scalar(select(MessageRow.id).where(*streamed))
    if message_id is not None:
        asked = update(MessageRow).where(MessageRow.id == message_id, *streamed).values(stop_requested=True)
        await session.execute(asked)
    return message_id


async def find_stop_requests(session: AsyncSession, run_id: UUID) -> Sequence[UUID]:
    """The answers of this process that their users have asked another process to stop."""
    asked = (*_streamed_by(run_id), MessageRow.stop_requested)
    return (await session.scalars(select(MessageRow.id).where(*asked))).all()


async def send_heartbeat(session: AsyncSession, run_id: UUID) -> datetime:
    """Renew the lease of this process; the time by the clock of leases."""
    now = await _now(session)
    if not await execute_and_count(
        session, update(RunRow).where(RunRow.id == run_id).values(heartbeat_at=now)
    ):
        session.add(RunRow(id=run_id, started_at=now, heartbeat_at=now))
    return now


class BeatSeries:
    """Whether this process has beaten long enough to call others dead.

    While the database is away nobody can beat. Whoever is back first must not take that for the death of all others, so
    it waits until they had time to beat, too. The same holds when the clock of leases jumps.
    """

    def __init__(self) -> None:
        self._last: datetime | None = None
        self._count = 0

    def note_beat(self, at: datetime) -> bool:
        """This process has beaten; whether it may call others dead now."""
        gap_s = (at - self._last).total_seconds() if self._last is not None else -1.0
        self._count = self._count + 1 if 0 <= gap_s <= 2 * BEAT_S else 0
        self._last = at
        return self._count >= BEATS_BEFORE_VERDICT


async def interrupt_dead(session: AsyncSession, run_id: UUID, *, lease_s: float | None = None) -> int:
    """Mark the answers of processes whose lease (`LEASE_S`) has run out as interrupted, and their dictations; the
    number of answers.

    SQLite has one process at a time, so with a lease of 0 every other process is dead. A process that was only slow
    finds its answer taken at its next checkpoint, stores what it has, and stops.
    """
    lease_s = LEASE_S if lease_s is None else lease_s
    now, lease = await _now(session), timedelta(seconds=lease_s)
    # A beat in the future is one of before a clock was set back.
    has_beaten = RunRow.heartbeat_at.between(now - lease, now + lease)
    alive = select(RunRow.id).where(or_(RunRow.id == run_id, has_beaten))
    count = await _interrupt(session, or_(MessageRow.run_id.is_(None), MessageRow.run_id.not_in(alive)))
    version_run = DictationVersionRow.run_id
    await dictation_versions.interrupt(session, or_(version_run.is_(None), version_run.not_in(alive)))
    await dictations.interrupt(session, DictationRow.run_id.not_in(alive))
    import_run = ImportRow.run_id
    await imports.interrupt(session, or_(import_run.is_(None), import_run.not_in(alive)))
    await session.execute(delete(RunRow).where(RunRow.id != run_id, not_(has_beaten)))
    return count


async def end_run(session: AsyncSession, run_id: UUID) -> int:
    """Mark the answers that this process still streams as interrupted, and its dictations, and end its lease; the
    number of answers."""
    count = await _interrupt(session, MessageRow.run_id == run_id)
    await dictation_versions.interrupt(session, DictationVersionRow.run_id == run_id)
    await dictations.interrupt(session, DictationRow.run_id == run_id)
    await imports.interrupt(session, ImportRow.run_id == run_id)
    await session.execute(delete(RunRow).where(RunRow.id == run_id))
    return count


async def _interrupt(session: AsyncSession, whose: ColumnElement[bool]) -> int:
    statement = select(MessageRow, ConversationRow.user_id).join(
        ConversationRow, ConversationRow.id == MessageRow.conversation_id
    )
    statement = statement.where(MessageRow.status == "streaming", whose)
    locked = statement.with_for_update(of=MessageRow, skip_locked=True)
    found: Sequence[Any] = (await session.execute(locked)).all()
    for row, user_id in found:
        row.error = INTERRUPTED
        row.tool_data = _end_open_calls(row)
        _close(session, row, user_id, "interrupted")
    return len(found)


def _end_open_calls(row: MessageRow) -> list[Any] | None:
    """The tool events of an interrupted answer, with an end for every open call."""
    events = load_tool_events(row.tool_data)
    ends = interrupt_open_calls(
        events,
        text=len(row.content),
        reasoning=len(row.reasoning or ""),
        code=INTERRUPTED["code"],
        message="the server ended before this call did",
    )
    return dump_tool_events((*events, *ends))


def _close(session: AsyncSession, row: MessageRow, user_id: UUID, status: str) -> None:
    row.status = status
    row.run_id = None
    row.updated_at = utc_now()
    search.index_message(session, user_id, row.conversation_id, row.id, row.content)


def _was_called_dead() -> ColumnElement[bool]:
    """Rows as `_interrupt` leaves them."""
    return and_(MessageRow.status == "interrupted", MessageRow.run_id.is_(None))


def _streamed_by(run_id: UUID) -> tuple[ColumnElement[bool], ...]:
    return MessageRow.status == "streaming", MessageRow.run_id == run_id


async def _now(session: AsyncSession) -> datetime:
    """The clock of leases: PostgreSQL's, which all its processes share, or this process's own with SQLite."""
    if is_sqlite(session):
        return utc_now()
    now: datetime = (await session.execute(select(func.clock_timestamp()))).scalar_one()
    return now
