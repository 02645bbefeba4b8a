"""An answer of llama.cpp within the limits of the settings: its tokens, its time, and its pieces put together."""

import time
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import aclosing
from typing import Any

Chunks = AsyncGenerator[dict[str, Any], None]

_LIMIT_FIELDS = ("max_completion_tokens", "max_tokens")
_TEXTS = ("content", "reasoning_content", "reasoning", "refusal")
"""Fields of a delta that are joined to one text."""


def limit_tokens(body: Mapping[str, Any], answer_tokens: int) -> dict[str, Any]:
    """Return the body with a token limit: its own where that is smaller, else `answer_tokens`.

    Of two limits in the body, the newer field counts.
    """
    own = next((body[name] for name in _LIMIT_FIELDS if body.get(name) is not None), answer_tokens)
    rest = {name: value for name, value in body.items() if name not in _LIMIT_FIELDS}
    return rest | {"max_tokens": min(own, answer_tokens)}


async def limit_time(
    chunks: Chunks, answer_s: float, clock: Callable[[], float] = time.monotonic
) -> AsyncGenerator[dict[str, Any], None]:
    """Yield the chunks until the answer has been written for `answer_s`; then end it with the reason `length`.

    Time counts from the first chunk, so that neither loading a model nor reading a long prompt shortens the answer.
    An answer that is cut has no usage: llama.cpp tells it at the end only.
    """
    by_s = float("inf")
    unfinished: set[int] = set()
    async for chunk in chunks:
        if by_s == float("inf"):
            by_s = clock() + answer_s
        for choice in chunk["choices"]:
            if choice["finish_reason"] is None:
                unfinished.add(choice["index"])
            else:
                unfinished.discard(choice["index"])
        yield chunk
        if unfinished and clock() >= by_s:
            cut = [
                {"index": index, "delta": {"content": ""}, "finish_reason": "length"}
                for index in sorted(unfinished)
            ]
            yield chunk | {"choices": cut}
            return


async def join_chunks(chunks: Chunks) -> dict[str, Any]:
    """Return the whole `chat.completion` of a streamed answer; it closes the stream."""
    whole: dict[str, Any] = {}
    choices: dict[int, dict[str, Any]] = {}
    async with aclosing(chunks):
        async for chunk in chunks:
            whole |= chunk
            for piece in chunk["choices"]:
                empty = {"index": piece["index"], "message": {"role": "assistant", "content": None}}
                _add_piece(choices.setdefault(piece["index"], empty), piece)
    made = [_finish_choice(choices[index]) for index in sorted(choices)]
    return whole | {"object": "chat.completion", "choices": made}


def _add_piece(choice: dict[str, Any], piece: Mapping[str, Any]) -> None:
    """Add one choice of a chunk to the choice of the whole answer."""
    choice["finish_reason"] = piece["finish_reason"]
    if logprobs := piece.get("logprobs"):
        mine = choice.setdefault("logprobs", {})
        for name, tokens in logprobs.items():
            mine[name] = (mine.get(name) or []) + (tokens or [])
    message, delta = choice["message"], piece["delta"]
    for name in _TEXTS:
        if text := delta.get(name):
            message[name] = (message.get(name) or "") + text
    for call in delta.get("tool_calls") or ():
        _add_call(message.setdefault("tool_calls", {}), call)


def _add_call(calls: dict[int, dict[str, Any]], piece: Mapping[str, Any]) -> None:
    fields = {name: value for name, value in piece.items() if name != "index"}
    call = calls.setdefault(piece["index"], {"type": "function", "function": {"name": "", "arguments": ""}})
    function = fields.pop("function", None) or {}
    call |= fields
    for name, text in function.items():
        call["function"][name] = call["function"].get(name, "") + (text or "")


def _finish_choice(choice: dict[str, Any]) -> dict[str, Any]:
    message = choice["message"]
    if calls := message.get("tool_calls"):
        message["tool_calls"] = [calls[index] for index in sorted(calls)]
    elif message["content"] is None:
        message["content"] = ""
    return choice
