"""A limit on attempts that counts at every server of a database: in memory where one server uses it (SQLite)."""

import hashlib
import time
from collections.abc import Callable

from app.services.accounts.throttle import Throttle
from app.storage import throttles
from app.storage.database import Database


class SharedThrottle:
    """`Throttle`, for attempts that a client may spread over several servers."""

    def __init__(
        self,
        database: Database,
        purpose: str,
        tries: int,
        window_s: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`purpose` keeps its keys apart from those of others. `clock` counts where one server uses the database."""
        self._database = database
        self._purpose = purpose
        self._each_s, self._window_s = window_s / tries, window_s
        self._clock = clock
        self._here = Throttle(tries, window_s) if database.is_sqlite else None

    async def take(self, key: str) -> float:
        """Count an attempt, and return 0; where it is too early, count nothing and return how long to wait (s).

        Raises:
            StorageUnavailable
        """
        if self._here is not None:
            now_s = self._clock()
            if not (wait_s := self._here.wait_s(key, now_s)):
                self._here.take(key, now_s)
            return wait_s
        async with self._database.write() as session:
            return await throttles.take(session, self._hash(key), self._each_s, self._window_s)

    async def give_back(self, key: str) -> None:
        """Take back the count of an attempt that succeeded.

        Raises:
            StorageUnavailable
        """
        if self._here is not None:
            self._here.give_back(key, self._clock())
            return
        async with self._database.write() as session:
            await throttles.give_back(session, self._hash(key), self._each_s)

    def _hash(self, key: str) -> str:
        """No name and no address stands in the database for it."""
        return hashlib.sha256(f"{self._purpose} {key}".encode("utf-8", "surrogatepass")).hexdigest()
