"""The speech door, WS /ws/stt: reads messages, calls the socket's service, maps errors to events and close codes."""

import logging
import time
import traceback
from contextlib import suppress
from typing import Any, TypeVar

import anyio
import orjson
from fastapi import APIRouter
from pydantic import BaseModel, ValidationError
from starlette.websockets import WebSocket, WebSocketDisconnect

from app.api.deps import Resources, get_resources
from app.core.errors import (
    InvalidJson,
    InvalidMessage,
    InvalidSampleRate,
    MessageTooBig,
    PrompterError,
    ServerFull,
    UnknownType,
    UnsupportedFormat,
)
from app.schemas.stt import Flush, Ping, Start, StartConfig, Stop
from app.services.audio.pcm import decode_base64
from app.services.dictation.outbox import Outbox
from app.services.dictation.socket import SpeechSocket
from app.utils.validation import explain

router = APIRouter()
logger = logging.getLogger(__name__)

_TICK_S = 0.25
_GOODBYE_S = 1.0
"""How long the last events may take on their way to a client that is about to be closed."""

_MODELS: dict[str, type[BaseModel]] = {"start": Start, "flush": Flush, "stop": Stop, "ping": Ping}
_E = TypeVar("_E", bound=BaseException)
KNOWN_TYPES = ("audio", *_MODELS)


@router.websocket("/ws/stt")
async def speech(websocket: WebSocket) -> None:
    """Dictate: see the protocol in the API description."""
    resources = get_resources(websocket)
    await websocket.accept()
    try:
        async with resources.sockets.place():
            await _serve(websocket, resources)
    except* WebSocketDisconnect:
        pass  # the client has left; the task group has closed its engine
    except* ServerFull as group:
        await _refuse(websocket, group.exceptions[0])


async def _serve(websocket: WebSocket, resources: Resources) -> None:
    outbox = Outbox(websocket.send_text, resources.settings.limits.outbound_events, time.monotonic)
    failure: PrompterError | None = None
    try:
        async with anyio.create_task_group() as group:
            socket = SpeechSocket(resources.settings, resources.engines, resources.transcripts, outbox, group)
            group.start_soon(_tick, socket, outbox)
            await _read(websocket, socket, outbox, resources.settings.limits.message_bytes)
    except* PrompterError as errors:
        failure = _first(errors)
    except* WebSocketDisconnect:
        raise
    except* Exception as errors:  # noqa: BLE001  # whatever it is, the client is told, and nobody else harmed
        failure = _unexpected(errors)
    if failure is not None:
        await _say_goodbye(websocket, outbox, failure)


async def _read(websocket: WebSocket, socket: SpeechSocket, outbox: Outbox, max_bytes: int) -> None:
    """Handle messages until the client leaves (WebSocketDisconnect) or an error is fatal."""
    while True:
        message = await websocket.receive()
        if message["type"] == "websocket.disconnect":
            raise WebSocketDisconnect(message.get("code", 1005))
        socket.received()
        try:
            await _handle(message, socket, max_bytes)
        except PrompterError as error:
            if error.fatal:
                raise
            outbox.emit(_error_event(error))
        await outbox.flush()
        socket.handled()


async def _handle(message: Any, socket: SpeechSocket, max_bytes: int) -> None:
    data = message.get("bytes")
    if data is not None:
        _check_size(len(data), max_bytes)
        await socket.binary(data)
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
        await socket.audio(_pcm(body), body["sample_rate"])
    else:
        await _control(body, socket)


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


async def _control(body: dict[str, Any], socket: SpeechSocket) -> None:
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
        case Start():
            await socket.start(message.session_id, message.config or StartConfig())
        case Flush():
            await socket.flush(message.id)
        case Ping():
            socket.ping(message.id)
        case _:
            socket.stop()


def _refusal(error: ValidationError) -> PrompterError:
    if error.errors()[0]["loc"][-1:] == ("sample_rate",):
        return InvalidSampleRate("`config.sample_rate` must be an integer from 8000 to 48000 (Hz)")
    return InvalidMessage(explain(error))


def _check_size(size: int, max_bytes: int) -> None:
    if size > max_bytes:
        raise MessageTooBig(
            f"a message holds at most {max_bytes} bytes (limits.message_bytes); send smaller chunks"
        )


async def _tick(socket: SpeechSocket, outbox: Outbox) -> None:
    """Look at the clock; what that emits is sent by another task, for the clock must not wait for the client."""
    async with anyio.create_task_group() as group:
        while True:
            await anyio.sleep(_TICK_S)
            socket.tick()
            if outbox.waiting and outbox.sending_since is None:
                group.start_soon(outbox.flush)


def _error_event(error: PrompterError) -> dict[str, Any]:
    return {"type": "error", "code": error.code, "message": error.message, "fatal": error.fatal}


def _first(group: BaseExceptionGroup[_E]) -> _E:
    found = group.exceptions[0]
    return _first(found) if isinstance(found, BaseExceptionGroup) else found


def _unexpected(group: BaseExceptionGroup[Exception]) -> PrompterError:
    """A fault of ours. The log tells the place and not the message, which may quote a transcript."""
    error = _first(group)
    where = "".join(traceback.format_tb(error.__traceback__))
    logger.error("unexpected %s on the speech socket\n%s", type(error).__name__, where)
    return PrompterError("something failed on the server; its log has the place")


async def _say_goodbye(websocket: WebSocket, outbox: Outbox, failure: PrompterError) -> None:
    """Tell why and close; a client that does not read is not waited for."""
    outbox.emit(_error_event(failure) | {"fatal": True})
    with anyio.move_on_after(_GOODBYE_S), suppress(WebSocketDisconnect):
        await outbox.flush()
        await websocket.close(failure.close_code or 1011, failure.code)


async def _refuse(websocket: WebSocket, failure: BaseException) -> None:
    assert isinstance(failure, PrompterError)
    outbox = Outbox(websocket.send_text, 8, time.monotonic)
    await _say_goodbye(websocket, outbox, failure)
