"""Attempts that several servers count: together on PostgreSQL, and one server's alone on SQLite."""

from app.services.accounts.shared_throttle import SharedThrottle
from app.storage.database import Database


class Clock:
    now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


async def test_attempts_count_at_every_server_of_a_database(database: Database) -> None:
    here, there = (SharedThrottle(database, "log-in", 3, 3000, Clock()) for _ in range(2))
    waits = [await throttle.take("ana") for throttle in (here, there, here, there)]
    assert waits[:3] == [0, 0, 0]
    assert (waits[3] > 0) is not database.is_sqlite
    assert 990 < await here.take("ana") <= 1000 or database.is_sqlite
    assert await here.take("bob") == 0
    assert await SharedThrottle(database, "pages", 3, 3000, Clock()).take("ana") == 0


async def test_an_attempt_that_is_given_back_does_not_count(database: Database) -> None:
    throttle = SharedThrottle(database, "log-in", 2, 2000, Clock())
    assert [await throttle.take("ana") for _ in range(2)] == [0, 0]
    assert await throttle.take("ana") > 0
    await throttle.give_back("ana")
    assert await throttle.take("ana") == 0
    assert await throttle.take("ana") > 0
