"""Every live speech session: how many there may be, their resume tokens, and how long a lost client may return."""

import hmac
import logging
import secrets
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import anyio

from app.core.config import Settings
from app.core.errors import PrompterError, ResumeRefused, ServerFull, StorageUnavailable
from app.core.logging import report_fault
from app.core.metrics import Observer
from app.core.supervision import Supervisor, reraise_cancellation
from app.providers.base import SttConfig
from app.services.decoding.providers import SttProviders
from app.services.decoding.utterance import OpenEngine
from app.services.dictation.journal import JournalWriter
from app.services.dictation.outbox import (
    DATABASE_AWAY,
    HANDED_OVER,
    RESTARTING,
    RESUMED_ELSEWHERE,
    TAKEN_ELSEWHERE,
    Connection,
    ServerClosing,
)
from app.services.dictation.recovery import Recovery
from app.services.dictation.session import SpeechSession, hash_token
from app.services.dictation.session_state import SessionAbout, SessionState
from app.services.dictation.spool import AudioSpool
from app.services.history.dictation_writer import DictationStore
from app.storage.session_log import LoggedSession, SessionTaken

logger = logging.getLogger(__name__)

_TOKEN_BYTES = 32
_TOKENS_KEPT = 2
"""A client may be lost before the `ready` of its next dictation arrives: then it comes with the token before."""

_REFUSED = "no dictation can be resumed with this token; send `start` for a new one"


@dataclass(slots=True)
class _Entry:
    """What the manager knows of one session."""

    connection: Connection | None
    """Of the socket that serves it, until that socket has left, even if it is broken."""
    keys: list[bytes] = field(default_factory=list)
    claims: int = 0
    """Sockets that wait to take it over."""
    window: anyio.Event | None = None
    """Not None while it waits for its client; set when the waiting ends."""


class SessionManager:
    """Owns every session of an application and runs its dictations, whether a socket is there or not.

    A socket that is lost leaves its session waiting for `limits.resume_s`: its open utterance keeps its audio and no
    engine, no timer runs, events are kept. Then what was said is finalised and the engine freed. A client that closes
    with 1000 frees its engine at once.
    """

    def __init__(
        self,
        settings: Settings,
        engines: SttProviders,
        store: DictationStore,
        spool: AudioSpool,
        recovery: Recovery,
        observer: Observer,
        journals: JournalWriter,
    ) -> None:
        self._journals = journals
        self._settings = settings
        self._engines = engines
        self._store = store
        self._spool = spool
        self._recovery = recovery
        self._observer = observer
        observer.watch_sessions(lambda: self.dictating)
        recovery.break_off = self.break_off
        recovery.is_live = lambda owner, dictation_id: self._find_dictation(owner, dictation_id) is not None
        self._on_start: Callable[[], None] = lambda: None
        self.tasks = Supervisor("dictations")
        """The dictations, and the sessions that wait for their clients."""
        self._entries: dict[SpeechSession, _Entry] = {}
        self._by_key: dict[bytes, tuple[SpeechSession, str | None]] = {}
        self._changed = anyio.Event()
        self.closing = False
        """Whether the server is about to end: nothing new begins."""

    @asynccontextmanager
    async def run(self) -> AsyncIterator[None]:
        """Run sessions as long as the application runs; at the end all are cancelled."""
        async with self.tasks.run():
            yield

    def watch_starts(self, on_start: Callable[[], None]) -> None:
        """Call `on_start` when a dictation begins."""
        self._on_start = on_start

    @property
    def dictating(self) -> int:
        """Dictations that hold an engine."""
        return sum(len(session.running) for session in self._entries)

    @property
    def waiting(self) -> int:
        """Sessions that wait for their clients."""
        return sum(entry.window is not None for entry in self._entries.values())

    # -- sockets come and go

    def open(self, connection: Connection, owner: UUID, *, is_resumable: bool = True) -> SpeechSession:
        """A session for a new socket of this user. One that is not resumable ends with its socket."""
        session = self._make_session(owner, is_resumable=is_resumable)
        self._entries[session] = _Entry(connection)
        session.attach(connection)
        return session

    def _make_session(self, owner: UUID, *, is_resumable: bool = True) -> SpeechSession:
        return SpeechSession(
            self._settings,
            self._engines,
            self._store,
            self._spool,
            self._recovery,
            owner,
            self._observer,
            run_soon=self._run_soon,
            issue_token=self._issue_token,
            journals=self._journals if is_resumable and self._journals.is_on else None,
            on_lost=self._lose,
        )

    async def resume(
        self,
        connection: Connection,
        owner: UUID,
        session_id: str | None,
        token: str,
        last_event_seq: int,
        *,
        told_ms: int = 0,
    ) -> SpeechSession:
        """The session of this token, which now serves this connection; what its client missed is queued.

        `told_ms`: where the last utterance ends whose last event the client has; 0 where it does not say.

        Raises:
            ResumeRefused: there is none, no more, not of this user or label; always the same words.
        """
        session = await self._find_here(owner, session_id, token, last_event_seq)
        if session is None:
            session = await self._find_elsewhere(owner, session_id, token, last_event_seq, told_ms)
        if session not in self._entries:
            raise ResumeRefused(_REFUSED)  # somebody else has taken it meanwhile
        async with self._take(session) as entry:
            if not entry.keys:
                raise ResumeRefused(_REFUSED)  # it ended while its socket was closing
            entry.connection = connection
            session.attach(connection)
            session.replay(last_event_seq)
            self._observer.count_reconnect()
        return session

    async def _find_here(
        self, owner: UUID, session_id: str | None, token: str, last_event_seq: int
    ) -> SpeechSession | None:
        """The session of this token, where this server has it.

        Raises:
            ResumeRefused: it has it, and the client cannot go on with it.
        """
        found, _ = self._by_key.get(hash_token(token), (None, None))
        if found is not None and found.survives:
            await self._journals.look_now()  # another server may have gone on with it
        if self._journals.is_on and hash_token(token) not in self._by_key:
            return None
        return self._find(owner, session_id, token, last_event_seq)

    async def _find_elsewhere(
        self, owner: UUID, session_id: str | None, token: str, last_event_seq: int, told_ms: int
    ) -> SpeechSession:
        """Take the session of this token from the server that had it.

        Raises:
            ResumeRefused: there is none, or it cannot go on here.
            ServerClosing: the database is away: the client is to come again; or another server has taken the session
                meanwhile.
        """
        try:
            logged = await self._journals.find(owner, hash_token(token).hex())
            if logged is None or session_id not in (None, logged.label) or self._journals.has(logged):
                raise ResumeRefused(_REFUSED)
            state = SessionState.load(logged.state)
            if not state.can_replay(last_event_seq):
                raise ResumeRefused(_REFUSED)
            session = self._make_session(owner)
            opened = None if state.is_over else await session.open_logged(SessionAbout.load(logged.about))
            await self._move_here(session, logged, opened, last_event_seq, told_ms)
        except SessionTaken:
            raise ServerClosing(*TAKEN_ELSEWHERE) from None
        except PrompterError as error:
            if isinstance(error, StorageUnavailable):
                raise ServerClosing(*DATABASE_AWAY) from None
            if not isinstance(error, ResumeRefused):
                logger.warning("a session of another server cannot go on here: %s", error.message)
            raise ResumeRefused(_REFUSED) from None
        self._observer.count_moved_session()
        return session

    async def _move_here(
        self,
        session: SpeechSession,
        logged: LoggedSession,
        opened: tuple[OpenEngine, SttConfig] | None,
        last_event_seq: int,
        told_ms: int,
    ) -> None:
        """Raises StorageUnavailable, SessionTaken, ResumeRefused, EngineFailed."""
        async with AsyncExitStack() as stack:
            if opened is not None:
                stack.push_async_callback(opened[0].aclose)
            taken = await self._journals.take(logged.id)
            if taken is None:
                raise ResumeRefused(_REFUSED)
            entry = self._entries[session] = _Entry(None)
            for token_hash, label in (
                (taken.earlier_token_hash, taken.earlier_label),
                (taken.token_hash, taken.label),
            ):
                if token_hash is not None:
                    entry.keys.append(bytes.fromhex(token_hash))
                    self._by_key[entry.keys[-1]] = (session, label)
            stack.pop_all()
        with anyio.CancelScope(shield=True):  # whoever leaves: it has been taken
            try:
                await session.go_on(taken, opened, last_event_seq, told_ms)
            except BaseException:
                if opened is not None and not session.running:
                    await opened[0].aclose()
                session.leave_to_others()  # its client may ask again
                await self._end(session)
                raise

    def _lose(self, session: SpeechSession) -> None:
        """Another server has this session: nothing more of it is heard, told or stored here."""
        if (entry := self._entries.get(session)) is not None:
            self._let_go(session, entry, TAKEN_ELSEWHERE)

    async def break_off(self, owner: UUID, dictation_id: UUID) -> None:
        """End this dictation as a crash would, if it goes on: its client has begun anew. What was not told is left."""
        if (session := self._find_dictation(owner, dictation_id)) is None:
            return
        async with self._take(session):
            if session in self._entries:
                await self._end(session)

    @asynccontextmanager
    async def _take(self, session: SpeechSession) -> AsyncIterator[_Entry]:
        """Take a session away from its socket, or from its wait for one; it waits again where nothing is made of it."""
        entry = self._entries[session]
        entry.claims += 1
        try:
            if entry.window is not None:
                entry.window.set()
                entry.window = None
            while entry.connection is not None:
                entry.connection.close(ServerClosing(*RESUMED_ELSEWHERE))
                await self._changed.wait()
            yield entry
        finally:
            entry.claims -= 1
            if entry.connection is None and entry.keys and not entry.claims:
                self._open_window(session, entry)

    def _find_dictation(self, owner: UUID, dictation_id: UUID) -> SpeechSession | None:
        for session in self._entries:
            if (session.owner, session.dictation_id) == (owner, dictation_id):
                return session
        return None

    async def leave(self, session: SpeechSession, *, over: bool) -> None:
        """The session's socket is gone: wait for its client to come back, unless the session is `over`."""
        entry = self._entries[session]
        entry.connection = None
        session.detach()
        self._signal_change()
        if over:
            session.give_up()
        if over or session.is_left or not session.is_resumable or not self._settings.limits.resume_s:
            await self._end(session)
        elif not entry.claims:
            self._open_window(session, entry)

    async def drain(self) -> None:
        """Finalise every session, close its socket with 1012, and return within `limits.stop_s`.

        Where another server can go on with a session, it is left to that one as it is.
        """
        self.closing = True
        with anyio.move_on_after(self._settings.limits.stop_s):
            if any(session.survives for session in self._entries) and await self._journals.has_others():
                await self._hand_over()
            while self._entries:
                for entry in list(self._entries.values()):
                    if entry.window is not None:
                        entry.window.set()
                    if entry.connection is not None:
                        entry.connection.close(ServerClosing(*RESTARTING))
                await self._changed.wait()

    async def _hand_over(self) -> None:
        """Write all of the sessions that survive, and let their clients go to another server."""
        surviving = [session for session in self._entries if session.survives]
        for session in surviving:
            session.set_deaf()
        for session in surviving:
            journal, entry = session.journal, self._entries.get(session)
            if journal is None or entry is None:
                continue
            await self._journals.flush(journal)
            if journal.is_waiting:
                continue  # the database is away: what was heard is finalised here, and nothing after a gap
            if journal.is_active and session in self._entries:
                self._let_go(session, entry, HANDED_OVER)

    def _let_go(self, session: SpeechSession, entry: _Entry, reason: tuple[int, str]) -> None:
        session.leave_to_others()
        self._forget_keys(entry)
        if entry.connection is not None:
            entry.connection.close(ServerClosing(*reason))
        else:
            entry.window = None
            self.tasks.start_job(self._end, session)

    # -- the window

    def _open_window(self, session: SpeechSession, entry: _Entry) -> None:
        entry.window = anyio.Event()
        windows = [other.window for other in self._entries.values() if other.window is not None]
        open_windows = [window for window in windows if not window.is_set()]
        for window in open_windows[: max(len(open_windows) - self._settings.limits.waiting_sessions, 0)]:
            window.set()
        if self.closing:
            entry.window.set()
        self.tasks.start_job(self._run_window, session, entry, entry.window)

    async def _run_window(self, session: SpeechSession, entry: _Entry, window: anyio.Event) -> None:
        """Wait for the client; where it does not come back, finalise what was said and free the engine."""
        with anyio.move_on_after(self._settings.limits.resume_s):
            await window.wait()
        if entry.window is not window:
            return
        self._forget_keys(entry)
        try:
            await session.finish()
        finally:
            await self._end(session)

    async def _end(self, session: SpeechSession) -> None:
        """Forget the session; returns when its engine is free."""
        if (entry := self._entries.get(session)) is None:
            return  # two have ended it
        self._forget_keys(entry)
        try:
            await session.cancel()
        finally:
            if not session.is_left:
                session.close_journal()
            self._entries.pop(session, None)
            self._signal_change()

    # -- tokens

    def _issue_token(self, session: SpeechSession, session_id: str | None) -> str:
        token = secrets.token_urlsafe(_TOKEN_BYTES)
        keys = self._entries[session].keys
        keys.append(hash_token(token))
        self._by_key[keys[-1]] = (session, session_id)
        while len(keys) > _TOKENS_KEPT:
            del self._by_key[keys.pop(0)]
        return token

    def _find(self, owner: UUID, session_id: str | None, token: str, last_event_seq: int) -> SpeechSession:
        """Compares hashes alone: how long the search takes reveals nothing about any token."""
        key = hash_token(token)
        session, label = self._by_key.get(key, (None, None))
        if (
            session is None
            or not any(hmac.compare_digest(key, known) for known in self._entries[session].keys)
            or session.owner != owner
            or session_id not in (None, label)
            or not session.can_replay(last_event_seq)
        ):
            raise ResumeRefused(_REFUSED)
        return session

    def _forget_keys(self, entry: _Entry) -> None:
        for key in entry.keys:
            self._by_key.pop(key, None)
        entry.keys.clear()

    # -- dictations

    def _run_soon(self, session: SpeechSession, run: Callable[[], Coroutine[Any, Any, None]]) -> None:
        scope = anyio.CancelScope()
        session.running.add(scope)
        self._on_start()
        self.tasks.start_job(self._run, session, run, scope)

    async def _run(
        self, session: SpeechSession, run: Callable[[], Coroutine[Any, Any, None]], scope: anyio.CancelScope
    ) -> None:
        try:
            with scope:
                await run()
        except PrompterError as error:
            session.fail(error)
        except BaseException as error:  # noqa: BLE001  # the client gets an error, and no other session is harmed
            reraise_cancellation(error)
            session.fail(report_fault(logger, "on the speech socket", error))
        finally:
            session.running.discard(scope)
            session.signal_dictation_end()

    def _signal_change(self) -> None:
        self._changed.set()
        self._changed = anyio.Event()


class SocketLimiter:
    """Counts open sockets, and refuses those beyond the limit."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self.open = 0

    @asynccontextmanager
    async def slot(self) -> AsyncIterator[None]:
        """Hold one socket's place.

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
