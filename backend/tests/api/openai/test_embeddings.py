"""`POST /v1/embeddings` on a real server: what is sent on, what is refused, and that nothing is repeated."""

from collections.abc import AsyncIterator, Iterator
from typing import Any

import httpx2
import pytest
from pydantic import SecretStr

from app.core.config import LlmProfile, LlmSettings, Settings
from tests.fakes.chat_upstream import BackgroundUpstream, run_in_background
from tests.support.server import run_server

WORDS = "tell nobody about the purple submarine"


@pytest.fixture(scope="module")
def upstream() -> Iterator[BackgroundUpstream]:
    with run_in_background() as fake:
        yield fake


@pytest.fixture(scope="module")
def url(upstream: BackgroundUpstream) -> Iterator[str]:
    profile = LlmProfile(base_url=upstream.base_url, api_key=SecretStr("sk-0123456789abcdef"))
    gone = LlmProfile(base_url="http://127.0.0.1:9/v1")
    llm = LlmSettings(
        profiles={"fake": profile, "gone": gone}, discover=False, model_aliases={"ada": "fake/tiny"}
    )
    with run_server(Settings(_env_file=None, llm=llm)) as server:
        yield server.url


@pytest.fixture
async def http(url: str) -> AsyncIterator[httpx2.AsyncClient]:
    async with httpx2.AsyncClient(base_url=url, timeout=20, trust_env=False) as made:
        yield made


async def ask(http: httpx2.AsyncClient, **body: Any) -> httpx2.Response:
    return await http.post("/v1/embeddings", json={"model": "fake/tiny", "input": WORDS, **body})


async def test_the_answer_is_openais(http: httpx2.AsyncClient, upstream: BackgroundUpstream) -> None:
    response = await ask(http, model="ada", input=[WORDS, "x"], dimensions=2, unknown=True)
    assert response.status_code == 200
    answer = response.json()
    assert answer["data"] == [
        {"object": "embedding", "index": 0, "embedding": [0, 0.5]},
        {"object": "embedding", "index": 1, "embedding": [1, 0.5]},
    ]
    assert (answer["object"], answer["model"]) == ("list", "fake/tiny")
    assert upstream.about(WORDS)[-1] == {"model": "tiny", "input": [WORDS, "x"], "dimensions": 2}


async def test_tokens_are_sent_on(http: httpx2.AsyncClient) -> None:
    for tokens, count in (([1, 2, 3], 3), ([[1, 2], [3]], 2)):
        response = await ask(http, input=tokens)
        assert (response.status_code, len(response.json()["data"])) == (200, count)


@pytest.mark.parametrize(
    ("body", "status", "param"),
    [
        ({"model": "echo"}, 400, "model"),
        ({"model": "fake/clock"}, 400, "model"),
        ({"model": ""}, 400, "model"),
        ({"model": "nobody"}, 404, "model"),
        ({"model": "gone/any"}, 502, None),
        ({"input": []}, 400, "input"),
        ({"input": [1, "x"]}, 400, "input"),
        ({"input": [[1], 2]}, 400, "input"),
        ({"input": [[]]}, 400, "input"),
        ({"input": [["x"]]}, 400, "input"),
        ({"input": [None]}, 400, "input"),
        ({"input": {"text": "x"}}, 400, "input"),
        ({"input": ["x"] * 2049}, 400, "input"),
        ({"encoding_format": "hex"}, 400, "encoding_format"),
        ({"api_key": "sk-mine"}, 400, "api_key"),
    ],
)
async def test_what_cannot_be_asked(
    http: httpx2.AsyncClient, body: dict[str, Any], status: int, param: str | None
) -> None:
    response = await ask(http, **body)
    assert (response.status_code, response.json()["error"]["param"]) == (status, param)
    assert WORDS not in response.text
