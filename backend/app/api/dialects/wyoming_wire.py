"""The wire of the Wyoming protocol: a line of JSON, then data and a payload of the lengths that it names; pure.

The protocol: https://github.com/OHF-Voice/wyoming
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson

from app.core.errors import InvalidMessage, MessageTooBig

HEADER_BYTES = 64 << 10
"""Longest line, and most data behind it: the terms that are likely to be said are the longest part of it."""


@dataclass(frozen=True, slots=True)
class WyomingEvent:
    """One event, in either direction."""

    type: str
    data: Mapping[str, Any] = field(default_factory=dict)
    payload: bytes = b""


class EventDecoder:
    """Takes bytes as they come and gives whole events. It holds at most one event, and what `feed` brought last."""

    def __init__(self, payload_bytes: int) -> None:
        """`payload_bytes`: the longest payload of an event."""
        self._payload_bytes = payload_bytes
        self._buffer = bytearray()
        self._header: dict[str, Any] | None = None
        """The header whose data and payload are still missing."""

    def feed(self, data: bytes) -> None:
        """Take what came; all events that it completes are taken by `next` before the next call."""
        self._buffer += data

    def next(self) -> WyomingEvent | None:
        """The next whole event; None until more has come.

        Raises:
            InvalidMessage, MessageTooBig: where the next event begins is not known any more.
        """
        if self._header is None and not self._read_header():
            return None
        header = self._header
        assert header is not None
        data_bytes, payload_bytes = header["data_length"], header["payload_length"]
        if len(self._buffer) < data_bytes + payload_bytes:
            return None
        data = {**header["data"], **_parse_object(bytes(self._buffer[:data_bytes]))}
        payload = bytes(self._buffer[data_bytes : data_bytes + payload_bytes])
        del self._buffer[: data_bytes + payload_bytes]
        self._header = None
        return WyomingEvent(header["type"], data, payload)

    def _read_header(self) -> bool:
        end = self._buffer.find(b"\n", 0, HEADER_BYTES)
        if end < 0:
            if len(self._buffer) >= HEADER_BYTES:
                raise MessageTooBig(f"the line of an event has at most {HEADER_BYTES} bytes")
            if self._buffer and not self._buffer.startswith(b"{"):
                raise InvalidMessage(_EXPECTED)  # at once: another protocol's client may never send a line
            return False
        header = _parse_object(bytes(self._buffer[:end]))
        del self._buffer[: end + 1]
        data = {} if header.get("data") is None else header["data"]
        if not isinstance(header.get("type"), str) or not isinstance(data, dict):
            raise InvalidMessage(_EXPECTED)
        self._header = {
            "type": header["type"],
            "data": data,
            "data_length": _check_length(header.get("data_length"), "data_length", HEADER_BYTES),
            "payload_length": _check_length(
                header.get("payload_length"), "payload_length", self._payload_bytes
            ),
        }
        return True


_EXPECTED = 'expected an event of the Wyoming protocol: a line such as {"type": "describe"}'


def _parse_object(raw: bytes) -> dict[str, Any]:
    if not raw:
        return {}
    try:
        parsed = orjson.loads(raw)
    except orjson.JSONDecodeError:
        raise InvalidMessage(_EXPECTED) from None
    if not isinstance(parsed, dict):
        raise InvalidMessage(_EXPECTED)
    return parsed


def _check_length(value: object, name: str, most: int) -> int:
    if value is None:
        return 0
    if type(value) is not int or value < 0:
        raise InvalidMessage(f"`{name}` is a number of bytes")
    if value > most:
        raise MessageTooBig(f"`{name}` is at most {most}; send smaller chunks")
    return value


def encode_event(event: WyomingEvent) -> bytes:
    """The event as the official package writes it: its data behind the line."""
    header: dict[str, Any] = {"type": event.type}
    data = orjson.dumps(dict(event.data)) if event.data else b""
    if data:
        header["data_length"] = len(data)
    if event.payload:
        header["payload_length"] = len(event.payload)
    return b"%s\n%s%s" % (orjson.dumps(header), data, event.payload)
