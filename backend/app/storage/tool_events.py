"""Tool events: which tools were called in an answer and what came of each call, as stored with the answer."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, get_args

from app.schemas.chat import ToolEventName
from app.storage.common import replace_unstorable

CALL_ENDS: frozenset[ToolEventName] = frozenset(("tool_result", "tool_error"))
"""Every call ends with one of these events."""
MOST_CHARS = 32_000
"""Longest text within an event: every list of messages carries it."""
_NAMES = frozenset(get_args(ToolEventName))
_MOST_LEVELS = 12
_MOST_ITEMS = 200
_EXACT_INTEGERS = 1 << 53
"""Every JSON reader keeps smaller integers exact."""
_MOST_INTEGER_BITS = 1024
"""Longer integers are not written out: that takes the square of their length."""


@dataclass(frozen=True, slots=True)
class ToolEvent:
    """One event, and its position in the answer. The same value is stored and sent to readers."""

    name: ToolEventName
    text: int
    """Characters of the answer's text before the event."""
    reasoning: int
    """Characters of the answer's reasoning before the event."""
    data: dict[str, Any] = field(repr=False)
    """What readers get; `call_id` says which call it belongs to."""

    @classmethod
    def create(cls, name: ToolEventName, text: int, reasoning: int, data: Mapping[str, Any]) -> "ToolEvent":
        """An event whose data can be stored and sent, whatever a model or a tool put into it."""
        plain = {key: to_plain_json(value) for key, value in data.items()}
        return cls(name=name, text=text, reasoning=reasoning, data=plain)

    @property
    def call_id(self) -> str:
        return str(self.data.get("call_id", ""))

    def to_json(self) -> dict[str, Any]:
        """The event as it is stored, listed and exported."""
        return {"event": self.name, "text": self.text, "reasoning": self.reasoning, "data": self.data}


def load_tool_events(tool_data: Sequence[Any] | None) -> tuple[ToolEvent, ...]:
    """The events in a message's `tool_data`. Entries in an unknown format, from another version, are skipped."""
    loaded = (_load(entry) for entry in tool_data or ())
    return tuple(event for event in loaded if event is not None)


def dump_tool_events(events: Iterable[ToolEvent]) -> list[Any] | None:
    """The `tool_data` to store; None without events."""
    return [event.to_json() for event in events] or None


def interrupt_open_calls(
    events: Sequence[ToolEvent], *, text: int, reasoning: int, code: str, message: str
) -> list[ToolEvent]:
    """The `tool_error` events of the calls that were still open when their answer ended, in order.

    A call that waited for its user was not made. How any other one ended is unknown.
    """
    ended = {event.call_id for event in events if event.name in CALL_ENDS}
    asked = {event.call_id for event in events if event.name == "approval_required"}
    waiting = asked - {event.call_id for event in events if event.name == "approval_decided"}
    errors = []
    for call in events:
        if call.name == "tool_call" and call.call_id not in ended:
            known = "the call was not made" if call.call_id in waiting else "how the call ended is unknown"
            about = {key: call.data.get(key) for key in ("call_id", "name", "toolset")}
            data = {**about, "code": code, "error": f"{message}; {known}", "ms": None}
            errors.append(ToolEvent(name="tool_error", text=text, reasoning=reasoning, data=data))
    return errors


def to_plain_json(value: Any, level: int = 0) -> Any:
    """The value as JSON that every database and reader accepts: bounded in depth, width and length."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        return replace_unstorable(value if len(value) <= MOST_CHARS else f"{value[:MOST_CHARS]}…")
    if isinstance(value, int):
        if abs(value) < _EXACT_INTEGERS:
            return value
        return str(value) if value.bit_length() < _MOST_INTEGER_BITS else "…"
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    if level == _MOST_LEVELS:
        return "…"
    if isinstance(value, Mapping):
        pairs = list(value.items())[:_MOST_ITEMS]
        return {to_plain_json(str(key)): to_plain_json(each, level + 1) for key, each in pairs}
    if isinstance(value, list | tuple):
        return [to_plain_json(each, level + 1) for each in value[:_MOST_ITEMS]]
    return to_plain_json(str(value))


def _load(entry: Any) -> ToolEvent | None:
    if not isinstance(entry, dict) or entry.get("event") not in _NAMES:
        return None
    text, reasoning, data = entry.get("text"), entry.get("reasoning"), entry.get("data")
    if not (isinstance(text, int) and isinstance(reasoning, int) and isinstance(data, dict)):
        return None
    return ToolEvent(name=entry["event"], text=text, reasoning=reasoning, data=data)
