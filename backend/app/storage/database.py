"""Short transactions for reading and for writing, and one error for all failures of the database."""

import logging
import sqlite3
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager

import anyio
import anyio.lowlevel
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

_PROGRAMMING_ERRORS = (
    *(IntegrityError, ProgrammingError, DataError, NotSupportedError),
    *(sqlite3.IntegrityError, sqlite3.ProgrammingError, sqlite3.DataError, sqlite3.NotSupportedError),
)
"""Errors of a statement or of its values: bugs of this program, not failures of the database."""
RETRY_S = 5.0
"""How long a change that must be stored waits after a failure."""
_LATER = "try again later"
RESTORE_REMEDY = "stop the server and restore a backup: `prompter db restore FILE`"
RESTORE_POSTGRES = "stop the servers and restore a backup with pg_restore"
_ADDRESS_REMEDY = "correct PROMPTER_STORAGE__URL"
_FAILURES = {
    "SQLITE_BUSY": ("another process holds its lock", _LATER),
    "SQLITE_FULL": ("the disk is full", "free some space, then try again"),
    "SQLITE_READONLY": ("its file cannot be written", "give it to the user that runs the server"),
    "SQLITE_CANTOPEN": ("its file cannot be opened", "give its folder to the user that runs the server"),
    "SQLITE_IOERR": ("the disk fails", "check the disk and the space on it"),
    "SQLITE_CORRUPT": ("its file is damaged", RESTORE_REMEDY),
    "SQLITE_NOTADB": ("its file is not a database", RESTORE_REMEDY),
    "SQLITE_ERROR": (
        "it refuses a statement",
        f"restart the server, which checks the tables; else {RESTORE_REMEDY}",
    ),
    "53100": ("the disk is full", "free some space, then try again"),
    "55P03": ("another process holds a lock", _LATER),
    "57014": ("it took too long", _LATER),
    "28P01": ("it refuses the password", _ADDRESS_REMEDY),
    "3D000": ("there is no database of that name", f"create it, or {_ADDRESS_REMEDY}"),
    "XX001": ("its data are damaged", RESTORE_POSTGRES),
    "XX002": ("an index of it is damaged", "run REINDEX on it; the log of PostgreSQL names the index"),
}
"""The driver's code -> what is wrong, and how to go on."""


class Database:
    """One database, SQLite or PostgreSQL. It opens connections when they are first needed.

    Keep transactions short: never wait for a model inside one. A transaction is committed when its block ends, and
    rolled back when the block raises. SQLite has one writer at a time, and readers never wait for it. The wait for a
    turn can be cancelled; a transaction cannot, because a driver loses its connection when it is cancelled.
    """

    def __init__(self, settings: Settings) -> None:
        self.url = database_url(settings)
        self.run_id = new_id()
        """The id of this process in `runs`, and in the answers that it streams."""
        self.is_sqlite = self.url.get_backend_name() == "sqlite"
        self._writer: AsyncEngine
        self._reader: AsyncEngine
        if self.is_sqlite:
            self._writer = sqlite_engine(self.url, write=True)
            self._reader = sqlite_engine(self.url, write=False)
            self._writing, self._reading = TurnQueue(1), TurnQueue(READERS)
        else:
            self._writer = postgres_engine(self.url)
            # As on SQLite: one block reads one state of the database.
            self._reader = self._writer.execution_options(
                isolation_level="REPEATABLE READ", postgresql_readonly=True
            )
            self._writing = self._reading = TurnQueue(PG_CONNECTIONS)

    @asynccontextmanager
    async def read(self) -> AsyncIterator[AsyncSession]:
        """Open a session that only reads, and reads one state of the database.

        Raises:
            StorageUnavailable: the database cannot be read.
        """
        with translate_errors("read"):
            async with _wait_for_turn(self._reading):
                with anyio.CancelScope(shield=True):
                    async with AsyncSession(self._reader, autoflush=False) as session:
                        yield session

    @asynccontextmanager
    async def write(self, *, is_urgent: bool = False) -> AsyncIterator[AsyncSession]:
        """Open a session whose changes are committed together when the block ends.

        An urgent one comes before all that wait for their turn.

        Raises:
            StorageUnavailable: nothing was stored; the database is locked, full or unreachable.
        """
        with translate_errors("written"):
            async with _wait_for_turn(self._writing, is_urgent=is_urgent):
                with anyio.CancelScope(shield=True):
                    async with (
                        AsyncSession(self._writer, expire_on_commit=False) as session,
                        session.begin(),
                    ):
                        yield session

    async def write_at_last(self, change: Callable[[AsyncSession], Awaitable[object]]) -> None:
        """Store a change as soon as the database can. After a failure it is made again, in another session."""
        while True:
            try:
                async with self.write() as session:
                    await change(session)
            except StorageUnavailable:
                await anyio.sleep(RETRY_S)  # logged already
            else:
                return

    async def aclose(self) -> None:
        """Close every connection. The database can still be used; it opens new ones."""
        with anyio.CancelScope(shield=True):
            await self._writer.dispose()
            if self.is_sqlite:
                await self._reader.dispose()


class TurnQueue:
    """So many turns at a time, in order of arrival, but for urgent ones."""

    def __init__(self, turns: int) -> None:
        self._free = turns
        self._waiting = deque[anyio.Event]()

    async def acquire(self, *, is_urgent: bool = False) -> None:
        await anyio.lowlevel.checkpoint_if_cancelled()
        if self._free:
            self._free -= 1
            return
        turn = anyio.Event()
        (self._waiting.appendleft if is_urgent else self._waiting.append)(turn)
        try:
            await turn.wait()
        except BaseException:
            if turn.is_set():  # it came together with the cancellation
                self.release()
            else:
                self._waiting.remove(turn)
            raise

    def release(self) -> None:
        if self._waiting:
            self._waiting.popleft().set()
        else:
            self._free += 1


@asynccontextmanager
async def _wait_for_turn(turns: TurnQueue, *, is_urgent: bool = False) -> AsyncIterator[None]:
    """Wait for a turn. Waiting at SQLite's own lock would have no order."""
    try:
        with anyio.fail_after(WAIT_S):
            await turns.acquire(is_urgent=is_urgent)
    except TimeoutError:
        raise StorageUnavailable(
            f"the database is too busy: no turn within {WAIT_S:.0f} s; nothing was kept, try again"
        ) from None
    try:
        yield
    finally:
        turns.release()


@contextmanager
def translate_errors(action: str) -> Iterator[None]:
    """Turn the errors of drivers into `StorageUnavailable`; `action` is `read` or `written`."""
    try:
        yield
    except (DBAPIError, sqlite3.Error) as error:
        if isinstance(error, _PROGRAMMING_ERRORS):
            raise
        raise _make_unavailable(action, error, *explain(error)) from error
    except PoolTimeout as error:
        raise _make_unavailable(action, error, "all its connections are taken", _LATER) from error
    except SQLAlchemyError:
        raise
    except OSError as error:  # no connection: asyncpg lets the error of the socket through
        raise _make_unavailable(action, error, "it cannot be reached", _LATER) from error


def _make_unavailable(action: str, error: Exception, reason: str, remedy: str) -> StorageUnavailable:
    # Only the class and code of a driver's error: its text may quote values.
    logger.error("the database cannot be %s: %s (%s); %s", action, reason, _find_code(error), remedy)
    outcome = "; nothing was kept" if action == "written" else ""
    return StorageUnavailable(f"the database cannot be {action}: {reason}{outcome}; {remedy}")


def is_damage(error: Exception) -> bool:
    """Whether an error says that the file is damaged, and not only that it cannot be used now."""
    return _find_code(error).startswith(("SQLITE_CORRUPT", "SQLITE_NOTADB"))


def is_refusal(error: DBAPIError) -> bool:
    """Whether the database refuses a statement, for example because it lacks a table or a column."""
    return isinstance(error, ProgrammingError) or _find_code(error) == "SQLITE_ERROR"


def explain(error: DBAPIError | sqlite3.Error) -> tuple[str, str]:
    """What is wrong, and how to go on."""
    found = _find_code(error)
    return next((told for code, told in _FAILURES.items() if found.startswith(code)), ("it failed", _LATER))


def _find_code(error: Exception) -> str:
    """Return the driver's code of an error, such as SQLITE_FULL or 53100; the name of its class if it has none."""
    origin = getattr(error, "orig", None) or error
    code = getattr(origin, "sqlite_errorname", None) or getattr(origin, "sqlstate", None)
    return str(code or type(origin).__name__)
