"""Decodes server-sent events and JSON of upstreams, with bounded memory and depth. Nothing here does I/O."""

import json
from typing import Any

import orjson

_MAX_EVENT_BYTES = 1 << 20
_NAME_BYTES = 100
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_PLAIN_NAMES = frozenset({b"", b"message", b"error"})
"""Names of events whose data is part of the answer, whatever it looks like."""
MAX_JSON_LEVELS = 200
"""Lists and objects inside each other. Our answer nests the upstream's a little deeper, and clients have a limit."""


class EventTooLong(ValueError):
    """One event is longer than the limit."""


class JsonTooDeep(ValueError):
    """A JSON value nests more than `MAX_JSON_LEVELS` levels."""


class SseDecoder:
    """Takes the bytes of a stream, cut anywhere, and returns the data of each complete event.

    Comments are dropped, and so are events without data and named events whose data is no JSON: they keep a
    connection alive. A line that starts with a brace counts as data: some servers report a failure that way in the
    middle of a stream.
    """

    def __init__(self, limit_bytes: int = _MAX_EVENT_BYTES) -> None:
        self._limit_bytes = limit_bytes
        self._rest = bytearray()
        """The start of a line whose end has not come."""
        self._data: list[bytes] = []
        """The data lines of the event whose end has not come."""
        self._name = b""
        """The name of the event whose end has not come."""
        self._is_at_start = True
        self._size = 0

    def feed(self, piece: bytes) -> list[bytes]:
        """Return the events that `piece` completes.

        Raises:
            EventTooLong: an event is longer than the limit.
        """
        self._rest += piece
        if self._is_at_start:
            if _BYTE_ORDER_MARK.startswith(self._rest):
                return []
            self._is_at_start = False
            self._rest = self._rest.removeprefix(_BYTE_ORDER_MARK)
        if len(self._rest) + self._size > self._limit_bytes + len(piece):
            raise EventTooLong
        if b"\n" not in piece and b"\r" not in piece:
            return []  # a long line in many pieces is not searched again and again
        buffer = bytes(self._rest)
        # A lone CR ends a line too, but at the end of a piece it may be half of CRLF.
        ends_with_cr = buffer.endswith(b"\r")
        lines = buffer.removesuffix(b"\r").replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n")
        self._rest = bytearray(lines.pop())
        if ends_with_cr:
            self._rest += b"\r"
        return [event for line in lines if (event := self._take_line(line)) is not None]

    def finish(self) -> list[bytes]:
        """Return the events that are left when the body ends without a blank line."""
        rest = bytes(self._rest).rstrip(b"\r")
        self._rest.clear()
        events = [self._take_line(rest), self._take_line(b"")]
        return [event for event in events if event is not None]

    def _take_line(self, line: bytes) -> bytes | None:
        """Return the event that a line completes."""
        if not line:
            if not self._data:
                self._name = b""
                return None
            event = b"\n".join(self._data)
            self._data, self._size = [], 0
            return event if event.strip() and not self._name else self._end_named(event)
        if line.startswith(b"{") and not self._data:
            return line
        if line.startswith(b"data:"):
            value = line[5:].removeprefix(b" ")
            self._data.append(value)
            self._size += len(line) + 1  # an empty line costs memory too
        elif line.startswith(b"event:"):
            self._name = line[6:].strip()[:_NAME_BYTES]
        return None

    def _end_named(self, event: bytes) -> bytes | None:
        """Return an event that has a name or no data, if it says something of the answer."""
        name, self._name = self._name, b""
        is_json = event.lstrip().startswith((b"{", b"["))
        if not event.strip() or (name not in _PLAIN_NAMES and not is_json):
            return None
        if name != b"error" or b'"error"' in event:
            return event
        return b'{"error":%s}' % (event if is_json else orjson.dumps(event.decode("utf-8", "replace")))


def parse_json(text: bytes) -> Any:
    """Return the value of a JSON text, also of Python's dialect with NaN and halves of surrogate pairs.

    Raises:
        JsonTooDeep: it nests more than `MAX_JSON_LEVELS` levels.
        ValueError: it is not JSON.
    """
    try:
        value = orjson.loads(text)
    except orjson.JSONDecodeError:
        value = _parse_leniently(text)
    # Counting brackets costs a hundredth of walking the value, which almost no answer needs.
    if text.count(b"[") + text.count(b"{") > MAX_JSON_LEVELS and count_levels(value) > MAX_JSON_LEVELS:
        raise JsonTooDeep
    return value


def _parse_leniently(text: bytes) -> Any:
    """Read NaN as None, and half a surrogate pair, where a token ends inside a character, as a replacement."""
    try:
        value = json.loads(text.decode("utf-8", "replace"), parse_constant=lambda _: None)
        return orjson.loads(json.dumps(value, ensure_ascii=False).encode("utf-8", "replace"))
    except RecursionError as error:
        raise JsonTooDeep from error


def count_levels(value: Any) -> int:
    levels, inside = 0, [value]
    while inside := [each for each in inside if isinstance(each, dict | list)]:
        levels += 1
        inside = [each for one in inside for each in (one.values() if isinstance(one, dict) else one)]
    return levels
