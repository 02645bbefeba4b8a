"""anthropic for Python, on `/v1/messages`: text, tools, thoughts, tokens, models, errors, what comes back."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.clients.conftest import CLIENT_KEY
from tests.fakes.chat_upstream import PLACES, BackgroundUpstream

anthropic = pytest.importorskip("anthropic", reason="the SDK of Anthropic is not installed")

TOOL: Any = {
    "name": "get_time",
    "description": "The time somewhere.",
    "input_schema": {"type": "object", "properties": {"tz": {"type": "string"}}, "required": ["tz"]},
}
THINKING: Any = {"type": "enabled", "budget_tokens": 1024}


@pytest.fixture(params=["api_key", "auth_token"])
async def client(request: pytest.FixtureRequest, prompter: str) -> AsyncIterator[Any]:
    """Without retries, so that each error is seen at once; its key in either header."""
    base_url = prompter.removesuffix("/v1")
    async with anthropic.AsyncAnthropic(
        base_url=base_url, max_retries=0, **{"api_key": None, "auth_token": None, request.param: CLIENT_KEY}
    ) as made:
        yield made


def asked(behavior: str, said: Any = "Hi", **fields: Any) -> dict[str, Any]:
    turns = said if isinstance(said, list) else [{"role": "user", "content": said}]
    return {"model": f"fake/{behavior}", "max_tokens": 100, "messages": turns, **fields}


async def test_text(client: Any) -> None:
    message = await client.messages.create(**asked("tiny", system="Be brief"))
    assert [block.text for block in message.content] == ["Hello world"]
    assert (message.stop_reason, message.model) == ("end_turn", "fake/tiny")
    assert (message.usage.input_tokens, message.usage.output_tokens) == (11, 2)


async def test_text_in_pieces(client: Any) -> None:
    async with client.messages.stream(**asked("tiny")) as stream:
        assert [text async for text in stream.text_stream] == ["Hello", " world"]
        message = await stream.get_final_message()
    assert (message.content[0].text, message.usage.input_tokens) == ("Hello world", 11)


@pytest.mark.parametrize("streamed", [False, True])
async def test_calls_come_and_results_go_back(
    client: Any, upstream: BackgroundUpstream, words: str, streamed: bool
) -> None:
    fields = asked("clock", words, tools=[TOOL])
    if streamed:
        async with client.messages.stream(**fields) as stream:
            message = await stream.get_final_message()
    else:
        message = await client.messages.create(**fields)
    assert message.stop_reason == "tool_use"
    assert [block.input["tz"] for block in message.content] == list(PLACES)
    results = [
        {"type": "tool_result", "tool_use_id": block.id, "content": f"noon in {place}. "}
        for block, place in zip(message.content, PLACES, strict=True)
    ]
    turns = [
        {"role": "user", "content": words},
        {"role": "assistant", "content": message.content},
        {"role": "user", "content": results},
    ]
    answer = await client.messages.create(**asked("clock", turns, tools=[TOOL]))
    assert answer.content[0].text == "noon in UTC. noon in Europe/Madrid. "
    messages = upstream.about(words)[-1]["messages"]
    assert [each["role"] for each in messages] == ["user", "assistant", "tool", "tool"]


async def test_thoughts_come_back_to_the_model(client: Any, upstream: BackgroundUpstream, words: str) -> None:
    fields = {"tools": [TOOL], "thinking": THINKING, "max_tokens": 2048}
    async with client.messages.stream(**asked("thinker", words) | fields) as stream:
        message = await stream.get_final_message()
    thought, call = message.content
    assert (thought.type, thought.thinking) == ("thinking", "I need a clock.")
    assert thought.signature
    turns = [
        {"role": "user", "content": words},
        {"role": "assistant", "content": message.content},
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": call.id, "content": "noon"}]},
    ]
    answer = await client.messages.create(**asked("thinker", turns) | fields)
    assert [block.type for block in answer.content] == ["thinking", "text"]
    assert upstream.about(words)[-1]["messages"][1]["reasoning_content"] == "I need a clock."


async def test_an_image(client: Any, upstream: BackgroundUpstream, words: str) -> None:
    source = {"type": "base64", "media_type": "image/png", "data": "iVBORw0KGgo="}
    turn = {"role": "user", "content": [{"type": "text", "text": words}, {"type": "image", "source": source}]}
    await client.messages.create(**asked("tiny", [turn]))
    sent = upstream.about(words)[0]["messages"][0]["content"][1]
    assert sent["image_url"]["url"] == "data:image/png;base64,iVBORw0KGgo="


async def test_tokens_are_counted(client: Any) -> None:
    turns = [{"role": "user", "content": "x" * 400}]
    counted = await client.messages.count_tokens(model="fake/tiny", messages=turns, tools=[TOOL])
    assert counted.input_tokens > 100


async def test_models_are_listed(client: Any) -> None:
    ids = [model.id async for model in await client.models.list(limit=3)]
    assert {"echo", "fake/tiny", "fake/org/with/slashes:8b"} <= set(ids)
    assert len(ids) == len(set(ids))
    assert (await client.models.retrieve("fake/tiny")).display_name


@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize(
    ("behavior", "raised", "kind"),
    [
        ("full", "BadRequestError", "invalid_request_error"),
        ("locked", "AuthenticationError", "authentication_error"),
        ("nobody", "NotFoundError", "not_found_error"),
        ("busy", "RateLimitError", "rate_limit_error"),
        ("broken", "InternalServerError", "api_error"),
    ],
)
async def test_each_failure_is_the_exception_that_users_catch(
    client: Any, behavior: str, raised: str, kind: str, streamed: bool
) -> None:
    with pytest.raises(getattr(anthropic, raised)) as caught:
        await client.messages.create(**asked(behavior), stream=streamed)
    assert caught.value.body["error"]["type"] == kind
    assert caught.value.request_id == caught.value.body["request_id"]
    assert caught.value.body["error"]["message"] in str(caught.value)


@pytest.mark.parametrize("behavior", ["late", "cut"])
async def test_a_stream_that_breaks_off_raises(client: Any, behavior: str) -> None:
    with pytest.raises(anthropic.APIStatusError) as caught:
        async with client.messages.stream(**asked(behavior)) as stream:
            await stream.get_final_message()
    assert caught.value.body["error"]["type"] == "api_error"


async def test_leaving_a_stream_closes_the_upstream(client: Any, upstream: BackgroundUpstream) -> None:
    stream = await client.messages.create(**asked("endless"), stream=True)
    assert upstream.is_open
    await stream.close()
    assert upstream.closed_within(1)
