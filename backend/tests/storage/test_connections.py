"""Connections: the address out of the settings, SQLite's pragmas, and its driver with one change of threads."""

import shutil
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.exc import OperationalError

from app.storage.connections import DatabaseUrl, OneHopConnection, OneHopCursor, database_url, sqlite_engine
from tests.support.database import make_settings


def test_the_address_of_sqlite_is_in_the_data_folder(tmp_path: Path) -> None:
    url = database_url(make_settings(tmp_path))
    assert (url.drivername, url.database) == ("sqlite+aiosqlite", str(tmp_path / "prompter.db"))


def test_the_address_of_postgresql_gets_its_driver(tmp_path: Path) -> None:
    url = database_url(make_settings(tmp_path, "postgresql://ada:secret@db.example/prompter?sslmode=require"))
    assert (url.drivername, url.host, url.database) == ("postgresql+asyncpg", "db.example", "prompter")
    assert dict(url.query) == {"ssl": "require"}
    assert "secret" not in str(url)


@pytest.fixture
def url(tmp_path: Path, sqlite_template: Path) -> DatabaseUrl:
    """The address of an SQLite database at the newest schema."""
    shutil.copy(sqlite_template, tmp_path / "prompter.db")
    return database_url(make_settings(tmp_path))


@pytest.mark.parametrize("write", [True, False])
async def test_connections_have_their_pragmas(url: DatabaseUrl, write: bool) -> None:
    engine = sqlite_engine(url, write=write)
    async with engine.connect() as connection:
        values = [
            (await connection.execute(text(f"PRAGMA {name}"))).scalar_one()
            for name in ("journal_mode", "foreign_keys", "busy_timeout", "query_only", "synchronous")
        ]
    assert values == ["wal", 1, 5000, 0 if write else 1, 1]
    await engine.dispose()


async def test_a_reader_refuses_to_write(url: DatabaseUrl) -> None:
    engine = sqlite_engine(url, write=False)
    async with engine.connect() as connection:
        with pytest.raises(OperationalError, match="readonly"):
            await connection.execute(text("DELETE FROM users"))
    await engine.dispose()


async def test_a_cursor_has_all_rows_after_its_statement() -> None:
    connection = OneHopConnection(":memory:")
    async with connection:
        cursor = OneHopCursor(connection)
        assert await cursor.__aenter__() is cursor, "as SQLAlchemy opens it"
        await cursor.execute("CREATE TABLE t (n INTEGER)")
        await cursor.executemany("INSERT INTO t VALUES (?)", [(n,) for n in range(3)])
        assert cursor.rowcount == 3
        await cursor.execute("SELECT n FROM t ORDER BY n")
        assert await cursor.fetchall() == [(0,), (1,), (2,)]
        assert [column[0] for column in cursor.description] == ["n"]
        await cursor.close()
