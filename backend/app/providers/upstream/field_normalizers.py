"""Repairs of single fields of an upstream's answer: finish reason, usage, reasoning, content. Nothing here does I/O.

Each function takes a choice, a delta or a message as some upstream sends it, and leaves OpenAI's documented form.
"""

from typing import Any

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
"""What upstreams write, lower-case, and OpenAI's word for it."""
_FAILURE_REASONS = frozenset({"error", "abort", "network_error", "insufficient_system_resource"})
_NO_REASON = frozenset({"", "null", "none"})
_MAX_TOKENS = 1 << 53


class AnswerFailed(ValueError):
    """The upstream ended its answer with a finish reason that means failure; the message is the upstream's own."""


def normalize_finish_reason(choice: dict[str, Any]) -> str | None:
    """Return a choice's finish reason in OpenAI's words, None where it has none yet; an unknown word means `stop`.

    A word that is not OpenAI's stays in the choice as `native_finish_reason`, the field that OpenRouter uses.

    Raises:
        AnswerFailed: the word means failure.
    """
    native = choice.get("finish_reason")
    if not isinstance(native, str) or (word := native.strip().lower()) in _NO_REASON:
        return None
    if word in _FAILURE_REASONS:
        error = choice.get("error")
        message = error.get("message") if isinstance(error, dict) else error
        raise AnswerFailed(message if message and isinstance(message, str) else word)
    reason = _FINISH_REASONS.get(word, "stop")
    if reason != native:
        choice.setdefault("native_finish_reason", native)
    return reason


def normalize_usage(value: Any) -> dict[str, Any] | None:
    """Return the usage with OpenAI's three counts and all its other fields, None where too little is known."""
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
    counts = {"prompt_tokens": prompt, "completion_tokens": completion}
    return value | counts | {"total_tokens": total if total is not None else prompt + completion}


def normalize_reasoning(delta: dict[str, Any]) -> None:
    """Put reasoning text under both of its usual names, since clients read one or the other; drop what is no text.

    `delta` is a delta or a message; it is changed in place.
    """
    for text in (delta.pop("reasoning_content", None), delta.pop("reasoning", None)):
        if text and isinstance(text, str):
            delta.setdefault("reasoning_content", text)
            delta.setdefault("reasoning", text)


def add_reasoning(delta: dict[str, Any], text: str) -> None:
    """Append to the reasoning of a delta or a message, before `normalize_reasoning`."""
    if text:
        before = delta.get("reasoning_content") or delta.get("reasoning")
        delta["reasoning_content"] = string_or_empty(before) + text


def normalize_content(delta: dict[str, Any]) -> None:
    """Make the content of a delta or a message a string or None, in place.

    A list of parts becomes one text; its parts of the type `thinking`, which Mistral sends, become reasoning.
    """
    content = delta.get("content")
    if not isinstance(content, list):
        delta["content"] = None if content is None else ""
        return
    texts, reasoning = [], []
    for part in content:
        if isinstance(part, str):
            texts.append(part)
        elif isinstance(part, dict) and part.get("type") == "thinking":
            reasoning.append(_join_text(part.get("thinking")))
        elif isinstance(part, dict):
            texts.append(_join_text(part.get("text")))
    delta["content"] = "".join(texts)
    if joined := "".join(reasoning):
        delta["reasoning_content"] = joined


def string_or_empty(value: Any) -> str:
    """Return the value where it is a string, else an empty string."""
    return value if isinstance(value, str) else ""


def _join_text(value: Any) -> str:
    """Return a string as it is, and the `text` of each part of a list joined."""
    if isinstance(value, list):
        return "".join(_join_text(part.get("text")) for part in value if isinstance(part, dict))
    return string_or_empty(value)


def _read_count(value: Any) -> int | None:
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return value if type(value) is int and 0 <= value <= _MAX_TOKENS else None
