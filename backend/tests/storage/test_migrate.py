"""Migrations: up and down on both databases, the tables are what they make, newer schemas are refused."""

from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import URL, Connection, inspect, select, text

from app.core.config import Settings
from app.core.errors import StorageUnavailable
from app.storage.connections import database_url, postgres_engine, sqlite_engine
from app.storage.database import Database
from app.storage.migrate import is_ours, make_alembic_config, read_schema, upgrade
from app.storage.tables import Base, DictationRow, UserRow
from app.utils.ids import new_id
from tests.support.database import PostgresServer, make_settings


@pytest.fixture(params=["sqlite", "postgresql"])
def empty(request: pytest.FixtureRequest, tmp_path: Path) -> Settings:
    """Settings with a database that has no table yet."""
    if request.param == "sqlite":
        return make_settings(tmp_path)
    server: PostgresServer = request.getfixturevalue("postgres_server")
    return make_settings(tmp_path, server.create())


async def tables_of(settings: Settings) -> set[str]:
    database = Database(settings)
    async with database.read() as session:
        connection = await session.connection()
        names = await connection.run_sync(lambda sync: inspect(sync).get_table_names())
    await database.aclose()
    return set(names)


async def run_statements(settings: Settings, *statements: str) -> None:
    database = Database(settings)
    async with database.write() as session:
        for statement in statements:
            await session.execute(text(statement))
    await database.aclose()


async def downgrade(url: URL, revision: str) -> str | None:
    """Downgrade the schema, as a developer does with alembic; the revision that it has then."""
    is_sqlite = url.get_backend_name() == "sqlite"
    engine = sqlite_engine(url, write=True, foreign_keys=False) if is_sqlite else postgres_engine(url)
    async with engine.begin() as connection:
        await connection.run_sync(lambda sync: command.downgrade(make_alembic_config(sync), revision))
    await engine.dispose()
    return (await read_schema(url)).current


async def test_up_and_down_and_up_again(empty: Settings) -> None:
    """Down leaves nothing behind, full-text search included."""
    url = database_url(empty)
    assert (await read_schema(url)).current is None
    assert (await upgrade(url)).is_up_to_date
    assert {table.name for table in Base.metadata.sorted_tables} <= await tables_of(empty)
    assert (await downgrade(url, "base")) is None
    assert await tables_of(empty) == {"alembic_version"}
    assert (await upgrade(url)).is_up_to_date


async def test_conversations_outlive_the_tables_of_tools(empty: Settings) -> None:
    """From a database of before, with a person in it, and back again."""
    url = database_url(empty)
    await upgrade(url, "0001")
    ana = new_id()
    await run_statements(
        empty,
        "INSERT INTO users (id, name, name_key, password_hash, role, token_version, created_at) "
        f"VALUES ('{ana.hex}', 'ana', 'ana', '', 'user', 0, '2026-01-01 00:00:00.000000')",
    )
    assert "tool_approvals" not in await tables_of(empty)
    assert (await upgrade(url)).is_up_to_date
    assert "tool_approvals" in await tables_of(empty)
    assert (await downgrade(url, "0001")) == "0001"
    assert "tool_approvals" not in await tables_of(empty)
    database = Database(empty)
    async with database.read() as session:
        assert list(await session.scalars(select(UserRow.id))) == [ana]
    await database.aclose()


async def test_dictations_of_before_get_the_state_that_they_had(empty: Settings) -> None:
    """One that ended is final; one whose server ended before it was interrupted. Nobody has decided about audio."""
    url, ana, ended, broken = database_url(empty), new_id(), new_id(), new_id()
    await upgrade(url, "0009")
    at = "'2026-01-01 00:00:00.000000'"
    await run_statements(
        empty,
        "INSERT INTO users (id, name, name_key, password_hash, role, token_version, created_at) "
        f"VALUES ('{ana.hex}', 'ana', 'ana', '', 'user', 0, {at})",
        *(
            f"INSERT INTO dictations (id, user_id, started_at, ended_at) VALUES ('{id_.hex}', '{ana.hex}', {at}, {end})"
            for id_, end in ((ended, at), (broken, "NULL"))
        ),
    )
    await upgrade(url)
    database = Database(empty)
    async with database.read() as session:
        states = {row.id: (row.state, row.run_id) for row in await session.scalars(select(DictationRow))}
        assert [row.keep_audio for row in await session.scalars(select(UserRow))] == [None]
    assert states == {ended: ("final", None), broken: ("interrupted", None)}
    await database.aclose()


async def test_the_newest_revision_is_what_the_tables_say(database: Database) -> None:
    """Whoever changes `tables.py` writes a migration."""

    def differences(connection: Connection) -> list[object]:
        options = {"include_name": is_ours, "compare_type": True}
        return list(compare_metadata(MigrationContext.configure(connection, opts=options), Base.metadata))

    async with database.read() as session:
        assert await (await session.connection()).run_sync(differences) == []


async def test_a_failed_upgrade_changes_nothing(empty: Settings) -> None:
    """All of it or nothing: a view that stands in the way of the last step takes back the first ones."""
    await run_statements(empty, "CREATE VIEW search_entries AS SELECT 1 AS id")
    with pytest.raises(StorageUnavailable, match="cannot be upgraded, it is not as its schema") as failure:
        await upgrade(database_url(empty))
    assert "search_entries" in str(failure.value.__cause__)
    assert await tables_of(empty) == set()


def remedy_of(settings: Settings) -> str:
    return "pg_restore" if settings.storage.url.get_secret_value() else "prompter db restore FILE"


async def test_a_table_that_was_lost_before_an_upgrade_is_named(empty: Settings) -> None:
    """With the remedy of this database. A table that the older schema has not is not missed."""
    url = database_url(empty)
    await upgrade(url, "0001")
    assert (await read_schema(url)).missing == ()
    await run_statements(empty, "DROP TABLE shares", "DROP TABLE api_keys")
    with pytest.raises(StorageUnavailable, match=r"lacks 'api_keys', 'shares'") as refused:
        await upgrade(url)
    assert remedy_of(empty) in refused.value.message
    assert (await read_schema(url)).current == "0001"


async def test_an_upgrade_that_a_lost_column_stops_is_told_with_its_remedy(empty: Settings) -> None:
    url = database_url(empty)
    await upgrade(url, "0004")
    await run_statements(
        empty, "DROP INDEX ix_conversations_newest", "ALTER TABLE conversations DROP COLUMN updated_at"
    )
    with pytest.raises(StorageUnavailable, match="not as its schema 0004 says; nothing was kept") as refused:
        await upgrade(url)
    assert remedy_of(empty) in refused.value.message
    assert (await read_schema(url)).current == "0004"


@pytest.mark.parametrize("name", ["messages", "users", "search_entries"])
async def test_a_table_of_ours_without_a_revision_gets_no_schema_on_top(empty: Settings, name: str) -> None:
    """What is left of a damaged database, or another program's on a PostgreSQL that is shared."""
    await run_statements(empty, f"CREATE TABLE {name} (id INTEGER)", "CREATE TABLE others (id INTEGER)")
    with pytest.raises(StorageUnavailable, match="lacks 'alembic_version'") as refused:
        await upgrade(database_url(empty))
    assert remedy_of(empty) in refused.value.message
    assert ("a database of its own" in refused.value.message) == (remedy_of(empty) == "pg_restore")
    assert await tables_of(empty) == {name, "others"}


async def test_tables_of_others_are_left_alone(empty: Settings) -> None:
    await run_statements(empty, "CREATE TABLE others (id INTEGER)")
    assert (await upgrade(database_url(empty))).is_up_to_date
    assert "others" in await tables_of(empty)


async def test_a_newer_schema_is_refused(storage_settings: Settings, database: Database) -> None:
    """An older program does not touch what a newer one has made."""
    async with database.write() as session:
        await session.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(StorageUnavailable, match=r"'9999' of a newer version; this one knows '\d{4}'"):
        await upgrade(database_url(storage_settings))
    schema = await read_schema(database_url(storage_settings))
    assert (schema.current, schema.is_known, schema.is_up_to_date) == ("9999", False, False)
