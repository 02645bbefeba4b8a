"""The endpoint WS /ws/stt: passes messages to the session, sends its events, maps errors to close codes."""

import logging
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from typing import TypeVar
from uuid import UUID

import anyio
from fastapi import APIRouter
from starlette.routing import WebSocketRoute
from starlette.types import Receive, Scope, Send
from starlette.websockets import WebSocket, WebSocketDisconnect, WebSocketState

from app.api.deps import Resources, get_resources
from app.api.middleware.bearer import choose_subprotocol
from app.core.errors import AlreadyStarted, PrompterError, ServerFull
from app.core.line import find_line
from app.core.logging import report_fault
from app.providers.base import SAMPLE_RATE_HZ
from app.schemas.speech_socket import Auth, Resume
from app.services.accounts.identity import LiveAuth
from app.services.dictation.events import Event, encode_event
from app.services.dictation.outbox import RESTARTING, ClientGone, Connection, ServerClosing

router = APIRouter()
logger = logging.getLogger(__name__)

_TICK_S = 0.25
GOODBYE_S = 1.0
"""How long the last events may take on their way to a client whose socket is about to be closed."""
_DONE = 1000

_SURVIVABLE = frozenset({"idle_timeout", "slow_reader", "unauthorized", PrompterError.code})
"""What a network that went silent, an expired token, or a fault of the server looks like from here: the client may
come back."""
_E = TypeVar("_E", bound=BaseException)


class SpeechEndpoint:
    """Dictate: see the protocol in the API description.

    An ASGI endpoint, not a FastAPI function: an event leaves for every chunk, and the framework's layers around
    `send` would cost as much as all else that happens to the event here.
    """

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        websocket = WebSocket(scope, receive, send)
        resources = get_resources(websocket)
        await websocket.accept(choose_subprotocol(scope))
        await serve_socket(SocketHandler(websocket, send, resources), resources)


router.routes.append(WebSocketRoute("/ws/stt", SpeechEndpoint(), name="speech"))


async def serve_socket(handler: "SocketHandler", resources: Resources) -> None:
    """Serve an accepted socket until it is closed; the log says how it went."""
    logger.info("socket opened id=%s", handler.id)
    try:
        if resources.sessions.closing:
            await handler.refuse(ServerClosing(*RESTARTING))
            return
        async with resources.sockets.slot():
            await handler.serve()
    except ServerFull as error:
        await handler.refuse(error)
    finally:
        logger.info("socket closed %s", handler.summary())


class SocketHandler:
    """One socket from `accept` to its close, and the session that it serves: its own, or a resumed one."""

    is_resumable = True
    """Whether a client can come back to its session, on this server or another one."""

    def __init__(self, websocket: WebSocket, send: Send, resources: Resources) -> None:
        self._websocket = websocket
        self._asgi_send = send
        self._live_auth: LiveAuth = websocket.state.live_auth
        self._sessions = resources.sessions
        self._limits = resources.settings.limits
        self.id: str = websocket.state.request_id
        self._opened_at_s = time.monotonic()
        self._code = 1006
        self._is_resumed = False
        self._is_listening = False
        """Whether the client's next message is waited for."""
        self._connection = Connection(find_line(websocket.scope))
        self._session = self._sessions.open(self._connection, self._owner, is_resumable=self.is_resumable)
        self._is_finishing = False
        self._last_error: PrompterError | None = None
        """What the last event says, once the writer is finishing."""
        self._has_written = anyio.Event()

    async def serve(self) -> None:
        """Serve until the client leaves or the socket is to be closed."""
        over = False
        try:
            async with anyio.create_task_group() as group:
                group.start_soon(self._write)
                over = await self._serve_until_closed()
                group.cancel_scope.cancel()
        finally:  # the writer has ended: nothing is taken from the session any more
            await self._leave(over=over)

    async def _leave(self, *, over: bool) -> None:
        await self._sessions.leave(self._session, over=over)

    async def refuse(self, reason: PrompterError | ServerClosing) -> None:
        """Send the client away."""
        await self._say_goodbye(reason)
        await self._sessions.leave(self._session, over=True)

    async def _serve_until_closed(self) -> bool:
        """Returns whether the session is over, too."""
        reason: PrompterError | ServerClosing | None = None
        try:
            async with anyio.create_task_group() as group:
                group.start_soon(self._watch_connection)
                group.start_soon(self._live_auth.watch)
                group.start_soon(self._tick)
                await self._read()
        except* WebSocketDisconnect as errors:
            self._code = _first(errors).code
        except* ClientGone:
            if self._websocket.client_state is WebSocketState.CONNECTED:  # else the reader has the code
                self._code = await self._read_close_code()
        except* (PrompterError, ServerClosing) as errors:
            reason = _first(errors)
        except* Exception as errors:  # noqa: BLE001  # the client gets an error, and no other session is harmed
            reason = report_fault(logger, "on the speech socket", _first(errors))
        over = self._code == _DONE
        return await self._say_goodbye(reason) or over if reason is not None else over

    def summary(self) -> str:
        """For the log: how the socket ended, and what its session has come to so far; no label, no text."""
        totals = self._session.totals
        return (
            f"id={self.id} code={self._code} seconds={time.monotonic() - self._opened_at_s:.1f}"
            f" resumed={str(self._is_resumed).lower()} dictations={totals.dictations}"
            f" audio_s={totals.samples / SAMPLE_RATE_HZ:.1f} finals={totals.finals}"
            f" discarded={totals.discarded} errors={totals.failures}"
        )

    @property
    def _owner(self) -> UUID:
        return self._live_auth.caller.user_id

    # -- messages in

    async def _read(self) -> None:
        """Pass messages to the session until the client leaves (WebSocketDisconnect) or an error is fatal."""
        while True:
            self._is_listening = True
            message = await self._websocket.receive()
            self._is_listening = False
            if message["type"] == "websocket.disconnect":
                raise WebSocketDisconnect(message.get("code", 1005))
            data = message.get("bytes")
            await self._receive(message["text"] if data is None else data)
            if not await self._send_events():
                await self._wait_for_room()

    async def _receive(self, message: str | bytes) -> None:
        request = await self._session.receive(message)
        if request is not None:
            await self._handle(request)

    async def _handle(self, request: Auth | Resume) -> None:
        try:
            if isinstance(request, Auth):
                await self._live_auth.renew(request.token)
            else:
                await self._resume(request)
        except PrompterError as error:
            if error.fatal:
                raise
            self._session.report(error)

    async def _resume(self, request: Resume) -> None:
        """Go on with a session that lost its socket, in place of this socket's own.

        Raises:
            AlreadyStarted, ResumeRefused
        """
        if self._session.has_started:
            raise AlreadyStarted("`resume` is the first message on a new socket; open another one for it")
        own = self._session
        self._session = await self._sessions.resume(
            self._connection,
            self._owner,
            request.session_id,
            request.resume_token,
            request.last_event_seq,
            told_ms=request.told_ms or 0,
        )
        self._is_resumed = True
        await self._sessions.leave(own, over=True)

    # -- events out

    async def _send_events(self, events: Iterable[Event] | None = None) -> bool:
        """Send `events`, or what the session has. False where another task is sending: it sends those, too.

        Raises:
            ClientGone
        """
        connection = self._connection
        if connection.sending_since is not None:
            return False
        try:
            for text in self._encode(self._session.events() if events is None else events):
                if self._websocket.application_state is not WebSocketState.CONNECTED:
                    raise ClientGone  # the socket is closed
                connection.sending_since = time.monotonic()
                try:
                    await self._asgi_send({"type": "websocket.send", "text": text})
                except (OSError, RuntimeError):
                    # OSError is what servers raise, by the ASGI specification, where the client has left. Behind a
                    # close of their own, as after a frame that breaks the protocol, they raise RuntimeError: we have
                    # not closed.
                    raise ClientGone from None
        finally:
            connection.sending_since = None
        return True

    def _encode(self, events: Iterable[Event]) -> Iterator[str]:
        """The text messages for these events, which are taken one by one as the messages leave."""
        return map(encode_event, events)

    async def _wait_for_room(self) -> None:
        """Wait while too much is on its way to the client."""
        await self._session.wait_for_room()

    async def _write(self) -> None:
        """Send what other tasks emit, engines and the clock; the reader sends what its own messages cause."""
        try:
            while not self._is_finishing:
                await self._connection.wait_for_events()
                if self._session.is_attached_to(self._connection):
                    await self._send_events()
            if self._last_error is not None:
                await self._send_events([self._session.last_event(self._last_error)])
        except Exception as error:  # noqa: BLE001  # `_watch_connection` raises it where it is handled
            self._session.detach()
            self._connection.close(error)
        finally:
            self._has_written.set()

    async def _finish_writing(self, last_error: PrompterError | None = None) -> None:
        """Send all that is queued, and the last error behind it; returns when it has left, or the client has.

        Where the writer is not sending, this task does: a crowd that is refused must not wait for task switches.
        """
        if self._connection.sending_since is not None:
            self._last_error, self._is_finishing = last_error, True
            self._connection.notify()
            await self._has_written.wait()
            return
        with suppress(ClientGone):
            await self._send_events()
            if last_error is not None:
                await self._send_events([self._session.last_event(last_error)])
        self._session.detach()

    # -- the clock and the end

    async def _tick(self) -> None:
        """Have the session look at the clock; another task sends what that emits."""
        while True:
            await anyio.sleep(_TICK_S)
            if not self._session.is_attached_to(self._connection):
                continue  # between two sessions
            self._check_clock()
            if self._session.has_events:
                self._connection.notify()

    def _check_clock(self) -> None:
        self._session.tick(is_listening=self._is_listening, login_left_s=self._live_auth.left_s)

    async def _watch_connection(self) -> None:
        """End the socket where the session says so, or the writer has failed."""
        await self._connection.closing.wait()
        assert self._connection.reason is not None
        raise self._connection.reason

    async def _read_close_code(self) -> int:
        """How the client left, where a send has found out before the reader: behind what it sent last."""
        with anyio.move_on_after(GOODBYE_S):
            while (message := await self._websocket.receive())["type"] != "websocket.disconnect":
                pass
            return int(message.get("code", 1005))
        return self._code

    async def _say_goodbye(self, reason: PrompterError | ServerClosing) -> bool:
        """Say why and close; a client that does not read is not waited for. Returns whether the session is over."""
        if isinstance(reason, ServerClosing):
            is_restarting = (reason.close_code, reason.reason) == RESTARTING
            if is_restarting:
                with anyio.move_on_after(self._limits.stop_s):
                    await self._finish_session()
            await self._close(reason.close_code, reason.reason)
            return is_restarting
        self._session.count_error(reason)
        with anyio.move_on_after(GOODBYE_S):
            await self._finish_writing(reason)
            await self._close(reason.close_code or 1011, reason.code)
        return reason.code not in _SURVIVABLE or self._session.failure is not None

    async def _finish_session(self) -> None:
        """Finalise what was said, and send every event of it."""
        self._connection.notify()
        await self._session.finish()
        await self._finish_writing()

    async def _close(self, code: int, reason: str) -> None:
        """Close the socket without an event; a client that does not read is not waited for."""
        self._code = code
        if self._websocket.application_state is WebSocketState.CONNECTED:
            # The server may have closed by itself meanwhile: see `_send_events`.
            with anyio.move_on_after(GOODBYE_S), suppress(WebSocketDisconnect, RuntimeError):
                await self._websocket.close(code, reason)


def _first(group: BaseExceptionGroup[_E]) -> _E:
    found = group.exceptions[0]
    return _first(found) if isinstance(found, BaseExceptionGroup) else found
