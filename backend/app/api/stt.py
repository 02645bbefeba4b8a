"""The speech door, WS /ws/stt: reads messages, calls the socket's session, maps errors to events and close codes."""

import logging
import time
from contextlib import suppress
from typing import Any, TypeVar
from uuid import UUID

import anyio
import orjson
from fastapi import APIRouter
from pydantic import BaseModel, ValidationError
from starlette.routing import WebSocketRoute
from starlette.types import Receive, Scope, Send
from starlette.websockets import WebSocket, WebSocketDisconnect, WebSocketState

from app.api.deps import Resources, get_resources
from app.api.middleware.bearer import choose_subprotocol
from app.core.errors import (
    AlreadyStarted,
    InvalidJson,
    InvalidMessage,
    InvalidSampleRate,
    MessageTooBig,
    PrompterError,
    ServerFull,
    UnknownType,
    UnsupportedFormat,
)
from app.core.logging import report_fault
from app.providers.base import SAMPLE_RATE_HZ
from app.schemas.stt import Auth, Flush, Ping, Resume, Start, StartConfig, Stop
from app.services.accounts.identity import LiveAuth
from app.services.audio.pcm import decode_base64
from app.services.dictation.outbox import RESTARTING, ClientGone, Connection, ServerClosing
from app.utils.validation import explain_validation

router = APIRouter()
logger = logging.getLogger(__name__)

_TICK_S = 0.25
_GOODBYE_S = 1.0
"""How long the last events may take on their way to a client that is about to be closed."""
_DONE = 1000

_MODELS: dict[str, type[BaseModel]] = {
    "auth": Auth,
    "start": Start,
    "resume": Resume,
    "flush": Flush,
    "stop": Stop,
    "ping": Ping,
}
_SURVIVABLE = frozenset({"idle_timeout", "slow_reader", "unauthorized"})
"""What a network that went silent looks like from here, or a token that ran out: the client may come back."""
_E = TypeVar("_E", bound=BaseException)
KNOWN_TYPES = ("audio", *_MODELS)


class SpeechEndpoint:
    """Dictate: see the protocol in the API description.

    An ASGI endpoint, not a FastAPI function: an event leaves for every chunk, and the framework's layers around
    `send` would cost as much as all that is done with it here.
    """

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        websocket = WebSocket(scope, receive, send)
        resources = get_resources(websocket)
        await websocket.accept(choose_subprotocol(scope))
        handler = SocketHandler(websocket, send, resources)
        logger.info("socket opened id=%s", handler.id)
        try:
            await _serve_socket(handler, resources)
        finally:
            logger.info("socket closed %s", handler.summary())


router.routes.append(WebSocketRoute("/ws/stt", SpeechEndpoint(), name="speech"))


async def _serve_socket(handler: "SocketHandler", resources: Resources) -> None:
    if resources.sessions.closing:
        await handler.close(*RESTARTING)
        return
    try:
        async with resources.sockets.place():
            await handler.serve()
    except* ServerFull as group:
        await handler.refuse(_first(group))


class SocketHandler:
    """One socket from `accept` to its close, and the session that it is attached to: its own, or a resumed one."""

    def __init__(self, websocket: WebSocket, send: Send, resources: Resources) -> None:
        self._websocket = websocket
        self._asgi_send = send
        self._live_auth: LiveAuth = websocket.state.live_auth
        self._sessions = resources.sessions
        self._limits = resources.settings.limits
        self._observer = resources.observer
        self.id: str = websocket.state.request_id
        self._since_s = time.monotonic()
        self._code = 1006
        self._resumed = False
        self._line = Connection(self._send)
        self.session = self._sessions.open(self._line, self._owner)

    async def serve(self) -> None:
        """Serve until the client leaves or the socket is to be closed."""
        why: Exception | None = None
        over = False
        try:
            async with anyio.create_task_group() as group:
                group.start_soon(self._watch)
                group.start_soon(self._live_auth.watch)
                group.start_soon(self._tick)
                await self._read()
        except* WebSocketDisconnect as errors:
            self._code = _first(errors).code
            over = self._code == _DONE
        except* ClientGone:
            if self._websocket.client_state is WebSocketState.CONNECTED:  # else the reader has told
                self._code = await self._closed_with()
                over = self._code == _DONE
        except* (PrompterError, ServerClosing) as errors:
            why = _first(errors)
        except* Exception as errors:  # noqa: BLE001  # whatever it is, the client is told, and nobody else harmed
            why = report_fault(logger, "on the speech socket", _first(errors))
        try:
            if why is not None:
                over = await self._say_goodbye(why) or over
        finally:
            await self._sessions.leave(self.session, over=over)

    @property
    def _owner(self) -> UUID:
        return self._live_auth.caller.user_id

    async def authenticate(self, message: Auth) -> None:
        """Go on with a newer token.

        Raises:
            Unauthorized
        """
        await self._live_auth.renew(message.token)

    async def resume(self, message: Resume) -> None:
        """Go on with a session that lost its socket.

        Raises:
            AlreadyStarted, ResumeRefused
        """
        if self.session.started:
            raise AlreadyStarted("`resume` is the first message on a new socket; open another one for it")
        fresh = self.session
        self.session = await self._sessions.resume(
            self._line, self._owner, message.session_id, message.resume_token, message.last_event_seq
        )
        self._resumed = True
        await self._sessions.leave(fresh, over=True)

    async def refuse(self, why: PrompterError) -> None:
        """Send the client away."""
        await self._say_goodbye(why)
        await self._sessions.leave(self.session, over=True)

    async def close(self, code: int, reason: str) -> None:
        """Close the socket without an event; a client that does not read is not waited for."""
        self._code = code
        if self._websocket.application_state is WebSocketState.CONNECTED:
            with anyio.move_on_after(_GOODBYE_S), suppress(WebSocketDisconnect):
                await self._websocket.close(code, reason)

    def summary(self) -> str:
        """For the log: how the socket ended, and what its session has come to so far; no label, no text."""
        tally = self.session.tally
        return (
            f"id={self.id} code={self._code} seconds={time.monotonic() - self._since_s:.1f}"
            f" resumed={str(self._resumed).lower()} dictations={tally.dictations}"
            f" audio_s={tally.samples / SAMPLE_RATE_HZ:.1f} finals={tally.finals}"
            f" discarded={tally.discarded} errors={tally.failures}"
        )

    def _count(self, error: PrompterError) -> None:
        self._observer.failed(error.code)
        self.session.tally.failures += 1

    async def _send(self, text: str) -> None:
        if self._websocket.application_state is not WebSocketState.CONNECTED:
            raise ClientGone  # an earlier send has found out
        try:
            await self._asgi_send({"type": "websocket.send", "text": text})
        except OSError:  # what servers raise, by the ASGI specification, where the client has left
            raise ClientGone from None

    async def _read(self) -> None:
        """Handle messages until the client leaves (WebSocketDisconnect) or an error is fatal."""
        while True:
            message = await self._websocket.receive()
            if message["type"] == "websocket.disconnect":
                raise WebSocketDisconnect(message.get("code", 1005))
            self.session.received()
            try:
                await _handle(message, self, self._limits.message_bytes)
            except PrompterError as error:
                if error.fatal:
                    raise
                self._count(error)
                self.session.outbox.emit(_error_event(error))
            await self.session.outbox.send_pending(at_the_door=True)
            self.session.handled()

    async def _watch(self) -> None:
        """End the handler where the session says so, or a send has found the client gone."""
        await self._line.over.wait()
        raise self._line.why or ClientGone

    async def _closed_with(self) -> int:
        """How the client left, where a send has found out before the reader could: behind what it sent last."""
        while (message := await self._websocket.receive())["type"] != "websocket.disconnect":
            pass
        return int(message.get("code", 1005))

    async def _tick(self) -> None:
        """Look at the clock; what that emits is sent by another task, for the clock must not wait for the client."""
        async with anyio.create_task_group() as group:
            while True:
                await anyio.sleep(_TICK_S)
                outbox = self.session.outbox
                if outbox.line is not self._line:
                    continue  # between two sessions
                self.session.tick()
                if outbox.waiting and outbox.sending_since is None:
                    group.start_soon(outbox.send_pending)

    async def _say_goodbye(self, why: Exception) -> bool:
        """Tell why and close; a client that does not read is not waited for. Whether the session is over, too."""
        if isinstance(why, ServerClosing):
            restarting = (why.close_code, why.reason) == RESTARTING
            if restarting:
                with anyio.move_on_after(self._limits.stop_s):
                    await self.session.finish()
            await self.close(why.close_code, why.reason)
            return restarting
        assert isinstance(why, PrompterError)
        self._count(why)
        outbox = self.session.outbox
        with anyio.move_on_after(_GOODBYE_S), suppress(ClientGone):
            await outbox.send_pending()
            await outbox.farewell(_error_event(why) | {"fatal": True})
            await self.close(why.close_code or 1011, why.code)
        return why.code not in _SURVIVABLE


async def _handle(message: Any, handler: SocketHandler, max_bytes: int) -> None:
    data = message.get("bytes")
    if data is not None:
        _check_size(len(data), max_bytes)
        await handler.session.binary(data)
        return
    text: str = message["text"]
    _check_size(len(text) if text.isascii() else len(text.encode()), max_bytes)
    try:
        body = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise InvalidJson(f"the message is not JSON (at character {error.pos})") from None
    if not isinstance(body, dict):
        raise InvalidMessage("a message is a JSON object with a `type`")
    if body.get("type") == "audio":
        handler.session.count(_seq(body))
        await handler.session.audio(_pcm(body), body["sample_rate"])
    else:
        await _control(body, handler)


def _seq(body: dict[str, Any]) -> int | None:
    seq = body.get("seq")
    if seq is not None and (type(seq) is not int or seq < 1):
        raise InvalidMessage("`seq` must be an integer: the number of this audio message since `start`")
    return seq


def _pcm(body: dict[str, Any]) -> bytes:
    """The samples of an `audio` message, checked by hand: this is the hot path."""
    form, rate, data = body.get("format"), body.get("sample_rate"), body.get("data")
    if form != "pcm16":
        raise UnsupportedFormat("`format` must be 'pcm16': signed 16-bit little-endian mono")
    if type(rate) is not int or not 8000 <= rate <= 48_000:
        raise InvalidSampleRate("`sample_rate` must be an integer from 8000 to 48000 (Hz)")
    if type(data) is not str:
        raise InvalidMessage("`data` must be a string: base64 of the samples")
    return decode_base64(data)


async def _control(body: dict[str, Any], handler: SocketHandler) -> None:
    kind = body.get("type")
    if not isinstance(kind, str):
        raise InvalidMessage(f"`type` must be one of {', '.join(KNOWN_TYPES)}")
    if kind not in _MODELS:
        raise UnknownType(f"unknown message type; known: {', '.join(KNOWN_TYPES)}")
    try:
        message = _MODELS[kind].model_validate(body)
    except ValidationError as error:
        raise _refusal(error) from None
    match message:
        case Auth():
            await handler.authenticate(message)
        case Start():
            await handler.session.start(message.session_id, message.config or StartConfig())
        case Resume():
            await handler.resume(message)
        case Flush():
            await handler.session.flush(message.id)
        case Ping():
            handler.session.ping(message.id)
        case _:
            handler.session.stop()


def _refusal(error: ValidationError) -> PrompterError:
    if error.errors()[0]["loc"][-1:] == ("sample_rate",):
        return InvalidSampleRate("`config.sample_rate` must be an integer from 8000 to 48000 (Hz)")
    return InvalidMessage(explain_validation(error))


def _check_size(size: int, max_bytes: int) -> None:
    if size > max_bytes:
        raise MessageTooBig(
            f"a message holds at most {max_bytes} bytes (limits.message_bytes); send smaller chunks"
        )


def _error_event(error: PrompterError) -> dict[str, Any]:
    return {"type": "error", "code": error.code, "message": error.message, "fatal": error.fatal}


def _first(group: BaseExceptionGroup[_E]) -> _E:
    found = group.exceptions[0]
    return _first(found) if isinstance(found, BaseExceptionGroup) else found
