"""OpenAI's chat wire, pure: bodies of requests, what refusals teach about them, and text out of chunks."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any, Literal

from app.providers.base import ChatMessage, LlmConfig, Usage

Lesson = Literal["no usage", "new name", "old name"]
"""What an upstream refused: `stream_options`; `max_tokens`; or its newer name `max_completion_tokens`."""
_NOT_SAID = frozenset({"role", "type", "id", "name", "tool_call_id", "detail", "format"})


def body_of(messages: Sequence[ChatMessage], config: LlmConfig) -> dict[str, Any]:
    """The body of a chat request for plain messages."""
    options = {
        "temperature": config.temperature,
        "max_tokens": config.max_tokens,
        "top_p": config.top_p,
        "stop": list(config.stop) or None,
        "seed": config.seed,
    }
    given = {name: value for name, value in options.items() if value is not None}
    return {"messages": [asdict(message) for message in messages]} | given


def sent_body(body: Mapping[str, Any], model: str, *, stream: bool) -> dict[str, Any]:
    """The body as it goes out; a streamed answer is asked for its usage."""
    asked: dict[str, Any] = {"model": model, **body, "stream": stream}
    asked.pop("stream_options", None)
    return asked | {"stream_options": {"include_usage": True}} if stream else asked


def lesson_of(body: Mapping[str, Any], words: str) -> Lesson | None:
    """What a refusal of this body in these words teaches, None where nothing helps."""
    if "stream_options" in body and ("stream_options" in words or "include_usage" in words):
        return "no usage"
    if "max_tokens" in body and "max_completion_tokens" in words:
        # OpenAI's reasoning models know only the new name, most other servers only the old one.
        return "new name"
    if "max_completion_tokens" in body and "max_completion_tokens" in words:
        return "old name"
    return None


def taught(body: dict[str, Any], lesson: Lesson) -> dict[str, Any]:
    """The body as one who has learned the lesson sends it."""
    if lesson == "no usage":
        return {name: value for name, value in body.items() if name != "stream_options"}
    old, new = "max_tokens", "max_completion_tokens"
    wrong, right = (old, new) if lesson == "new name" else (new, old)
    if wrong not in body:
        return body
    return {name: value for name, value in body.items() if name != wrong} | {right: body[wrong]}


def said_in(body: Mapping[str, Any]) -> list[str]:
    """Every text of the conversation: what error messages must not hold."""
    return list(_texts(body.get("messages")))


def text_of(chunk: dict[str, Any]) -> str:
    """The text that a canonical chunk adds to the first choice, often none."""
    for choice in chunk["choices"]:
        if choice["index"] == 0:
            delta = choice["delta"]
            text = delta["content"] or delta.get("refusal")
            return text if isinstance(text, str) else ""
    return ""


def usage_in(chunk: dict[str, Any]) -> Usage | None:
    """The usage that a canonical chunk tells."""
    usage = chunk.get("usage")
    if not usage:
        return None
    return Usage(usage["prompt_tokens"], usage["completion_tokens"], usage["total_tokens"])


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, list):
        for part in value:
            yield from _texts(part)
    elif isinstance(value, dict):
        for name, part in value.items():
            if name not in _NOT_SAID:
                yield from _texts(part)
