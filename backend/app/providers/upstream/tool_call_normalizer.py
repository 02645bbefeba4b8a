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


class _Outline:
    """The brackets of a JSON text that comes in pieces."""

    __slots__ = ("_depth", "_has_begun", "_is_escaped", "_is_in_string")

    def __init__(self) -> None:
        self._depth = 0
        self._has_begun = self._is_in_string = self._is_escaped = False

    @property
    def is_whole(self) -> bool:
        """Whether all brackets are closed, so that nothing can follow."""
        return self._has_begun and self._depth == 0

    def add(self, text: str) -> None:
        for char in text:
            if self._is_in_string:
                self._is_in_string = self._is_escaped or char != '"'
                self._is_escaped = char == "\\" and not self._is_escaped
            elif char == '"':
                self._is_in_string = True
            elif char in "{[":
                self._depth, self._has_begun = self._depth + 1, True
            elif char in "}]":
                self._depth -= 1


@dataclass(slots=True)
class _CallState:
    """One tool call, as far as its deltas have come."""

    index: int = -1
    """Its number for the client; -1 until its name is known."""
    id: str = ""
    """As the upstream gave it."""
    arguments: str = ""
    """Held until the name is known."""
    name: str = ""
    outline: _Outline = field(default_factory=_Outline)
    """Of the arguments, where pieces come without an index: whether they are whole tells calls apart."""
    extra: dict[str, Any] = field(default_factory=dict)


class ToolCallNormalizer:
    """Normalizes the streamed tool calls of one choice: each gets one index, one id and one name, sent once.

    A delta without `index` belongs to the call with its id, or to the last call. Without an id, one that repeats the
    name belongs to the last call too, while that call's arguments are not whole.
    """

    def __init__(self) -> None:
        self._calls: list[_CallState] = []
        self._by_number: dict[int, _CallState] = {}
        """Calls by the `index` that the upstream gave them."""
        self.count = 0
        """Calls that were passed on."""
        self._repeated = ""
        """A name that came again without arguments, after a call that is whole: of a new call, if arguments follow."""

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
        name, arguments = function.get("name"), encode_arguments(function.get("arguments"))
        is_numbered = type(delta.get("index")) is int
        if not is_numbered and "custom" not in delta:
            if self._is_repetition(delta, name, arguments):
                return None
            if self._repeated and arguments:
                name, self._repeated = name or self._repeated, ""
        call = self._find_call(delta, name)
        if "custom" in delta:
            return self._pass_custom(call, delta)
        if not is_numbered:
            call.outline.add(arguments)
        if call.index >= 0:
            return _continue_call(call, delta, arguments)
        call.id = call.id or string_or_empty(delta.get("id"))
        call.arguments += arguments
        call.extra |= {key: value for key, value in delta.items() if key not in _STANDARD_FIELDS}
        if not name or not isinstance(name, str):
            if len(call.arguments) > _MAX_UNNAMED_CHARS:
                raise TooManyToolCalls
            return None  # LM Studio began calls with an empty name; a client would fail on it
        call.index, call.name = self.count, name
        self.count += 1
        head = {"index": call.index, "id": call.id or f"call_{uuid4().hex}", "type": "function"}
        return head | call.extra | {"function": function | {"name": name, "arguments": call.arguments}}

    def _is_repetition(self, delta: dict[str, Any], name: Any, arguments: str) -> bool:
        """Whether a delta only repeats the name of the last call, which is whole."""
        last = self._calls[-1] if self._calls else None
        if (
            not last
            or arguments
            or not name
            or delta.get("id")
            or name != last.name
            or not last.outline.is_whole
        ):
            return False
        self._repeated = name
        return True

    def _pass_custom(self, call: _CallState, delta: dict[str, Any]) -> dict[str, Any]:
        """Pass a call of OpenAI's type `custom` on, with our index."""
        if call.index < 0:
            call.index, call.id = self.count, string_or_empty(delta.get("id"))
            self.count += 1
        return delta | {"index": call.index}

    def _find_call(self, delta: dict[str, Any], name: Any) -> _CallState:
        """Return the call that a delta belongs to; a new one where it belongs to none."""
        number, call_id = delta.get("index"), string_or_empty(delta.get("id"))
        if type(number) is int:
            found = self._by_number.get(number)
            # Some servers number all parallel calls 0: another id with another name is another call.
            if found and not (name and call_id and found.id and call_id != found.id):
                return found
        elif call_id and (found := next((call for call in self._calls if call.id == call_id), None)):
            return found
        elif self._calls and self._goes_on(self._calls[-1], call_id, name):
            return self._calls[-1]
        if len(self._calls) >= _MAX_CALLS:
            raise TooManyToolCalls
        call = _CallState()
        self._calls.append(call)
        if type(number) is int:
            self._by_number[number] = call
        return call

    def _goes_on(self, last: _CallState, call_id: str, name: Any) -> bool:
        """Whether a delta that has no index, and no id of a call, goes on with the last call."""
        if last.index < 0:
            return not call_id or not last.id
        if name:
            return not call_id and name == last.name and not last.outline.is_whole
        return not call_id or not last.outline.is_whole


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


def _continue_call(call: _CallState, delta: dict[str, Any], arguments: str) -> dict[str, Any] | None:
    """Return the next piece of a call without id, type and name: clients join what is repeated."""
    extra = {key: value for key, value in delta.items() if key not in _STANDARD_FIELDS}
    if not arguments and not extra:
        return None
    return extra | {"index": call.index, "function": {"arguments": arguments}}
