"""Bodies of chat requests to an upstream, and the quirks that its refusals reveal. Nothing here does I/O.

What a vendor is known to refuse is in `vendors`; a quirk is learned while the server runs.
"""

from collections.abc import Iterator, Mapping
from enum import StrEnum
from typing import Any

_NOT_TEXT = frozenset({"role", "type", "id", "name", "tool_call_id", "detail", "format"})
"""Fields of a message that hold no words of the conversation."""


class Quirk(StrEnum):
    """One way in which an upstream's requests differ from OpenAI's documents, learned from a refusal."""

    NO_STREAM_OPTIONS = "no_stream_options"
    """Refuses `stream_options`."""
    ONLY_MAX_COMPLETION_TOKENS = "only_max_completion_tokens"
    """Refuses `max_tokens`, as OpenAI's reasoning models do."""
    ONLY_MAX_TOKENS = "only_max_tokens"
    """Refuses the newer name `max_completion_tokens`, as most other servers do."""


def quirk_from(body: Mapping[str, Any], refusal: str) -> Quirk | None:
    """Return the quirk that a refusal of `body` reveals by its words, None where no change would help."""
    if "stream_options" in body and ("stream_options" in refusal or "include_usage" in refusal):
        return Quirk.NO_STREAM_OPTIONS
    if "max_tokens" in body and "max_completion_tokens" in refusal:
        return Quirk.ONLY_MAX_COMPLETION_TOKENS
    if "max_completion_tokens" in body and "max_completion_tokens" in refusal:
        return Quirk.ONLY_MAX_TOKENS
    return None


def apply_quirk(body: dict[str, Any], quirk: Quirk) -> dict[str, Any]:
    """Return the body as an upstream with this quirk takes it; `body` itself is not changed."""
    if quirk is Quirk.NO_STREAM_OPTIONS:
        return {name: value for name, value in body.items() if name != "stream_options"}
    old, new = "max_tokens", "max_completion_tokens"
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
