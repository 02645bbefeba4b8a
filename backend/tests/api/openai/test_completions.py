"""`POST /v1/completions` on a real server: bounds, mistakes, a client that leaves, the default model."""

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

LLM = LlmSettings(discover=False)


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


async def ask(http: httpx2.AsyncClient, **body: Any) -> httpx2.Response:
    return await http.post("/v1/completions", json={"model": "fake/tiny", "prompt": "Hi", **body})


async def test_the_default_model_answers_where_none_is_named(http: httpx2.AsyncClient) -> None:
    response = await http.post("/v1/completions", json={"prompt": "Say hello"})
    assert (response.status_code, response.json()["choices"][0]["text"]) == (200, "Say hello")


async def test_a_stream_ends_as_openais(http: httpx2.AsyncClient) -> None:
    response = await ask(http, stream=True)
    assert response.headers["content-type"].startswith("text/event-stream")
    assert response.text.endswith("data: [DONE]\n\n")
    first = json.loads(response.text.split("\n\n")[0].removeprefix("data: "))
    assert (first["object"], first["choices"][0]["text"]) == ("text_completion", "Hel")


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"prompt": [1, 2, 3]}, "prompt"),
        ({"prompt": []}, "prompt"),
        ({"prompt": ["x"] * 17}, "prompt"),
        ({"prompt": None}, "prompt"),
        ({"suffix": "end"}, "suffix"),
        ({"temperature": 3}, "temperature"),
        ({"base_url": "http://10.0.0.1"}, "base_url"),
        ({"model": "nobody"}, "model"),
    ],
)
async def test_what_cannot_be_asked(http: httpx2.AsyncClient, body: dict[str, Any], param: str) -> None:
    response = await ask(http, **body)
    assert response.status_code in (400, 404)
    assert response.json()["error"]["param"] == param


async def test_a_client_that_leaves_closes_the_model(http: httpx2.AsyncClient, fake: FakeChat) -> None:
    fake.script = [delta("Hel"), None]
    async with http.stream(
        "POST", "/v1/completions", json={"model": "fake", "prompt": "Hi", "stream": True}
    ) as got:
        await anext(got.aiter_raw())
    await wait_until(lambda: fake.closed == 1)
    task = asyncio.create_task(ask(http))
    await wait_until(lambda: fake.opened == 2)
    task.cancel()
    await wait_until(lambda: fake.closed == 2)
