"""The limits of an answer on scripted chunks: tokens in the request, time by a scripted clock."""

from collections.abc import AsyncGenerator, Sequence
from typing import Any

import pytest

from app.providers.llm.llama.answer import limit_time, limit_tokens


def make_chunk(text: str | None = None, reason: str | None = None, *, index: int = 0, **delta: Any) -> Any:
    choice = {"index": index, "delta": {"content": text, **delta}, "finish_reason": reason}
    return {"id": "one", "model": "tiny", "object": "chat.completion.chunk", "choices": [choice]}


async def script(*chunks: Any) -> AsyncGenerator[dict[str, Any], None]:
    for chunk in chunks:
        yield chunk


async def read(
    chunks: AsyncGenerator[dict[str, Any], None], answer_s: float, times: Sequence[float]
) -> list[tuple[int, str | None, str | None]]:
    """Index, text and reason of every choice."""
    clock = iter(times)
    return [
        (choice["index"], choice["delta"]["content"], choice["finish_reason"])
        async for chunk in limit_time(chunks, answer_s, lambda: next(clock))
        for choice in chunk["choices"]
    ]


@pytest.mark.parametrize(
    ("fields", "limit"),
    [
        ({}, 100),
        ({"max_tokens": 7}, 7),
        ({"max_completion_tokens": 7}, 7),
        ({"max_tokens": 5000}, 100),
        ({"max_tokens": None}, 100),
        ({"max_tokens": 9, "max_completion_tokens": 8}, 8),
    ],
)
def test_the_smaller_token_limit_counts(fields: dict[str, Any], limit: int) -> None:
    body = {"messages": [], "temperature": 0} | fields
    assert limit_tokens(body, 100) == {"messages": [], "temperature": 0, "max_tokens": limit}
    assert body == {"messages": [], "temperature": 0} | fields, "the request itself stays as it was"


async def test_an_answer_in_time_is_passed_on_unchanged() -> None:
    chunks = script(make_chunk("a"), make_chunk("b"), make_chunk("", "stop"), {"choices": [], "usage": {}})
    assert await read(chunks, 10, [0, 1, 9]) == [(0, "a", None), (0, "b", None), (0, "", "stop")]


async def test_an_answer_over_its_time_ends_with_a_reason() -> None:
    chunks = script(make_chunk("a"), make_chunk("b"), make_chunk("c"))
    assert await read(chunks, 10, [0, 0, 10]) == [(0, "a", None), (0, "b", None), (0, "", "length")]


async def test_each_choice_that_is_not_done_ends_so() -> None:
    chunks = script(
        *(make_chunk("a", index=index) for index in (0, 1, 2)),
        make_chunk("", "stop", index=1),
        make_chunk("b", index=2),
    )
    read_choices = await read(chunks, 10, [0, 0, 0, 0, 10])
    assert read_choices[3:] == [(1, "", "stop"), (0, "", "length"), (2, "", "length")]
