"""Migrations: up and down on both databases, the tables are what they make, newer schemas are refused."""

from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection, inspect, select, text

from app.core.config import Settings
from app.core.errors import StorageUnavailable
from app.storage.connections import database_url
from app.storage.database import Database
from app.storage.migrate import downgrade, is_ours, schema_of, upgrade
from app.storage.tables import Base, UserRow
from tests.support.postgres import PostgresServer, person, settings_for


@pytest.fixture(params=["sqlite", "postgresql"])
def empty(request: pytest.FixtureRequest, tmp_path: Path) -> Settings:
    """Settings with a database that has no table yet."""
    if request.param == "sqlite":
        return settings_for(tmp_path)
    server: PostgresServer = request.getfixturevalue("postgres_server")
    return settings_for(tmp_path, server.create())


async def tables_of(settings: Settings) -> set[str]:
    database = Database(settings)
    async with database.read() as session:
        connection = await session.connection()
        names = await connection.run_sync(lambda sync: inspect(sync).get_table_names())
    await database.aclose()
    return set(names)


async def test_up_and_down_and_up_again(empty: Settings) -> None:
    """Down leaves nothing behind, full-text search included."""
    url = database_url(empty)
    assert (await schema_of(url)).current is None
    assert (await upgrade(url)).up_to_date
    assert {table.name for table in Base.metadata.sorted_tables} <= await tables_of(empty)
    assert (await downgrade(url, "base")).current is None
    assert await tables_of(empty) == {"alembic_version"}
    assert (await upgrade(url)).up_to_date


async def test_conversations_outlive_the_tables_of_tools(empty: Settings) -> None:
    """From a database of before, with a person in it, and back again."""
    url = database_url(empty)
    await upgrade(url, "0001")
    database = Database(empty)
    ana = await person(database, "ana")
    await database.aclose()
    assert "tool_approvals" not in await tables_of(empty)
    assert (await upgrade(url)).up_to_date
    assert "tool_approvals" in await tables_of(empty)
    assert (await downgrade(url, "0001")).current == "0001"
    assert "tool_approvals" not in await tables_of(empty)
    database = Database(empty)
    async with database.read() as session:
        assert [row.id for row in await session.scalars(select(UserRow))] == [ana]
    await database.aclose()


async def test_the_newest_revision_is_what_the_tables_say(database: Database) -> None:
    """Whoever changes `tables.py` writes a migration."""

    def differences(connection: Connection) -> list[object]:
        options = {"include_name": is_ours, "compare_type": True}
        return list(compare_metadata(MigrationContext.configure(connection, opts=options), Base.metadata))

    async with database.read() as session:
        assert await (await session.connection()).run_sync(differences) == []


async def test_a_failed_upgrade_changes_nothing(empty: Settings) -> None:
    """All of it or nothing: a table that stands in the way of the last step takes back the first ones."""
    database = Database(empty)
    async with database.write() as session:
        await session.execute(text("CREATE TABLE search_entries (id INTEGER)"))
    await database.aclose()
    with pytest.raises(Exception, match="search_entries"):
        await upgrade(database_url(empty))
    assert await tables_of(empty) == {"search_entries"}


async def test_a_newer_schema_is_refused(storage_settings: Settings, database: Database) -> None:
    """An older program does not touch what a newer one has made."""
    async with database.write() as session:
        await session.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(StorageUnavailable, match=r"'9999' of a newer version; this one knows '\d{4}'"):
        await upgrade(database_url(storage_settings))
    schema = await schema_of(database_url(storage_settings))
    assert (schema.current, schema.known, schema.up_to_date) == ("9999", False, False)
