"""`POST /v1/responses` on a real server: whole, streamed, refused, left."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from typing import Any

import httpx2
import pytest

from app.core.config import LlmSettings, Settings
from app.core.errors import UpstreamTruncated
from tests.fakes.llm_providers import HELLO, FakeAssistant, FakeChat, delta, with_models
from tests.support.server import run_server
from tests.support.speech_client import wait_until

SECRET = "tell nobody about the purple submarine"
LLM = LlmSettings(discover=False, model_aliases={"gpt-5-codex": "fake/tiny"})


@pytest.fixture(scope="module")
def fake() -> FakeChat:
    return FakeChat()


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
    async with httpx2.AsyncClient(base_url=url, timeout=60, trust_env=False) as made:
        yield made


async def ask(http: httpx2.AsyncClient, model: str = "fake/tiny", **body: Any) -> httpx2.Response:
    return await http.post("/v1/responses", json={"model": model, "input": SECRET, **body})


def events(response: httpx2.Response) -> list[Any]:
    return [json.loads(raw.partition("data: ")[2]) for raw in response.text.split("\n\n")[:-1]]


@pytest.mark.parametrize("model", ["fake/tiny", "fake", "tiny", "gpt-5-codex"])
async def test_a_whole_response(http: httpx2.AsyncClient, model: str) -> None:
    response = await ask(http, model)
    assert response.status_code == 200
    made = response.json()
    assert made["output"][0]["content"][0]["text"] == "Hello"
    assert (made["model"], made["status"], made["store"]) == ("fake/tiny", "completed", False)
    assert made["usage"]["total_tokens"] == 13


async def test_a_stream(http: httpx2.AsyncClient) -> None:
    response = await ask(http, stream=True)
    assert response.headers["content-type"].startswith("text/event-stream")
    found = events(response)
    assert [event["type"] for event in found][:: len(found) - 1] == ["response.created", "response.completed"]
    assert "".join(event.get("delta", "") for event in found) == "Hello"


@pytest.mark.parametrize("stream", [False, True])
async def test_echo_answers_with_nothing_configured(http: httpx2.AsyncClient, stream: bool) -> None:
    response = await ask(http, "echo", stream=stream)
    made = events(response)[-1]["response"] if stream else response.json()
    assert made["output"][0]["content"][0]["text"] == SECRET


async def test_an_assistant_answers_for_its_caller(http: httpx2.AsyncClient, helper: FakeAssistant) -> None:
    response = await ask(http, "helper")
    assert response.json()["output"][0]["content"][0]["text"] == "Hello"
    assert helper.contexts[-1].caller.name


async def test_tools_that_are_left_out_are_named(http: httpx2.AsyncClient, fake: FakeChat) -> None:
    tools = [
        {"type": "function", "name": "f"},
        {"type": "web_search"},
        {"type": "mcp", "name": "mcp\r\nx"},
    ]
    response = await ask(http, tools=tools)
    assert response.headers["x-prompter-omitted-tools"] == "web_search, mcp__x"
    assert [tool["function"]["name"] for tool in fake.requests[0].body["tools"]] == ["f"]


async def test_an_image_has_the_limit_of_chat_completions(http: httpx2.AsyncClient, fake: FakeChat) -> None:
    url = "data:image/png;base64," + "A" * (2 << 20)
    item = {"role": "user", "content": [{"type": "input_image", "image_url": url}]}
    assert (await ask(http, input=[item])).status_code == 200
    assert fake.requests[0].body["messages"][0]["content"][0]["image_url"]["url"] == url


def nested(levels: int) -> dict[str, Any]:
    value: dict[str, Any] = {}
    for _ in range(levels):
        value = {"properties": value}
    return value


async def test_numbers_over_64_bits_do_not_break_what_comes_back(http: httpx2.AsyncClient) -> None:
    response = await ask(http, metadata={"n": 10**30}, tools=[{"type": "web_search", "n": 10**30}])
    assert response.status_code == 200


@pytest.mark.parametrize(
    ("body", "status", "code", "param"),
    [
        ({"previous_response_id": "resp_1"}, 400, "previous_response_not_found", "previous_response_id"),
        ({"model": SECRET}, 404, "model_not_found", "model"),
        ({"input": None}, 400, "bad_request", "input"),
        ({"input": {"a": SECRET}}, 400, "bad_request", "input"),
        ({"tools": {"a": SECRET}}, 400, "bad_request", "tools"),
        ({"temperature": 9}, 400, "bad_request", "temperature"),
        ({"base_url": f"https://{SECRET}.example"}, 400, "bad_request", "base_url"),
        ({"input": "\ud800"}, 400, "bad_request", None),
        ({"temperature": float("nan")}, 400, "bad_request", "temperature"),
        ({"unheard_of": float("nan")}, 400, "bad_request", None),
        ({"tools": [{"type": "function", "name": "f", "parameters": nested(300)}]}, 400, "bad_request", None),
    ],
)
async def test_errors_have_the_vendors_shape(
    http: httpx2.AsyncClient, body: dict[str, Any], status: int, code: str, param: str | None
) -> None:
    data = json.dumps({"model": "fake/tiny", "input": "Hi", **body})
    response = await http.post("/v1/responses", content=data, headers={"Content-Type": "application/json"})
    assert response.status_code == status
    error = response.json()["error"]
    assert set(error) == {"message", "type", "param", "code"}
    assert (error["code"], error["param"]) == (code, param)
    assert SECRET not in response.text


async def test_a_stream_that_breaks_off(http: httpx2.AsyncClient, fake: FakeChat) -> None:
    fake.script = [delta("Hel"), UpstreamTruncated("it broke off")]
    last = events(await ask(http, stream=True))[-1]
    assert (last["type"], last["response"]["error"]["message"]) == ("response.failed", "it broke off")


async def test_a_failure_before_the_answer_has_its_status(http: httpx2.AsyncClient, fake: FakeChat) -> None:
    fake.script = [UpstreamTruncated("it broke off")]
    response = await ask(http, stream=True)
    assert (response.status_code, response.json()["error"]["code"]) == (502, "upstream_truncated")


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


@pytest.mark.parametrize("path", ["/v1/responses/resp_1", "/v1/responses/resp_1/input_items"])
async def test_nothing_is_stored(http: httpx2.AsyncClient, path: str) -> None:
    response = await http.get(path)
    assert response.status_code == 404
    assert "none is stored" in response.json()["error"]["message"]
