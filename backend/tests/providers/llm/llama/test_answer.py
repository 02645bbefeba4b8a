"""The limits of an answer on scripted chunks: tokens in the request, time by a scripted clock, pieces joined."""

from collections.abc import AsyncGenerator, Sequence
from typing import Any

import pytest

from app.providers.llm.llama.answer import join_chunks, limit_time, limit_tokens


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


async def test_the_pieces_of_an_answer_are_joined() -> None:
    logprobs = [{"content": [{"token": token}]} for token in "ab"]
    chunks = [make_chunk(None, role="assistant"), make_chunk("a"), make_chunk("b"), make_chunk("", "stop")]
    for chunk, found in zip(chunks[1:3], logprobs, strict=True):
        chunk["choices"][0]["logprobs"] = found
    usage = {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3}
    whole = await join_chunks(script(*chunks, {"choices": [], "usage": usage, "timings": {"prompt_n": 1}}))
    assert whole == {
        "id": "one",
        "model": "tiny",
        "object": "chat.completion",
        "usage": usage,
        "timings": {"prompt_n": 1},
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": "ab"},
                "logprobs": {"content": [{"token": "a"}, {"token": "b"}]},
                "finish_reason": "stop",
            }
        ],
    }


async def test_calls_and_reasoning_are_joined_for_each_choice() -> None:
    first = {"index": 0, "id": "x", "type": "function", "function": {"name": "add", "arguments": ""}}
    more = [{"index": 0, "function": {"arguments": text}} for text in ('{"a"', ":1}")]
    whole = await join_chunks(
        script(
            make_chunk("hello", index=1),
            make_chunk(reasoning_content="so", reasoning="so"),
            make_chunk(tool_calls=[first]),
            *(make_chunk(tool_calls=[piece]) for piece in more),
            make_chunk("", "stop", index=1),
            make_chunk(None, "tool_calls"),
        )
    )
    called, said = whole["choices"]
    assert called["message"] == {
        "role": "assistant",
        "content": None,
        "reasoning_content": "so",
        "reasoning": "so",
        "tool_calls": [{"id": "x", "type": "function", "function": {"name": "add", "arguments": '{"a":1}'}}],
    }
    assert (called["finish_reason"], said["finish_reason"]) == ("tool_calls", "stop")
    assert said["message"]["content"] == "hello"


async def test_an_answer_without_text_has_an_empty_one() -> None:
    whole = await join_chunks(script(make_chunk(None, "stop")))
    assert whole["choices"][0]["message"] == {"role": "assistant", "content": ""}
