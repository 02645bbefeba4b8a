"""OpenAI's chat wire, pure: bodies of requests, what refusals teach about them, and text out of chunks."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from enum import StrEnum
from typing import Any

from app.providers.base import ChatMessage, LlmConfig, Usage


class Quirk(StrEnum):
    """How one upstream differs from OpenAI's documented request, learned from a refusal."""

    NO_STREAM_OPTIONS = "no_stream_options"
    """Refuses `stream_options`."""
    ONLY_MAX_COMPLETION_TOKENS = "only_max_completion_tokens"
    """Refuses `max_tokens`, as OpenAI's reasoning models do."""
    ONLY_MAX_TOKENS = "only_max_tokens"
    """Refuses the newer name `max_completion_tokens`, as most other servers do."""


_NOT_TEXT = frozenset({"role", "type", "id", "name", "tool_call_id", "detail", "format"})


def build_body(messages: Sequence[ChatMessage], config: LlmConfig) -> dict[str, Any]:
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


def prepare_body(body: Mapping[str, Any], model: str, *, stream: bool) -> dict[str, Any]:
    """The body as it goes out; a streamed answer is asked for its usage."""
    asked: dict[str, Any] = {"model": model, **body, "stream": stream}
    asked.pop("stream_options", None)
    return asked | {"stream_options": {"include_usage": True}} if stream else asked


def quirk_from(body: Mapping[str, Any], words: str) -> Quirk | None:
    """The quirk that a refusal of `body` reveals, None where no change of the body would help."""
    if "stream_options" in body and ("stream_options" in words or "include_usage" in words):
        return Quirk.NO_STREAM_OPTIONS
    if "max_tokens" in body and "max_completion_tokens" in words:
        return Quirk.ONLY_MAX_COMPLETION_TOKENS
    if "max_completion_tokens" in body and "max_completion_tokens" in words:
        return Quirk.ONLY_MAX_TOKENS
    return None


def apply_quirk(body: dict[str, Any], quirk: Quirk) -> dict[str, Any]:
    """The body without what an upstream with this quirk refuses; `body` itself stays as it is."""
    if quirk == Quirk.NO_STREAM_OPTIONS:
        return {name: value for name, value in body.items() if name != "stream_options"}
    old, new = "max_tokens", "max_completion_tokens"
    wrong, right = (old, new) if quirk == Quirk.ONLY_MAX_COMPLETION_TOKENS else (new, old)
    if wrong not in body:
        return body
    return {name: value for name, value in body.items() if name != wrong} | {right: body[wrong]}


def collect_texts(body: Mapping[str, Any]) -> list[str]:
    """Every text of the conversation: what error messages must not hold."""
    return list(_walk_texts(body.get("messages")))


def read_text(chunk: dict[str, Any]) -> str:
    """The text that a canonical chunk adds to the first choice, often none."""
    for choice in chunk["choices"]:
        if choice["index"] == 0:
            delta = choice["delta"]
            text = delta["content"] or delta.get("refusal")
            return text if isinstance(text, str) else ""
    return ""


def read_usage(chunk: dict[str, Any]) -> Usage | None:
    """The usage that a canonical chunk tells."""
    usage = chunk.get("usage")
    if not usage:
        return None
    return Usage(usage["prompt_tokens"], usage["completion_tokens"], usage["total_tokens"])


def _walk_texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, list):
        for part in value:
            yield from _walk_texts(part)
    elif isinstance(value, dict):
        for name, part in value.items():
            if name not in _NOT_TEXT:
                yield from _walk_texts(part)
