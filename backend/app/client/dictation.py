"""One dictation, over a new socket whenever a connection breaks: audio goes out while events come in, each once."""

import asyncio
import json
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, aclosing, suppress
from typing import Any

from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed

from app.client.errors import (
    ConnectionLost,
    Refused,
    ServerError,
    ServerFailed,
    Unreachable,
    make_close_error,
)
from app.client.events import Event
from app.client.outgoing import OutgoingAudio
from app.client.pacing import Chunks
from app.client.recorded_audio import RecordedAudio
from app.client.speech_socket import BAD_PROXY

KEEP_ALIVE_S = 5.0
"""A ping is sent when the source gives no audio for this long; without one the server would close the socket."""
SILENCE_S = 15.0
"""A server that acknowledges audio every second and is silent for this long is taken for lost."""
RESUME_S = 120.0
"""How long a server is looked for. It waits for a lost client for 30 s, and goes on with its dictation also later."""
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.1, 2.0
ENDED_EARLY_S = 5.0
"""Longest wait for the close of a server that stopped by itself; the close code says why it stopped."""
RESUMABLE = frozenset({1001, 1002, 1005, 1006, 1007, 4408})
"""Close codes of a socket that the network, or a proxy on the way, has broken."""
HANDED_OVER = 1012
"""The close code of a server that stops: where another one goes on with its sessions, that one is asked."""
TAKEN = "resumed_elsewhere"
"""The close reason of a server whose session another client has."""
RESUMABLE_ERRORS = frozenset({"idle_timeout", "slow_reader"})
"""Errors by which the server ends a socket whose network may be gone."""
PASSING_ERRORS = frozenset({"server_full", "session_too_long", "resume_refused"})
"""Refusals after which a later `start` may be accepted."""
FAULT = "internal_error"
"""The error by which the server ends a socket after a fault of its own; it may keep the dictation."""


class NotContinued(ConnectionLost):
    """A server cannot go on with a dictation that broke off."""


Open = Callable[[], AbstractAsyncContextManager[ClientConnection]]


class Dictation:
    """One dictation from `start` to `stopped`; `events` can be iterated once.

    With `resume`, audio is kept until the server acknowledges it, and a broken connection is replaced by a new one. A
    server that died goes on with the audio that it has on disk, and gets what follows. Where `start` goes on with a
    dictation of another client, `chunks` is all of its audio.

    Recorded audio is kept until it has its text. While it is recorded a server is waited for as long as it takes; an
    earlier process may have begun the dictation.
    """

    def __init__(
        self, open_socket: Open, start: dict[str, Any], chunks: Chunks | RecordedAudio, *, resume: bool
    ) -> None:
        self._open = open_socket
        self._resume = resume
        self._wants_ack = "ack" in start["config"].get("events", [])
        if resume and not self._wants_ack:
            config = start["config"]
            start = {**start, "config": {**config, "events": [*config.get("events", []), "ack"]}}
        self._start = start
        self._recorded = chunks if isinstance(chunks, RecordedAudio) else None
        self._audio = chunks if isinstance(chunks, RecordedAudio) else OutgoingAudio(chunks, keep=resume)
        self._token = ""
        self._survives = False
        """Whether another server goes on with the session where this one ends."""
        self._dictation_id: str = start["config"].get("continues_dictation", "")
        """Of a dictation whose audio a crash of the server does not lose."""
        self._is_continuing = bool(self._dictation_id)
        """Whether the next `ready` tells what a server has of a dictation that broke off."""
        self._told_ms: int = start["config"].get("told_ms", 0)
        """The source up to here has its finals (ms, as all of these)."""
        self._origin_ms = 0
        """Where in the source the dictation begins."""
        self._session_ms = 0
        """Where in the source the session begins."""
        if self._recorded is not None:
            self._dictation_id = self._recorded.recording.progress.dictation_id
            self._is_continuing = bool(self._dictation_id)
            self._told_ms, self._origin_ms = self._recorded.told_ms, self._recorded.origin_ms
        self._is_begun = False
        """Whether a server has taken audio of it."""
        self._seq = 0
        self._ready = False
        self._acked = False
        self._stop_sent = False
        self._is_after_fault = False
        """Whether a fault of the server was resumed and no utterance has ended since: the next one ends all."""
        self._failures: list[Exception] = []

    async def events(self) -> AsyncGenerator[Event, None]:
        """Yield every event until `stopped`. Closing the generator ends the dictation without its last finals.

        Raises:
            Refused: `start` was not accepted.
            ServerFailed, ConnectionLost: the socket closed before `stopped`.
        """
        try:
            is_left = self._recorded is not None and self._is_continuing
            hello = self._make_continuing_message() if is_left else self._start
            deadline_s, pause_s = 0.0, FIRST_PAUSE_S
            while True:
                try:
                    async with self._open() as socket, aclosing(self._exchange(socket, hello)) as exchanged:
                        async for event in exchanged:
                            deadline_s = 0.0
                            yield event
                    return
                except (ServerError, Unreachable) as error:
                    now_s = time.monotonic()
                    if not deadline_s:
                        if not (self._may_resume(error) or self._may_wait(error)):
                            raise
                        lost, deadline_s, pause_s = error, now_s + RESUME_S, FIRST_PAUSE_S
                    elif (now_s >= deadline_s and not self._is_recording) or not self._may_try_again(error):
                        raise lost from None
                    self._is_after_fault = self._is_after_fault or _is_fault(error)
                    self._prepare_next(error)
                hello = self._make_resume_message() if self._token else self._make_continuing_message()
                await asyncio.sleep(pause_s)
                pause_s = min(2 * pause_s, LONGEST_PAUSE_S)
        finally:
            await self._audio.aclose()

    @property
    def _is_recording(self) -> bool:
        return self._recorded is not None and not self._recorded.is_at_end

    def _prepare_next(self, error: Exception) -> None:
        code = error.code if isinstance(error, Refused) else ""
        if code in ("resume_refused", "session_too_long"):
            self._token = ""
        if code == "session_too_long":  # all that was heard has its text: another dictation has the rest
            self._dictation_id = ""
        if self._recorded is not None:
            self._recorded.on_away(True)

    def _may_wait(self, error: Exception) -> bool:
        """Whether the server of recorded audio may be there later, and somebody waits for it."""
        if self._recorded is None or self._failures or not (self._is_recording or self._is_begun):
            return False
        if _is_fault(error):
            return not self._is_after_fault
        if isinstance(error, Refused):
            return error.code in PASSING_ERRORS
        if isinstance(error, ServerFailed):
            return not error.code
        return str(error) != BAD_PROXY

    def _may_resume(self, error: Exception) -> bool:
        """Whether only the connection failed, so that the dictation can be resumed."""
        if not self._resume or not (self._token or self._is_continuing) or self._failures:
            return False
        if isinstance(error, ServerError) and error.code in RESUMABLE_ERRORS:
            return True
        if _is_fault(error):
            return not self._is_after_fault
        if isinstance(error, ServerFailed):  # 1011 without an error event comes from a proxy on the way
            return not error.code
        if not isinstance(error, ConnectionLost):
            return False
        is_handed_over = error.close_code == HANDED_OVER and self._survives and str(error) != TAKEN
        return is_handed_over or error.close_code in RESUMABLE

    def _may_try_again(self, error: Exception) -> bool:
        if self._recorded is not None:
            return self._may_wait(error)
        if _is_fault(error):
            return not self._is_after_fault
        if isinstance(error, Refused) and error.code == "resume_refused":
            return bool(self._dictation_id)
        return not isinstance(error, NotContinued)

    def _make_resume_message(self) -> dict[str, Any]:
        told_ms = max(self._told_ms - self._session_ms, 0)
        resume = {
            "type": "resume",
            "resume_token": self._token,
            "last_event_seq": self._seq,
            "told_ms": told_ms,
        }
        return resume | {key: self._start[key] for key in ("session_id",) if key in self._start}

    def _make_continuing_message(self) -> dict[str, Any]:
        self._seq = 0
        self._is_continuing = True
        more = {"continues_dictation": self._dictation_id, "told_ms": self._told_ms - self._origin_ms}
        return {**self._start, "config": {**self._start["config"], **more}}

    # -- one socket

    async def _exchange(self, socket: ClientConnection, hello: dict[str, Any]) -> AsyncGenerator[Event, None]:
        sender: asyncio.Task[None] | None = None
        try:
            with suppress(ConnectionClosed):  # the server's last words are read below
                await socket.send(json.dumps(hello))
            if not self._is_continuing and hello is self._start:
                sender = asyncio.create_task(self._send(socket))
            async for event in self._read_events(socket):
                if event.type == "ready" and self._is_continuing:
                    self._go_on(event.data)
                    sender = asyncio.create_task(self._send(socket))
                if event.type == "resumed":
                    self._audio.acknowledge(event.data["next_audio_seq"] - 1)
                    sender = asyncio.create_task(self._send(socket, stop=not event.data["stopping"]))
                if event.type != "ack" or self._wants_ack:
                    yield event
                self._note_shown(event)
                if event.type == "stopped":
                    if not self._stop_sent:
                        await self._raise_close_reason(socket)
                    return
        except ServerError:
            if self._failures:  # the source of the audio failed first
                raise self._failures[0] from None
            raise
        finally:
            if sender is not None:
                sender.cancel()
                await asyncio.wait([sender])

    async def _read_events(self, socket: ClientConnection) -> AsyncIterator[Event]:
        fatal: dict[str, Any] = {}
        began = False
        while True:
            try:
                data = json.loads(await self._receive(socket))
            except ConnectionClosed:
                break
            kind = data.get("type")
            began = began or kind in ("ready", "resumed")
            if kind == "error" and data.get("fatal"):
                fatal = data
                continue
            if kind == "error" and not began:
                raise Refused(data.get("message", ""), data.get("code", ""))
            self._track(data)
            if kind != "pong":
                yield Event.from_wire(data)
        error = self._make_close_error(socket, fatal)
        if fatal and not self._may_resume(error):
            yield Event.from_wire(fatal)
        raise error

    async def _receive(self, socket: ClientConnection) -> str | bytes:
        try:
            async with asyncio.timeout(SILENCE_S if self._acked else None):
                return await socket.recv()
        except TimeoutError:
            socket.transport.abort()
            raise ConnectionLost("the server fell silent; dictate again", 1006) from None

    def _track(self, data: dict[str, Any]) -> None:
        self._seq = data.get("seq", self._seq)
        if data.get("type") == "ready":
            self._token = data.get("resume_token", "")
            self._survives = data.get("survives", False)
            is_kept = data.get("spooled") or self._recorded is not None
            self._dictation_id = (is_kept and data.get("dictation_id")) or ""
        elif data.get("type") == "ack":
            self._acked = True
            safe_ms = data.get("safe_ms")
            self._audio.acknowledge(
                data.get("audio_seq", 0), None if safe_ms is None else self._to_bytes(safe_ms)
            )
        elif data.get("type") in ("final", "utterance_discarded"):
            self._is_after_fault = False
            if data["type"] == "final":
                self._told_ms = max(self._told_ms, self._session_ms + data.get("end_ms", 0))
        if data.get("type") in ("ready", "resumed"):
            self._note_begun()

    def _note_shown(self, event: Event) -> None:
        if self._recorded is not None and event.type in ("final", "utterance_discarded"):
            self._recorded.settle(event.data["end_ms"])

    def _go_on(self, ready: Mapping[str, Any]) -> None:
        """Send what the server does not have of the dictation that it goes on with.

        Raises:
            NotContinued: it has none of it, and not all of it is here.
        """
        safe_ms, from_ms = ready.get("safe_ms"), ready.get("from_ms") or 0
        if safe_ms is None:  # a new dictation, of what has no final
            if not self._audio.has_from(self._to_bytes(self._told_ms)):
                raise NotContinued(
                    "the server has nothing of the dictation that broke off; dictate again", 1006
                )
            self._session_ms = self._origin_ms = until_ms = self._told_ms
        else:
            base_ms = ready.get("base_ms")
            self._session_ms = self._session_ms + from_ms if base_ms is None else self._origin_ms + base_ms
            until_ms = self._session_ms + safe_ms - from_ms
        self._stop_sent = self._is_continuing = False
        self._audio.go_on(self._to_bytes(until_ms), self._to_bytes(self._session_ms))
        self._note_begun()

    def _note_begun(self) -> None:
        """A later process has to know of the dictation that the server takes audio of."""
        self._is_begun = True
        if self._recorded is not None:
            self._recorded.on_away(False)
            if not self._is_continuing:
                self._recorded.note_dictation(self._dictation_id, self._to_bytes(self._origin_ms))

    def _to_bytes(self, ms: int) -> int:
        rate_hz: int = self._start["config"].get("sample_rate", 16_000)
        return ms * rate_hz // 1000 * 2

    def _make_close_error(self, socket: ClientConnection, fatal: dict[str, Any]) -> ServerError:
        reason = str(fatal.get("message") or socket.close_reason or "")
        return make_close_error(socket.close_code or 1006, reason, str(fatal.get("code", "")))

    async def _raise_close_reason(self, socket: ClientConnection) -> None:
        """Read how a server closes that stopped before all audio was sent, and raise the reason.

        Raises:
            Refused: the dictation reached its limit.
            ConnectionLost: the server is restarting.
        """
        fatal: dict[str, Any] = {}
        try:
            async with asyncio.timeout(ENDED_EARLY_S):
                while True:
                    data = json.loads(await socket.recv())
                    fatal = data if data.get("fatal") else fatal
        except TimeoutError:
            return
        except ConnectionClosed:
            if socket.close_code != 1000:
                self._token = ""  # there is nothing to resume
                raise self._make_close_error(socket, fatal) from None

    async def _send(self, socket: ClientConnection, *, stop: bool = True) -> None:
        try:
            async with aclosing(self._audio.frames()) as frames:  # type: ignore[type-var]
                async for frame in _with_pings(socket, frames):
                    await socket.send(frame)
            self._stop_sent = True
            if stop:
                await socket.send('{"type":"stop"}')
            while True:  # no `ack` comes any more: an answer tells that the server is there
                await asyncio.sleep(KEEP_ALIVE_S)
                await socket.send('{"type":"ping"}')
        except ConnectionClosed:
            pass  # the receiving side raises the reason
        except Exception as error:  # noqa: BLE001  # a source may fail in any way; the caller's task raises it
            self._failures.append(error)
            await socket.close()


def _is_fault(error: Exception) -> bool:
    return isinstance(error, ServerError) and error.code == FAULT


async def _with_pings(socket: ClientConnection, frames: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    while True:
        pending = asyncio.ensure_future(anext(frames, None))
        try:
            while not (await asyncio.wait({pending}, timeout=KEEP_ALIVE_S))[0]:
                await socket.send('{"type":"ping"}')
        finally:
            pending.cancel()
            await asyncio.wait({pending})
        frame = pending.result()
        if frame is None:
            return
        yield frame
