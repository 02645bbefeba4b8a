"""Joins the chunks of a streamed answer to one whole `chat.completion`."""

from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from typing import Any

from app.core.errors import UpstreamError

Chunks = AsyncGenerator[dict[str, Any], None]

ANSWER_CHARS = 4 << 20
"""The longest answer that is collected in memory (characters)."""
_TEXTS = ("content", "reasoning_content", "reasoning", "refusal")
"""Fields of a delta that are joined to one text."""


async def join_chunks(chunks: Chunks, name: str = "") -> dict[str, Any]:
    """Return the whole `chat.completion` of canonical chunks, with the usage where one had it; it closes the stream.

    `name` is the provider's, for the error.

    Raises:
        UpstreamError: the answer is over `ANSWER_CHARS`.
    """
    whole: dict[str, Any] = {}
    choices: dict[int, dict[str, Any]] = {}
    chars = 0
    async with aclosing(chunks):
        async for chunk in chunks:
            whole |= chunk
            for piece in chunk["choices"]:
                index = piece["index"]
                if index not in choices:
                    choices[index] = _start_choice(index)
                chars += _add_piece(choices[index], piece)
            if chars > ANSWER_CHARS:
                raise too_long(name)
    made = [_finish_choice(choices[index]) for index in sorted(choices)]
    return whole | {"object": "chat.completion", "choices": made}


def too_long(name: str) -> UpstreamError:
    """The error for an answer over `ANSWER_CHARS`."""
    return UpstreamError(f"the answer of {name!r} is over {ANSWER_CHARS} characters; ask for less")


def _start_choice(index: int) -> dict[str, Any]:
    message = {"role": "assistant", "content": None, "refusal": None}
    return {"index": index, "message": message, "logprobs": None, "finish_reason": None}


def _add_piece(choice: dict[str, Any], piece: Mapping[str, Any]) -> int:
    """Add one choice of a chunk to the choice of the whole answer; return how many characters it has."""
    chars = 0
    choice["finish_reason"] = piece["finish_reason"] or choice["finish_reason"]
    if logprobs := piece.get("logprobs"):
        mine = choice["logprobs"] = choice["logprobs"] or {}
        for name, tokens in logprobs.items():
            mine[name] = (mine.get(name) or []) + (tokens or [])
    message, delta = choice["message"], piece["delta"]
    for name in _TEXTS:
        if text := delta.get(name):
            message.setdefault("_texts", {}).setdefault(name, []).append(text)
            chars += len(text)
    for call in delta.get("tool_calls") or ():
        chars += _add_call(message.setdefault("tool_calls", {}), call)
    return chars


def _add_call(calls: dict[int, dict[str, Any]], piece: Mapping[str, Any]) -> int:
    fields = {name: value for name, value in piece.items() if name != "index"}
    call = calls.setdefault(piece["index"], {"type": "function", "function": {"name": "", "arguments": ""}})
    function = fields.pop("function", None) or {}
    call |= fields
    for name, text in function.items():
        call["function"][name] = call["function"].get(name, "") + (text or "")
    return sum(len(text or "") for text in function.values())


def _finish_choice(choice: dict[str, Any]) -> dict[str, Any]:
    message = choice["message"]
    for name, texts in message.pop("_texts", {}).items():
        message[name] = "".join(texts)
    if calls := message.get("tool_calls"):
        message["tool_calls"] = [calls[index] for index in sorted(calls)]
    elif message["content"] is None:
        message["content"] = ""
    return choice
