"""All speech sessions: their limit, their resume tokens, and the window in which a lost client may return."""

import hashlib
import hmac
import logging
import secrets
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import anyio
from anyio.abc import TaskGroup

from app.core.config import Settings
from app.core.errors import PrompterError, ResumeRefused, ServerFull
from app.core.logging import report_fault
from app.core.metrics import Observer
from app.services.decoding.providers import SttProviders
from app.services.dictation.outbox import RESTARTING, RESUMED_ELSEWHERE, Connection, Outbox, ServerClosing
from app.services.dictation.session import SpeechSession
from app.services.history.dictation_writer import DictationStore

logger = logging.getLogger(__name__)

_TOKEN_BYTES = 32
_TOKENS_KEPT = 2
"""A client may be lost before the `ready` of its next dictation arrives: then it comes with the token before."""

_REFUSED = "no dictation can be resumed with this token; send `start` for a new one"


@dataclass(slots=True)
class _Entry:
    """What the keeper notes about a session."""

    line: Connection | None
    """Of the socket that serves it, until that has left: a line that is broken is not free yet."""
    keys: list[bytes] = field(default_factory=list)
    claims: int = 0
    """Sockets that want to take it over."""
    window: anyio.Event | None = None
    """There while it waits for its client; set when the waiting ends."""


class SessionManager:
    """Owns every session of an application and runs its dictations, whether a socket is there or not.

    A socket that is lost leaves its session waiting for `limits.resume_s`: the engine goes on with what it has, no
    timer runs, events are kept. Then what was said is finalised and the engine freed. A client that closes with 1000
    frees its engine at once.
    """

    def __init__(
        self, settings: Settings, engines: SttProviders, keeper: DictationStore, observer: Observer
    ) -> None:
        self._settings = settings
        self._engines = engines
        self._keeper = keeper
        self._observer = observer
        observer.watch_sessions(lambda: sum(len(session.running) for session in self._places))
        self._group: TaskGroup | None = None
        self._places: dict[SpeechSession, _Entry] = {}
        self._by_key: dict[bytes, tuple[SpeechSession, str | None]] = {}
        self._changed = anyio.Event()
        self.closing = False
        """Whether the server is about to end: nothing new begins."""

    @asynccontextmanager
    async def run(self) -> AsyncIterator[None]:
        """As long as the application: sessions live inside; at the end all are cancelled."""
        async with anyio.create_task_group() as self._group:
            yield
            self._group.cancel_scope.cancel()

    @property
    def waiting(self) -> int:
        """Sessions that wait for their clients."""
        return sum(place.window is not None for place in self._places.values())

    # -- sockets come and go

    def open(self, line: Connection, owner: UUID) -> SpeechSession:
        """A session for a new socket of this user."""
        limits = self._settings.limits
        outbox = Outbox(limits.outbound_events, limits.resume_events, time.monotonic)
        session = SpeechSession(
            self._settings,
            self._engines,
            self._keeper,
            owner,
            outbox,
            self._observer,
            self._run_soon,
            self._issue_token,
        )
        self._places[session] = _Entry(line)
        session.attach(line)
        return session

    async def resume(
        self, line: Connection, owner: UUID, session_id: str | None, token: str, last_event_seq: int
    ) -> SpeechSession:
        """The session of this token, from now on on this line; what its client missed is queued.

        Raises:
            ResumeRefused: there is none, no more, not of this user or label; always the same words.
        """
        session = self._find(owner, session_id, token, last_event_seq)
        place = self._places[session]
        place.claims += 1
        try:
            if place.window is not None:
                place.window.set()
                place.window = None
            while place.line is not None:
                place.line.end(ServerClosing(*RESUMED_ELSEWHERE))
                await self._changed.wait()
            if not place.keys:
                raise ResumeRefused(_REFUSED)  # it was over: its socket has only now told
            place.line = line
            session.attach(line)
            session.resume(last_event_seq)
            self._observer.reconnected()
        finally:
            place.claims -= 1
            if place.line is None and place.keys and not place.claims:
                self._wait(session, place)
        return session

    async def leave(self, session: SpeechSession, *, over: bool) -> None:
        """The session's socket is gone; wait for its client to come back, unless it is `over`."""
        place = self._places[session]
        place.line = None
        session.outbox.detach()
        self._tell()
        if over or not session.resumable or not self._settings.limits.resume_s:
            await self._end(session)
        elif not place.claims:
            self._wait(session, place)

    async def drain(self) -> None:
        """Let every session tell what was said, close its socket with 1012, and return within `limits.stop_s`."""
        self.closing = True
        with anyio.move_on_after(self._settings.limits.stop_s):
            while self._places:
                for place in list(self._places.values()):
                    if place.window is not None:
                        place.window.set()
                    if place.line is not None:
                        place.line.end(ServerClosing(*RESTARTING))
                await self._changed.wait()

    # -- the window

    def _wait(self, session: SpeechSession, place: _Entry) -> None:
        place.window = anyio.Event()
        windows = [other.window for other in self._places.values() if other.window is not None]
        open_windows = [window for window in windows if not window.is_set()]
        for window in open_windows[: max(len(open_windows) - self._settings.limits.waiting_sessions, 0)]:
            window.set()
        if self.closing:
            place.window.set()
        self._group_soon(self._window, session, place, place.window)

    async def _window(self, session: SpeechSession, place: _Entry, window: anyio.Event) -> None:
        """Wait; then, unless the client has come back, finalise what was said and free the engine."""
        with anyio.move_on_after(self._settings.limits.resume_s):
            await window.wait()
        if place.window is not window:
            return
        self._forget_keys(place)
        await session.finish()
        await self._end(session)

    async def _end(self, session: SpeechSession) -> None:
        """Forget the session; returns when its engine is free."""
        place = self._places[session]
        self._forget_keys(place)
        try:
            await session.cancel()
        finally:
            self._places.pop(session, None)
            self._tell()

    # -- tokens

    def _issue_token(self, session: SpeechSession, session_id: str | None) -> str:
        token = secrets.token_urlsafe(_TOKEN_BYTES)
        keys = self._places[session].keys
        keys.append(_key(token))
        self._by_key[keys[-1]] = (session, session_id)
        while len(keys) > _TOKENS_KEPT:
            del self._by_key[keys.pop(0)]
        return token

    def _find(self, owner: UUID, session_id: str | None, token: str, last_event_seq: int) -> SpeechSession:
        """Only hashes meet here: how long the search takes tells nothing about any token."""
        key = _key(token)
        session, label = self._by_key.get(key, (None, None))
        if (
            session is None
            or not any(hmac.compare_digest(key, known) for known in self._places[session].keys)
            or session.owner != owner
            or session_id not in (None, label)
            or not session.outbox.can_replay(last_event_seq)
        ):
            raise ResumeRefused(_REFUSED)
        return session

    def _forget_keys(self, place: _Entry) -> None:
        for key in place.keys:
            self._by_key.pop(key, None)
        place.keys.clear()

    # -- dictations

    def _run_soon(self, session: SpeechSession, run: Callable[[], Coroutine[Any, Any, None]]) -> None:
        scope = anyio.CancelScope()
        session.running.add(scope)
        self._group_soon(self._run, session, run, scope)

    async def _run(
        self, session: SpeechSession, run: Callable[[], Coroutine[Any, Any, None]], scope: anyio.CancelScope
    ) -> None:
        try:
            with scope:
                await run()
        except PrompterError as error:
            session.fail(error)
        except Exception as error:  # noqa: BLE001  # whatever it is, the client is told, and nobody else harmed
            session.fail(report_fault(logger, "on the speech socket", error))
        finally:
            session.running.discard(scope)
            session.ended()

    def _group_soon(self, function: Callable[..., Coroutine[Any, Any, None]], *arguments: object) -> None:
        assert self._group is not None, "the application's lifespan has not begun"
        self._group.start_soon(function, *arguments)

    def _tell(self) -> None:
        self._changed.set()
        self._changed = anyio.Event()


def _key(token: str) -> bytes:
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()


class SocketLimiter:
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
