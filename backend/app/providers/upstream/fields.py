"""Single fields of chat answers in canonical form: finish reasons, usage, reasoning, content, tool calls; pure."""

from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import orjson

_FINISH_REASONS = {
    reason: reason for reason in ("stop", "length", "tool_calls", "content_filter", "function_call")
} | {
    "max_tokens": "length",
    "max_output_tokens": "length",
    "model_length": "length",
    "tool_use": "tool_calls",
    "tool_call": "tool_calls",
    "safety": "content_filter",
    "recitation": "content_filter",
    "sensitive": "content_filter",
    "refusal": "content_filter",
}
_FAILURE_REASONS = frozenset({"error", "abort", "network_error", "insufficient_system_resource"})
_MAX_TOKENS = 1 << 53
_NO_REASON = frozenset({"", "null", "none"})


class AnswerFailed(ValueError):
    """The upstream ended an answer with a reason that means failure; holds its own words."""


def normalize_finish_reason(choice: dict[str, Any]) -> str | None:
    """A choice's finish reason in OpenAI's words, None where there is none yet; what nobody knows is a `stop`.

    The upstream's own word stays in `native_finish_reason`, where OpenRouter has it.

    Raises:
        AnswerFailed: it is no end but a failure.
    """
    said = choice.get("finish_reason")
    if not isinstance(said, str) or (word := said.strip().lower()) in _NO_REASON:
        return None
    if word in _FAILURE_REASONS:
        error = choice.get("error")
        words = error.get("message") if isinstance(error, dict) else error
        raise AnswerFailed(words if words and isinstance(words, str) else word)
    reason = _FINISH_REASONS.get(word, "stop")
    if reason != said:
        choice.setdefault("native_finish_reason", said)
    return reason


def normalize_usage(value: Any) -> dict[str, Any] | None:
    """The usage with its three integers and whatever else it told, None where it tells too little."""
    if not isinstance(value, dict):
        return None
    prompt = _read_count(value.get("prompt_tokens", value.get("input_tokens")))
    completion = _read_count(value.get("completion_tokens", value.get("output_tokens")))
    total = _read_count(value.get("total_tokens"))
    if prompt is None and completion is not None and total is not None:
        prompt = max(0, total - completion)
    elif completion is None and prompt is not None and total is not None:
        completion = max(0, total - prompt)
    if prompt is None or completion is None:
        return None
    counted = {"prompt_tokens": prompt, "completion_tokens": completion}
    return value | counted | {"total_tokens": total if total is not None else prompt + completion}


def normalize_reasoning(said: dict[str, Any]) -> None:
    """Put the text of thought of a delta or a message under both of its names, or under none: clients want text."""
    for thought in (said.pop("reasoning_content", None), said.pop("reasoning", None)):
        if thought and isinstance(thought, str):
            said.setdefault("reasoning_content", thought)
            said.setdefault("reasoning", thought)


def normalize_content(said: dict[str, Any]) -> None:
    """Make the content of a delta or a message text or None: parts of text are joined, those of thought moved."""
    content = said.get("content")
    if not isinstance(content, list):
        said["content"] = None if content is None else ""
        return
    texts, thoughts = [], []
    for part in content:
        if isinstance(part, str):
            texts.append(part)
        elif isinstance(part, dict) and part.get("type") == "thinking":
            thoughts.append(_text(part.get("thinking")))
        elif isinstance(part, dict):
            texts.append(_text(part.get("text")))
    said["content"] = "".join(texts)
    if thought := "".join(thoughts):
        said["reasoning_content"] = thought


def normalize_arguments(value: Any) -> str:
    """The arguments of a call as text; some servers give the object itself."""
    if isinstance(value, str):
        return value
    return orjson.dumps(value).decode() if isinstance(value, dict | list) else ""


def _text(value: Any) -> str:
    if isinstance(value, list):
        return "".join(_text(part.get("text")) for part in value if isinstance(part, dict))
    return value if isinstance(value, str) else ""


def _read_count(value: Any) -> int | None:
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return value if type(value) is int and 0 <= value <= _MAX_TOKENS else None


_MAX_CALLS = 128
_MAX_UNNAMED_CHARS = 1 << 20
_STANDARD_FIELDS = frozenset({"index", "id", "type", "function"})


class TooManyToolCalls(ValueError):
    """More calls, or longer ones without a name, than any answer has."""


@dataclass(slots=True)
class _CallState:
    index: int = -1
    """Its number for the client; -1 until its name is known."""
    id: str = ""
    """As the upstream gave it."""
    arguments: str = ""
    """Held until the name is known."""
    extra: dict[str, Any] = field(default_factory=dict)


class ToolCallNormalizer:
    """The calls of one choice. Deltas without `index` are joined to their call by id, or to the last one."""

    def __init__(self) -> None:
        self._calls: list[_CallState] = []
        self._numbered: dict[int, _CallState] = {}
        self.count = 0
        """How many calls the client knows."""

    def normalize(self, deltas: Any) -> list[dict[str, Any]]:
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
            return _continue_call(call, delta, function)
        call.id = call.id or _text_or_empty(delta.get("id"))
        call.arguments += normalize_arguments(function.get("arguments"))
        call.extra |= {key: value for key, value in delta.items() if key not in _STANDARD_FIELDS}
        if not name or not isinstance(name, str):
            if len(call.arguments) > _MAX_UNNAMED_CHARS:
                raise TooManyToolCalls
            return None  # LM Studio began calls with an empty name; a client would fail on it
        call.index = self.count
        self.count += 1
        head = {"index": call.index, "id": call.id or f"call_{uuid4().hex}", "type": "function"}
        return head | call.extra | {"function": function | {"name": name, "arguments": call.arguments}}

    def _custom(self, call: _CallState, delta: dict[str, Any]) -> dict[str, Any]:
        if call.index < 0:
            call.index, call.id = self.count, _text_or_empty(delta.get("id"))
            self.count += 1
        return delta | {"index": call.index}

    def _call_of(self, delta: dict[str, Any], *, named: bool) -> _CallState:
        number, identity = delta.get("index"), _text_or_empty(delta.get("id"))
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
        if len(self._calls) >= _MAX_CALLS:
            raise TooManyToolCalls
        call = _CallState()
        self._calls.append(call)
        if type(number) is int:
            self._numbered[number] = call
        return call


def normalize_tool_calls(calls: Any) -> list[dict[str, Any]]:
    """The calls of a whole message: each with id, type, name and arguments; those without a name left out."""
    whole = []
    for call in calls if isinstance(calls, list) else []:
        # One reader for each: every call is complete, whatever its number or id.
        for told in ToolCallNormalizer().normalize([call]):
            del told["index"]
            whole.append(told)
    return whole


def _continue_call(
    call: _CallState, delta: dict[str, Any], function: dict[str, Any]
) -> dict[str, Any] | None:
    """The rest of a call that the client knows: id, type and name are not repeated, since clients join texts."""
    text = normalize_arguments(function.get("arguments"))
    told = {key: value for key, value in delta.items() if key not in _STANDARD_FIELDS}
    if not text and not told:
        return None
    return told | {"index": call.index, "function": {"arguments": text}}


def _text_or_empty(value: Any) -> str:
    return value if isinstance(value, str) else ""
