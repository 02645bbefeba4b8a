"""Single fields of chat answers as they should be: finish reasons, usage, text of thought, list content; pure."""

from typing import Any

import orjson

_REASONS = {
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
_FAILURES = frozenset({"error", "abort", "network_error", "insufficient_system_resource"})
_MOST_TOKENS = 1 << 53
_EMPTY = frozenset({"", "null", "none"})


class AnswerFailed(ValueError):
    """The upstream ended an answer with a reason that means failure; holds its own words."""


def reason_of(choice: dict[str, Any]) -> str | None:
    """A choice's finish reason in OpenAI's words, None where there is none yet; what nobody knows is a `stop`.

    The upstream's own word stays in `native_finish_reason`, where OpenRouter has it.

    Raises:
        AnswerFailed: it is no end but a failure.
    """
    said = choice.get("finish_reason")
    if not isinstance(said, str) or (word := said.strip().lower()) in _EMPTY:
        return None
    if word in _FAILURES:
        error = choice.get("error")
        words = error.get("message") if isinstance(error, dict) else error
        raise AnswerFailed(words if words and isinstance(words, str) else word)
    reason = _REASONS.get(word, "stop")
    if reason != said:
        choice.setdefault("native_finish_reason", said)
    return reason


def usage_of(value: Any) -> dict[str, Any] | None:
    """The usage with its three integers and whatever else it told, None where it tells too little."""
    if not isinstance(value, dict):
        return None
    prompt = _count(value.get("prompt_tokens", value.get("input_tokens")))
    completion = _count(value.get("completion_tokens", value.get("output_tokens")))
    total = _count(value.get("total_tokens"))
    if prompt is None and completion is not None and total is not None:
        prompt = max(0, total - completion)
    elif completion is None and prompt is not None and total is not None:
        completion = max(0, total - prompt)
    if prompt is None or completion is None:
        return None
    counted = {"prompt_tokens": prompt, "completion_tokens": completion}
    return value | counted | {"total_tokens": total if total is not None else prompt + completion}


def settle_thought(said: dict[str, Any]) -> None:
    """Put the text of thought of a delta or a message under both of its names, or under none: clients want text."""
    for thought in (said.pop("reasoning_content", None), said.pop("reasoning", None)):
        if thought and isinstance(thought, str):
            said.setdefault("reasoning_content", thought)
            said.setdefault("reasoning", thought)


def settle_content(said: dict[str, Any]) -> None:
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


def arguments_of(value: Any) -> str:
    """The arguments of a call as text; some servers give the object itself."""
    if isinstance(value, str):
        return value
    return orjson.dumps(value).decode() if isinstance(value, dict | list) else ""


def _text(value: Any) -> str:
    if isinstance(value, list):
        return "".join(_text(part.get("text")) for part in value if isinstance(part, dict))
    return value if isinstance(value, str) else ""


def _count(value: Any) -> int | None:
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return value if type(value) is int and 0 <= value <= _MOST_TOKENS else None
