"""The databases that services are tested on, and a person."""

from uuid import UUID

import pytest

from app.storage.database import Database
from tests.storage.conftest import person
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
