"""The database from the start of a server to its end: schema, lease, retention, and what dead processes left."""

import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta

import anyio
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.config import Settings
from app.core.errors import StorageUnavailable
from app.core.security import LOCAL_USER_ID
from app.storage import answers, conversations, dictations, migrate
from app.storage.common import utc_now
from app.storage.data_folder import lock_folder
from app.storage.database import Database
from app.storage.tables import UserRow

logger = logging.getLogger(__name__)

DAY_S = 86_400.0
BATCH = 200
"""Rows that one transaction of the retention deletes, so nobody waits long for a turn."""


@asynccontextmanager
async def open_database(database: Database, settings: Settings) -> AsyncIterator[None]:
    """Make the database ready, look after it until the block ends, and close it.

    Raises:
        StorageUnavailable: it cannot be used, and its message says what to do.
    """
    async with AsyncExitStack() as stack:
        if database.is_sqlite:
            stack.enter_context(lock_folder(settings.data_dir))
        stack.push_async_callback(database.aclose)
        await make_ready(database)
        await _tidy(database, settings, lease_s=0.0 if database.is_sqlite else answers.LEASE_S)
        stack.push_async_callback(_end_run, database)
        async with anyio.create_task_group() as group:
            group.start_soon(_beat, database)
            group.start_soon(_retain, database, settings)
            yield
            group.cancel_scope.cancel()


async def make_ready(database: Database) -> None:
    """Bring SQLite to the newest schema, in a thread; PostgreSQL has to be there already, as others use it too."""
    if database.is_sqlite:
        await anyio.to_thread.run_sync(migrate.upgrade_here, database.url)
        return
    schema = await migrate.read_schema(database.url)
    migrate.refuse_newer(schema)
    if not schema.up_to_date:
        raise StorageUnavailable(
            f"the database has the schema {schema.current or 'of an empty database'}, this version needs "
            f"{schema.head}: stop the servers that use it, then run `prompter db upgrade`"
        )


async def _tidy(database: Database, settings: Settings, *, lease_s: float) -> None:
    """What a start does once: the local user, this run's lease, the answers that dead processes left."""
    async with database.write() as session:
        if settings.accounts.mode == "none":
            await ensure_local_user(session)
        await answers.beat(session, database.run_id)
        count = await answers.interrupt_dead(session, database.run_id, lease_s=lease_s)
    if count:
        logger.info("%d answers were cut short when a server ended, and are marked interrupted", count)


async def ensure_local_user(session: AsyncSession) -> None:
    """The one user of mode `none`, whom no password opens."""
    if await session.get(UserRow, LOCAL_USER_ID) is None:
        user = UserRow(id=LOCAL_USER_ID, name="local", name_key="local", password_hash="", role="admin")
        session.add(user)


async def _end_run(database: Database) -> None:
    """A clean end leaves nothing streaming; one that fails leaves it to the lease."""
    try:
        async with database.write() as session:
            await answers.end_run(session, database.run_id)
    except StorageUnavailable:
        logger.warning("the database could not be told of the end; the next start will tidy up")


async def _beat(database: Database) -> None:
    """Keep this process's lease; on PostgreSQL look for answers of processes that lost theirs."""
    while True:
        await anyio.sleep(answers.BEAT_S)
        try:
            async with database.write() as session:
                await answers.beat(session, database.run_id)
                if not database.is_sqlite:
                    await answers.interrupt_dead(session, database.run_id)
        except StorageUnavailable:
            continue  # it is in the log; the next beat tries again


async def _retain(database: Database, settings: Settings) -> None:
    """Delete what is older than the setting allows, now and once a day."""
    while settings.storage.retention_days:
        try:
            await apply_retention(database, settings.storage.retention_days)
        except StorageUnavailable:
            logger.warning("what is too old could not be deleted; tomorrow again")
        await anyio.sleep(DAY_S)


async def apply_retention(database: Database, days: int) -> int:
    """Delete dictations and idle conversations older than so many days; how many there were."""
    since = utc_now() - timedelta(days=days)
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
