"""How many speech sockets are open, against a limit."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from app.core.errors import ServerFull


class Sockets:
    """Counts open sockets and refuses one too many."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self.open = 0

    @asynccontextmanager
    async def place(self) -> AsyncIterator[None]:
        """One socket's place.

        Raises:
            ServerFull: all places are taken; the message says when to try again.
        """
        if self.open >= self._limit:
            raise ServerFull(f"all {self._limit} places are taken (limits.sockets); try again in 5 s")
        self.open += 1
        try:
            yield
        finally:
            self.open -= 1
