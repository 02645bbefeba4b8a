"""openai-python, blocking and async: tools go out, their calls come back in pieces or whole, results go in."""

import json
from typing import Any

import anyio.to_thread
from openai import AsyncOpenAI

from tests.clients.conftest import Sdk
from tests.fakes.chat_upstream import PLACES, BackgroundUpstream

TOOL: Any = {
    "type": "function",
    "function": {
        "name": "get_time",
        "description": "The time somewhere.",
        "parameters": {"type": "object", "properties": {"tz": {"type": "string"}}, "required": ["tz"]},
    },
}


def assembled(chunks: list[Any]) -> list[dict[str, Any]]:
    """The calls that a stream's deltas make up, joined by `index` as every client does."""
    calls: dict[int, dict[str, Any]] = {}
    for delta in (chunk.choices[0].delta for chunk in chunks if chunk.choices):
        for part in delta.tool_calls or []:
            call = calls.setdefault(part.index, {"id": part.id, "name": part.function.name, "arguments": ""})
            call["arguments"] += part.function.arguments or ""
    return [calls[index] for index in sorted(calls)]


async def test_calls_come_in_pieces_and_results_go_back(
    sdk: Sdk, upstream: BackgroundUpstream, words: str
) -> None:
    asked = [{"role": "user", "content": words}]
    chunks = await sdk.chunks("clock", messages=asked, tools=[TOOL], stream_options={"include_usage": True})
    calls = assembled(chunks)
    assert [(call["id"], call["name"]) for call in calls] == [("call_0", "get_time"), ("call_1", "get_time")]
    assert [json.loads(call["arguments"])["tz"] for call in calls] == list(PLACES)
    reasons = [chunk.choices[0].finish_reason for chunk in chunks if chunk.choices]
    assert reasons == [None] * (len(reasons) - 1) + ["tool_calls"]
    assert sum(bool(chunk.choices[0].delta.tool_calls) for chunk in chunks if chunk.choices) > len(calls)
    assert chunks[-1].usage.total_tokens

    called = [
        {"id": call["id"], "type": "function", "function": {key: call[key] for key in ("name", "arguments")}}
        for call in calls
    ]
    results = [
        {"role": "tool", "tool_call_id": call["id"], "content": f"noon in {place}. "}
        for call, place in zip(calls, PLACES, strict=True)
    ]
    turn = {"role": "assistant", "content": None, "tool_calls": called}
    answer = await sdk.chat("clock", messages=[*asked, turn, *results], tools=[TOOL])
    assert answer.choices[0].message.content == "noon in UTC. noon in Europe/Madrid. "
    first, second = upstream.about(words)
    assert first["tools"] == [TOOL]
    assert second["messages"][1]["tool_calls"] == called
    assert second["messages"][2:] == results


async def test_a_whole_answer_has_its_calls(sdk: Sdk) -> None:
    answer = await sdk.chat("clock", tools=[TOOL], parallel_tool_calls=True)
    [choice] = answer.choices
    assert (choice.finish_reason, choice.message.content) == ("tool_calls", None)
    assert [json.loads(call.function.arguments)["tz"] for call in choice.message.tool_calls] == list(PLACES)
    assert all(call.type == "function" and call.id for call in choice.message.tool_calls)


async def test_the_sdk_puts_calls_together_itself(sdk: Sdk) -> None:
    """`client.chat.completions.stream` checks each delta against what came before."""
    body: Any = {"model": "fake/clock", "messages": [{"role": "user", "content": "Hi"}], "tools": [TOOL]}

    def blocking(client: Any) -> Any:
        with client.chat.completions.stream(**body) as stream:
            for _ in stream:
                pass
            return stream.get_final_completion()

    async def unblocking(client: Any) -> Any:
        async with client.chat.completions.stream(**body) as stream:
            async for _ in stream:
                pass
            return await stream.get_final_completion()

    is_async = isinstance(sdk.client, AsyncOpenAI)
    asked = unblocking(sdk.client) if is_async else anyio.to_thread.run_sync(blocking, sdk.client)
    [choice] = (await asked).choices
    assert [json.loads(call.function.arguments)["tz"] for call in choice.message.tool_calls] == list(PLACES)
