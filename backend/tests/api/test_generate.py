"""`POST /llm/generate` on a real server with a scripted upstream: answers, errors, clients that leave."""

import asyncio
import json
import logging
import socket
from collections.abc import AsyncIterator, Iterator
from typing import Any

import httpx2
import pytest
from pydantic import SecretStr

from app.core.config import LlmSettings, LlmUpstreamSettings, Settings
from app.core.errors import UpstreamError
from app.providers.base import Wait
from tests.fakes.engine import FakeEngine
from tests.fakes.llm_providers import FakeChat, Gate, pieces, with_models
from tests.fakes.upstream import FakeUpstream, Reply, chat_reply, error_reply, silent_reply
from tests.support.server import run_server, serve_engine

KEY = "sk-server-0123456789abcdef"
PROMPT = "tell nobody about the purple submarine"
MESSAGES = [{"role": "user", "content": PROMPT}]
USAGE = {"prompt_tokens": 11, "completion_tokens": 2, "total_tokens": 13}


@pytest.fixture(scope="module")
def listener() -> Iterator[socket.socket]:
    """Where the upstream listens: it stays the same while the fake behind it is new for each test."""
    with socket.create_server(("127.0.0.1", 0)) as made:
        yield made


@pytest.fixture(scope="module")
def asked_server(listener: socket.socket) -> Iterator[str]:
    """A server whose own upstream is the fake."""
    base_url = f"http://127.0.0.1:{listener.getsockname()[1]}/v1"
    own = LlmUpstreamSettings(base_url=base_url, api_key=SecretStr(KEY), model="tiny")
    llm = LlmSettings(openai_compat=own, local_first_byte_timeout_s=2, idle_timeout_s=2)
    with run_server(Settings(_env_file=None, llm=llm)) as server:
        yield server.url


@pytest.fixture
async def upstream(listener: socket.socket) -> AsyncIterator[FakeUpstream]:
    async with FakeUpstream().serve(listener=listener) as fake:
        yield fake


@pytest.fixture
async def client(upstream: FakeUpstream, asked_server: str) -> AsyncIterator[httpx2.AsyncClient]:
    async with httpx2.AsyncClient(base_url=asked_server, timeout=60, trust_env=False) as made:
        yield made


async def generate(client: httpx2.AsyncClient, **body: Any) -> httpx2.Response:
    return await client.post("/llm/generate", json={"messages": MESSAGES, **body})


def events(body: str) -> list[tuple[str, Any]]:
    """The events of a stream, comments left out."""
    found = []
    for block in body.split("\n\n"):
        lines = dict(line.split(": ", 1) for line in block.splitlines() if line and not line.startswith(":"))
        if lines:
            found.append((lines["event"], json.loads(lines["data"])))
    return found


async def test_a_whole_answer(client: httpx2.AsyncClient, upstream: FakeUpstream) -> None:
    upstream.script.append(chat_reply("Hel", "lo", usage=USAGE))
    response = await generate(client)
    assert response.status_code == 200
    assert response.json() == {
        "provider": "openai_compat",
        "model": "tiny",
        "text": "Hello",
        "finish_reason": "stop",
        "usage": USAGE,
    }


async def test_an_echo(client: httpx2.AsyncClient) -> None:
    body = (await generate(client, provider="echo", config=None, unknown=1)).json()
    assert (body["provider"], body["model"], body["text"]) == ("echo", "echo", PROMPT)


async def test_a_streamed_answer(client: httpx2.AsyncClient, upstream: FakeUpstream) -> None:
    upstream.script.append(chat_reply("Hel", "lo", usage=USAGE, pause_s=0.02))
    response = await generate(client, stream=True)
    assert response.headers["content-type"].startswith("text/event-stream")
    assert response.headers["x-accel-buffering"] == "no"
    found = events(response.text)
    assert found[:2] == [("message", {"content": "Hel"}), ("message", {"content": "lo"})]
    name, done = found[-1]
    assert name == "done"
    assert done.pop("message_id").startswith("msg_")
    assert done == {"status": "completed", "finish_reason": "stop", "usage": USAGE}


async def stream_events(script: list[Any], gates: dict[str, Gate]) -> list[tuple[str, Any]]:
    """The events of a model that follows the script; a gate opens when its word has arrived."""
    registrations = with_models(fake=FakeChat(script))
    llm = {"provider": "fake", "discover": False}
    body = {"messages": MESSAGES, "stream": True}
    text = ""
    with serve_engine(FakeEngine(), registrations=registrations, llm=llm) as served:
        async with (
            httpx2.AsyncClient(base_url=served.url, timeout=60, trust_env=False) as client,
            client.stream("POST", "/llm/generate", json=body) as answer,
        ):
            assert answer.status_code == 200
            async for part in answer.aiter_text():
                text += part
                for word, gate in gates.items():
                    if word in text:
                        gate.set()
    return events(text)


@pytest.mark.usefixtures("eager_words")
async def test_what_a_streamed_answer_waits_for_is_told() -> None:
    """As in the stream of a conversation: before the first piece, where the response begins with it, and after it."""
    loaded, works, stall = Gate(), Gate(), Gate()
    script = [Wait("loading"), loaded, Wait("queued", 2), works, *pieces("Hel", stall, "lo")]
    found = await stream_events(script, {'"loading"': loaded, '"place":2': works, '"working"': stall})
    assert found[0][0] == "status"
    assert found[0][1]["waited_ms"] % 1000 == 0
    states = [(data["state"], data["place"]) for name, data in found if name == "status"]
    assert list(dict.fromkeys(states)) == [("loading", None), ("queued", 2), ("working", None)]
    assert [data["content"] for name, data in found if name == "message"] == ["Hel", "lo"]
    assert found[-1][0] == "done"


@pytest.mark.usefixtures("eager_words")
async def test_a_failure_after_a_status_is_an_event() -> None:
    loaded = Gate()
    script = [Wait("loading"), loaded, UpstreamError("there is no model")]
    found = await stream_events(script, {'"loading"': loaded})
    assert [name for name, _ in dict(found).items()] == ["status", "error"]
    assert found[-1][1] == {"error": "there is no model", "code": "upstream_error"}


async def test_what_breaks_off_ends_with_an_error_event(
    client: httpx2.AsyncClient, upstream: FakeUpstream
) -> None:
    upstream.script.append(chat_reply("Hel", finish_reason=None, done=False, ending="cut", pause_s=0.02))
    response = await generate(client, stream=True)
    assert response.status_code == 200
    found = events(response.text)
    assert found[0] == ("message", {"content": "Hel"})
    assert [name for name, _ in found] == ["message", "error"]
    assert set(found[1][1]) == {"error", "code"}
    assert found[1][1]["code"] == "upstream_truncated"


async def test_what_breaks_off_is_no_whole_answer(client: httpx2.AsyncClient, upstream: FakeUpstream) -> None:
    upstream.script.append(chat_reply("Hel", finish_reason=None, done=False))
    response = await generate(client)
    assert (response.status_code, response.json()["error"]["code"]) == (502, "upstream_truncated")
    assert "Hel" not in response.text


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("reply", "status", "code"),
    [
        (error_reply(401, f"bad key {KEY}"), 502, "upstream_unauthorized"),
        (error_reply(400, f"refused: {PROMPT}"), 502, "upstream_error"),
        (Reply(status=302, headers={"Location": "/"}), 502, "upstream_error"),
        (silent_reply(), 504, "upstream_timeout"),
    ],
)
async def test_failures_keep_their_status(
    client: httpx2.AsyncClient,
    upstream: FakeUpstream,
    reply: Reply,
    status: int,
    code: str,
    stream: bool,
    caplog: pytest.LogCaptureFixture,
) -> None:
    upstream.script.append(reply)
    with caplog.at_level(logging.DEBUG):
        response = await generate(client, stream=stream)
    body = response.json()
    assert (response.status_code, body["error"]["code"]) == (status, code)
    assert set(body["error"]) == {"code", "message", "note", "request_id"}
    for private in (KEY, PROMPT):
        assert private not in response.text
        assert private not in caplog.text


@pytest.mark.parametrize(
    ("body", "status", "code", "words"),
    [
        (
            {"provider": "openai_compat", "config": {"base_url": "https://a.example/v1"}},
            400,
            "missing_config",
            "api_key",
        ),
        (
            {"config": {"base_url": "http://10.0.0.1/v1", "api_key": "k"}},
            400,
            "base_url_not_allowed",
            "not allowed",
        ),
        (
            {"config": {"base_url": "https://127.0.0.1/v1", "api_key": "k"}},
            400,
            "base_url_not_allowed",
            "may not be",
        ),
        (
            {"config": {"base_url": "file:///etc/passwd", "api_key": "k"}},
            400,
            "base_url_not_allowed",
            "scheme",
        ),
        ({"provider": "gpt"}, 400, "unknown_provider", "echo"),
        ({"session_id": "never-seen"}, 404, "not_found", "session_id"),
        ({"messages": []}, 400, "bad_request", "nothing to send"),
        ({"messages": [{"role": "wizard", "content": "x"}]}, 400, "bad_request", "role"),
        ({"messages": "x"}, 400, "bad_request", "messages"),
    ],
)
async def test_what_cannot_be_asked(
    client: httpx2.AsyncClient, body: dict[str, Any], status: int, code: str, words: str
) -> None:
    response = await generate(client, **body)
    told = response.json()["error"]
    assert (response.status_code, told["code"]) == (status, code)
    assert words in told["message"]


async def test_missing_names_all_three(server: str) -> None:
    async with httpx2.AsyncClient(base_url=server, trust_env=False) as client:
        response = await generate(client, provider="openai_compat")
    assert response.status_code == 400
    assert "needs base_url, api_key, model;" in response.json()["error"]["message"]


@pytest.mark.parametrize("stream", [False, True])
async def test_leaving_while_the_upstream_is_silent_closes_it(
    client: httpx2.AsyncClient,
    upstream: FakeUpstream,
    stream: bool,
) -> None:
    upstream.script.append(silent_reply())
    asking = asyncio.ensure_future(generate(client, stream=stream))
    await asyncio.wait_for(upstream.asked.wait(), 30)
    asking.cancel()
    await asyncio.gather(asking, return_exceptions=True)
    await asyncio.wait_for(upstream.left.wait(), 30)


async def test_leaving_a_whole_answer_half_way_closes_the_upstream(
    client: httpx2.AsyncClient, upstream: FakeUpstream
) -> None:
    upstream.script.append(chat_reply(*["word "] * 500, pause_s=0.02))
    asking = asyncio.ensure_future(generate(client))
    await asyncio.wait_for(upstream.asked.wait(), 30)
    asking.cancel()
    await asyncio.gather(asking, return_exceptions=True)
    await asyncio.wait_for(upstream.left.wait(), 30)


@pytest.mark.parametrize("pause_s", [0.0, 0.0005, 0.005, 0.02, 0.5])
async def test_leaving_a_stream_closes_the_upstream_at_every_rate(
    client: httpx2.AsyncClient, upstream: FakeUpstream, pause_s: float
) -> None:
    upstream.script.append(chat_reply(*["word "] * 50_000, pause_s=pause_s))
    body = {"messages": MESSAGES, "stream": True}
    async with client.stream("POST", "/llm/generate", json=body) as response:
        assert response.status_code == 200
        await anext(response.aiter_bytes())
    await asyncio.wait_for(upstream.left.wait(), 30)


async def test_leaving_a_stream_that_hangs_closes_the_upstream(
    client: httpx2.AsyncClient, upstream: FakeUpstream
) -> None:
    upstream.script.append(chat_reply("Hel", finish_reason=None, done=False, ending="hang"))
    body = {"messages": MESSAGES, "stream": True}
    async with client.stream("POST", "/llm/generate", json=body) as response:
        await anext(response.aiter_bytes())
    await asyncio.wait_for(upstream.left.wait(), 30)


async def test_every_field_and_answer_is_described(server: str) -> None:
    async with httpx2.AsyncClient(base_url=server, trust_env=False) as client:
        schema = (await client.get("/openapi.json")).json()
    route = schema["paths"]["/llm/generate"]["post"]
    assert {"200", "400", "403", "404", "409", "502", "504"} <= set(route["responses"])
    assert "422" not in route["responses"]
    for name in ("GenerateIn", "GenerateConfig", "GenerateOut", "UsageOut", "MessageIn", "ErrorBody"):
        for field, described in schema["components"]["schemas"][name]["properties"].items():
            assert described.get("description"), f"{name}.{field}"


@pytest.mark.parametrize("stream", [False, True])
async def test_half_a_character_in_a_prompt_is_refused(server: str, stream: bool) -> None:
    """JSON can carry half a surrogate pair, UTF-8 cannot: the answer would break off without a word."""
    body = f'{{"messages":[{{"role":"user","content":"\\ud800 hi"}}],"stream":{json.dumps(stream)}}}'
    async with httpx2.AsyncClient(base_url=server, timeout=60, trust_env=False) as client:
        response = await client.post(
            "/llm/generate", content=body, headers={"content-type": "application/json"}
        )
    assert (response.status_code, response.json()["error"]["code"]) == (400, "bad_request")
