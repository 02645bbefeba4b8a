"""What happened in an answer besides its words: tools that were called and what became of it, as stored with it."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

from app.storage.common import replace_unstorable

Name = Literal["tool_call", "approval_required", "approval_decided", "tool_result", "tool_error"]
ENDS: frozenset[Name] = frozenset(("tool_result", "tool_error"))
"""A call ends with one of these."""
_NAMES = frozenset(get_args(Name))
_MOST_DEEP = 12
_MOST_ITEMS = 200
MOST_CHARS = 32_000
"""Of one text; more is what nobody reads, and every list of messages would carry."""
_INTEGERS = 1 << 53
"""What every reader of JSON takes."""


@dataclass(frozen=True, slots=True)
class ToolEvent:
    """One event, and after how much of the answer it came."""

    name: Name
    text: int
    """Characters of the text that stood before it, …"""
    reasoning: int
    """… and of the reasoning."""
    data: dict[str, Any] = field(repr=False)
    """As readers are told it; `call_id` says of which call."""

    @property
    def call_id(self) -> str:
        return str(self.data.get("call_id", ""))

    def to_json(self) -> dict[str, Any]:
        """As it is stored and exported."""
        return {"event": self.name, "text": self.text, "reasoning": self.reasoning, "data": self.data}


def make_tool_event(name: Name, text: int, reasoning: int, data: Mapping[str, Any]) -> ToolEvent:
    """One whose data can be stored and sent, whatever a model or a tool has put into it."""
    return ToolEvent(name, text, reasoning, {key: plain(value) for key, value in data.items()})


def load_tool_events(tool_data: Sequence[Any] | None) -> tuple[ToolEvent, ...]:
    """What is stored with a message; entries that another version wrote otherwise are left out."""
    found = (_one(entry) for entry in tool_data or ())
    return tuple(each for each in found if each is not None)


def dump_tool_events(happened: Iterable[ToolEvent]) -> list[Any] | None:
    """What to store; None where nothing happened."""
    return [each.to_json() for each in happened] or None


def open_calls(happened: Sequence[ToolEvent]) -> list[ToolEvent]:
    """The calls that have no end yet, in their order."""
    ended = {each.call_id for each in happened if each.name in ENDS}
    return [each for each in happened if each.name == "tool_call" and each.call_id not in ended]


def cut_short(call: ToolEvent, text: int, reasoning: int, code: str, message: str) -> ToolEvent:
    """The end of a call whose answer ended first."""
    about = {key: call.data.get(key) for key in ("call_id", "name", "toolset")}
    return ToolEvent("tool_error", text, reasoning, {**about, "code": code, "error": message, "ms": None})


def plain(value: Any, deep: int = 0) -> Any:
    """A value as JSON that every database, reader and model takes: bounded in depth, width and length."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        return replace_unstorable(value if len(value) <= MOST_CHARS else f"{value[:MOST_CHARS]}…")
    if isinstance(value, int):
        return value if abs(value) < _INTEGERS else str(value) if value.bit_length() < _INT_BITS else "…"
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    if deep == _MOST_DEEP:
        return "…"
    if isinstance(value, Mapping):
        pairs = list(value.items())[:_MOST_ITEMS]
        return {plain(str(key)): plain(each, deep + 1) for key, each in pairs}
    if isinstance(value, list | tuple):
        return [plain(each, deep + 1) for each in value[:_MOST_ITEMS]]
    return plain(str(value))


_INT_BITS = 1024
"""Longer numbers are nobody's id; writing them out would take the square of their length."""


def _one(entry: Any) -> ToolEvent | None:
    if not isinstance(entry, dict) or entry.get("event") not in _NAMES:
        return None
    text, reasoning, data = entry.get("text"), entry.get("reasoning"), entry.get("data")
    if not (isinstance(text, int) and isinstance(reasoning, int) and isinstance(data, dict)):
        return None
    return ToolEvent(entry["event"], text, reasoning, data)
