"""aiosqlite's connection, with one trip to its thread for each statement instead of four.

Each trip waits for the interpreter's lock twice, up to 5 ms each while the event loop is busy, so they are what a
statement costs. Results are fetched with the statement, as SQLAlchemy asks for all of them anyway.
"""

import sqlite3
from collections.abc import Sequence
from typing import Any, Self

import aiosqlite


class OneHopConnection(aiosqlite.Connection):
    """A connection whose cursors live in the thread for one statement only."""

    def __init__(self, database: str, **options: Any) -> None:
        super().__init__(lambda: sqlite3.connect(database, **options), iter_chunk_size=64)
        self._thread.daemon = True

    def cursor(self) -> Any:
        return OneHopCursor(self)

    async def run(self, cursor: "OneHopCursor", many: bool, sql: str, values: Sequence[Any]) -> None:
        """Run a statement, and leave what it gives in the cursor."""
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
    """What SQLAlchemy knows of an asynchronous cursor."""

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
        """The thread's own cursor is closed already."""
