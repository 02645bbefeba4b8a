"""The events of one session on their way to its client: in order, numbered, kept for a resume."""

from collections import deque
from collections.abc import Iterable, Iterator

import anyio
import anyio.lowlevel

from app.core.line import Line
from app.services.dictation.events import Event, ResumedEvent
from app.services.dictation.journal import EXPENDABLE, SessionJournal


class ClientGone(Exception):
    """The client has left its socket."""


class ServerClosing(Exception):
    """The server closes a socket without an `error`: the client has done nothing wrong."""

    def __init__(self, close_code: int, reason: str) -> None:
        super().__init__(reason)
        self.close_code = close_code
        self.reason = reason


RESUMED_ELSEWHERE = (1008, "resumed_elsewhere")
RESTARTING = (1012, "restarting")
HANDED_OVER = (1012, "handed_over")
"""The server is stopping, and another one goes on with the session."""
DATABASE_AWAY = (1012, "database_away")
"""Nobody can say now whether another server has the session: the client is to ask again."""
TAKEN_ELSEWHERE = (1012, "resumed_elsewhere")
"""Another server has gone on with the session."""


class Connection:
    """One open socket, between its door and its session. The door makes it, sends the events, closes the socket."""

    def __init__(self, line: Line | None = None) -> None:
        """`line` is None where the server below knows nothing of the line."""
        self.line = line
        self.closing = anyio.Event()
        self.reason: Exception | None = None
        """Why the session has the socket closed."""
        self.sending_since: float | None = None
        """When the send that is going on began; None while nothing waits for the client. The door sets it."""
        self._has_events = anyio.Event()

    def close(self, reason: Exception) -> None:
        """Have the door close the socket; the first reason counts."""
        if not self.closing.is_set():
            self.reason = reason
            self.closing.set()

    def notify(self) -> None:
        """Have the door send what the session has."""
        self._has_events.set()

    async def wait_for_events(self) -> None:
        """Wait for the next `notify`."""
        await self._has_events.wait()
        self._has_events = anyio.Event()


class Outbox:
    """Queues one session's events. `connection` is None while the session waits for its client.

    The door takes events from its own task where it can: a task switch for every chunk would cost more than the
    sending. An event of another task is taken after `deliver`. What was sent may still be lost on its way: the last
    `kept` events stay for `replay`.
    """

    def __init__(self, limit: int, kept: int) -> None:
        self._limit = limit
        self._kept = kept
        self._queue: deque[Event] = deque()
        self._replayed: deque[Event] = deque()
        self._sent: list[Event] = []
        """What may have to be sent again."""
        self._lost_seq = 0
        """Up to here, not every event that counts can be sent again."""
        self._room: anyio.Event | None = None
        self.seq = 0
        """Number of the last event that was taken."""
        self.last_seq = 0
        """Number of the last event."""
        self.journal: SessionJournal | None = None
        """Where events are written before they leave; None where no other server goes on with the session."""
        self.connection: Connection | None = None
        self.session_id: str | None = None
        """The client's label, put on every event from now on."""

    @property
    def pending(self) -> int:
        """Events that nobody has taken."""
        return len(self._queue) + len(self._replayed)

    # -- connections

    def attach(self, connection: Connection) -> None:
        """From now on, events leave by this connection."""
        self.detach()
        self.connection = connection

    def detach(self) -> None:
        """Keep events until there is a connection again."""
        self.connection = None
        self._replayed.clear()
        self._signal_room()

    def can_replay(self, last_seq: int) -> bool:
        """Whether all that counts after event `last_seq` is still here."""
        return self._lost_seq <= last_seq <= self.seq

    def replay(self, last_seq: int, resumed: ResumedEvent) -> None:
        """Queue `resumed`, which bears the number `last_seq`, then again what was sent after that event."""
        resumed["session_id"], resumed["seq"] = self.session_id, last_seq
        self._replayed.append(resumed)
        self._replayed.extend(event for event in self._sent if event["seq"] > last_seq)

    def go_on(self, sent: Iterable[Event], *, last_seq: int, lost_seq: int) -> None:
        """Go on where another server was. It may have sent these events, and expendable ones up to `last_seq`."""
        self._sent = list(sent)
        self.seq = self.last_seq = last_seq
        self._lost_seq = lost_seq

    # -- events

    def emit(self, event: Event) -> None:
        """Queue an event; never waits. A partial that has not left gives way to the next one of its utterance."""
        event["session_id"] = self.session_id
        is_newer = bool(self._queue) and _supersedes(event, self._queue[-1])
        if not is_newer or self.journal is not None:  # the number before may be that of what is being written
            self.last_seq += 1
        event["seq"] = self.last_seq
        if is_newer:
            self._queue[-1] = event
        else:
            self._queue.append(event)
        if self.journal is not None:
            self.journal.add_event(event)

    def events(self) -> Iterator[Event]:
        """Take what may leave, in order, also what is queued meanwhile. One task at a time may do so."""
        while self._replayed:
            yield self._replayed.popleft()
        while self._queue and (self.journal is None or self.journal.may_leave(self._queue[0])):
            yield self._take()

    def number(self, event: Event) -> Event:
        """Number an event that concerns one socket alone, behind all others; it is not kept for a resume.

        Where others wait to be written, its number is that of the last one that has left: a resume brings them.
        """
        if not self._queue:
            self.seq = self.last_seq = self.last_seq + 1
        event["session_id"], event["seq"] = self.session_id, self.seq
        return event

    def notify(self) -> None:
        """Let the door send what is queued; never waits."""
        if self.connection is not None:
            self.connection.notify()

    async def deliver(self) -> None:
        """Let the door send what is queued; waits while more than `limit` events stand and there is a door."""
        if self._queue and self.connection is not None:
            self.connection.notify()
            await anyio.lowlevel.checkpoint()  # the door's turn
            await self.wait_for_room()
        else:  # nothing above has waited, and a session that is cancelled must notice
            await anyio.lowlevel.checkpoint_if_cancelled()

    async def wait_for_room(self) -> None:
        """Wait while more than `limit` events stand and there is a door that could send them."""
        while len(self._queue) > self._limit and self.connection is not None:
            self._room = self._room or anyio.Event()
            await self._room.wait()

    def _take(self) -> Event:
        """The next event; it is kept before it leaves, since it may get lost."""
        event = self._queue.popleft()
        self.seq = event["seq"]
        self._sent.append(event)
        if len(self._sent) > self._kept:
            self._thin_out()
        if self._room is not None:
            self._signal_room()
        return event

    def _thin_out(self) -> None:
        """Keep the newer half as it is, and a quarter at most of older events that are not expendable.

        The last quarter stays free, so that this is not done again for the very next event.
        """
        half, quarter = self._kept // 2, self._kept // 4
        older, newer = self._sent[:-half], self._sent[-half:]
        lasting = [event for event in older if event["type"] not in EXPENDABLE]
        if len(lasting) > quarter:
            self._lost_seq = lasting[-quarter - 1]["seq"]
        self._sent = lasting[-quarter:] + newer

    def _signal_room(self) -> None:
        if self._room is not None:
            self._room.set()
            self._room = None


def _supersedes(new: Event, old: Event) -> bool:
    return new["type"] == "partial" == old["type"] and new["utterance_id"] == old["utterance_id"]
