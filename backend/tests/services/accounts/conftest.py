"""Two server processes with one database, and an admin `ada` and a user `bob` in it."""

from collections.abc import AsyncIterator

import pytest

from app.core.config import Settings
from app.storage.database import Database
from tests.support.accounts import PASSWORD, AccountProcess


@pytest.fixture
async def one(database: Database) -> AccountProcess:
    process = AccountProcess(database)
    await process.administration.add("ada", PASSWORD, "admin")
    await process.administration.add("bob", PASSWORD, "user")
    return process


@pytest.fixture
async def other(storage_settings: Settings, one: AccountProcess) -> AsyncIterator[AccountProcess]:
    database = Database(storage_settings)
    yield AccountProcess(database)
    await database.aclose()
