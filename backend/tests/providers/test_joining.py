"""The chunks of an answer joined: texts, calls, several choices, usage, and a bound."""

from collections.abc import AsyncGenerator
from typing import Any

import pytest

from app.core.errors import UpstreamError
from app.providers import joining
from app.providers.joining import join_chunks


def make_chunk(text: str | None = None, reason: str | None = None, *, index: int = 0, **delta: Any) -> Any:
    choice = {"index": index, "delta": {"content": text, **delta}, "finish_reason": reason}
    return {"id": "one", "model": "tiny", "object": "chat.completion.chunk", "choices": [choice]}


async def script(*chunks: Any) -> AsyncGenerator[dict[str, Any], None]:
    for chunk in chunks:
        yield chunk


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
                "message": {"role": "assistant", "content": "ab", "refusal": None},
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
        "refusal": None,
        "reasoning_content": "so",
        "reasoning": "so",
        "tool_calls": [{"id": "x", "type": "function", "function": {"name": "add", "arguments": '{"a":1}'}}],
    }
    assert (called["finish_reason"], said["finish_reason"]) == ("tool_calls", "stop")
    assert said["message"]["content"] == "hello"


async def test_an_answer_without_text_has_an_empty_one() -> None:
    whole = await join_chunks(script(make_chunk(None, "stop")))
    assert whole["choices"][0]["message"] == {"role": "assistant", "content": "", "refusal": None}


@pytest.mark.parametrize("field", ["content", "reasoning_content"])
async def test_an_answer_without_end_is_cut(field: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(joining, "ANSWER_CHARS", 100)
    chunk = make_chunk()
    chunk["choices"][0]["delta"] = {field: "x" * 30}
    chunks = script(*[chunk] * 10)
    with pytest.raises(UpstreamError, match="the answer of 'tiny' is over 100 characters"):
        await join_chunks(chunks, "tiny")
    with pytest.raises(StopAsyncIteration):
        await anext(chunks)
