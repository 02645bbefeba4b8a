"""The database's schema: where it stands, and bringing it up or down."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import URL, Connection, text
from sqlalchemy.ext.asyncio import AsyncEngine

from app.core.errors import StorageUnavailable
from app.storage.connections import postgres_engine, sqlite_engine
from app.storage.database import translate_errors

T = TypeVar("T")
_PG_LOCK = 7_094_051_002
"""Any number: who upgrades holds it, so two at once do not."""


@dataclass(frozen=True, slots=True)
class Schema:
    """Where a database stands."""

    current: str | None
    """Its revision; None is an empty database."""
    head: str
    """The revision that this program wants."""
    known: bool
    """Whether this program knows the current one; if not, a newer program has made it."""

    @property
    def up_to_date(self) -> bool:
        return self.current == self.head


def make_alembic_config(connection: Connection | None = None) -> Config:
    """Alembic's configuration: no file, no logging of its own."""
    config = Config(attributes={"connection": connection})
    config.set_main_option("script_location", "app.storage:migrations")
    return config


async def schema_of(url: URL) -> Schema:
    """`look`, with the driver's own errors."""
    return await _with_connection(url, _look)


def find_head_revision() -> str:
    """The revision that this program wants."""
    return str(ScriptDirectory.from_config(make_alembic_config()).get_current_head())


async def read_schema(url: URL) -> Schema:
    """Where the database at `url` stands.

    Raises:
        StorageUnavailable: it cannot be read.
    """
    with translate_errors("read"):
        return await schema_of(url)


async def bring_up(url: URL) -> Schema:
    """Bring the schema to the newest revision.

    Raises:
        StorageUnavailable: it cannot be written, or a newer program has made it.
    """
    with translate_errors("written"):
        return await upgrade(url)


async def upgrade(url: URL, revision: str = "head") -> Schema:
    """Bring the schema up to a revision; all of it, or nothing.

    Raises:
        StorageUnavailable: a newer program has made this schema.
    """

    def up(connection: Connection) -> Schema:
        _one_at_a_time(connection)
        refuse_newer(_look(connection))
        command.upgrade(make_alembic_config(connection), revision)
        return _look(connection)

    return await _with_connection(url, up)


def upgrade_here(url: URL) -> Schema:
    """`bring_up` for a worker thread: alembic itself would hold the event loop up."""
    return asyncio.run(bring_up(url))


async def downgrade(url: URL, revision: str) -> Schema:
    """Bring the schema down to a revision; `base` leaves nothing, the data included."""

    def down(connection: Connection) -> Schema:
        _one_at_a_time(connection)
        command.downgrade(make_alembic_config(connection), revision)
        return _look(connection)

    return await _with_connection(url, down)


def refuse_newer(schema: Schema) -> None:
    """Raises:
    StorageUnavailable: a newer program has made this schema, and this one would harm it.
    """
    if not schema.known:
        raise StorageUnavailable(
            f"the database has the schema {schema.current!r} of a newer version; this one knows {schema.head!r} "
            "at most: start the newer version, or restore the backup made before it"
        )


def _look(connection: Connection) -> Schema:
    directory = ScriptDirectory.from_config(make_alembic_config())
    current = MigrationContext.configure(connection).get_current_revision()
    known = current is None or current in {script.revision for script in directory.walk_revisions()}
    return Schema(current, find_head_revision(), known)


def _one_at_a_time(connection: Connection) -> None:
    """SQLite's BEGIN IMMEDIATE does the same."""
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _PG_LOCK})


async def _with_connection(url: URL, work: Callable[[Connection], T]) -> T:
    """Run `work` in one transaction; foreign keys off on SQLite, where a table is changed by copying it."""
    engine = _engine(url)
    try:
        async with engine.begin() as connection:
            return await connection.run_sync(work)
    finally:
        await engine.dispose()


def _engine(url: URL) -> AsyncEngine:
    if url.get_backend_name() == "sqlite":
        return sqlite_engine(url, write=True, foreign_keys=False)
    return postgres_engine(url)


def is_ours(name: str | None, kind: str, _parents: Any) -> bool:
    """Whether alembic is to look at it."""
    if kind == "table":
        return not (name or "").startswith("search_index")
    return name != "ix_search_entries_words"
