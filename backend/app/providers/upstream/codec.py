"""Server-sent events and JSON of upstreams, decoded piece by piece with bounded memory; pure."""

import json
from typing import Any

import orjson

_MAX_EVENT_BYTES = 1 << 20


class EventTooLong(ValueError):
    """One event grew beyond the bound."""


class SseDecoder:
    """Takes bytes cut anywhere, gives the data of each finished event.

    Comments give nothing. A line that starts with a brace counts as data: some servers fail that way
    in mid-stream (Open WebUI meets them too).
    """

    def __init__(self, limit_bytes: int = _MAX_EVENT_BYTES) -> None:
        self._limit_bytes = limit_bytes
        self._rest = bytearray()
        self._data: list[bytes] = []
        self._size = 0

    def feed(self, piece: bytes) -> list[bytes]:
        """The events that `piece` completes.

        Raises:
            EventTooLong: an event is longer than the bound.
        """
        self._rest += piece
        if len(self._rest) + self._size > self._limit_bytes + len(piece):
            raise EventTooLong
        if b"\n" not in piece and b"\r" not in piece:
            return []  # a long line in many pieces is not looked through again and again
        buffer = bytes(self._rest)
        # A lone CR ends a line too, but at the end of a piece it may be half of CRLF.
        held = buffer.endswith(b"\r")
        lines = buffer.removesuffix(b"\r").replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n")
        self._rest = bytearray(lines.pop())
        if held:
            self._rest += b"\r"
        return [event for line in lines if (event := self._line(line)) is not None]

    def finish(self) -> list[bytes]:
        """What is left when the body ends without a blank line."""
        rest = bytes(self._rest).rstrip(b"\r")
        self._rest.clear()
        last = [self._line(rest), self._line(b"")]
        return [event for event in last if event is not None]

    def _line(self, line: bytes) -> bytes | None:
        if not line:
            if not self._data:
                return None
            event = b"\n".join(self._data)
            self._data, self._size = [], 0
            return event
        if line.startswith(b"{") and not self._data:
            return line
        if line.startswith(b"data:"):
            value = line[5:].removeprefix(b" ")
            self._data.append(value)
            self._size += len(line) + 1  # an empty line costs too
        return None


MAX_JSON_LEVELS = 200
"""Lists and objects in one another; what is put around them goes on to the client, whose JSON has a limit too."""


class JsonTooDeep(ValueError):
    """It nests more levels than any answer has."""


def parse_json(text: bytes) -> Any:
    """The value that is written there.

    Raises:
        TooDeep: see there.
        ValueError: it is no JSON, also not Python's.
    """
    try:
        value = orjson.loads(text)
    except orjson.JSONDecodeError:
        value = _parse_leniently(text)
    # Counting is a hundred times cheaper than walking, which next to no answer needs.
    if text.count(b"[") + text.count(b"{") > MAX_JSON_LEVELS and _count_levels(value) > MAX_JSON_LEVELS:
        raise JsonTooDeep
    return value


def _parse_leniently(text: bytes) -> Any:
    """As Python writes JSON: with NaN, and with halves of surrogate pairs where a token ends in mid-character."""
    try:
        value = json.loads(text.decode("utf-8", "replace"), parse_constant=lambda _: None)
        return orjson.loads(json.dumps(value, ensure_ascii=False).encode("utf-8", "replace"))
    except RecursionError as error:
        raise JsonTooDeep from error


def _count_levels(value: Any) -> int:
    levels, inside = 0, [value]
    while inside := [each for each in inside if isinstance(each, dict | list)]:
        levels += 1
        inside = [each for one in inside for each in (one.values() if isinstance(one, dict) else one)]
    return levels
