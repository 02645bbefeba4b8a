"""`POST /v1/messages` and `/v1/messages/count_tokens` on a real server, and what else clients of that API ask for."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from typing import Any

import httpx2
import pytest

from app.core.config import LlmSettings, Settings
from app.core.errors import ContextTooLong, UpstreamRateLimited, UpstreamTruncated
from tests.fakes.llm_providers import HELLO, FakeAssistant, FakeChat, delta, with_models
from tests.support.server import run_server
from tests.support.speech_client import wait_until

SECRET = "tell nobody about the purple submarine"
LLM = LlmSettings(discover=False, model_aliases={"claude-sonnet-5": "fake/tiny"})
VERSION = {"anthropic-version": "2023-06-01"}


@pytest.fixture(scope="module")
def fake() -> FakeChat:
    return FakeChat(lists=("tiny", "small", "large"))


@pytest.fixture(scope="module")
def helper() -> FakeAssistant:
    return FakeAssistant(lists=())


@pytest.fixture(scope="module")
def url(fake: FakeChat, helper: FakeAssistant) -> Iterator[str]:
    models = with_models(fake=fake, helper=helper)
    with run_server(Settings(_env_file=None, llm=LLM), registrations=models) as server:
        yield server.url


@pytest.fixture
async def http(url: str, fake: FakeChat) -> AsyncIterator[httpx2.AsyncClient]:
    fake.script, fake.opened, fake.closed = HELLO, 0, 0
    fake.requests.clear()
    async with httpx2.AsyncClient(base_url=url, timeout=60, trust_env=False, headers=VERSION) as made:
        yield made


async def ask(http: httpx2.AsyncClient, model: str = "fake/tiny", **body: Any) -> httpx2.Response:
    turns = [{"role": "user", "content": SECRET}]
    return await http.post(
        "/v1/messages?beta=true", json={"model": model, "max_tokens": 100, "messages": turns, **body}
    )


def events(response: httpx2.Response) -> list[Any]:
    return [json.loads(raw.partition("data: ")[2]) for raw in response.text.split("\n\n")[:-1]]


@pytest.mark.parametrize("model", ["fake/tiny", "fake", "tiny", "claude-sonnet-5"])
async def test_a_whole_message(http: httpx2.AsyncClient, fake: FakeChat, model: str) -> None:
    response = await ask(http, model)
    assert response.status_code == 200
    made = response.json()
    assert made["content"] == [{"type": "text", "text": "Hello"}]
    assert (made["model"], made["stop_reason"]) == ("fake/tiny", "end_turn")
    assert (made["usage"]["input_tokens"], made["usage"]["output_tokens"]) == (11, 2)
    assert fake.requests[0].body["max_tokens"] == 100


async def test_a_stream(http: httpx2.AsyncClient) -> None:
    response = await ask(http, stream=True)
    assert response.headers["content-type"].startswith("text/event-stream")
    found = events(response)
    assert [event["type"] for event in found][:: len(found) - 1] == ["message_start", "message_stop"]
    assert "".join(event["delta"].get("text", "") for event in found if "delta" in event) == "Hello"


@pytest.mark.parametrize("stream", [False, True])
async def test_echo_answers_with_nothing_configured(http: httpx2.AsyncClient, stream: bool) -> None:
    response = await ask(http, "echo", stream=stream)
    deltas = [event.get("delta", {}).get("text", "") for event in events(response)] if stream else []
    assert ("".join(deltas) if stream else response.json()["content"][0]["text"]) == SECRET


async def test_an_assistant_answers_for_its_caller(http: httpx2.AsyncClient, helper: FakeAssistant) -> None:
    assert (await ask(http, "helper")).json()["content"][0]["text"] == "Hello"
    assert helper.contexts[-1].caller.name


async def test_tools_that_are_left_out_are_named(http: httpx2.AsyncClient, fake: FakeChat) -> None:
    tools = [{"name": "f", "input_schema": {}}, {"type": "web_search_20260318", "name": "web_search"}]
    response = await ask(http, tools=tools)
    assert response.headers["x-prompter-omitted-tools"] == "web_search"
    assert [tool["function"]["name"] for tool in fake.requests[0].body["tools"]] == ["f"]


async def test_an_image_has_the_limit_of_chat_completions(http: httpx2.AsyncClient, fake: FakeChat) -> None:
    source = {"type": "base64", "media_type": "image/png", "data": "A" * (2 << 20)}
    turns = [{"role": "user", "content": [{"type": "image", "source": source}]}]
    assert (await ask(http, messages=turns)).status_code == 200
    counted = await http.post("/v1/messages/count_tokens", json={"model": "fake", "messages": turns})
    assert counted.json()["input_tokens"] < 2000


async def test_tokens_are_counted_without_a_model(http: httpx2.AsyncClient, fake: FakeChat) -> None:
    body = {"model": "claude-sonnet-5", "messages": [{"role": "user", "content": "x" * 400}]}
    response = await http.post("/v1/messages/count_tokens?beta=true", json=body)
    assert response.json() == {"input_tokens": 105}
    assert not fake.requests


@pytest.mark.parametrize(
    ("body", "status", "kind"),
    [
        ({"model": SECRET}, 404, "not_found_error"),
        ({"messages": []}, 400, "invalid_request_error"),
        ({"messages": [{"role": SECRET, "content": "x"}]}, 400, "invalid_request_error"),
        ({"messages": [{"role": "user", "content": 7}]}, 400, "invalid_request_error"),
        ({"max_tokens": 0}, 400, "invalid_request_error"),
        ({"api_base": SECRET}, 400, "invalid_request_error"),
        ({"system": "\ud800"}, 400, "invalid_request_error"),
        ({"system": "x" * (21 << 20)}, 413, "request_too_large"),
    ],
)
async def test_errors_have_the_vendors_shape(
    http: httpx2.AsyncClient, body: dict[str, Any], status: int, kind: str
) -> None:
    turns = [{"role": "user", "content": "Hi"}]
    data = json.dumps({"model": "fake/tiny", "max_tokens": 9, "messages": turns, **body})
    response = await http.post("/v1/messages", content=data, headers={"Content-Type": "application/json"})
    assert_error(response, status, kind)
    assert SECRET not in response.text


def assert_error(response: httpx2.Response, status: int, kind: str) -> None:
    assert response.status_code == status, response.text
    body = response.json()
    assert set(body) == {"type", "error", "request_id"}
    assert (body["type"], body["error"]["type"]) == ("error", kind)
    assert body["request_id"] == response.headers["x-request-id"] == response.headers["request-id"]
    assert body["error"]["message"]


@pytest.mark.parametrize(
    ("error", "status", "kind"),
    [
        (UpstreamRateLimited("slow down", retry_after_s=7), 429, "rate_limit_error"),
        (ContextTooLong("send less"), 400, "invalid_request_error"),
        (UpstreamTruncated("it broke off"), 502, "api_error"),
    ],
)
@pytest.mark.parametrize("stream", [False, True])
async def test_a_failure_before_the_answer_has_its_status(
    http: httpx2.AsyncClient, fake: FakeChat, error: Exception, status: int, kind: str, stream: bool
) -> None:
    fake.script = [error]
    response = await ask(http, stream=stream)
    assert_error(response, status, kind)
    assert response.headers.get("retry-after") == ("7" if status == 429 else None)


async def test_a_prompt_that_is_too_long_says_so_in_the_vendors_words(
    http: httpx2.AsyncClient, fake: FakeChat
) -> None:
    """Claude Code shortens a conversation by itself when it reads them."""
    fake.script = [ContextTooLong("send less")]
    assert (await ask(http)).json()["error"]["message"].startswith("prompt is too long")


async def test_a_stream_that_breaks_off(http: httpx2.AsyncClient, fake: FakeChat) -> None:
    fake.script = [delta("Hel"), UpstreamTruncated("it broke off")]
    last = events(await ask(http, stream=True))[-1]
    assert (last["type"], last["error"]["message"]) == ("error", "it broke off")


@pytest.mark.parametrize("stream", [False, True])
async def test_a_client_that_leaves_closes_the_upstream(
    http: httpx2.AsyncClient, fake: FakeChat, stream: bool
) -> None:
    fake.script = [None]
    asking = asyncio.ensure_future(ask(http, stream=stream))
    await wait_until(lambda: fake.opened == 1)
    asking.cancel()
    await asyncio.gather(asking, return_exceptions=True)
    await wait_until(lambda: fake.closed == 1, within_s=1)


# -- what else clients ask for


async def test_whether_a_server_is_there(http: httpx2.AsyncClient) -> None:
    assert (await http.head("/")).status_code == 200


async def test_models_in_the_vendors_format(http: httpx2.AsyncClient) -> None:
    body = (await http.get("/v1/models")).json()
    assert set(body) == {"data", "has_more", "first_id", "last_id"}
    ids = [model["id"] for model in body["data"]]
    assert {"echo", "fake/tiny", "fake/small", "fake/large"} <= set(ids)
    assert (body["first_id"], body["last_id"], body["has_more"]) == (ids[0], ids[-1], False)
    assert set(body["data"][0]) == {"type", "id", "display_name", "created_at"}
    one = (await http.get("/v1/models/fake/tiny")).json()
    assert (one["type"], one["id"]) == ("model", "fake/tiny")


async def test_pages_of_models(http: httpx2.AsyncClient) -> None:
    ids = [model["id"] for model in (await http.get("/v1/models")).json()["data"]]
    found: list[str] = []
    query: dict[str, Any] = {"limit": 2}
    while True:
        page = (await http.get("/v1/models", params=query)).json()
        found += [model["id"] for model in page["data"]]
        if not page["has_more"]:
            break
        query["after_id"] = page["last_id"]
    assert found == ids
    page = (await http.get("/v1/models", params={"limit": 2, "before_id": ids[-1]})).json()
    assert [model["id"] for model in page["data"]] == ids[-3:-1]
    page = (await http.get("/v1/models", params={"after_id": "nobody"})).json()
    assert len(page["data"]) == len(ids)


async def test_a_client_of_another_api_gets_its_own_format(url: str) -> None:
    async with httpx2.AsyncClient(base_url=url, trust_env=False) as client:
        assert (await client.get("/v1/models")).json()["object"] == "list"
        assert "param" in (await client.get("/v1/models/nobody")).json()["error"]


@pytest.mark.parametrize(
    ("method", "path", "status", "kind"),
    [
        ("GET", "/v1/models/nobody", 404, "not_found_error"),
        ("POST", "/v1/messages/batches", 404, "not_found_error"),
        ("GET", "/v1/messages", 405, "invalid_request_error"),
        ("GET", "/v1/models?limit=0", 400, "invalid_request_error"),
    ],
)
async def test_other_errors_have_the_vendors_shape_too(
    http: httpx2.AsyncClient, method: str, path: str, status: int, kind: str
) -> None:
    assert_error(await http.request(method, path), status, kind)


async def test_the_guard_speaks_as_well(http: httpx2.AsyncClient) -> None:
    response = await http.post("/v1/messages", headers={"Origin": "https://evil.example"})
    assert_error(response, 403, "permission_error")
