"""`POST /v1/chat/completions` on a real server: JSON, events, clients that leave, and who is meant."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from typing import Any

import httpx2
import pytest

from app.core.config import LlmSettings, Settings
from tests.fakes.llm_providers import HELLO, FakeChat, delta, with_models
from tests.support.server import run_server
from tests.support.speech_client import wait_until

PROMPT = "tell nobody about the purple submarine"
MESSAGES = [{"role": "user", "content": PROMPT}]
LLM = LlmSettings(discover=False, model_aliases={"claude-sonnet-4": "fake/tiny"})


@pytest.fixture(scope="module")
def fake() -> FakeChat:
    return FakeChat()


@pytest.fixture(scope="module")
def url(fake: FakeChat) -> Iterator[str]:
    with run_server(Settings(_env_file=None, llm=LLM), registrations=with_models(fake=fake)) as server:
        yield server.url


@pytest.fixture
async def http(url: str, fake: FakeChat) -> AsyncIterator[httpx2.AsyncClient]:
    fake.script, fake.opened, fake.closed = HELLO, 0, 0
    fake.requests.clear()
    async with httpx2.AsyncClient(base_url=url, timeout=60, trust_env=False) as made:
        yield made


async def ask(http: httpx2.AsyncClient, model: str = "fake/tiny", **body: Any) -> httpx2.Response:
    return await http.post("/v1/chat/completions", json={"model": model, "messages": MESSAGES, **body})


def events(response: httpx2.Response) -> list[Any]:
    """The data of each event; the end is not JSON and is checked here."""
    data = [line.removeprefix("data: ") for line in response.text.split("\n\n") if line]
    assert data.pop() == "[DONE]"
    return [json.loads(each) for each in data]


@pytest.mark.parametrize("model", ["fake/tiny", "fake", "tiny", "claude-sonnet-4"])
async def test_a_whole_answer(http: httpx2.AsyncClient, model: str) -> None:
    response = await ask(http, model)
    assert response.status_code == 200
    assert response.headers["content-type"] == "application/json"
    answer = response.json()
    assert answer["choices"][0]["message"]["content"] == "Hello"
    assert answer["model"] == "fake/tiny"
    assert {"prompt_tokens", "completion_tokens", "total_tokens"} <= set(answer["usage"])


@pytest.mark.parametrize("accept", ["application/json", "text/event-stream", "*/*"])
async def test_a_stream(http: httpx2.AsyncClient, accept: str) -> None:
    """Whether to stream is said in the body; SDKs always accept JSON alone."""
    response = await http.post(
        "/v1/chat/completions",
        json={
            "model": "fake/tiny",
            "messages": MESSAGES,
            "stream": True,
            "stream_options": {"include_usage": True},
        },
        headers={"Accept": accept},
    )
    assert response.status_code == 200
    assert response.headers["content-type"].startswith("text/event-stream")
    assert response.headers["cache-control"] == "no-cache"
    chunks = events(response)
    assert "".join(chunk["choices"][0]["delta"]["content"] for chunk in chunks[:-1]) == "Hello"
    assert chunks[-1]["usage"]["total_tokens"] == 13


@pytest.mark.parametrize("stream", [False, True])
async def test_echo_answers_with_nothing_configured(http: httpx2.AsyncClient, stream: bool) -> None:
    parts = [{"type": "text", "text": PROMPT}]
    messages = [{"role": "system", "content": parts}, {"role": "user", "content": parts}]
    response = await ask(http, "echo", messages=messages, stream=stream)
    if stream:
        text = "".join(chunk["choices"][0]["delta"]["content"] for chunk in events(response))
    else:
        text = response.json()["choices"][0]["message"]["content"]
    assert text == PROMPT


async def test_no_model_means_the_default(http: httpx2.AsyncClient) -> None:
    response = await http.post("/v1/chat/completions", json={"messages": MESSAGES})
    assert response.json()["model"] == "echo"


async def test_what_nobody_knows_here_reaches_the_upstream(http: httpx2.AsyncClient, fake: FakeChat) -> None:
    tools = [{"type": "function", "function": {"name": "f", "strict": True}, "cache_control": {"type": "x"}}]
    call = {"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    image = {"type": "image_url", "image_url": {"url": "https://a.example/x.png", "detail": "low"}}
    messages = [
        {
            "role": "developer",
            "content": [{"type": "text", "text": "x", "cache_control": {"type": "ephemeral"}}],
        },
        {
            "role": "user",
            "content": [image, {"type": "input_audio", "input_audio": {"data": "", "format": "wav"}}],
        },
        {"role": "assistant", "content": None, "tool_calls": [call], "reasoning_content": "hm"},
        {"role": "assistant", "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "c1", "content": [{"type": "text", "text": "7"}]},
        {"role": "user", "content": "", "name": "ann"},
    ]
    options: dict[str, Any] = {
        "temperature": 0.5,
        "top_k": 3,
        "tools": tools,
        "tool_choice": "required",
        "n": 2,
        "user": "u",
    }
    response = await ask(http, messages=messages, metadata=None, unheard_of={"x": 1}, **options)
    assert response.status_code == 200, response.text
    assert fake.requests[0].body == {"messages": messages, **options}


@pytest.mark.parametrize("stream", [False, True])
async def test_a_client_that_leaves_in_silence_closes_the_upstream(
    http: httpx2.AsyncClient, fake: FakeChat, stream: bool
) -> None:
    fake.script = [None]
    asking = asyncio.ensure_future(ask(http, stream=stream))
    await wait_until(lambda: fake.opened == 1)
    asking.cancel()
    await asyncio.gather(asking, return_exceptions=True)
    await wait_until(lambda: fake.closed == 1, within_s=1)


@pytest.mark.parametrize("rest", [[None], [delta("word ")] * 200_000])
async def test_a_client_that_leaves_in_mid_stream_closes_the_upstream(
    http: httpx2.AsyncClient, fake: FakeChat, rest: list[Any]
) -> None:
    fake.script = [delta("Hel"), *rest]
    body = {"model": "fake", "messages": MESSAGES, "stream": True}
    async with http.stream("POST", "/v1/chat/completions", json=body) as response:
        await anext(response.aiter_bytes())
    await wait_until(lambda: fake.closed == 1, within_s=1)


async def test_large_bodies_have_a_limit_of_their_own(http: httpx2.AsyncClient, fake: FakeChat) -> None:
    """An image of two megabytes is no attack."""
    url = "data:image/png;base64," + "A" * (2 << 20)
    image = [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": url}}]}]
    assert (await ask(http, messages=image)).status_code == 200
    assert fake.requests[0].body["messages"] == image
    assert (await http.post("/llm/generate", json={"messages": MESSAGES, "x": url})).status_code == 413


async def test_generate_takes_the_same_ids(http: httpx2.AsyncClient, fake: FakeChat) -> None:
    """`profile/model` needs no address and no key; a provider may be a profile."""
    for body, model in (
        ({"config": {"model": "fake/some:8b"}}, "some:8b"),
        ({"provider": "fake", "config": {"model": "some:8b"}}, "some:8b"),
        ({"provider": "fake", "config": {"model": "fake/some:8b"}}, "some:8b"),
        ({"provider": "fake", "config": {"model": "else/some:8b"}}, "else/some:8b"),
        ({"provider": "fake", "config": {"top_p": 0.5, "stop": "x", "seed": 7}}, ""),
    ):
        response = await http.post("/llm/generate", json={"messages": MESSAGES, **body})
        assert response.json()["provider"] == "fake", body
        asked = fake.requests[-1]
        assert (asked.model, len(asked.body["messages"])) == (model, 1), body
    response = await http.post("/llm/generate", json={"messages": MESSAGES, "config": {"model": "else/x"}})
    assert response.json()["provider"] == "echo"
