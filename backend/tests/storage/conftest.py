"""The databases that storage is tested on, and two people."""

from uuid import UUID

import pytest

from app.storage.database import Database
from app.storage.tables import UserRow
from tests.support.postgres import (
    database,
    postgres_server,
    postgres_template,
    sqlite_template,
    storage_settings,
)

__all__ = ["database", "postgres_server", "postgres_template", "sqlite_template", "storage_settings"]


@pytest.fixture
async def ana(database: Database) -> UUID:  # pytest hands fixtures over by name
    return await person(database, "ana")


@pytest.fixture
async def bob(database: Database) -> UUID:
    return await person(database, "bob")


async def person(database: Database, name: str) -> UUID:
    """A new user; the id."""
    async with database.write() as session:
        row = UserRow(name=name, name_key=name, password_hash="", role="user")
        session.add(row)
        await session.flush()
        return row.id
