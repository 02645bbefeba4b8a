"""openai-python, blocking and async: models, whole and streamed answers, structured output, leaving early."""

import json
from typing import Any

import pytest
from openai import APITimeoutError
from pydantic import BaseModel

from tests.clients.conftest import CLIENT_KEY, UPSTREAM_KEY, Sdk
from tests.fakes.chat_upstream import BEHAVIORS, USAGE, BackgroundUpstream


async def test_models_are_listed_and_found(sdk: Sdk) -> None:
    page = await sdk("models.list")
    ids = {model.id for model in page.data}
    assert {"echo", *(f"fake/{name}" for name in BEHAVIORS)} <= ids
    assert all(model.object == "model" and isinstance(model.created, int) for model in page.data)
    assert all(model.owned_by for model in page.data)
    for name in ("echo", "fake/tiny", "fake/org/with/slashes:8b"):
        assert (await sdk("models.retrieve", name)).id == name


async def test_a_whole_answer(sdk: Sdk, upstream: BackgroundUpstream, words: str) -> None:
    answer = await sdk.chat("tiny", words, temperature=0.5, max_tokens=9, seed=3, user="u1")
    [choice] = answer.choices
    assert (choice.message.role, choice.message.content) == ("assistant", "Hello world")
    assert (choice.finish_reason, answer.object, answer.model) == ("stop", "chat.completion", "fake/tiny")
    assert answer.usage.model_dump(include=set(USAGE)) == USAGE
    assert answer.id
    assert answer._request_id
    [seen] = upstream.about(words)
    assert seen["model"] == "tiny"
    assert {"temperature": 0.5, "max_tokens": 9, "seed": 3}.items() <= seen.items()


async def test_the_key_of_the_client_stays_here(sdk: Sdk, upstream: BackgroundUpstream, words: str) -> None:
    await sdk.chat("tiny", words)
    [headers] = [request.headers for request in upstream.fake.requests if words.encode() in request.body]
    assert headers["authorization"] == f"Bearer {UPSTREAM_KEY}"
    assert CLIENT_KEY not in str(headers)


async def test_an_alias_and_a_bare_name(sdk: Sdk) -> None:
    messages = [{"role": "user", "content": "Hi"}]
    for name in ("claude-sonnet-4", "tiny", "org/with/slashes:8b"):
        answer = await sdk("chat.completions.create", model=name, messages=messages)
        assert answer.choices[0].message.content == "Hello world", name


async def test_echo(sdk: Sdk) -> None:
    messages = [{"role": "user", "content": [{"type": "text", "text": "Hi there"}]}]
    ask: Any = {"model": "echo", "messages": messages}
    answer = await sdk("chat.completions.create", **ask)
    assert answer.choices[0].message.content == "Hi there"
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens
    stream = await sdk("chat.completions.create", **ask, stream=True)
    assert text_of(await sdk.all_of(stream)) == "Hi there"


async def test_a_streamed_answer_has_the_order_of_openai(sdk: Sdk) -> None:
    chunks = await sdk.chunks("tiny", stream_options={"include_usage": True})
    assert len({(chunk.id, chunk.created, chunk.model, chunk.object) for chunk in chunks}) == 1
    assert (chunks[0].object, chunks[0].model) == ("chat.completion.chunk", "fake/tiny")
    *spoken, counted = chunks
    assert [chunk.choices[0].finish_reason for chunk in spoken] == [None] * (len(spoken) - 1) + ["stop"]
    assert spoken[0].choices[0].delta.role == "assistant"
    assert all("content" in chunk.choices[0].delta.model_fields_set for chunk in spoken)
    assert all("finish_reason" in chunk.choices[0].model_fields_set for chunk in spoken)
    assert all("usage" in chunk.model_fields_set and chunk.usage is None for chunk in spoken)
    assert text_of(spoken) == "Hello world"
    assert counted.choices == []
    assert counted.usage.model_dump(include=set(USAGE)) == USAGE


async def test_usage_comes_only_when_it_is_asked_for(sdk: Sdk) -> None:
    for options in (None, {"include_usage": False}):
        chunks = await sdk.chunks("tiny", stream_options=options)
        assert all(chunk.usage is None for chunk in chunks)
        assert all(chunk.choices for chunk in chunks)


@pytest.mark.parametrize("stream", [False, True])
async def test_content_is_text_or_parts_in_every_role(
    sdk: Sdk, upstream: BackgroundUpstream, words: str, stream: bool
) -> None:
    parts: Any = [{"type": "text", "text": words}]
    picture = {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo="}}
    call = {"id": "call_0", "type": "function", "function": {"name": "get_time", "arguments": "{}"}}
    messages = [
        {"role": "system", "content": parts},
        {"role": "developer", "content": parts},
        {"role": "user", "content": [*parts, picture]},
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "call_0", "content": parts},
        {"role": "assistant", "content": parts},
        {"role": "user", "content": ""},
    ]
    if stream:
        assert text_of(await sdk.chunks("tiny", messages=messages)) == "Hello world"
    else:
        assert (await sdk.chat("tiny", messages=messages)).choices[0].message.content == "Hello world"
    [seen] = upstream.about(words)
    assert picture in seen["messages"][2]["content"]
    assert [message["role"] for message in seen["messages"]][1] == "system", "local servers know no developer"


class Place(BaseModel):
    city: str


async def test_a_schema_passes_and_its_answer_is_parsed(
    sdk: Sdk, upstream: BackgroundUpstream, words: str
) -> None:
    messages = [{"role": "user", "content": words}]
    ask = {"model": "fake/json", "messages": messages, "response_format": Place}
    parsed = await sdk("chat.completions.parse", **ask)
    assert parsed.choices[0].message.parsed == Place(city="Madrid")
    [seen] = upstream.about(words)
    assert seen["response_format"]["json_schema"]["schema"]["required"] == ["city"]
    whole = await sdk.chat("json", words, response_format={"type": "json_object"})
    assert json.loads(whole.choices[0].message.content) == {"city": "Madrid"}


async def test_fields_that_the_sdk_does_not_know_pass_too(
    sdk: Sdk, upstream: BackgroundUpstream, words: str
) -> None:
    extra = {"top_k": 4, "chat_template_kwargs": {"enable_thinking": False}}
    await sdk.chat("tiny", words, extra_body=extra)
    [seen] = upstream.about(words)
    assert extra.items() <= seen.items()


@pytest.mark.parametrize("model", ["thinker", "vllm-thinker"])
async def test_thoughts_come_under_both_names(sdk: Sdk, model: str) -> None:
    chunks = await sdk.chunks(model)
    for name in ("reasoning_content", "reasoning"):
        thoughts = [(chunk.choices[0].delta.model_extra or {}).get(name) for chunk in chunks]
        assert "".join(filter(None, thoughts)) == "Let me think."
    assert text_of(chunks) == "Noon."
    message = (await sdk.chat(model)).choices[0].message
    assert message.model_extra["reasoning_content"] == message.model_extra["reasoning"] == "Let me think."


async def test_a_client_that_leaves_a_stream_frees_the_upstream(
    sdk: Sdk, upstream: BackgroundUpstream
) -> None:
    stream = await sdk.chat("endless", stream=True)
    if hasattr(stream, "__aiter__"):
        await anext(aiter(stream))
    else:
        next(iter(stream))
    assert upstream.is_open
    await sdk.close(stream)
    assert upstream.closed_within(1.0)


@pytest.mark.parametrize("stream", [False, True])
async def test_a_client_that_waits_no_longer_frees_the_upstream(
    sdk: Sdk, upstream: BackgroundUpstream, stream: bool
) -> None:
    with pytest.raises(APITimeoutError):
        await sdk.chat("silent", stream=stream, timeout=0.5)
    assert upstream.closed_within(1.0)


def text_of(chunks: list[Any]) -> str:
    """What was said, of the first choice."""
    return "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
