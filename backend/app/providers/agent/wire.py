"""A model's answer put together from its chunks, and what tools say as a model is shown it; pure."""

import json
from collections.abc import Mapping
from typing import Any

import orjson

_TAG = "tool_output"
_LEFT_OUT = "\n… (cut: {} more characters)"
_ARGUMENT_CHARS = 100_000


class Reply:
    """The answer of one round as it comes: what to pass on, and the message that the next round is sent.

    Calls get names of our own (`call_1` …), unique in the whole run: some models number every call 0. All other fields
    of theirs stay as they are, since some want them back.
    """

    def __init__(self) -> None:
        self.finish_reason = ""
        self.usage: dict[str, Any] | None = None
        self.text = ""
        self._thought: dict[str, str] = {}
        self._calls: dict[int, dict[str, Any]] = {}

    @property
    def calls(self) -> list[dict[str, Any]]:
        return [self._calls[index] for index in sorted(self._calls)]

    def take(self, chunk: Mapping[str, Any]) -> dict[str, Any]:
        """Read a canonical chunk; give the part of its delta that the reader of the answer is told."""
        self.usage = chunk.get("usage") or self.usage
        told: dict[str, Any] = {}
        for choice in chunk.get("choices") or ():
            delta = choice.get("delta") or {}
            if content := delta.get("content"):
                self.text += content
                told["content"] = content
            for name in ("reasoning_content", "reasoning"):
                if thought := delta.get(name):
                    self._thought[name] = self._thought.get(name, "") + thought
                    told[name] = thought
            for piece in delta.get("tool_calls") or ():
                self._call(piece)
            self.finish_reason = choice.get("finish_reason") or self.finish_reason
            break  # one answer was asked for
        return told

    def named(self, told_before: int) -> None:
        """Name the calls, after so many in rounds before."""
        for place, call in enumerate(self.calls, told_before + 1):
            call["id"] = f"call_{place}"

    def message(self) -> dict[str, Any]:
        """What was said, as the next round is sent it."""
        message: dict[str, Any] = {"role": "assistant", "content": self.text or None, **self._thought}
        calls = [{**call, "function": _readable(call["function"])} for call in self.calls]
        return message | ({"tool_calls": calls} if calls else {})

    def _call(self, piece: Mapping[str, Any]) -> None:
        function = piece.get("function") or {}
        call = self._calls.get(piece["index"])
        if call is None:
            fields = {name: value for name, value in piece.items() if name != "index"}
            self._calls[piece["index"]] = {"type": "function", **fields, "function": dict(function)}
            return
        own = call["function"]
        # A model that never ends its arguments is stopped by the limit of time; what is kept of them ends here.
        if len(own.get("arguments") or "") < _ARGUMENT_CHARS:
            own["arguments"] = (own.get("arguments") or "") + (function.get("arguments") or "")
        call.update({name: value for name, value in piece.items() if name not in ("index", "function", "id")})


def _readable(function: dict[str, Any]) -> dict[str, Any]:
    """Services that put arguments into a template fail on what is no JSON object."""
    text = function.get("arguments") or "{}"
    return {**function, "arguments": "{}" if "_raw" in arguments_of(text) else text}


def arguments_of(text: str) -> dict[str, Any]:
    """The arguments of a call; `{"_raw": text}` where they are no JSON object."""
    try:
        found = json.loads(text or "{}")
    except (ValueError, RecursionError):
        return {"_raw": text}
    return found if isinstance(found, dict) else {"_raw": text}


def as_text(result: Any) -> str:
    """What a tool gave: a text as it is, anything else as JSON.

    Raises:
        TypeError: it holds something that JSON has no word for.
    """
    if isinstance(result, str):
        return result
    return orjson.dumps(result, default=_plain).decode()


def capped(text: str, chars: int) -> tuple[str, bool]:
    """At most so many characters, and whether some are left out; the text then says how many."""
    if len(text) <= chars:
        return text, False
    return text[:chars] + _LEFT_OUT.format(len(text) - chars), True


def fenced(name: str, text: str) -> str:
    """What a tool said between marks that it cannot write itself."""
    inside = text.replace(f"</{_TAG}", f"<\\/{_TAG}").replace(f"<{_TAG}", f"<\\{_TAG}")
    return f'<{_TAG} tool="{name}">\n{inside}\n</{_TAG}>'


def _plain(value: Any) -> Any:
    if hasattr(value, "model_dump"):
        return value.model_dump(mode="json")
    if isinstance(value, set | frozenset | tuple):
        return list(value)
    if isinstance(value, bytes):
        raise TypeError
    if hasattr(value, "__float__"):  # a Decimal: as exact as it is written
        return str(value)
    raise TypeError
