"""What an answer cost in tokens: as the upstream told it, or estimated and marked so."""

import math
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

_TOKEN_CHARS = 4
_COUNTS = ("prompt_tokens", "completion_tokens", "total_tokens")


def counted(usage: object) -> dict[str, Any] | None:
    """A usage that has its three integers; None for anything else."""
    whole = isinstance(usage, dict) and all(type(usage.get(name)) is int for name in _COUNTS)
    return usage if isinstance(usage, dict) and whole else None


def estimated(messages: Iterable[Mapping[str, Any]], said_chars: int) -> dict[str, Any]:
    """Four characters taken for a token: clients break without these integers, and nobody else has counted."""
    read_chars = sum(len(text) for message in messages for text in _texts(message.get("content")))
    read, written = math.ceil(read_chars / _TOKEN_CHARS), math.ceil(said_chars / _TOKEN_CHARS)
    counts = dict(zip(_COUNTS, (read, written, read + written), strict=True))
    return counts | {"estimated": True}


def said_chars(piece: Mapping[str, Any]) -> int:
    """Characters of a message or a delta: text, thought, and what it asks of tools."""
    chars = len(piece.get("content") or "") + len(piece.get("reasoning_content") or "")
    for call in piece.get("tool_calls") or ():
        function = call.get("function")
        arguments = function.get("arguments") if isinstance(function, dict) else None
        chars += len(arguments) if isinstance(arguments, str) else 0
    return chars


def _texts(content: object) -> Iterator[str]:
    if isinstance(content, str):
        yield content
    elif isinstance(content, list):
        yield from (part["text"] for part in content if isinstance(part.get("text"), str))
