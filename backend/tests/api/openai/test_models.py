"""`GET /v1/models` and its like on a real server, by every path that clients make of a base URL."""

from collections.abc import AsyncIterator, Iterator

import httpx2
import pytest

from app import __version__
from app.core.config import LlmSettings
from tests.fakes.engine import FakeEngine
from tests.fakes.llm_providers import FakeChat, with_models
from tests.support.server import RunningServer, serve_engine

FOUND = FakeChat(lists=("local",))


@pytest.fixture(scope="module")
def served() -> Iterator[RunningServer]:
    fake = FakeChat(lists=("openai/gpt-oss-20b", "qwen3:8b"))
    llm = LlmSettings(discover=False, model_aliases={"gpt-4": "fake/qwen3:8b"})
    with serve_engine(FakeEngine(), registrations=with_models(fake=fake, lm_sought=FOUND), llm=llm) as served:
        yield served


@pytest.fixture
async def http(served: RunningServer) -> AsyncIterator[httpx2.AsyncClient]:
    async with httpx2.AsyncClient(base_url=served.url, trust_env=False) as client:
        yield client


async def test_the_list(http: httpx2.AsyncClient) -> None:
    body = (await http.get("/v1/models")).json()
    assert set(body) == {"object", "data"}
    assert body["object"] == "list"
    ids = [model["id"] for model in body["data"]]
    assert {"echo", "fake/openai/gpt-oss-20b", "fake/qwen3:8b", "lm_sought/local"} <= set(ids)
    assert len(ids) == len(set(ids))
    for model in body["data"]:
        assert set(model) == {"id", "object", "created", "owned_by", "name"}
        assert model["object"] == "model"
        assert type(model["created"]) is int


async def test_a_server_that_looks_for_others_starts_no_search_here(http: httpx2.AsyncClient) -> None:
    before = FOUND.listings
    response = await http.get("/v1/models", headers={"User-Agent": "prompter-discovery"})
    assert "lm_sought/local" not in response.text
    assert "fake/qwen3:8b" in response.text
    assert FOUND.listings == before
    assert response.headers["x-prompter"] == __version__


@pytest.mark.parametrize("path", ["/health", "/v1/models", "/v1/nothing", "/nothing", "/v1/models/nobody"])
async def test_every_answer_says_that_it_is_ours(http: httpx2.AsyncClient, path: str) -> None:
    response = await http.get(path)
    assert response.headers["x-prompter"] == __version__
    assert response.headers["x-request-id"]


@pytest.mark.parametrize("path", ["//v1/models", "/v1//models", "/v1/models/", "//v1//models//"])
async def test_slashes_too_many_do_no_harm(
    served: RunningServer, http: httpx2.AsyncClient, path: str
) -> None:
    response = await http.get(served.url + path)
    assert response.status_code == 200
    assert response.json() == (await http.get("/v1/models")).json()


async def test_slashes_too_many_do_no_harm_to_a_chat(served: RunningServer, http: httpx2.AsyncClient) -> None:
    body = {"model": "echo", "messages": [{"role": "user", "content": "hi"}]}
    response = await http.post(f"{served.url}/v1//chat/completions", json=body)
    assert response.json()["choices"][0]["message"]["content"] == "hi"


@pytest.mark.parametrize(
    ("asked", "full"),
    [
        ("echo", "echo"),
        ("fake/openai/gpt-oss-20b", "fake/openai/gpt-oss-20b"),
        ("openai/gpt-oss-20b", "fake/openai/gpt-oss-20b"),
        ("qwen3:8b", "fake/qwen3:8b"),
        ("fake%2Fqwen3:8b", "fake/qwen3:8b"),
        ("gpt-4", "fake/qwen3:8b"),
        ("whisper-1", "whisper-1"),
        ("cloud_stub", "cloud_stub"),
    ],
)
async def test_one_model(http: httpx2.AsyncClient, asked: str, full: str) -> None:
    response = await http.get(f"/v1/models/{asked}")
    assert response.status_code == 200
    assert response.json()["id"] == full


async def test_one_that_is_not_there(http: httpx2.AsyncClient) -> None:
    for asked in ("nobody", "nobody/at-all", "echo/else"):
        response = await http.get(f"/v1/models/{asked}")
        assert response.status_code == 404
        assert response.json()["error"]["code"] == "model_not_found"
    any_name = await http.get("/v1/models/fake/not-in-its-list")
    assert any_name.status_code == 200, "what a provider has it knows best itself"


async def test_models_of_speech(http: httpx2.AsyncClient) -> None:
    body = (await http.get("/v1/audio/models")).json()
    ids = {model["id"]: model["owned_by"] for model in body["data"]}
    assert ids["cloud_stub"] == "cloud_stub"
    assert ids["whisper-1"] == "fake"
    assert "whisper-1" not in (await http.get("/v1/models")).text
