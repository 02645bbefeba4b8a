"""Writes live sessions to the database as they go on, so that another server can: events, audio, how far each is.

No session waits for it to hear audio. An event that counts leaves when it is written, and at once while the database
is away: see docs/decisions/0027.
"""

import logging
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from time import monotonic
from typing import Any
from uuid import UUID

import anyio
import orjson

from app.core.config import Settings
from app.core.errors import StorageUnavailable
from app.core.logging import report_fault
from app.core.metrics import Observer
from app.core.supervision import Supervisor, reraise_cancellation
from app.services.dictation.events import Event
from app.services.dictation.session_state import SessionState
from app.storage import answers, session_log
from app.storage.database import Database
from app.storage.session_log import (
    LoggedSession,
    SessionAppend,
    SessionBeginning,
    SessionTaken,
    SessionTrim,
)
from app.utils.ids import new_id

logger = logging.getLogger(__name__)

EXPENDABLE = frozenset({"partial", "ack", "pong", "status"})
"""Events of which only the newest counts: they are not kept in the database."""
UNWRITTEN = EXPENDABLE - {"partial"}
"""Events that leave no trace in it. How far the partials of an utterance are is part of a session's state."""
APPEND_EVERY_S = 0.2
"""Audio that arrived is written so soon. An event that counts is written at once."""
TOUCH_EVERY_S = 1.0
"""How often a server looks whether it still has its sessions, and deletes what is not needed any more."""
SURE_S = 3.0
"""A process that stood still for so long may have lost its sessions: it sends nothing before it has looked."""
LATE_LOOKS, LOOK_EVERY_S = 20, 0.1
"""After so many looks at a write that goes on, events do not wait for it any more."""
PAUSE_S = (0.2, 2.0)
"""The first and the longest pause after a failure."""
MOST_WAITING_BYTES = 16_000_000
"""Audio of one session that may wait for the database: eight minutes at 16 kHz."""
MOST_WAITING_IN_ALL_BYTES = 256_000_000
"""The same of all sessions."""
MOST_WAITING_EVENTS = 10_000
MOST_AT_ONCE_BYTES = 4_000_000
"""Audio of one statement: more may take longer than a statement may."""
ORPHANS_EVERY_S = 5.0
ORPHANS = 20
"""Sessions that a server takes at a time from one that is gone."""
NOT_WRITTEN = (
    "a dictation waits for a database that does not answer: it no longer survives the end of this server"
)


@dataclass(slots=True)
class _Pending:
    """What waits to be written of one session."""

    pcm: deque[bytes] = field(default_factory=deque)
    pcm_bytes: int = 0
    events: deque[tuple[int, str]] = field(default_factory=deque)
    then: deque[Callable[[], None]] = field(default_factory=deque)
    """To be called once it is written."""
    is_changed: bool = False


@dataclass(frozen=True, slots=True)
class _Flight:
    """What of a session is being written."""

    append: SessionAppend
    beginning: SessionBeginning | None
    state: dict[str, Any]
    pieces: int
    then: int


class SessionJournal:
    """One session's part of the log. No method waits."""

    def __init__(
        self,
        writer: "JournalWriter",
        session_id: UUID,
        epoch: int,
        read_state: Callable[[], dict[str, Any]],
        on_written: Callable[[], None],
        on_lost: Callable[[], None],
    ) -> None:
        """`read_state` is asked how far the session is; `on_written` is called when more events may leave, and
        `on_lost` once, where another server has the session."""
        self.id = session_id
        self.epoch = epoch
        self._writer = writer
        self._read_state = read_state
        self._on_written = on_written
        self._on_lost = on_lost
        self._pending = _Pending()
        self.beginning: SessionBeginning | None = None
        """The dictation whose beginning is not written yet."""
        self.is_known = False
        """Whether the database has the session."""
        self.may_be_known = False
        """Whether it has it after all: a write was made of which nobody knows."""
        self.is_flying = False
        """Whether it is being written."""
        self.position = 0
        """Bytes of audio that are written."""
        self.logged_seq = 0
        """Events up to this number are written, or need not be."""
        self.logged_audio_seq = 0
        """Audio messages whose audio is written."""
        self._kept_seqs: deque[int] = deque()
        self.lost_seq = 0
        """Events up to this number are not kept any more."""
        self.needed = 0
        """Audio before this byte is not heard again."""
        self.trimmed = (0, 0)
        self.is_lost = False
        self.is_given_up = False
        """Whether nothing more is written: the session does not survive."""
        self.is_over = False
        """Whether the session is over, and only has to be forgotten."""

    @property
    def is_active(self) -> bool:
        return not (self.is_lost or self.is_given_up or self.is_over)

    @property
    def received(self) -> int:
        """Bytes of audio of the dictation, written or not."""
        return self.position + self._pending.pcm_bytes

    @property
    def waiting_bytes(self) -> int:
        """Bytes of audio that are not written yet."""
        return self._pending.pcm_bytes

    @property
    def is_waiting(self) -> bool:
        """Whether something is not written yet."""
        return self.is_active and (self.beginning is not None or self._pending.is_changed)

    def go_on(self, logged: LoggedSession, state: SessionState) -> None:
        """Go on with a session of which so much is written."""
        self.is_known = True
        self.position, self.lost_seq = state.written, state.lost_seq
        self.logged_seq, self.logged_audio_seq = state.seq, state.audio_seq
        self._kept_seqs.extend(orjson.loads(event)["seq"] for event in logged.events)

    def begin(self, beginning: SessionBeginning) -> None:
        """The session begins, or its next dictation does: audio counts from 0 again."""
        self.beginning = beginning
        self._pending.pcm.clear()
        self._pending.pcm_bytes = self.position = self.needed = self.logged_audio_seq = 0
        self.note_change()

    def add_audio(self, pcm: bytes) -> None:
        """Take a chunk as it came."""
        if not self.is_active:
            return
        self._pending.pcm.append(pcm)
        self._pending.pcm_bytes += len(pcm)
        self.note_change()
        if self._pending.pcm_bytes > MOST_WAITING_BYTES:
            self._writer.give_up(self)

    def add_event(self, event: Event) -> None:
        """Take an event that has its number."""
        if not self.is_active or event["type"] in UNWRITTEN:
            return
        if event["type"] == "partial":
            self.note_change(is_urgent=True)
            return
        stored = event if event["type"] != "ready" else event | {"resume_token": ""}
        self._pending.events.append((event["seq"], orjson.dumps(stored).decode()))
        self.note_change(is_urgent=True)
        if len(self._pending.events) > MOST_WAITING_EVENTS:
            self._writer.give_up(self)

    def note_change(self, *, is_urgent: bool = False) -> None:
        """Something of the state has changed."""
        if self.is_active:
            self._pending.is_changed = True
            self._writer.note_arrival(is_urgent=is_urgent)

    def then(self, call: Callable[[], None]) -> None:
        """Call when all of this moment is written; never, where another server has the session by then."""
        if self.is_given_up:
            call()
        elif not self.is_lost:
            self._pending.then.append(call)
            self.note_change(is_urgent=True)

    def may_leave(self, event: Event) -> bool:
        """Whether an event may be sent now."""
        if self.is_given_up or self._writer.is_late:
            return True
        if self.is_lost or not self._writer.is_sure:
            return False
        return event["type"] in UNWRITTEN or event["seq"] <= self.logged_seq

    # -- what the writer calls

    def take_off(self) -> _Flight:
        """What is to be written now; it stays here until it has landed."""
        pending, state = self._pending, self._read_state()
        pcm = b"".join(pending.pcm)
        state |= {"written": self.position + len(pcm), "lost_seq": self.lost_seq}
        append = SessionAppend(
            id=self.id,
            epoch=self.epoch,
            state=orjson.dumps(state).decode(),
            position=self.position,
            pcm=pcm,
            events=tuple(pending.events),
        )
        pending.is_changed, self.is_flying = False, True
        return _Flight(append, self.beginning, state, len(pending.pcm), len(pending.then))

    def land(self, flight: _Flight) -> None:
        """It is written."""
        pending, state = self._pending, flight.state
        self.is_known, self.is_flying = True, False
        if not self.is_active:
            return
        self._kept_seqs.extend(seq for seq, _ in flight.append.events)
        while len(self._kept_seqs) > self._writer.kept_events:
            self.lost_seq = self._kept_seqs.popleft()
        for _ in flight.append.events:
            pending.events.popleft()
        self.logged_seq = state["seq"]
        if self.beginning is flight.beginning:  # else the next dictation has begun meanwhile
            self.beginning = None
            for _ in range(flight.pieces):
                pending.pcm_bytes -= len(pending.pcm.popleft())
            self.position = state["written"]
            self.logged_audio_seq, self.needed = state["audio_seq"], state["needed"]
        for _ in range(flight.then):
            pending.then.popleft()()
        self._on_written()

    def notify(self) -> None:
        """More events may leave."""
        self._on_written()

    def fail(self) -> None:
        """It was not written."""
        self._pending.is_changed, self.is_flying, self.may_be_known = True, False, True

    def lose(self) -> None:
        """Another server has the session."""
        if not self.is_lost:
            self.is_lost = True
            self._pending = _Pending()
            self._on_lost()

    def give_up(self) -> None:
        """Write nothing more."""
        pending, self._pending = self._pending, _Pending()
        self.is_given_up = True
        for call in pending.then:
            call()
        self._on_written()

    def end(self) -> None:
        """The session is over: no audio and no event of it has to be kept."""
        self.is_over = True
        self._pending.pcm.clear()
        self._pending.events.clear()

    def finish(self) -> None:
        """It is forgotten."""
        for call in self._pending.then:
            call()
        self._pending = _Pending()


class JournalWriter:
    """Writes the journals of all sessions of this server, in one statement for all that has gathered."""

    def __init__(self, settings: Settings, database: Database, observer: Observer) -> None:
        self.is_on = not database.is_sqlite and settings.storage.spool and settings.limits.resume_s > 0
        self.kept_events = settings.limits.resume_events
        self._wait_s = settings.limits.resume_s
        self._stop_s = settings.limits.stop_s
        self._database = database
        self._observer = observer
        self.tasks = Supervisor("logged sessions")
        self._journals: dict[UUID, SessionJournal] = {}
        self._ended: list[SessionJournal] = []
        self._adopting: set[UUID] = set()
        """Sessions that are being handed to `on_orphan`."""
        self._arrived, self._urgent, self._written = anyio.Event(), anyio.Event(), anyio.Event()
        self._flying_looks: int | None = None
        """Looks at the write that goes on; None while none does."""
        self._is_failing = False
        self._pause_s = 0.0
        self._touched_s = 0.0
        self._looked_s = monotonic()
        self._doubted_s: float | None = None
        """When this process found that it had stood still; None where it has looked since."""
        self.is_running = False
        """Whether sessions are written."""
        self.on_orphan: Callable[[LoggedSession], Awaitable[None]] = _leave
        """Called with a session whose server is gone and whose client does not come back. May raise OSError."""
        self.may_adopt: Callable[[], bool] = lambda: False
        """Whether such a session can be taken."""

    @property
    def run_id(self) -> UUID:
        return self._database.run_id

    @property
    def is_sure(self) -> bool:
        """Whether this server knows that it has its sessions."""
        return self._is_failing or (self._doubted_s is None and monotonic() - self._looked_s < SURE_S)

    @property
    def is_late(self) -> bool:
        """Whether the database keeps sessions waiting."""
        return self._is_failing or (self._flying_looks or 0) >= LATE_LOOKS

    @asynccontextmanager
    async def run(self) -> AsyncIterator[None]:
        """Write until the block ends, and then what is left, for a short time."""
        async with self.tasks.run():
            if self.is_on:
                self.tasks.start_loop("writing", self._run)
                self.tasks.start_loop("looking", self._look)
                self.tasks.start_loop("orphans", self._find_orphans)
                self.is_running = True
            yield
            self.is_running = False
        if self.is_on:
            with anyio.move_on_after(max(self._stop_s, 2.0), shield=True):
                await self._write_all()

    def open(
        self,
        session_id: UUID | None,
        epoch: int,
        read_state: Callable[[], dict[str, Any]],
        on_written: Callable[[], None],
        on_lost: Callable[[], None],
    ) -> SessionJournal:
        """The journal of a session: of a new one, or of one that was taken."""
        journal = SessionJournal(self, session_id or new_id(), epoch, read_state, on_written, on_lost)
        if (
            earlier := self._journals.get(journal.id)
        ) is not None:  # it has gone on elsewhere, and has come back
            self._lose(earlier)
        self._journals[journal.id] = journal
        self.note_arrival()
        return journal

    def note_arrival(self, *, is_urgent: bool = False) -> None:
        self._arrived.set()
        if is_urgent:
            self._urgent.set()

    def give_up(self, journal: SessionJournal) -> None:
        """Write nothing more of this session."""
        logger.error(NOT_WRITTEN)
        self._drop(journal)
        if journal.is_known or journal.is_flying or journal.may_be_known:
            self._ended.append(journal)
        journal.give_up()

    def end(self, journal: SessionJournal) -> None:
        """A session is over: forget it."""
        self._drop(journal)
        if journal.is_lost or journal.is_given_up:
            return
        journal.end()
        if journal.is_known or journal.is_flying or journal.may_be_known:
            self._ended.append(journal)
            self.note_arrival(is_urgent=True)
        else:  # nobody else can have it
            journal.finish()

    def leave(self, journal: SessionJournal) -> None:
        """Another server is to go on with this session, all of which is written."""
        self._drop(journal)

    async def flush(self, journal: SessionJournal) -> None:
        """Wait until all of it is written, or cannot be."""
        while (journal.is_waiting or journal.is_flying) and not self._is_failing:
            self._urgent.set()
            await self._written.wait()

    async def wait_for_ends(self) -> None:
        """Wait until the sessions that are over are forgotten, or cannot be."""
        while self._ended and not self._is_failing:
            self._urgent.set()
            await self._written.wait()

    async def look_now(self) -> None:
        """Look whether this server still has its sessions; not while the database is away.

        Reads alone: of two statements that change the rows of many sessions at once, each may wait for the other.
        """
        if not self._is_failing:
            known = self._list_known()
            with suppress(StorageUnavailable):
                async with self._database.read() as session:
                    ids = [journal.id for journal in known]
                    owned = await session_log.find_epochs(session, self.run_id, ids)
                self._note_owned(known, owned)

    async def find(self, owner: UUID, token_hash: str) -> LoggedSession | None:
        """This user's session with this token. Raises StorageUnavailable."""
        async with self._database.read() as session:
            return await session_log.find(session, owner, token_hash)

    async def find_dictation(self, owner: UUID, dictation_id: UUID) -> LoggedSession | None:
        """This user's session that has this dictation, if sessions are written. Raises StorageUnavailable."""
        if not self.is_on:
            return None
        async with self._database.read() as session:
            return await session_log.find_dictation(session, owner, dictation_id)

    def has(self, logged: LoggedSession) -> bool:
        """Whether it is this server that goes on with this session, or is about to forget it."""
        mine = (*self._journals.values(), *self._ended)
        return any((each.id, each.epoch) == (logged.id, logged.epoch) for each in mine)

    async def adopt(self, session_id: UUID, *, left_for_s: float | None = None) -> None:
        """Take a session whose client is not here, and hand it to `on_orphan`; nothing where another server takes it.

        Raises:
            StorageUnavailable, OSError: it is tried again later.
        """
        if session_id in self._adopting:
            return
        self._adopting.add(session_id)
        try:
            if (taken := await self.take(session_id, left_for_s=left_for_s)) is not None:
                with suppress(SessionTaken):
                    await self.on_orphan(taken)
        finally:
            self._adopting.discard(session_id)

    async def take(self, session_id: UUID, *, left_for_s: float | None = None) -> LoggedSession | None:
        """Take a session from the server that has it, or only one that has been left for so long; None: there is none.

        Raises:
            StorageUnavailable
        """
        async with self._database.write() as session:
            return await session_log.take(session, session_id, self.run_id, left_for_s=left_for_s)

    async def forget(self, taken: LoggedSession) -> None:
        """A session that was taken is over. Raises StorageUnavailable, SessionTaken."""
        async with self._database.write() as session:
            if not await session_log.remove(session, [(taken.id, taken.epoch)]):
                raise SessionTaken

    async def renew_token(self, taken: LoggedSession, token_hash: str) -> None:
        """The client of a session that was taken gets this token beside its last one. Raises StorageUnavailable."""
        async with self._database.write() as session:
            await session_log.renew_token(session, taken.id, taken.epoch, token_hash)

    async def has_others(self) -> bool:
        """Whether another server could go on with sessions of this one."""
        try:
            async with self._database.read() as session:
                return await session_log.has_other_servers(session, self.run_id, answers.LEASE_S)
        except StorageUnavailable:
            return False

    # -- the loops

    async def _run(self) -> None:
        while True:
            await self._arrived.wait()
            with anyio.move_on_after(self._pause_s or APPEND_EVERY_S):
                await self._urgent.wait()
                if self._pause_s:
                    await anyio.sleep_forever()
            await self._write_all()

    async def _write_all(self) -> None:
        """Write what has gathered, and look after what is written."""
        self._urgent = anyio.Event()
        if not (self._journals or self._ended):
            self._arrived = anyio.Event()
            return
        try:
            await self._append([journal for journal in self._journals.values() if journal.is_waiting])
            await self._remove()
            if self._doubted_s is not None or monotonic() - self._touched_s >= TOUCH_EVERY_S:
                await self._touch()
                await self._trim()
        except StorageUnavailable:
            self._is_failing = True
            self._pause_s = min(self._pause_s * 2 or PAUSE_S[0], PAUSE_S[1])
            self._bound_memory()
            self._notify_all()
        else:
            self._is_failing, self._pause_s = False, 0.0
        self._signal_written()

    async def _append(self, waiting: Sequence[SessionJournal]) -> None:
        """Raises StorageUnavailable."""
        at = 0
        while at < len(waiting):
            flights: list[tuple[SessionJournal, _Flight]] = []
            size = 0
            while at < len(waiting) and size < MOST_AT_ONCE_BYTES:
                flights.append((waiting[at], waiting[at].take_off()))
                size += len(flights[-1][1].append.pcm)
                at += 1
            try:
                await self._fly(flights)
            except StorageUnavailable:
                for journal, _ in flights:
                    journal.fail()
                raise

    async def _fly(self, flights: Sequence[tuple[SessionJournal, _Flight]]) -> None:
        began_s = monotonic()
        self._flying_looks = 0
        try:
            owned = await self._store([flight for _, flight in flights])
        except StorageUnavailable:
            raise
        except BaseException as error:  # noqa: BLE001  # what cannot be written costs its session alone
            reraise_cancellation(error)
            if len(flights) == 1:
                report_fault(logger, "while a session was written", error)
                self.give_up(flights[0][0])
            else:
                for each in flights:
                    await self._fly([each])
            return
        finally:
            self._flying_looks = None
        self._observer.time_session_append(monotonic() - began_s)
        for journal, flight in flights:
            if journal.id in owned:
                journal.land(flight)
            else:
                self._lose(journal)

    async def _store(self, flights: Sequence[_Flight]) -> set[UUID]:
        async with self._database.write(is_urgent=True) as session:
            for flight in flights:
                if flight.beginning is not None:
                    await session_log.begin(session, flight.beginning)
            return await session_log.append(session, [flight.append for flight in flights])

    async def _remove(self) -> None:
        ended = list(self._ended)
        if not ended:
            return
        async with self._database.write() as session:
            gone = await session_log.remove(session, [(each.id, each.epoch) for each in ended])
        for journal in ended:
            self._ended.remove(journal)
            if journal.id in gone or not journal.is_known:
                journal.finish()

    async def _touch(self) -> None:
        """Raises StorageUnavailable."""
        known = self._list_known()
        began_s = monotonic()
        async with self._database.write(is_urgent=True) as session:
            owned = await session_log.touch(session, self.run_id, [journal.id for journal in known])
        self._touched_s = began_s
        self._note_owned(known, owned)
        if self._doubted_s is not None and self._doubted_s < began_s:
            self._doubted_s = None
            self._notify_all()

    def _list_known(self) -> list[SessionJournal]:
        return [journal for journal in self._journals.values() if journal.is_known]

    def _note_owned(self, known: Sequence[SessionJournal], owned: Mapping[UUID, int]) -> None:
        """Lose those of these sessions that go on here and that another server has."""
        for journal in known:
            if self._journals.get(journal.id) is journal and owned.get(journal.id) != journal.epoch:
                self._lose(journal)

    async def _trim(self) -> None:
        """Raises StorageUnavailable."""
        trims = []
        for journal in self._journals.values():
            if (
                journal.is_active
                and journal.is_known
                and journal.trimmed != (journal.needed, journal.lost_seq)
            ):
                journal.trimmed = (journal.needed, journal.lost_seq)
                needed, lost_seq = journal.trimmed
                trims.append(
                    SessionTrim(id=journal.id, epoch=journal.epoch, needed=needed, lost_seq=lost_seq)
                )
        if trims:
            async with self._database.write() as session:
                await session_log.trim(session, trims)

    async def _look(self) -> None:
        """Notice a write that takes long, and that this process stood still: the clock alone tells neither."""
        while True:
            if not self._arrived.is_set():
                await self._arrived.wait()
                self._looked_s = monotonic()
            await anyio.sleep(LOOK_EVERY_S)
            now_s = monotonic()
            if now_s - self._looked_s > SURE_S:
                self._doubted_s = now_s
                self._urgent.set()
            self._looked_s = now_s
            if self._flying_looks is not None:
                self._flying_looks += 1
                if self._flying_looks == LATE_LOOKS:
                    self._notify_all()

    def _bound_memory(self) -> None:
        """Give up the sessions of which most waits, where all together wait for too much memory."""
        waiting = sum(journal.waiting_bytes for journal in self._journals.values())
        for journal in sorted(self._journals.values(), key=lambda each: each.waiting_bytes, reverse=True):
            if waiting <= MOST_WAITING_IN_ALL_BYTES:
                break
            waiting -= journal.waiting_bytes
            self.give_up(journal)

    def _notify_all(self) -> None:
        for journal in list(self._journals.values()):
            journal.notify()

    async def _find_orphans(self) -> None:
        while True:
            await anyio.sleep(ORPHANS_EVERY_S)
            if not self.may_adopt():
                continue
            with suppress(StorageUnavailable):  # logged already
                for orphan in await self._list_orphans():
                    await self._adopt_left(orphan)

    async def _adopt_left(self, orphan: UUID) -> None:
        """One that cannot be adopted is tried again when it has been left for so long once more."""
        try:
            await self.adopt(orphan, left_for_s=self._wait_s)
        except (StorageUnavailable, OSError):
            pass  # logged already
        except BaseException as error:  # noqa: BLE001  # what cannot be read costs its session alone
            reraise_cancellation(error)
            report_fault(logger, "while a session of another server was adopted", error)

    async def _list_orphans(self) -> list[UUID]:
        known = {*self._journals, *self._adopting, *(each.id for each in self._ended)}
        async with self._database.read() as session:
            return await session_log.list_orphans(session, self.run_id, known, self._wait_s, ORPHANS)

    def _lose(self, journal: SessionJournal) -> None:
        self._drop(journal)
        journal.lose()

    def _drop(self, journal: SessionJournal) -> None:
        if self._journals.get(journal.id) is journal:
            del self._journals[journal.id]

    def _signal_written(self) -> None:
        self._written.set()
        self._written = anyio.Event()


async def _leave(taken: LoggedSession) -> None:
    """Leave it where it is."""
