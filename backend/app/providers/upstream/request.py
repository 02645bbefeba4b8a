"""Bodies of chat requests to an upstream, and the quirks that its refusals reveal. Nothing here does I/O.

What a vendor is known to refuse is in `vendors`; a quirk is learned while the server runs.
"""

import re
from collections.abc import Iterator, Mapping
from enum import StrEnum
from typing import Any

_NOT_TEXT = frozenset({"role", "type", "id", "name", "tool_call_id", "detail", "format"})
"""Fields of a message that hold no words of the conversation."""
_LIMITS = ("max_tokens", "max_completion_tokens")
_OVER_LIMIT = re.compile(
    r"max(?:_completion)?_tokens\W{0,4}(?: is)? too large|supports at most \d+ completion tokens|in the completion\)",
    re.IGNORECASE,
)
_NO_THINKING = re.compile(r"reasoning.?effort|does not support thinking", re.IGNORECASE)


class Quirk(StrEnum):
    """One way in which an upstream's requests differ from OpenAI's documents, learned from a refusal."""

    NO_STREAM_OPTIONS = "no_stream_options"
    """Refuses `stream_options`."""
    ONLY_MAX_COMPLETION_TOKENS = "only_max_completion_tokens"
    """Refuses `max_tokens`, as OpenAI's reasoning models do."""
    ONLY_MAX_TOKENS = "only_max_tokens"
    """Refuses the newer name `max_completion_tokens`, as most other servers do."""
    NO_REASONING_EFFORT = "no_reasoning_effort"
    """Refuses `reasoning_effort`, as models do that do not reason."""
    NO_SUCH_LIMIT = "no_such_limit"
    """Refuses this token limit, which is over the model's own; it is not remembered, since others are accepted."""


_LEFT_OUT: Mapping[Quirk, tuple[str, ...]] = {
    Quirk.NO_STREAM_OPTIONS: ("stream_options",),
    Quirk.NO_REASONING_EFFORT: ("reasoning_effort",),
    Quirk.NO_SUCH_LIMIT: _LIMITS,
}
"""The fields that an upstream with a quirk gets no more."""


def quirk_from(body: Mapping[str, Any], refusal: str) -> Quirk | None:
    """Return the quirk that a refusal of `body` reveals by its words, None where no change would help."""
    if "stream_options" in body and ("stream_options" in refusal or "include_usage" in refusal):
        return Quirk.NO_STREAM_OPTIONS
    if "max_tokens" in body and "max_completion_tokens" in refusal:
        return Quirk.ONLY_MAX_COMPLETION_TOKENS
    if "max_completion_tokens" in body and "max_completion_tokens" in refusal:
        return Quirk.ONLY_MAX_TOKENS
    if "reasoning_effort" in body and _NO_THINKING.search(refusal):
        return Quirk.NO_REASONING_EFFORT
    return None


def is_over_limit(body: Mapping[str, Any], refusal: str) -> bool:
    """Whether a refusal of `body` says that its token limit is over the model's own."""
    return any(name in body for name in _LIMITS) and _OVER_LIMIT.search(refusal) is not None


def apply_quirk(body: dict[str, Any], quirk: Quirk) -> dict[str, Any]:
    """Return the body as an upstream with this quirk takes it; `body` itself is not changed."""
    left_out = _LEFT_OUT.get(quirk)
    if left_out is not None:
        return {name: value for name, value in body.items() if name not in left_out}
    old, new = _LIMITS
    refused, accepted = (old, new) if quirk is Quirk.ONLY_MAX_COMPLETION_TOKENS else (new, old)
    if refused not in body:
        return body
    return {name: value for name, value in body.items() if name != refused} | {accepted: body[refused]}


def prepare_body(body: Mapping[str, Any], model: str, *, stream: bool) -> dict[str, Any]:
    """Return the body to send: with its model, with `stream`, and with a wish for the usage of a stream."""
    prepared: dict[str, Any] = {"model": model, **body, "stream": stream}
    prepared.pop("stream_options", None)
    return prepared | {"stream_options": {"include_usage": True}} if stream else prepared


def collect_texts(body: Mapping[str, Any]) -> list[str]:
    """Return every text of the conversation; error messages must not repeat them."""
    return list(_walk_texts(body.get("messages")))


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
