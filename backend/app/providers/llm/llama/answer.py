"""An answer of llama.cpp within the limits of the settings: its tokens and its time."""

import time
from collections.abc import AsyncGenerator, Callable, Mapping
from typing import Any

from app.providers.joining import Chunks

_LIMIT_FIELDS = ("max_completion_tokens", "max_tokens")


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
