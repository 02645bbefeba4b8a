"""Events on their way to one client: numbered when sent, in order, bounded, partials give way."""

from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any

import anyio
import orjson

Event = dict[str, Any]


class Outbox:
    """One socket's outgoing events.

    `emit` never waits. `flush` sends what is queued from the caller's own task, since a task of its own would cost
    a switch for every event; while one task sends, others only queue, and wait where more than `limit` stand.
    """

    def __init__(self, send: Callable[[str], Awaitable[None]], limit: int, now: Callable[[], float]) -> None:
        self._send = send
        self._limit = limit
        self._now = now
        self._queue: deque[Event] = deque()
        self._seq = 0
        self._sending = False
        self._space: anyio.Event | None = None
        self.session_id: str | None = None
        """The client's label, put on every event from now on."""
        self.sending_since: float | None = None
        """When the send that is going on began; None when nothing waits for the client."""

    @property
    def waiting(self) -> int:
        """Events that have not been sent."""
        return len(self._queue)

    def emit(self, event: Event) -> None:
        """Queue an event. A partial that has not left yet gives way to the next one of its utterance."""
        event["session_id"] = self.session_id
        if self._queue and self._supersedes(event, self._queue[-1]):
            self._queue[-1] = event
        else:
            self._queue.append(event)

    async def flush(self) -> None:
        """Send all that is queued; where another task is sending, return, or wait for room."""
        if self._sending:
            while len(self._queue) > self._limit and self._sending:
                self._space = self._space or anyio.Event()
                await self._space.wait()
            return
        self._sending = True
        try:
            while self._queue:
                event = self._queue.popleft()
                self._seq += 1
                event["seq"] = self._seq
                self.sending_since = self._now()
                await self._send(orjson.dumps(event).decode())
        finally:
            self._sending = False
            self.sending_since = None
            if self._space is not None:
                self._space.set()
                self._space = None

    @staticmethod
    def _supersedes(new: Event, old: Event) -> bool:
        return bool(new["type"] == old["type"] == "partial" and new["utterance_id"] == old["utterance_id"])
