"""Attempts that several servers count, on PostgreSQL: each key has its own time, and paid ones are forgotten."""

from pathlib import Path

from app.storage import throttles
from app.storage.database import Database
from tests.support.database import PostgresServer, make_settings


async def test_keys_that_need_not_wait_are_forgotten(
    postgres_server: PostgresServer, postgres_template: str, tmp_path: Path
) -> None:
    database = Database(make_settings(tmp_path, postgres_server.create(postgres_template)))
    async with database.write() as session:
        assert await throttles.take(session, "long", 1000, 1000) == 0
        assert 900 < await throttles.take(session, "long", 1000, 1000) <= 1000
        assert await throttles.take(session, "short", 0.001, 0.001) == 0
    removed = 0
    while not removed:  # until a millisecond is over
        async with database.write() as session:
            removed = await throttles.remove_paid(session)
    assert removed == 1
    async with database.write() as session:
        assert await throttles.take(session, "long", 1000, 1000) > 0
        await throttles.give_back(session, "long", 1000)
        assert await throttles.take(session, "long", 1000, 1000) == 0
    await database.aclose()
