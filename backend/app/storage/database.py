"""The database: short transactions for reading and for writing, and one error when it cannot serve them."""

import logging
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

import anyio
from sqlalchemy.exc import (
    DataError,
    DBAPIError,
    IntegrityError,
    NotSupportedError,
    ProgrammingError,
    SQLAlchemyError,
)
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession

from app.core.config import Settings
from app.core.errors import StorageUnavailable
from app.storage.connections import (
    PG_CONNECTIONS,
    READERS,
    WAIT_S,
    database_url,
    postgres_engine,
    sqlite_engine,
)
from app.utils.ids import new_id

logger = logging.getLogger(__name__)

_OURS = (IntegrityError, ProgrammingError, DataError, NotSupportedError)
"""Faults of a statement or of its values: not of the database."""
_REASONS = {
    "SQLITE_BUSY": "another process holds its lock",
    "SQLITE_FULL": "the disk is full",
    "SQLITE_READONLY": "its file cannot be written",
    "SQLITE_CANTOPEN": "its file cannot be opened",
    "SQLITE_IOERR": "the disk fails",
    "SQLITE_CORRUPT": "its file is damaged",
    "SQLITE_NOTADB": "its file is no database",
    "53100": "the disk is full",
    "55P03": "another process holds a lock",
    "57014": "it took too long",
    "28P01": "it refuses the password",
    "3D000": "there is no database of that name",
}


class Database:
    """One database, SQLite or PostgreSQL; opens connections when they are first needed.

    Transactions are short: nobody waits for a model inside one. A transaction is committed when its block ends and
    rolled back when the block raises. On SQLite one writes at a time and readers never wait for it. The wait for a
    turn can be cancelled, a transaction cannot: it is short, and a driver that is cancelled loses its connection.
    """

    def __init__(self, settings: Settings) -> None:
        self.url = database_url(settings)
        self.run_id = new_id()
        """This process, as the answers that it streams name it."""
        self.is_sqlite = self.url.get_backend_name() == "sqlite"
        self._writer: AsyncEngine
        self._reader: AsyncEngine
        if self.is_sqlite:
            self._writer = sqlite_engine(self.url, write=True)
            self._reader = sqlite_engine(self.url, write=False)
            self._writing, self._reading = anyio.Semaphore(1), anyio.Semaphore(READERS)
        else:
            self._writer = postgres_engine(self.url)
            # As on SQLite: what one block reads is of one moment.
            self._reader = self._writer.execution_options(
                isolation_level="REPEATABLE READ", postgresql_readonly=True
            )
            self._writing = self._reading = anyio.Semaphore(PG_CONNECTIONS)

    @asynccontextmanager
    async def read(self) -> AsyncIterator[AsyncSession]:
        """A session that only reads, all of it as of one moment.

        Raises:
            StorageUnavailable: the database cannot be read now.
        """
        with translate_errors("read"):
            async with _turn(self._reading):
                with anyio.CancelScope(shield=True):
                    async with AsyncSession(self._reader, autoflush=False) as session:
                        yield session

    @asynccontextmanager
    async def write(self) -> AsyncIterator[AsyncSession]:
        """A session whose changes are all kept when the block ends, or none.

        Raises:
            StorageUnavailable: nothing was kept; the database is locked, full or gone.
        """
        with translate_errors("written"):
            async with _turn(self._writing):
                with anyio.CancelScope(shield=True):
                    async with (
                        AsyncSession(self._writer, expire_on_commit=False) as session,
                        session.begin(),
                    ):
                        yield session

    async def aclose(self) -> None:
        """Close every connection; the database may be used again, and opens new ones."""
        with anyio.CancelScope(shield=True):
            await self._writer.dispose()
            if self.is_sqlite:
                await self._reader.dispose()


@asynccontextmanager
async def _turn(turns: anyio.Semaphore) -> AsyncIterator[None]:
    """Wait here, in order, rather than at SQLite's lock, which who comes last may get first."""
    try:
        with anyio.fail_after(WAIT_S):
            await turns.acquire()
    except TimeoutError:
        raise StorageUnavailable(
            f"the database has too much to do: no turn within {WAIT_S:.0f} s; nothing was kept, try again"
        ) from None
    try:
        yield
    finally:
        turns.release()


@contextmanager
def translate_errors(doing: str) -> Iterator[None]:
    """What the drivers raise when the database cannot serve, as the one error that clients know."""
    try:
        yield
    except DBAPIError as error:
        if isinstance(error, _OURS):
            raise
        raise _unavailable(doing, error, _reason(error)) from error
    except PoolTimeout as error:
        raise _unavailable(doing, error, "all its connections are taken") from error
    except SQLAlchemyError:
        raise
    except OSError as error:  # no connection: asyncpg raises what the socket raised
        raise _unavailable(doing, error, "it cannot be reached") from error


def _unavailable(doing: str, error: Exception, reason: str) -> StorageUnavailable:
    # Of a driver's error the class and code alone: its text may quote values.
    logger.error("the database cannot be %s: %s (%s)", doing, reason, _name(error))
    kept = "; nothing was kept" if doing == "written" else ""
    return StorageUnavailable(f"the database cannot be {doing}: {reason}{kept}, try again later")


def _reason(error: DBAPIError) -> str:
    name = _name(error)
    return next((said for code, said in _REASONS.items() if name.startswith(code)), "it failed")


def _name(error: Exception) -> str:
    """The driver's code of an error, such as SQLITE_FULL or 53100; its class where there is none."""
    origin = getattr(error, "orig", None) or error
    code = getattr(origin, "sqlite_errorname", None) or getattr(origin, "sqlstate", None)
    return str(code or type(origin).__name__)
