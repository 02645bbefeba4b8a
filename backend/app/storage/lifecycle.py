"""The database while a server runs: its schema, this process's lease, and the retention of old data."""

import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import datetime, timedelta
from time import monotonic

import anyio
import anyio.to_thread
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.config import Settings
from app.core.errors import StorageUnavailable
from app.core.security import LOCAL_USER_ID
from app.core.supervision import Supervisor
from app.storage import (
    answers,
    backup,
    conversations,
    dictations,
    idempotency,
    migrate,
    session_log,
    shares,
    throttles,
)
from app.storage.common import utc_now
from app.storage.data_folder import lock_folder, warn_if_moved
from app.storage.database import Database
from app.storage.tables import ConversationRow, DictationRow, MessageRow, RunRow, UserRow
from app.utils.ids import continue_after

logger = logging.getLogger(__name__)

DAY_S = 86_400.0
CLOCK_DOUBT = timedelta(days=7)
"""How far the clock may be ahead of the time that ages are measured from, before the log says so."""
WATCH_S = 2.0
"""Time between two looks at the database (s)."""
SILENCE_S = 15.0
"""How long a look may take before the database counts as away (s): longer than the wait for a turn."""
BATCH = 200
"""Rows deleted in one transaction, so that others do not wait long for their turn to write."""


@asynccontextmanager
async def open_database(
    database: Database,
    settings: Settings,
    health: "DatabaseHealth | None" = None,
    when_prepared: Callable[[], Awaitable[None]] | None = None,
) -> AsyncIterator[None]:
    """Prepare the database, maintain it until the block ends, and close it. `health` follows how it is.

    `when_prepared` is awaited once, before the block; what it raises keeps the block from being entered.

    Raises:
        StorageUnavailable: the database cannot be used; the message says what to do.
    """
    async with AsyncExitStack() as stack:
        if database.is_sqlite:
            await anyio.to_thread.run_sync(warn_if_moved, settings.data_dir)
            stack.enter_context(lock_folder(settings.data_dir))
            await anyio.to_thread.run_sync(backup.refuse_damaged, settings.data_dir)
        stack.push_async_callback(database.aclose)
        await prepare_schema(database)
        async with database.read() as session:
            await _continue_ids(session)
        await _clean_up(database, settings)
        stack.push_async_callback(_end_run, database)
        if when_prepared is not None:
            await when_prepared()
        health = health or DatabaseHealth(database)
        async with health.tasks.run():
            health.tasks.start_loop("lease", _beat, database)
            health.tasks.start_loop("watch", health.watch)
            if settings.storage.retention_days:
                health.tasks.start_loop("retention", _apply_retention_daily, database, settings)
            yield


async def prepare_schema(database: Database) -> None:
    """Upgrade the schema of SQLite, in a thread; check the schema of PostgreSQL, which other servers may be using.

    Raises:
        StorageUnavailable: the schema is not this program's, tables are missing, or the database cannot be used.
    """
    if database.is_sqlite:
        await anyio.to_thread.run_sync(migrate.upgrade_blocking, database.url)
        return
    schema = await migrate.read_schema(database.url)
    migrate.refuse_newer(schema)
    migrate.refuse_incomplete(schema)
    if not schema.is_up_to_date:
        raise StorageUnavailable(
            f"the database has the schema {schema.current or 'of an empty database'}, this version needs "
            f"{schema.head}: stop the servers that use it, then run `prompter db upgrade`"
        )


async def _continue_ids(session: AsyncSession) -> None:
    """Let new ids sort after all that are stored: the clock may have been set back since."""
    for table in (ConversationRow, MessageRow, DictationRow):
        newest = select(table.id).order_by(table.id.desc()).limit(1)
        continue_after(await session.scalar(newest))


async def _clean_up(database: Database, settings: Settings) -> None:
    """Add the local user and this process's lease; on SQLite mark the answers of earlier processes as interrupted.

    On PostgreSQL others may live. A process that starts has not seen whether they could beat: `_beat` calls them dead.
    """
    count = 0
    async with database.write() as session:
        if settings.accounts.mode == "none":
            await ensure_local_user(session)
        await answers.send_heartbeat(session, database.run_id)
        await idempotency.remove_expired(session)
        await shares.remove_expired(session, utc_now())
        if database.is_sqlite:
            count = await answers.interrupt_dead(session, database.run_id, lease_s=0.0)
    if count:
        logger.info("%d answers were interrupted by the end of a server, and are marked so", count)


async def ensure_local_user(session: AsyncSession) -> None:
    """Add the one user of mode `none`, who cannot log in."""
    if await session.get(UserRow, LOCAL_USER_ID) is None:
        user = UserRow(id=LOCAL_USER_ID, name="local", name_key="local", password_hash="", role="admin")
        session.add(user)


async def _end_run(database: Database) -> None:
    """Mark the answers that this process still streams as interrupted. If that fails, its lease runs out later."""
    try:
        async with database.write() as session:
            await answers.end_run(session, database.run_id)
    except StorageUnavailable:
        logger.warning("answers under way could not be marked as interrupted; the next start will do it")


async def _beat(database: Database) -> None:
    """Renew this process's lease; on PostgreSQL also interrupt the answers of processes whose lease has run out."""
    series = answers.BeatSeries()
    while True:
        await anyio.sleep(answers.BEAT_S)
        try:
            async with database.write() as session:
                at = await answers.send_heartbeat(session, database.run_id)
            may_judge = series.note_beat(at)
            if not database.is_sqlite:
                async with database.write() as session:
                    if may_judge:
                        await answers.interrupt_dead(session, database.run_id)
                        await session_log.remove_left(session, database.run_id, DAY_S)
                    await _continue_ids(session)  # other servers' clocks may be ahead of this one
                    await throttles.remove_paid(session)
        except StorageUnavailable:
            continue  # logged already; the next beat tries again


async def _apply_retention_daily(database: Database, settings: Settings) -> None:
    """Apply the retention now and once a day."""
    clock = AgeClock()
    while True:
        try:
            await apply_retention(database, settings.storage.retention_days, clock)
        except StorageUnavailable:
            logger.warning(
                "old dictations and conversations could not be deleted; the next attempt is tomorrow"
            )
        await anyio.sleep(DAY_S)


class DatabaseHealth:
    """Whether the database can be read, and whether what maintains it runs."""

    def __init__(self, database: Database) -> None:
        self.tasks = Supervisor("database")
        self._database = database
        self._failure = ""
        self._answered_s = monotonic()
        """When it last answered, or the watch began."""

    @property
    def problem(self) -> str:
        """Why the database is not to be relied on; empty if it is."""
        silent_s = monotonic() - self._answered_s
        silence = f"the database has not answered for {silent_s:.0f} s" if silent_s > SILENCE_S else ""
        return self.tasks.problem or self._failure or silence

    async def watch(self) -> None:
        """Read one row now and then, until cancelled."""
        self._answered_s = monotonic()
        while True:
            await anyio.sleep(WATCH_S)
            try:
                async with self._database.read() as session:
                    await session.execute(select(RunRow.id).limit(1))
            except StorageUnavailable as error:
                self._failure = error.message
            else:
                self._failure = ""
            self._answered_s = monotonic()


class AgeClock:
    """The time that ages are measured from: the machine's, but not far ahead of what was stored last.

    A clock that is a year ahead at a start would delete everything for good. A process counts the time that it has seen
    pass, so that data grow old in a server that nobody uses, too.
    """

    def __init__(self) -> None:
        self._first: tuple[datetime, float] | None = None
        """What was stored last at the first look, and when that look was."""

    def read(self, newest: datetime, now: datetime, counted_s: float) -> datetime:
        """The time, from the newest stored one, the machine's clock, and one that only counts (s)."""
        self._first = self._first or (newest, counted_s)
        first, since_s = self._first
        seen = max(newest, first + timedelta(seconds=counted_s - since_s))
        return min(now, seen + timedelta(seconds=DAY_S))


async def apply_retention(database: Database, days: int, clock: AgeClock | None = None) -> int:
    """Delete dictations and unchanged conversations older than `days`; return how many were deleted."""
    async with database.read() as session:
        newest = await find_newest(session)
    if newest is None:
        return 0
    now = utc_now()
    measured = (clock or AgeClock()).read(newest, now, monotonic())
    if now - measured > CLOCK_DOUBT:
        logger.warning(
            "the clock is %d days ahead of what was stored last: the retention counts from %s; correct the clock, or, "
            "if it is right, do nothing: the next entry settles it",
            *((now - newest).days, measured.date().isoformat()),
        )
    since = measured - timedelta(days=days)
    total = 0
    removers: tuple[Callable[..., Awaitable[int]], ...] = (dictations.remove_old, conversations.remove_idle)
    for remove in removers:
        count = BATCH
        while count >= BATCH:
            async with database.write() as session:
                count = await remove(session, since, BATCH)
            total += count
    if total:
        logger.info("%d dictations and conversations older than %d days were deleted", total, days)
    return total


async def find_newest(session: AsyncSession) -> datetime | None:
    """When a conversation or dictation was last changed or begun; None where there is none."""
    times = [
        await session.scalar(select(func.max(column)))
        for column in (ConversationRow.updated_at, DictationRow.started_at)
    ]
    return max((time for time in times if time is not None), default=None)


async def read_clock(session: AsyncSession) -> datetime:
    """Return the time that the database's own machine has."""
    now: datetime = (await session.execute(select(func.now()))).scalar_one()
    return now
