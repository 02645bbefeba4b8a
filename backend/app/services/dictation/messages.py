"""Reads the client's messages on the native speech socket: JSON to typed values, pure.

The `audio` message is checked by hand, for it is the hot path; `schemas/speech_socket.py` documents it, and a test
holds the two equal.
"""

from typing import Any

import orjson
from pydantic import BaseModel, ValidationError

from app.core.errors import (
    InvalidJson,
    InvalidMessage,
    InvalidSampleRate,
    MessageTooBig,
    PrompterError,
    UnknownType,
    UnsupportedFormat,
)
from app.schemas.speech_socket import Auth, Flush, Ping, Resume, Start, Stop
from app.services.audio.pcm import RATES_HZ, decode_base64
from app.utils.validation import explain_validation

_MODELS: dict[str, type[BaseModel]] = {
    "auth": Auth,
    "start": Start,
    "resume": Resume,
    "flush": Flush,
    "stop": Stop,
    "ping": Ping,
}
KNOWN_TYPES = ("audio", *_MODELS)

ControlMessage = Auth | Start | Resume | Flush | Stop | Ping


def check_size(message: str | bytes, max_bytes: int, setting: str = "limits.message_bytes") -> None:
    """Refuse a message that is too big.

    Raises:
        MessageTooBig
    """
    size = len(message)
    if 4 * size <= max_bytes:
        return  # a character of UTF-8 takes four bytes at most
    if isinstance(message, str):
        size = len(message.encode())
    if size > max_bytes:
        raise MessageTooBig(f"a message holds at most {max_bytes} bytes ({setting}); send smaller chunks")


def parse_json(text: str) -> dict[str, Any]:
    """The object that a text message holds.

    Raises:
        InvalidJson, InvalidMessage
    """
    try:
        body = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise InvalidJson(f"the message is not JSON (at character {error.pos})") from None
    if not isinstance(body, dict):
        raise InvalidMessage("a message is a JSON object with a `type`")
    return body


def parse_seq(body: dict[str, Any]) -> int | None:
    """The number that an `audio` message gives itself, if any.

    Raises:
        InvalidMessage
    """
    seq = body.get("seq")
    if seq is not None and (type(seq) is not int or seq < 1):
        raise InvalidMessage("`seq` must be an integer: the number of this audio message since `start`")
    return seq


def parse_pcm(body: dict[str, Any]) -> bytes:
    """The PCM16 bytes of an `audio` message; its `sample_rate` is valid, too.

    Raises:
        UnsupportedFormat, InvalidSampleRate, InvalidMessage, InvalidBase64, OddLength
    """
    form, rate, data = body.get("format"), body.get("sample_rate"), body.get("data")
    if form != "pcm16":
        raise UnsupportedFormat("`format` must be 'pcm16': signed 16-bit little-endian mono")
    if type(rate) is not int or rate not in RATES_HZ:
        raise InvalidSampleRate("`sample_rate` must be an integer from 8000 to 48000 (Hz)")
    if type(data) is not str:
        raise InvalidMessage("`data` must be a string: base64 of the samples, or a `data:` URL of it")
    return decode_base64(data.partition(",")[2] if data.startswith("data:") else data)


def parse_control(body: dict[str, Any]) -> ControlMessage:
    """Any message but `audio`.

    Raises:
        UnknownType, InvalidMessage, InvalidSampleRate
    """
    kind = body.get("type")
    if not isinstance(kind, str):
        raise InvalidMessage(f"`type` must be one of {', '.join(KNOWN_TYPES)}")
    if kind not in _MODELS:
        raise UnknownType(f"unknown message type; known: {', '.join(KNOWN_TYPES)}")
    try:
        message: ControlMessage = _MODELS[kind].model_validate(body)  # type: ignore[assignment]  # one of the table
    except ValidationError as error:
        raise _refusal(error) from None
    return message


def _refusal(error: ValidationError) -> PrompterError:
    if error.errors()[0]["loc"][-1:] == ("sample_rate",):
        return InvalidSampleRate("`config.sample_rate` must be an integer from 8000 to 48000 (Hz)")
    return InvalidMessage(explain_validation(error))
