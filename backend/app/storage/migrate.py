"""The schema of the database: reads its revision, and upgrades it with alembic."""

import asyncio
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any, TypeVar

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import URL, Connection, create_engine, inspect, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine
from sqlalchemy.pool import StaticPool

from app.core.errors import StorageUnavailable
from app.storage.connections import postgres_engine, sqlite_engine
from app.storage.database import RESTORE_POSTGRES, RESTORE_REMEDY, is_refusal, translate_errors
from app.storage.tables import Base

T = TypeVar("T")
_REVISION_TABLE = "alembic_version"
_PG_LOCK = 7_094_051_002
"""The key of the advisory lock that an upgrade holds, so that two upgrades never run at once. Any number will do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Schema:
    """The schema of a database, compared with the one of this program."""

    current: str | None
    """The revision of the database; None if it is empty."""
    head: str
    """The revision that this program needs."""
    is_known: bool
    """Whether this program knows the current revision; if not, a newer program has created it."""
    dialect: str
    """`sqlite` or `postgresql`."""
    missing: tuple[str, ...] = ()
    """Tables that the revision has and the database has not. Only a damaged database lacks some."""

    @property
    def is_up_to_date(self) -> bool:
        """Whether the database has the revision that this program needs."""
        return self.current == self.head


def make_alembic_config(connection: Connection | None = None) -> Config:
    """Make a configuration for alembic without a file and without logging."""
    config = Config(attributes={"connection": connection})
    config.set_main_option("script_location", "app.storage:migrations")
    return config


@cache
def find_head_revision() -> str:
    """Return the revision that this program needs."""
    return str(_read_scripts().get_current_head())


@cache
def _list_revisions() -> frozenset[str]:
    """The revisions that this program knows."""
    return frozenset(script.revision for script in _read_scripts().walk_revisions())


@cache
def _read_scripts() -> ScriptDirectory:
    """The steps of this program, which do not change while it runs."""
    return ScriptDirectory.from_config(make_alembic_config())


def read_file_schema(connection: sqlite3.Connection) -> Schema:
    """Read the schema of an SQLite file that is open already."""
    engine = create_engine("sqlite://", creator=lambda: connection, poolclass=StaticPool)
    with engine.connect() as opened:
        return _read_schema(opened)


async def read_schema(url: URL) -> Schema:
    """Read the schema of the database at `url`.

    Raises:
        StorageUnavailable: the database cannot be read.
    """
    with translate_errors("read"):
        return await _run_in_transaction(url, _read_schema)


async def upgrade(url: URL, revision: str = "head") -> Schema:
    """Upgrade the schema to a revision, in one transaction.

    Raises:
        StorageUnavailable: the database cannot be written, lacks tables, or has the schema of a newer program.
    """

    def run(connection: Connection) -> Schema:
        _lock(connection)
        schema = _read_schema(connection)
        refuse_newer(schema)
        refuse_incomplete(schema)
        if revision == "head" and schema.is_up_to_date:
            return schema
        try:
            command.upgrade(make_alembic_config(connection), revision)
        except DBAPIError as error:
            if not is_refusal(error):
                raise
            raise StorageUnavailable(
                f"the database cannot be upgraded, it is not as its schema {schema.current or 'of an empty one'} says; "
                f"nothing was kept: {_find_remedy(schema)}"
            ) from error
        return _read_schema(connection)

    with translate_errors("written"):
        return await _run_in_transaction(url, run)


def upgrade_blocking(url: URL) -> Schema:
    """Run `upgrade` in a worker thread: alembic blocks the event loop that it runs in.

    Raises:
        StorageUnavailable: as for `upgrade`.
    """
    return asyncio.run(upgrade(url))


def refuse_newer(schema: Schema) -> None:
    """Refuse a schema that a newer program has created: this program could damage it.

    Raises:
        StorageUnavailable: the schema is not known here.
    """
    if not schema.is_known:
        raise StorageUnavailable(
            f"the database has the schema {schema.current!r} of a newer version; this one knows {schema.head!r} "
            "at most: start the newer version, or restore the backup made before it"
        )


def refuse_incomplete(schema: Schema) -> None:
    """Refuse a database that has lost tables: creating them anew would hide the loss.

    Raises:
        StorageUnavailable: tables are missing.
    """
    if schema.missing:
        names = ", ".join(map(repr, schema.missing))
        raise StorageUnavailable(f"the database is damaged, it lacks {names}: {_find_remedy(schema)}")


def _find_remedy(schema: Schema) -> str:
    """How to go on with a database that is not what its revision says, or has tables and no revision."""
    if schema.dialect == "sqlite":
        return RESTORE_REMEDY
    if schema.current is None:
        return f"{RESTORE_POSTGRES}; if the tables in it are another program's, name a database of its own"
    return RESTORE_POSTGRES


def _find_missing(connection: Connection, current: str | None) -> tuple[str, ...]:
    """The tables that a database of this revision lacks. Without a revision it has none, or has lost where it stood."""
    found = set(inspect(connection).get_table_names())
    if current is None:
        return (_REVISION_TABLE,) if found & Base.metadata.tables.keys() else ()
    return tuple(sorted(_list_tables(current, connection.dialect.name) - found))


def _list_tables(revision: str, dialect: str) -> set[str]:
    """The tables of a revision, read from an empty database that is upgraded to it."""
    names = set(Base.metadata.tables)
    if revision != find_head_revision():
        engine = create_engine("sqlite://", poolclass=StaticPool)
        with engine.begin() as connection:
            command.upgrade(make_alembic_config(connection), revision)
            names = {name for name in inspect(connection).get_table_names() if is_ours(name, "table", None)}
        engine.dispose()
    return names - {_REVISION_TABLE} | ({"search_index"} if dialect == "sqlite" else set())


def _read_schema(connection: Connection) -> Schema:
    current = MigrationContext.configure(connection).get_current_revision()
    is_known = current is None or current in _list_revisions()
    return Schema(
        current=current,
        head=find_head_revision(),
        is_known=is_known,
        dialect=connection.dialect.name,
        missing=_find_missing(connection, current) if is_known else (),
    )


def _lock(connection: Connection) -> None:
    """Wait for other upgrades of a PostgreSQL database; SQLite's BEGIN IMMEDIATE has done so already."""
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _PG_LOCK})


async def _run_in_transaction(url: URL, work: Callable[[Connection], T]) -> T:
    """Run `work` in one transaction, on SQLite without foreign keys, because it changes a table by copying it."""
    engine = _make_engine(url)
    try:
        async with engine.begin() as connection:
            return await connection.run_sync(work)
    finally:
        await engine.dispose()


def _make_engine(url: URL) -> AsyncEngine:
    if url.get_backend_name() == "sqlite":
        return sqlite_engine(url, write=True, foreign_keys=False)
    return postgres_engine(url)


def is_ours(name: str | None, kind: str, _parents: Any) -> bool:
    """Whether a table or index is defined in `tables.py`; the search index is not, and alembic ignores it."""
    if kind == "table":
        return not (name or "").startswith("search_index")
    return name != "ix_search_entries_words"
