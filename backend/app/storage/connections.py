"""Database connections: SQLite's pragmas and single-hop driver, PostgreSQL's time limits, the pools of both."""

import logging
import sqlite3
from collections.abc import Sequence
from typing import Any, Self

import aiosqlite
from sqlalchemy import URL, event, make_url
from sqlalchemy.engine import Connection
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import ArgumentError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.pool import ConnectionPoolEntry

from app.core.config import Settings
from app.core.errors import StorageUnavailable
from app.core.extras import advise_extra
from app.storage.data_folder import DATABASE_FILE


class OneHopConnection(aiosqlite.Connection):
    """An SQLite connection that changes threads once for each statement, not once for each call of a cursor."""

    def __init__(self, database: str, **options: Any) -> None:
        super().__init__(lambda: sqlite3.connect(database, **options), iter_chunk_size=64)
        self._thread.daemon = True

    def cursor(self) -> Any:
        return OneHopCursor(self)

    async def run(self, cursor: "OneHopCursor", many: bool, sql: str, values: Sequence[Any]) -> None:
        """Run a statement and leave its rows in the cursor."""
        await self._execute(self._run, cursor, many, sql, values)  # type: ignore[no-untyped-call]

    def _run(self, cursor: "OneHopCursor", many: bool, sql: str, values: Sequence[Any]) -> None:
        mine = self._conn.executemany(sql, values) if many else self._conn.execute(sql, values)
        try:
            cursor.description = mine.description
            cursor.rows = mine.fetchall() if mine.description else []
            cursor.rowcount, cursor.lastrowid = mine.rowcount, mine.lastrowid
        finally:
            mine.close()


class OneHopCursor:
    """The part of an asynchronous cursor that SQLAlchemy uses. All rows are in memory after the statement."""

    description: Any = None
    rowcount = -1
    lastrowid: int | None = None
    arraysize = 1

    def __init__(self, connection: OneHopConnection) -> None:
        self._connection = connection
        self.rows: list[Any] = []

    async def __aenter__(self) -> Self:
        return self

    async def execute(self, sql: str, values: Sequence[Any] = ()) -> "OneHopCursor":
        await self._connection.run(self, False, sql, values)
        return self

    async def executemany(self, sql: str, values: Sequence[Any]) -> "OneHopCursor":
        await self._connection.run(self, True, sql, values)
        return self

    async def fetchall(self) -> list[Any]:
        return self.rows

    async def close(self) -> None:
        """Nothing to do: the thread's own cursor is closed already."""


DatabaseUrl = URL
"""The address of a database. Printing it does not show its password."""
BUSY_MS = 5000
"""How long SQLite waits for a lock of another process, for example a backup (ms)."""
READERS = 8
PG_CONNECTIONS = 10
WAIT_S = 10.0
"""How long a transaction waits for SQLite's one writer, or for a connection of a pool (s)."""

_PRAGMAS = {
    "busy_timeout": BUSY_MS,
    "journal_mode": "WAL",
    "synchronous": "NORMAL",  # a power cut may lose the last transactions, a crash of the process none
    "foreign_keys": "ON",
    "cache_size": -4096,  # KiB for each connection
    "temp_store": "MEMORY",
    "journal_size_limit": 64 << 20,
    "secure_delete": "FAST",  # deleted data are overwritten where that needs no further writes
}
_PG_LIMITS = {
    "application_name": "prompter",
    "statement_timeout": "10s",
    "lock_timeout": "5s",
    "idle_in_transaction_session_timeout": "60s",
    "jit": "off",  # compiling takes longer than such short queries
}

# At level DEBUG the driver logs every statement with its values, which contain prompts.
logging.getLogger("aiosqlite").setLevel(logging.INFO)


def database_url(settings: Settings) -> URL:
    """Return the address of the database that the settings name, with the driver that the server uses.

    Raises:
        ValueError: the address cannot be parsed. The message does not repeat it: it may contain a password.
    """
    given = settings.storage.url.get_secret_value()
    if not given:
        return URL.create("sqlite+aiosqlite", database=str(settings.data_dir / DATABASE_FILE))
    try:
        url = make_url(given).set(drivername="postgresql+asyncpg")
    except ArgumentError:
        raise ValueError(
            "storage.url cannot be parsed: expected `postgresql://user:password@host/name`"
        ) from None
    query = dict(url.query)
    if mode := query.pop("sslmode", None):  # libpq's name for what the driver calls `ssl`
        query["ssl"] = mode
    return url.set(query=query)


def sqlite_engine(url: URL, *, write: bool, foreign_keys: bool = True) -> AsyncEngine:
    """Make the engine of the one writer, or of the readers, whose connections refuse to write."""
    engine = create_async_engine(
        url,
        pool_size=1 if write else READERS,
        max_overflow=0,
        pool_timeout=WAIT_S,
        hide_parameters=True,  # errors are logged; values are prompts
        connect_args={"async_creator_fn": OneHopConnection},
    )
    statement = "BEGIN IMMEDIATE" if write else "BEGIN"
    pragmas = {**_PRAGMAS, "foreign_keys": "ON" if foreign_keys else "OFF"}
    if not write:
        pragmas["query_only"] = "ON"

    @event.listens_for(engine.sync_engine, "connect")
    def set_pragmas(connection: DBAPIConnection, _entry: ConnectionPoolEntry) -> None:
        connection.isolation_level = None  # the driver begins no transaction; `begin_transaction` does
        cursor = connection.cursor()
        for name, value in pragmas.items():
            cursor.execute(f"PRAGMA {name}={value}")
        cursor.close()

    @event.listens_for(engine.sync_engine, "begin")
    def begin_transaction(connection: Connection) -> None:
        connection.exec_driver_sql(statement)

    return engine


def postgres_engine(url: URL) -> AsyncEngine:
    """Make the engine of PostgreSQL, whose one pool serves reading and writing.

    Raises:
        StorageUnavailable: the driver is not installed.
    """
    try:
        return create_async_engine(
            url,
            pool_size=PG_CONNECTIONS,
            max_overflow=0,
            pool_timeout=WAIT_S,
            pool_pre_ping=True,  # a restart of the database fails no request
            hide_parameters=True,
            connect_args={"timeout": 5, "command_timeout": 15, "server_settings": _PG_LIMITS},
        )
    except ModuleNotFoundError as error:
        raise StorageUnavailable(
            f"PostgreSQL needs the driver asyncpg: install it with {advise_extra('postgres')}"
        ) from error
