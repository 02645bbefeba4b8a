"""Tool calls as upstreams stream them, made canonical: numbered, named at once, told in pieces; pure."""

from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

from app.providers.upstream.wire.fields import arguments_of

_MOST_CALLS = 128
_HELD_CHARS = 1 << 20
_OWN = frozenset({"index", "id", "type", "function"})


class TooManyCalls(ValueError):
    """More calls, or longer ones without a name, than any answer has."""


@dataclass(slots=True)
class _Call:
    index: int = -1
    """Its number for the client; -1 until its name is known."""
    id: str = ""
    """As the upstream gave it."""
    arguments: str = ""
    """Held until the name is known."""
    extra: dict[str, Any] = field(default_factory=dict)


class ToolCalls:
    """The calls of one choice. Deltas without `index` are joined to their call by id, or to the last one."""

    def __init__(self) -> None:
        self._calls: list[_Call] = []
        self._numbered: dict[int, _Call] = {}
        self.told = 0
        """How many calls the client has been told of."""

    def take(self, deltas: Any) -> list[dict[str, Any]]:
        """What to tell of these deltas: id, type and name once, then pieces of arguments.

        Raises:
            TooManyCalls: see there.
        """
        if isinstance(deltas, dict):
            deltas = [deltas]
        if not isinstance(deltas, list):
            return []
        told = [self._one(delta) for delta in deltas if isinstance(delta, dict)]
        return [delta for delta in told if delta is not None]

    def _one(self, delta: dict[str, Any]) -> dict[str, Any] | None:
        function = delta.get("function")
        if not isinstance(function, dict):
            function = {}
        name = function.get("name")
        call = self._call_of(delta, named=bool(name))
        if "custom" in delta:
            return self._custom(call, delta)
        if call.index >= 0:
            return _piece(call, delta, function)
        call.id = call.id or _text(delta.get("id"))
        call.arguments += arguments_of(function.get("arguments"))
        call.extra |= {key: value for key, value in delta.items() if key not in _OWN}
        if not name or not isinstance(name, str):
            if len(call.arguments) > _HELD_CHARS:
                raise TooManyCalls
            return None  # LM Studio began calls with an empty name; a client would fail on it
        call.index = self.told
        self.told += 1
        head = {"index": call.index, "id": call.id or f"call_{uuid4().hex}", "type": "function"}
        return head | call.extra | {"function": function | {"name": name, "arguments": call.arguments}}

    def _custom(self, call: _Call, delta: dict[str, Any]) -> dict[str, Any]:
        if call.index < 0:
            call.index, call.id = self.told, _text(delta.get("id"))
            self.told += 1
        return delta | {"index": call.index}

    def _call_of(self, delta: dict[str, Any], *, named: bool) -> _Call:
        number, identity = delta.get("index"), _text(delta.get("id"))
        if type(number) is int:
            found = self._numbered.get(number)
            # Some servers number all parallel calls 0: another id with another name is another call.
            if found and not (named and identity and found.id and identity != found.id):
                return found
        elif identity:
            found = next((call for call in self._calls if call.id == identity), None)
            if found:
                return found
        elif self._calls and not (named and self._calls[-1].index >= 0):
            return self._calls[-1]
        if len(self._calls) >= _MOST_CALLS:
            raise TooManyCalls
        call = _Call()
        self._calls.append(call)
        if type(number) is int:
            self._numbered[number] = call
        return call


def whole_calls(calls: Any) -> list[dict[str, Any]]:
    """The calls of a whole message: each with id, type, name and arguments; those without a name left out."""
    whole = []
    for call in calls if isinstance(calls, list) else []:
        # One reader for each: every call is complete, whatever its number or id.
        for told in ToolCalls().take([call]):
            del told["index"]
            whole.append(told)
    return whole


def _piece(call: _Call, delta: dict[str, Any], function: dict[str, Any]) -> dict[str, Any] | None:
    """The rest of a call that the client knows: id, type and name are not repeated, since clients join texts."""
    text = arguments_of(function.get("arguments"))
    told = {key: value for key, value in delta.items() if key not in _OWN}
    if not text and not told:
        return None
    return told | {"index": call.index, "function": {"arguments": text}}


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""
