"""The reply of a model, assembled from its chunks, and the output of tools as a model is sent it; pure."""

import json
import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import fields, is_dataclass
from itertools import islice
from typing import Any
from uuid import uuid4

import orjson

_TAG = "tool_output"
_CUT_NOTICE = "\n… (cut: {} more characters)"
_COUNTED_CHARS = 100_000
"""How much of what is cut is encoded, so that the notice can say how much it is."""
_MOST_LEVELS = 250
_NAME_CHARS = 64
MOST_NAME_CHARS = 80
"""What is kept of a tool's name: a model may invent one of any length."""
_SAFE_ID_CHARS = 9
"""A shorter id of a call is a number (`call_1`), which the next answer gives again."""
_MARK = re.compile(rf"<(?=\s*/?\s*{_TAG})", re.IGNORECASE)
"""The tag in every form that a model might accept: in capitals, or with spaces."""
_UNSAFE = re.compile(r"[^A-Za-z0-9_.-]")


class ModelReply:
    """The reply of one round: the deltas to pass on, and the message that the next round is sent.

    Calls get new ids (`call_1` …), unique within the run: some models number every call 0. All other fields of a call
    are kept, because some services require them back.
    """

    def __init__(self) -> None:
        self.finish_reason = ""
        self.usage: dict[str, Any] | None = None
        self.text = ""
        self.chars = 0
        """Characters that the model wrote: text, reasoning, and calls of tools."""
        self._reasoning: dict[str, str] = {}
        self._calls: dict[int, dict[str, Any]] = {}

    @property
    def calls(self) -> list[dict[str, Any]]:
        return [self._calls[index] for index in sorted(self._calls)]

    def add_chunk(self, chunk: Mapping[str, Any]) -> dict[str, Any]:
        """Add a canonical chunk; the part of its delta that readers of the answer get."""
        self.usage = chunk.get("usage") or self.usage
        shown: dict[str, Any] = {}
        for choice in chunk.get("choices") or ():
            delta = choice.get("delta") or {}
            if content := delta.get("content"):
                self.text += content
                self.chars += len(content)
                shown["content"] = content
            for name in ("reasoning_content", "reasoning"):
                if reasoning := delta.get(name):
                    self._reasoning[name] = self._reasoning.get(name, "") + reasoning
                    shown[name] = reasoning
                    self.chars += len(reasoning) if name == "reasoning_content" else 0
            for piece in delta.get("tool_calls") or ():
                self._add_call_piece(piece)
            self.finish_reason = choice.get("finish_reason") or self.finish_reason
            break  # the request asks for one answer
        return shown

    def take_calls(self, names: Collection[str]) -> list[dict[str, Any]]:
        """Remove the calls of these tools, and return them."""
        taken = {index: call for index, call in self._calls.items() if call["function"].get("name") in names}
        self._calls = {index: call for index, call in self._calls.items() if index not in taken}
        return [taken[index] for index in sorted(taken)]

    def finish(self, *, calls_before: int, most_calls: int) -> None:
        """End the round: number its calls after `calls_before` earlier ones, and make every text sendable.

        Calls over `most_calls` are dropped: a model may ask for thousands at once.
        """
        self._calls = {index: self._calls[index] for index in sorted(self._calls)[:most_calls]}
        self.text = replace_surrogates(self.text)
        self._reasoning = {name: replace_surrogates(reasoning) for name, reasoning in self._reasoning.items()}
        for number, call in enumerate(self.calls, calls_before + 1):
            call["id"] = f"call_{number}"
            own = call["function"]
            own["name"] = replace_surrogates(own["name"][:MOST_NAME_CHARS])
            own["arguments"] = replace_surrogates(own.get("arguments") or "")

    def to_message(self) -> dict[str, Any]:
        """The reply as the next round is sent it."""
        message: dict[str, Any] = {"role": "assistant", "content": self.text or None, **self._reasoning}
        calls = [{**call, "function": _with_object_arguments(call["function"])} for call in self.calls]
        return message | ({"tool_calls": calls} if calls else {})

    def _add_call_piece(self, piece: Mapping[str, Any]) -> None:
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


def _with_object_arguments(function: dict[str, Any]) -> dict[str, Any]:
    """A function call whose arguments are a JSON object: services that put them into a template fail on others."""
    text = function.get("arguments") or "{}"
    return {**function, "arguments": "{}" if "_raw" in parse_arguments(text) else text}


def make_client_calls(
    calls: Sequence[Mapping[str, Any]], messages: Sequence[Mapping[str, Any]]
) -> list[dict[str, Any]]:
    """Calls as the client of a run is sent them: text that UTF-8 can carry, under ids that it has not seen.

    The client sends them back with its results, beside calls of later runs. An id of the model is kept if it is new,
    since some services accept only their own.
    """
    used = set(_read_call_ids(messages))
    made = []
    for call in calls:
        call_id = call.get("id") or ""
        if call_id in used or len(call_id) < _SAFE_ID_CHARS:
            call_id = f"call_{uuid4().hex}"
        used.add(call_id)
        function = call["function"]
        texts = {name: replace_surrogates(function.get(name) or "") for name in ("name", "arguments")}
        made.append({**call, "id": call_id, "function": {**function, **texts}})
    return made


def _read_call_ids(messages: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """The ids of all calls in a conversation, which a client may have written in any form."""
    for message in messages:
        calls = message.get("tool_calls")
        for call in calls if isinstance(calls, list) else ():
            if isinstance(call, dict) and isinstance(found := call.get("id"), str):
                yield found


def parse_arguments(text: str) -> dict[str, Any]:
    """The arguments of a call; `{"_raw": text}` where they are not a JSON object."""
    try:
        found = orjson.loads(text or "{}")
        orjson.dumps(found)  # JSON that nests too deeply can be read and not be written
    except (ValueError, TypeError):
        return {"_raw": text}
    return found if isinstance(found, dict) else {"_raw": text}


def replace_surrogates(text: str) -> str:
    """The text with `?` for halves of surrogate pairs, which JSON can hold and UTF-8 cannot."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode()


def express_result(result: Any, chars: int) -> tuple[str, bool]:
    """The result of a tool as text, and whether it was cut at so many characters: a string unchanged, else JSON.

    What is cut is not encoded, except for the next characters, which are counted: a result may hold millions of
    values, and an encoder in C would hold every thread until it is through.

    Raises:
        TypeError: it holds a value that JSON cannot express, or nests too deeply.
    """
    if isinstance(result, str):
        text, truncated = limit_text(result, chars)
        return replace_surrogates(text), truncated
    most = chars + _COUNTED_CHARS
    pieces, size = [], 0
    for piece in _encode(result, most, _MOST_LEVELS):
        pieces.append(piece)
        size += len(piece)
        if size > most:
            return "".join(pieces)[:chars] + _CUT_NOTICE.format(f"over {_COUNTED_CHARS}"), True
    return limit_text("".join(pieces), chars)


def limit_text(text: str, chars: int) -> tuple[str, bool]:
    """At most so many characters, with a notice of how many were cut, and whether any were."""
    if len(text) <= chars:
        return text, False
    return text[:chars] + _CUT_NOTICE.format(len(text) - chars), True


def _encode(value: Any, most: int, levels: int) -> Iterator[str]:
    """The pieces of a value as JSON. No string is longer than `most` characters, where the reader stops anyway."""
    if not levels:
        raise TypeError
    if isinstance(value, str):
        yield orjson.dumps(replace_surrogates(value[:most])).decode()
    elif isinstance(value, dict):
        yield from _encode_pairs(islice(value.items(), most), most, levels)
    elif is_dataclass(value) and not isinstance(value, type):
        named = ((each.name, getattr(value, each.name)) for each in fields(value))
        yield from _encode_pairs((pair for pair in named if not pair[0].startswith("_")), most, levels)
    elif isinstance(value, list | tuple | set | frozenset):
        separator = "["
        for item in list(islice(value, most)):  # a copy: another thread may change what the tool returned
            yield separator
            yield from _encode(item, most, levels - 1)
            separator = ","
        yield "[]" if separator == "[" else "]"
    else:
        yield from _encode_leaf(value, most, levels)


def _encode_pairs(pairs: Iterable[tuple[Any, Any]], most: int, levels: int) -> Iterator[str]:
    separator = "{"
    for key, item in list(pairs):
        yield f"{separator}{_encode_key(key)}:"
        yield from _encode(item, most, levels - 1)
        separator = ","
    yield "{}" if separator == "{" else "}"


def _encode_key(key: Any) -> str:
    if isinstance(key, str):
        return orjson.dumps(replace_surrogates(key)).decode()
    if isinstance(key, int) and not isinstance(key, bool):
        return f'"{int(key)}"'
    return (
        orjson.dumps({key: 0}, option=orjson.OPT_NON_STR_KEYS).decode().removeprefix("{").removesuffix(":0}")
    )


def _encode_leaf(value: Any, most: int, levels: int) -> Iterator[str]:
    """A number, a date, or a value of another package."""
    try:
        yield orjson.dumps(value).decode()
    except TypeError:
        if isinstance(value, int):  # over 64 bits
            yield json.dumps(value)
        else:
            yield from _encode(_to_plain(value), most, levels - 1)


def fence_output(name: str, text: str) -> str:
    """The output of a tool between tags that the output itself cannot contain."""
    inside = _MARK.sub("<\\\\", text)
    return f'<{_TAG} tool="{_UNSAFE.sub("_", name)[:_NAME_CHARS]}">\n{inside}\n</{_TAG}>'


def _to_plain(value: Any) -> Any:
    if hasattr(value, "model_dump"):
        return value.model_dump(mode="json")
    if isinstance(value, bytes):
        raise TypeError
    if hasattr(value, "__float__"):  # a Decimal: as exact as it is written
        return str(value)
    raise TypeError
