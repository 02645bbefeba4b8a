"""The JSON of answers, read with patience: half a character or a NaN costs itself, not the answer; pure."""

import json
from typing import Any

import orjson

MOST_LEVELS = 200
"""Lists and objects in one another; what is put around them goes on to the client, whose JSON has a limit too."""


class TooDeep(ValueError):
    """It nests more levels than any answer has."""


def json_of(text: bytes) -> Any:
    """The value that is written there.

    Raises:
        TooDeep: see there.
        ValueError: it is no JSON, also not Python's.
    """
    try:
        value = orjson.loads(text)
    except orjson.JSONDecodeError:
        value = _patiently(text)
    # Counting is a hundred times cheaper than walking, which next to no answer needs.
    if text.count(b"[") + text.count(b"{") > MOST_LEVELS and _levels(value) > MOST_LEVELS:
        raise TooDeep
    return value


def _patiently(text: bytes) -> Any:
    """As Python writes JSON: with NaN, and with halves of surrogate pairs where a token ends in mid-character."""
    try:
        value = json.loads(text.decode("utf-8", "replace"), parse_constant=lambda _: None)
        return orjson.loads(json.dumps(value, ensure_ascii=False).encode("utf-8", "replace"))
    except RecursionError as error:
        raise TooDeep from error


def _levels(value: Any) -> int:
    levels, inside = 0, [value]
    while inside := [each for each in inside if isinstance(each, dict | list)]:
        levels += 1
        inside = [each for one in inside for each in (one.values() if isinstance(one, dict) else one)]
    return levels
