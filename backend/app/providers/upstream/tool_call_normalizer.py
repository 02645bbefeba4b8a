"""Repairs an upstream's tool calls: missing indexes, late or repeated names and ids, arguments as objects; no I/O."""

from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import orjson

from app.providers.upstream.field_normalizers import string_or_empty

_MAX_CALLS = 128
_MAX_UNNAMED_CHARS = 1 << 20
_STANDARD_FIELDS = frozenset({"index", "id", "type", "function"})


class TooManyToolCalls(ValueError):
    """A choice makes more tool calls, or a longer one without a name, than any answer has."""


@dataclass(slots=True)
class _CallState:
    """One tool call, as far as its deltas have come."""

    index: int = -1
    """Its number for the client; -1 until its name is known."""
    id: str = ""
    """As the upstream gave it."""
    arguments: str = ""
    """Held until the name is known."""
    extra: dict[str, Any] = field(default_factory=dict)


class ToolCallNormalizer:
    """Normalizes the streamed tool calls of one choice: each gets one index, one id and one name, sent once.

    A delta without `index` belongs to the call with its id, or to the last call.
    """

    def __init__(self) -> None:
        self._calls: list[_CallState] = []
        self._by_number: dict[int, _CallState] = {}
        """Calls by the `index` that the upstream gave them."""
        self.count = 0
        """Calls that were passed on."""

    def normalize(self, deltas: Any) -> list[dict[str, Any]]:
        """Return the deltas to pass on: id, type and name in the first one of a call, then pieces of its arguments.

        Raises:
            TooManyToolCalls: the answer is out of bounds.
        """
        if isinstance(deltas, dict):
            deltas = [deltas]
        if not isinstance(deltas, list):
            return []
        normalized = [self._normalize_delta(delta) for delta in deltas if isinstance(delta, dict)]
        return [delta for delta in normalized if delta is not None]

    def _normalize_delta(self, delta: dict[str, Any]) -> dict[str, Any] | None:
        function = delta.get("function")
        if not isinstance(function, dict):
            function = {}
        name = function.get("name")
        call = self._find_call(delta, has_name=bool(name))
        if "custom" in delta:
            return self._pass_custom(call, delta)
        if call.index >= 0:
            return _continue_call(call, delta, function)
        call.id = call.id or string_or_empty(delta.get("id"))
        call.arguments += encode_arguments(function.get("arguments"))
        call.extra |= {key: value for key, value in delta.items() if key not in _STANDARD_FIELDS}
        if not name or not isinstance(name, str):
            if len(call.arguments) > _MAX_UNNAMED_CHARS:
                raise TooManyToolCalls
            return None  # LM Studio began calls with an empty name; a client would fail on it
        call.index = self.count
        self.count += 1
        head = {"index": call.index, "id": call.id or f"call_{uuid4().hex}", "type": "function"}
        return head | call.extra | {"function": function | {"name": name, "arguments": call.arguments}}

    def _pass_custom(self, call: _CallState, delta: dict[str, Any]) -> dict[str, Any]:
        """Pass a call of OpenAI's type `custom` on, with our index."""
        if call.index < 0:
            call.index, call.id = self.count, string_or_empty(delta.get("id"))
            self.count += 1
        return delta | {"index": call.index}

    def _find_call(self, delta: dict[str, Any], *, has_name: bool) -> _CallState:
        """Return the call that a delta belongs to; a new one where it belongs to none."""
        number, call_id = delta.get("index"), string_or_empty(delta.get("id"))
        if type(number) is int:
            found = self._by_number.get(number)
            # Some servers number all parallel calls 0: another id with another name is another call.
            if found and not (has_name and call_id and found.id and call_id != found.id):
                return found
        elif call_id:
            found = next((call for call in self._calls if call.id == call_id), None)
            if found:
                return found
        elif self._calls and not (has_name and self._calls[-1].index >= 0):
            return self._calls[-1]
        if len(self._calls) >= _MAX_CALLS:
            raise TooManyToolCalls
        call = _CallState()
        self._calls.append(call)
        if type(number) is int:
            self._by_number[number] = call
        return call


def normalize_tool_calls(calls: Any) -> list[dict[str, Any]]:
    """Return the calls of a whole message, each with id, type, name and arguments; calls without a name are dropped."""
    normalized = []
    for call in calls if isinstance(calls, list) else []:
        # A normalizer for each: in a whole message every call is complete, whatever its number or id.
        for delta in ToolCallNormalizer().normalize([call]):
            del delta["index"]
            normalized.append(delta)
    return normalized


def encode_arguments(value: Any) -> str:
    """Return the arguments of a call as JSON text; some servers send the object itself."""
    if isinstance(value, str):
        return value
    return orjson.dumps(value).decode() if isinstance(value, dict | list) else ""


def _continue_call(
    call: _CallState, delta: dict[str, Any], function: dict[str, Any]
) -> dict[str, Any] | None:
    """Return the next piece of a call without id, type and name: clients join what is repeated."""
    arguments = encode_arguments(function.get("arguments"))
    extra = {key: value for key, value in delta.items() if key not in _STANDARD_FIELDS}
    if not arguments and not extra:
        return None
    return extra | {"index": call.index, "function": {"arguments": arguments}}
