"""Errors under /v1 have OpenAI's shape and say whether to try again; elsewhere they have ours."""

import re
from collections.abc import AsyncIterator, Iterator
from typing import Any

import httpx2
import pytest

from app.core.config import LlmSettings
from app.core.errors import (
    ContextTooLong,
    ProviderNotReady,
    UpstreamError,
    UpstreamLoading,
    UpstreamRateLimited,
    UpstreamTimeout,
    UpstreamTruncated,
    UpstreamUnauthorized,
)
from tests.fakes.engine import FakeEngine
from tests.fakes.llm_providers import FakeChat, with_models
from tests.support.server import RunningServer, serve_engine

SECRET = "the eagle lands at midnight"
SAID = [{"role": "user", "content": SECRET}]


@pytest.fixture(scope="module")
def fake() -> FakeChat:
    return FakeChat()


@pytest.fixture(scope="module")
def served(fake: FakeChat) -> Iterator[RunningServer]:
    limits = {"body_bytes": 2048, "chat_bytes": 4096, "upload_bytes": 8192}
    with serve_engine(
        FakeEngine(), registrations=with_models(fake=fake), limits=limits, llm=LlmSettings(discover=False)
    ) as served:
        yield served


@pytest.fixture
async def http(served: RunningServer) -> AsyncIterator[httpx2.AsyncClient]:
    async with httpx2.AsyncClient(base_url=served.url, trust_env=False) as client:
        yield client


def assert_openai_error(response: httpx2.Response, status: int, code: str, param: str | None = None) -> str:
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/json"
    assert re.fullmatch(r"[0-9a-f]{32}", response.headers["x-request-id"])
    assert set(response.json()) == {"error"}
    error = response.json()["error"]
    assert set(error) == {"message", "type", "param", "code"}
    assert (error["code"], error["param"]) == (code, param)
    assert SECRET not in response.text
    message: str = error["message"]
    assert message
    return message


# -- requests


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({}, "messages"),
        ({"messages": []}, "messages"),
        ({"messages": SECRET}, "messages"),
        ({"messages": [SECRET]}, "messages[0]"),
        ({"messages": [{"role": "wizard", "content": SECRET}]}, "messages[0].role"),
        ({"messages": [*SAID, {"content": SECRET}]}, "messages[1].role"),
        ({"messages": [{"role": "user", "content": 7}]}, "messages[0].content"),
        ({"messages": [{"role": "user", "content": [{"text": SECRET}]}]}, "messages[0].content"),
        ({"messages": SAID, "temperature": 3}, "temperature"),
        ({"messages": SAID, "temperature": SECRET}, "temperature"),
        ({"messages": SAID, "n": 0}, "n"),
        ({"messages": SAID, "stream": SECRET}, "stream"),
        ({"messages": SAID, "model": 7}, "model"),
        ({"messages": SAID, "stream_options": 7}, "stream_options"),
        ({"messages": SAID, "api_base": SECRET}, "api_base"),
        ({"messages": SAID, "extra_headers": {"x": SECRET}}, "extra_headers"),
        ({"messages": SAID, "provider": {"order": [SECRET]}}, "provider"),
    ],
)
async def test_a_body_that_cannot_be_asked(
    http: httpx2.AsyncClient, body: dict[str, Any], param: str
) -> None:
    message = assert_openai_error(
        await http.post("/v1/chat/completions", json=body), 400, "bad_request", param
    )
    assert param.partition("[")[0] in message


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"null", b"\xff", b"[" * 4000])
async def test_a_body_that_cannot_be_read(http: httpx2.AsyncClient, body: bytes) -> None:
    headers = {"Content-Type": "application/json"}
    response = await http.post("/v1/chat/completions", content=body, headers=headers)
    assert_openai_error(response, 400, "bad_request")


@pytest.mark.parametrize(
    "part",
    [
        {"type": "image_url", "image_url": {"url": "file:///etc/passwd"}},
        {"type": "image_url", "image_url": "FILE:///etc/passwd"},
        {"type": "image_url", "image_url": {"url": " gopher://x"}},
        {"type": "video_url", "video_url": {"url": "/etc/passwd"}},
        {"type": "file", "file": {"file_url": "ftp://x"}},
        {"type": "input_image", "image_url": "smb://x"},
    ],
)
async def test_an_address_that_is_not_of_the_web(http: httpx2.AsyncClient, part: dict[str, Any]) -> None:
    body = {"model": "fake", "messages": [{"role": "user", "content": [part]}]}
    response = await http.post("/v1/chat/completions", json=body)
    assert_openai_error(response, 400, "bad_request", "messages[0].content")


async def test_half_a_character_is_refused(http: httpx2.AsyncClient) -> None:
    for content in ('"\\ud800 hi"', '[{"type":"text","text":"\\uD800"}]', '[{"type":"x","y":"\\ud800"}]'):
        body = f'{{"model":"echo","messages":[{{"role":"user","content":{content}}}]}}'
        response = await http.post(
            "/v1/chat/completions", content=body, headers={"Content-Type": "application/json"}
        )
        assert response.status_code == 400, content
    whole = '{"model":"echo","messages":[{"role":"user","content":"\\ud83d\\ude00"}]}'
    response = await http.post(
        "/v1/chat/completions", content=whole, headers={"Content-Type": "application/json"}
    )
    assert response.json()["choices"][0]["message"]["content"] == "😀"


async def test_an_unknown_model_names_the_way_out_and_no_more_than_a_line(http: httpx2.AsyncClient) -> None:
    for model in ("gpt-9", "x" * 3000):
        response = await http.post("/v1/chat/completions", json={"model": model, "messages": SAID})
        message = assert_openai_error(response, 404, "model_not_found", "model")
        assert "GET /v1/models" in message
        assert len(message) < 300


@pytest.mark.parametrize(
    ("path", "limit"),
    [
        ("/v1/chat/completions", "chat_bytes"),
        ("//v1/chat/completions/", "chat_bytes"),
        ("/v1/else", "body_bytes"),
    ],
)
async def test_a_body_over_the_limit_of_its_route(
    served: RunningServer, http: httpx2.AsyncClient, path: str, limit: str
) -> None:
    size = {"chat_bytes": 4096, "body_bytes": 2048}[limit]
    response = await http.post(served.url + path, content=b"x" * (size + 1))
    assert f"{size} bytes here (limits.{limit})" in assert_openai_error(response, 413, "message_too_big")


async def test_a_body_without_its_length_over_the_limit(http: httpx2.AsyncClient) -> None:
    async def pieces() -> AsyncIterator[bytes]:
        for _ in range(50):
            yield b" " * 100

    response = await http.post(
        "/v1/chat/completions", content=pieces(), headers={"Content-Type": "application/json"}
    )
    assert "limits.chat_bytes" in assert_openai_error(response, 413, "message_too_big")


# -- paths


@pytest.mark.parametrize(
    ("method", "path", "words"),
    [
        ("GET", "/v1/responses/r1", "GET /v1/responses/… is not implemented; of responses there is POST"),
        ("POST", "/v1/images/generations", "/v1/images/… is not implemented"),
        ("POST", "/v1/audio/isolation", "of audio there are POST /v1/audio/transcriptions"),
        ("GET", "/v1/v1/models", "/v1 twice"),
        ("GET", "/v1", "this path under /v1 is not implemented"),
        ("GET", "/v1/the-eagle-lands", "this path under /v1 is not implemented"),
    ],
)
async def test_what_is_not_implemented_says_so(
    http: httpx2.AsyncClient, method: str, path: str, words: str
) -> None:
    message = assert_openai_error(await http.request(method, path), 404, "not_found")
    assert words in message
    assert "eagle" not in message


async def test_another_method(http: httpx2.AsyncClient) -> None:
    response = await http.get("/v1/chat/completions")
    assert_openai_error(response, 405, "method_not_allowed")
    assert response.headers["allow"] == "POST"


@pytest.mark.parametrize(
    ("method", "path"), [("POST", "/chat/completions"), ("GET", "/models"), ("GET", "/api/models/")]
)
async def test_a_base_url_without_v1(http: httpx2.AsyncClient, method: str, path: str) -> None:
    """Outside /v1 the shape is ours, which SDKs can read as well."""
    response = await http.request(method, path)
    assert response.status_code == 404
    error = response.json()["error"]
    assert set(error) == {"code", "message", "note", "request_id"}
    assert ("add /v1 to the base URL" in error["message"]) == (path != "/api/models/")


async def test_the_guard_speaks_as_well(http: httpx2.AsyncClient) -> None:
    response = await http.get("/v1/models", headers={"Origin": "https://evil.example"})
    assert_openai_error(response, 403, "not_allowed")


async def test_a_fault_of_ours(
    served: RunningServer, http: httpx2.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise ValueError(SECRET)

    monkeypatch.setattr(type(served.resources.catalog), "list_models", broken)
    served.log.clear()
    assert_openai_error(await http.get("/v1/models"), 500, "internal_error")
    assert SECRET not in "\n".join(served.log)


# -- upstreams


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("error", "status", "code", "kind", "again"),
    [
        (UpstreamUnauthorized("x", upstream_status=401), 401, "upstream_unauthorized", "authentication_error", False),
        (UpstreamUnauthorized("x", upstream_status=403), 403, "upstream_unauthorized", "permission_error", False),
        (UpstreamError("x", upstream_status=402), 402, "upstream_error", "invalid_request_error", False),
        (UpstreamError("x", upstream_status=404), 404, "upstream_error", "invalid_request_error", None),
        (UpstreamError("x", upstream_status=400), 400, "upstream_error", "invalid_request_error", None),
        (UpstreamError("x", upstream_status=422), 400, "upstream_error", "invalid_request_error", None),
        (UpstreamError("x", upstream_status=409), 502, "upstream_error", "server_error", None),
        (UpstreamError("x", upstream_status=500), 502, "upstream_error", "server_error", None),
        (UpstreamError("x", upstream_status=302), 502, "upstream_error", "server_error", None),
        (UpstreamError("x"), 502, "upstream_error", "server_error", None),
        (UpstreamTimeout("x"), 504, "upstream_timeout", "server_error", None),
        (UpstreamLoading("x", retry_after_s=5, upstream_status=503), 503, "upstream_loading", "server_error", None),
        (UpstreamRateLimited("x", upstream_status=429), 429, "rate_limit_exceeded", "rate_limit_error", None),
        (UpstreamTruncated("x"), 502, "upstream_truncated", "server_error", False),
        (ContextTooLong("x"), 400, "context_length_exceeded", "invalid_request_error", None),
        (ProviderNotReady("x"), 503, "provider_not_ready", "server_error", False),
        (ValueError(SECRET), 500, "engine_failed", "server_error", False),
    ],
)  # fmt: skip
async def test_failures_of_an_upstream_keep_their_status(
    http: httpx2.AsyncClient,
    fake: FakeChat,
    error: Exception,
    status: int,
    code: str,
    kind: str,
    again: bool | None,
    stream: bool,
) -> None:
    fake.script = [error]
    body = {"model": "fake/tiny", "messages": SAID, "stream": stream}
    response = await http.post("/v1/chat/completions", json=body)
    assert_openai_error(response, status, code)
    assert response.json()["error"]["type"] == kind
    assert response.headers.get("x-should-retry") == {False: "false", None: None}[again]


@pytest.mark.parametrize(("wait_s", "header"), [(20, "20"), (0.2, "1"), (0, "0"), (None, None)])
async def test_when_to_try_again(
    http: httpx2.AsyncClient, fake: FakeChat, wait_s: float | None, header: str | None
) -> None:
    fake.script = [UpstreamRateLimited("x", retry_after_s=wait_s, upstream_status=429)]
    response = await http.post("/v1/chat/completions", json={"model": "fake/tiny", "messages": SAID})
    assert response.headers.get("retry-after") == header


# -- the description


async def test_every_route_tells_its_errors(http: httpx2.AsyncClient) -> None:
    schema = (await http.get("/openapi.json")).json()
    chat = schema["paths"]["/v1/chat/completions"]["post"]["responses"]
    assert {"200", "400", "401", "403", "404", "413", "429", "502", "503", "504", "default"} <= set(chat)
    for path in ("/v1/models", "/v1/models/{model_id}", "/v1/audio/models", "/v1/chat/completions"):
        for operation in schema["paths"][path].values():
            for status, response in operation["responses"].items():
                if status != "200":
                    ref = response["content"]["application/json"]["schema"]["$ref"]
                    assert ref.endswith("OpenAiErrorOut"), (path, status)
