"""A model's answer put together from its chunks, and what tools say as a model is shown it; pure."""

import json
import re
from collections.abc import Mapping
from typing import Any

import orjson

_TAG = "tool_output"
_LEFT_OUT = "\n… (cut: {} more characters)"
_NAME_CHARS = 64
MADE_UP_CHARS = 80
"""What is kept of the name of a tool, which a model may make up."""
_MARK = re.compile(rf"<(?=\s*/?\s*{_TAG})", re.IGNORECASE)
"""Also as a model may read it: in capitals, or with spaces."""
_UNSAFE = re.compile(r"[^A-Za-z0-9_.-]")


class ModelReply:
    """The answer of one round as it comes: what to pass on, and the message that the next round is sent.

    Calls get names of our own (`call_1` …), unique in the whole run: some models number every call 0. All other fields
    of theirs stay as they are, since some want them back.
    """

    def __init__(self) -> None:
        self.finish_reason = ""
        self.usage: dict[str, Any] | None = None
        self.text = ""
        self.chars = 0
        """Of all that the model wrote: text, thought, and what it asks of tools."""
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
                self.chars += len(content)
                told["content"] = content
            for name in ("reasoning_content", "reasoning"):
                if thought := delta.get(name):
                    self._thought[name] = self._thought.get(name, "") + thought
                    told[name] = thought
                    self.chars += len(thought) if name == "reasoning_content" else 0
            for piece in delta.get("tool_calls") or ():
                self._call(piece)
            self.finish_reason = choice.get("finish_reason") or self.finish_reason
            break  # one answer was asked for
        return told

    def end(self, told_before: int, most_calls: int) -> None:
        """The round is over: name its calls, after so many in rounds before, and make all of it fit to be sent.

        Calls over `most_calls` are as if never made: a model may ask for thousands at once.
        """
        self._calls = {index: self._calls[index] for index in sorted(self._calls)[:most_calls]}
        self.text = sendable(self.text)
        self._thought = {name: sendable(thought) for name, thought in self._thought.items()}
        for place, call in enumerate(self.calls, told_before + 1):
            call["id"] = f"call_{place}"
            own = call["function"]
            own["name"] = sendable(own["name"][:MADE_UP_CHARS])
            own["arguments"] = sendable(own.get("arguments") or "")

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
            self.chars += len(function.get("name") or "") + len(function.get("arguments") or "")
            return
        own = call["function"]
        more = function.get("arguments") or ""
        own["arguments"] = (own.get("arguments") or "") + more
        self.chars += len(more)
        call.update({name: value for name, value in piece.items() if name not in ("index", "function", "id")})


def _readable(function: dict[str, Any]) -> dict[str, Any]:
    """Services that put arguments into a template fail on what is no JSON object."""
    text = function.get("arguments") or "{}"
    return {**function, "arguments": "{}" if "_raw" in arguments_of(text) else text}


def arguments_of(text: str) -> dict[str, Any]:
    """The arguments of a call; `{"_raw": text}` where they are no JSON object."""
    try:
        found = orjson.loads(text or "{}")
        orjson.dumps(found)  # what nests too deeply can be read, and not be told
    except (ValueError, TypeError):
        return {"_raw": text}
    return found if isinstance(found, dict) else {"_raw": text}


def sendable(text: str) -> str:
    """The text without halves of surrogate pairs, which JSON may carry and UTF-8 cannot."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode()


def as_text(result: Any) -> str:
    """What a tool gave: a text as it is, anything else as JSON.

    Raises:
        TypeError: it holds something that JSON has no word for.
    """
    if isinstance(result, str):
        return sendable(result)
    try:
        return orjson.dumps(result, default=_plain, option=orjson.OPT_NON_STR_KEYS).decode()
    except TypeError:  # a number of more than 64 bits, or what JSON has no word for
        return json.dumps(result, default=_plain, ensure_ascii=False, separators=(",", ":"), allow_nan=False)


def capped(text: str, chars: int) -> tuple[str, bool]:
    """At most so many characters, and whether some are left out; the text then says how many."""
    if len(text) <= chars:
        return text, False
    return text[:chars] + _LEFT_OUT.format(len(text) - chars), True


def fenced(name: str, text: str) -> str:
    """What a tool said between marks that it cannot write itself."""
    inside = _MARK.sub("<\\\\", text)
    return f'<{_TAG} tool="{_UNSAFE.sub("_", name)[:_NAME_CHARS]}">\n{inside}\n</{_TAG}>'


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
