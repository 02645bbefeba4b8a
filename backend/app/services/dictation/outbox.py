"""Events of one session on their way to its client: numbered when sent, in order, bounded, kept for a resume."""

from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any

import anyio
import anyio.lowlevel
import orjson

Event = dict[str, Any]

_EXPENDABLE = frozenset({"partial", "ack", "pong", "status"})
"""What newer events replace: the first to go where more has been sent than is kept for a resume."""


class ClientGone(Exception):
    """The client behind a line has left."""


class ServerClosing(Exception):
    """The server closes this socket without an `error`: it has done nothing wrong."""

    def __init__(self, close_code: int, reason: str) -> None:
        super().__init__(reason)
        self.close_code = close_code
        self.reason = reason


RESUMED_ELSEWHERE = (1008, "resumed_elsewhere")
RESTARTING = (1012, "restarting")


class Connection:
    """One open socket, as the session behind it sees it. The door makes it, and closes the socket when it is over."""

    def __init__(self, send: Callable[[str], Awaitable[None]]) -> None:
        self.send = send
        """Raises ClientGone where the client has left."""
        self.over = anyio.Event()
        self.why: Exception | None = None
        """Why the server ends it; None where the client has left."""

    def end(self, why: Exception | None = None) -> None:
        """Have the door close the socket; the first reason counts."""
        if not self.over.is_set():
            self.why = why
            self.over.set()


class Outbox:
    """One session's outgoing events; `line` is the socket they take, None while the session waits for its client.

    `emit` never waits. `send_pending` sends from the caller's own task, since a task of its own would cost a switch
    for every event; while one task sends, others only queue, and wait where more than `limit` events stand.
    What was sent may still be lost on its way: the last `kept` events stay for `replay`.
    """

    def __init__(self, limit: int, kept: int, now: Callable[[], float]) -> None:
        self._limit = limit
        self._kept = kept
        self._now = now
        self._queue: deque[Event] = deque()
        self._again: deque[str] = deque()
        self._sent: list[tuple[int, bool, str]] = []
        """(seq, expendable, text) of what may have to be sent again."""
        self._lost_seq = 0
        """Up to here not everything of weight can be sent again."""
        self._sending = False
        self._scope = anyio.CancelScope()
        """Around the send that is going on."""
        self._space: anyio.Event | None = None
        self.seq = 0
        """Number of the last event that was sent."""
        self.line: Connection | None = None
        self.session_id: str | None = None
        """The client's label, put on every event from now on."""
        self.sending_since: float | None = None
        """When the send that is going on began; None when nothing waits for the client."""

    @property
    def waiting(self) -> int:
        """Events that have not been sent."""
        return len(self._queue) + len(self._again)

    # -- lines

    def attach(self, line: Connection) -> None:
        """From now on events take this line."""
        self.detach()
        self.line = line

    def detach(self) -> None:
        """Keep events until there is a line again; a send that is going on is given up."""
        self._scope.cancel()
        self.line = None
        self._again.clear()
        self._make_room()

    def can_replay(self, last_seq: int) -> bool:
        """Whether all that counts after event `last_seq` is still here."""
        return self._lost_seq <= last_seq <= self.seq

    def replay(self, last_seq: int, first: Event) -> None:
        """Send `first`, then again what was sent after event `last_seq`; `first` bears that number itself."""
        first |= {"session_id": self.session_id, "seq": last_seq}
        self._again.append(orjson.dumps(first).decode())
        self._again.extend(text for seq, _, text in self._sent if seq > last_seq)

    # -- events

    def emit(self, event: Event) -> None:
        """Queue an event. A partial that has not left yet gives way to the next one of its utterance."""
        event["session_id"] = self.session_id
        if self._queue and self._supersedes(event, self._queue[-1]):
            self._queue[-1] = event
        else:
            self._queue.append(event)

    async def send_pending(self, *, at_the_door: bool = False) -> None:
        """Send all that is queued; where another task is sending, return, or wait for room.

        `at_the_door`: the caller's task ends with the socket, so its send need not be given up from here. It sends
        for every chunk that comes in, and a cancel scope would cost more than the rest of the sending.
        """
        if self._sending:
            while len(self._queue) > self._limit and self._sending and self.line is not None:
                self._space = self._space or anyio.Event()
                await self._space.wait()
            return
        self._sending = True
        try:
            while self.line is not None and self.waiting:
                text = self._again.popleft() if self._again else self._number()
                if at_the_door:
                    await self._send(self.line, text)
                else:
                    with anyio.CancelScope() as self._scope:
                        await self._send(self.line, text)
        finally:
            self._sending = False
            self.sending_since = None
            self._make_room()
        if self.line is None:  # then nothing above has waited, and a session that is ended must notice
            await anyio.lowlevel.checkpoint_if_cancelled()

    async def farewell(self, event: Event) -> None:
        """Send what concerns this socket alone, behind all else; a resumed session hears nothing of it.

        Raises:
            ClientGone: the client has left.
        """
        if self.line is not None:
            self.seq += 1
            await self.line.send(
                orjson.dumps(event | {"session_id": self.session_id, "seq": self.seq}).decode()
            )

    async def _send(self, line: Connection, text: str) -> None:
        self.sending_since = self._now()
        try:
            await line.send(text)
        except ClientGone:
            line.end()
            if self.line is line:
                self.detach()

    def _number(self) -> str:
        """The next event as text; it is kept before it leaves, since it may get lost."""
        event = self._queue.popleft()
        self.seq += 1
        event["seq"] = self.seq
        text = orjson.dumps(event).decode()
        self._sent.append((self.seq, event["type"] in _EXPENDABLE, text))
        if len(self._sent) > self._kept:
            self._thin_out()
        return text

    def _thin_out(self) -> None:
        """Keep the newer half as it is, and of the older one what has weight, up to a quarter.

        The last quarter stays free, so that this is not done again for the very next event.
        """
        half, quarter = self._kept // 2, self._kept // 4
        older, newer = self._sent[:-half], self._sent[-half:]
        weighty = [entry for entry in older if not entry[1]]
        if len(weighty) > quarter:
            self._lost_seq = weighty[-quarter - 1][0]
        self._sent = weighty[-quarter:] + newer

    def _make_room(self) -> None:
        if self._space is not None:
            self._space.set()
            self._space = None

    @staticmethod
    def _supersedes(new: Event, old: Event) -> bool:
        return bool(new["type"] == old["type"] == "partial" and new["utterance_id"] == old["utterance_id"])
