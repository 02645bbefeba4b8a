"""The HTTP doors from the outside: one shape of errors, a whole description, nothing loaded from elsewhere."""

import asyncio
import base64
import hashlib
import json
import re
from collections.abc import AsyncIterator, Iterator
from typing import Any

import httpx2
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from app.schemas.providers import ProviderState
from tests.fakes.engine import FakeEngine, Gate, Script
from tests.support.server import RunningServer, serve_engine
from tests.support.speech_client import connect_speech_client

SECRET = "the eagle lands at midnight"


@pytest.fixture(scope="module")
def served() -> Iterator[RunningServer]:
    with serve_engine(FakeEngine(), limits={"body_bytes": 4096, "header_bytes": 8192}) as served:
        yield served


@pytest.fixture
async def http(served: RunningServer) -> AsyncIterator[httpx2.AsyncClient]:
    async with httpx2.AsyncClient(base_url=served.url, trust_env=False) as client:
        yield client


@pytest.fixture
async def schema(http: httpx2.AsyncClient) -> dict[str, Any]:
    schema: dict[str, Any] = (await http.get("/openapi.json")).json()
    return schema


def assert_our_error(response: httpx2.Response, status: int, code: str) -> None:
    assert response.status_code == status
    assert response.headers["content-type"] == "application/json"
    assert set(response.json()) == {"error"}
    error = response.json()["error"]
    assert set(error) == {"code", "message", "note", "request_id"}
    assert error["code"] == code
    assert re.fullmatch(r"[0-9a-f]{32}", error["request_id"])
    assert error["request_id"] == response.headers["x-request-id"]
    assert error["message"]
    assert "Traceback" not in response.text
    assert SECRET not in response.text


# -- what there is ----------------------------------------------------------------------------------


async def test_health(http: httpx2.AsyncClient) -> None:
    response = await http.get("/health")
    assert (response.status_code, response.json()) == (200, {"status": "ok"})


async def test_ready_once_the_default_engine_is_warm(http: httpx2.AsyncClient) -> None:
    async with asyncio.timeout(60):
        while (response := await http.get("/health/ready")).status_code != 200:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    assert response.json() == {"status": "ready"}


async def test_not_ready_while_the_default_engine_loads() -> None:

    gate = Gate()
    with serve_engine(FakeEngine(Script(gates={"start": gate}))) as served:
        async with httpx2.AsyncClient(base_url=served.url, trust_env=False) as client:
            response = await client.get("/health/ready")
            assert (response.status_code, response.json()) == (503, {"status": "loading"})
            gate.open()


async def test_root_says_what_it_is(http: httpx2.AsyncClient) -> None:
    response = await http.get("/", headers={"Accept": "application/json"})
    assert response.json() == {"status": "Chat API is running"}


@pytest.mark.parametrize("kind", ["stt", "llm"])
async def test_provider_lists(http: httpx2.AsyncClient, kind: str) -> None:
    items = (await http.get(f"/providers/{kind}")).json()["items"]
    assert {"stt": "cloud_stub", "llm": "echo"}[kind] in [item["name"] for item in items]
    assert len([item for item in items if item["default"]]) == 1
    for item in items:
        assert {"name", "type", "status", "description"} <= set(item)
        assert item["status"] in set(ProviderState)
        assert item["description"]


@pytest.mark.parametrize("step", ["status", "models"])
async def test_one_bad_provider_does_not_break_the_list(step: Any) -> None:
    with serve_engine(FakeEngine(Script(failures={step: ValueError(SECRET)}))) as served:
        async with httpx2.AsyncClient(base_url=served.url, trust_env=False) as client:
            response = await client.get("/providers/stt")
        assert response.status_code == 200
        assert {"fake", "cloud_stub"} <= {item["name"] for item in response.json()["items"]}
        assert SECRET not in response.text + "\n".join(served.log)


async def test_a_slow_provider_does_not_delay_the_list_beyond_its_limit(
    monkeypatch: pytest.MonkeyPatch,
) -> None:

    monkeypatch.setattr("app.services.decoding.providers.PROBE_TIMEOUT_S", 0.2)
    engine = FakeEngine()
    with serve_engine(engine) as served:
        async with httpx2.AsyncClient(base_url=served.url, trust_env=False, timeout=60) as client:
            await client.get("/health/ready")
            engine.script.delays_s["status"] = 1.0
            response = await client.get("/providers/stt")
            states = {item["name"]: item["status"] for item in response.json()["items"]}
            assert states["fake"] == "unreachable"
            assert states["cloud_stub"] == "ready"


# -- security headers -------------------------------------------------------------------------------

CHAT = {"model": "echo", "messages": [{"role": "user", "content": "hello"}]}
ASKED: list[tuple[str, str, int, dict[str, Any]]] = [
    ("GET", "/", 200, {"headers": {"Accept": "text/html"}}),
    ("GET", "/", 200, {}),
    ("GET", "/docs", 200, {}),
    ("GET", "/docs/static/swagger-ui-bundle.js", 200, {}),
    ("GET", "/openapi.json", 200, {}),
    ("GET", "/health", 200, {}),
    ("HEAD", "/", 200, {}),
    ("GET", "/metrics", 200, {}),
    ("GET", "/providers/stt", 200, {}),
    ("GET", "/api/conversations", 200, {}),
    ("GET", "/v1/models", 200, {}),
    ("POST", "/v1/chat/completions", 200, {"json": CHAT}),
    ("POST", "/v1/chat/completions", 200, {"json": {**CHAT, "stream": True}}),
    ("GET", "/nothing", 404, {}),
    ("DELETE", "/health", 405, {}),
    ("POST", "/llm/generate", 400, {"json": {}}),
    ("POST", "/llm/generate", 413, {"content": b"x" * 5000}),
    ("GET", "/health", 403, {"headers": {"Host": "evil.example"}}),
    ("GET", "/health", 403, {"headers": {"Origin": "https://evil.example"}}),
    ("GET", "/health?" + "x" * 9000, 431, {}),
]


@pytest.mark.parametrize(("method", "path", "status", "more"), ASKED)
async def test_every_answer_has_the_security_headers(
    http: httpx2.AsyncClient, method: str, path: str, status: int, more: dict[str, Any]
) -> None:
    """No page frames it, its type is not guessed, and no other site loads it as a script or an image."""
    response = await http.request(method, path, **more)
    assert response.status_code == status
    headers = response.headers
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["x-frame-options"] == "DENY"
    assert "frame-ancestors 'none'" in headers["content-security-policy"]
    assert "default-src 'self'" in headers["content-security-policy"]
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["cross-origin-opener-policy"] == "same-origin"
    assert headers["cross-origin-resource-policy"] == "same-origin"
    assert "camera=()" in headers["permissions-policy"]
    assert len(headers.get_list("content-security-policy")) == 1


async def test_the_docs_run_their_own_script_alone(http: httpx2.AsyncClient) -> None:
    response = await http.get("/docs")
    policy = dict(
        part.strip().split(" ", 1) for part in response.headers["content-security-policy"].split(";")
    )
    (script,) = re.findall(r"<script>(.*?)</script>", response.text, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert policy["script-src"] == f"'self' 'sha256-{digest}'"
    assert policy["default-src"] == "'self'"


async def test_a_name_that_is_given_twice_is_refused(served: RunningServer) -> None:
    """Two programs on the way could each believe another one."""
    host, _, port = served.url.removeprefix("http://").partition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(b"GET /health HTTP/1.0\r\nHost: localhost\r\nHost: evil.example\r\n\r\n")
    assert (await reader.read()).startswith(b"HTTP/1.1 403 ")
    writer.close()


# -- names, sockets, old clients --------------------------------------------------------------------


async def test_a_person_at_a_name_that_is_not_allowed_gets_a_page(http: httpx2.AsyncClient) -> None:
    headers = {"Host": "my-box.lan:8000", "Accept": "text/html,*/*;q=0.8", "Accept-Language": "es-ES,es"}
    response = await http.get("/", headers=headers)
    assert response.status_code == 403
    assert response.headers["content-type"].startswith("text/html")
    assert "PROMPTER_ALLOWED_HOSTS=" in response.text
    assert '<html lang="es">' in response.text
    assert "my-box" not in response.text
    assert_our_error(await http.get("/", headers={"Host": "my-box.lan:8000"}), 403, "not_allowed")


@pytest.mark.parametrize(
    ("path", "headers", "status", "code", "words"),
    [
        ("/v1/realtime/calls", {}, 404, "not_found", "at the socket /v1/realtime, and POST"),
        ("/v1/chat/completions", {}, 404, "not_found", "a socket at /v1/chat/… is not implemented"),
        ("/nothing", {}, 404, "not_found", "/ws/stt"),
        ("/assets/index.js", {}, 404, "not_found", "/ws/stt"),
        ("/docs/static/swagger-ui.css", {}, 404, "not_found", "/ws/stt"),
        ("/ws/stt", {"Origin": "https://evil.example"}, 403, "not_allowed", "allowed_origins"),
        ("/v1/realtime", {"Origin": "https://evil.example"}, 403, "not_allowed", "allowed_origins"),
    ],
)
async def test_a_refused_socket_says_why(
    served: RunningServer, path: str, headers: dict[str, str], status: int, code: str, words: str
) -> None:
    with pytest.raises(InvalidStatus) as refused:
        async with connect(
            served.url.replace("http", "ws", 1) + path, additional_headers=headers, proxy=None
        ):
            pass
    answer = refused.value.response
    error = json.loads(answer.body)["error"]
    assert (answer.status_code, error["code"]) == (status, code)
    assert words in error["message"]
    assert ("type" in error) == path.startswith("/v1"), "in OpenAI's shape under /v1"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert len(answer.headers["x-request-id"]) == 32


async def test_a_client_of_http_1_0_gets_no_chunks(served: RunningServer) -> None:
    """It would take the sizes of the chunks for text."""
    host, _, port = served.url.removeprefix("http://").partition(":")
    said = [{"role": "user", "content": "hello " * 200}]
    body = json.dumps({"model": "echo", "messages": said, "stream": True})
    asked = (
        "POST /v1/chat/completions HTTP/1.0\r\nHost: localhost\r\nConnection: keep-alive\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n{body}"
    )
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(asked.encode())
    head, _, answer = (await asyncio.wait_for(reader.read(), 10)).partition(b"\r\n\r\n")
    writer.close()
    assert b" 200 " in head.splitlines()[0]
    assert b"transfer-encoding" not in head.lower()
    assert b"connection: close" in head.lower()
    events = [line.removeprefix(b"data: ") for line in answer.split(b"\n\n") if line]
    assert events.pop() == b"[DONE]"
    deltas = [json.loads(event)["choices"][0]["delta"]["content"] for event in events]
    assert "".join(deltas) == said[0]["content"].rstrip() or "".join(deltas) == said[0]["content"]


# -- errors -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/nothing", 404, "not_found"),
        ("GET", "/docs/static/nothing.js", 404, "not_found"),
        ("GET", "/docs/static/../../app/main.py", 404, "not_found"),
        ("GET", "/docs/static/%2e%2e/%2e%2e/pyproject.toml", 404, "not_found"),
        ("GET", "/ws/stt", 404, "not_found"),
        ("DELETE", "/health", 405, "method_not_allowed"),
        ("POST", "/providers/stt", 405, "method_not_allowed"),
        ("GET", "/llm/generate", 405, "method_not_allowed"),
        ("POST", "/docs/static/swagger-ui.css", 405, "method_not_allowed"),
    ],
)
async def test_errors_have_one_shape(
    http: httpx2.AsyncClient, method: str, path: str, status: int, code: str
) -> None:
    assert_our_error(await http.request(method, path), status, code)


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"[]", b'"x"', b"\xff", b'{"messages":7}', b'{"messages":[{"role":"x"}]}', b"null",
     b'{"stream":"x"}',
     b'{"messages":[{"role":"user","content":"' + SECRET.encode() + b'"}],"provider":7}',
     b'{"messages":"' + SECRET.encode() + b'"}'],
)  # fmt: skip
async def test_bodies_that_cannot_be_read(http: httpx2.AsyncClient, body: bytes) -> None:
    response = await http.post("/llm/generate", content=body, headers={"Content-Type": "application/json"})
    assert_our_error(response, 400, "bad_request")


async def test_a_body_over_the_limit(http: httpx2.AsyncClient) -> None:
    content = b'{"messages":[{"role":"user","content":"' + b"x" * 5000 + b'"}],"provider":"echo"}'

    async def pieces() -> AsyncIterator[bytes]:
        for at in range(0, len(content), 100):
            yield content[at : at + 100]

    for body in (content, pieces()):  # with a Content-Length, and without
        response = await http.post(
            "/llm/generate", content=body, headers={"Content-Type": "application/json"}
        )
        assert_our_error(response, 413, "message_too_big")
        assert "body_bytes" in response.text


async def test_what_fails_unforeseen_is_told_and_logged_without_its_words(
    served: RunningServer, http: httpx2.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise ValueError(SECRET)

    monkeypatch.setattr(type(served.resources.stt), "list_states", broken)
    served.log.clear()
    response = await http.get("/providers/stt")
    assert_our_error(response, 500, "internal_error")
    log = "\n".join(served.log)
    assert "unexpected ValueError on /providers/stt" in log
    assert SECRET not in log


async def test_a_finished_dictation_can_be_sent_by_its_label(
    served: RunningServer, http: httpx2.AsyncClient
) -> None:
    async with connect_speech_client(served.url) as client:
        await client.start("mine", provider="cloud_stub")
        early = await http.post("/llm/generate", json={"provider": "echo", "session_id": "mine"})
        assert_our_error(early, 409, "nothing_final_yet")
        for _ in range(3):
            await client.audio(bytes(320))
        await client.stop()
        answer = await http.post("/llm/generate", json={"provider": "echo", "session_id": "mine"})
        assert answer.json()["text"] == "(mock) transcripción final #1"
        await client.send("start", session_id="private", config={"provider": "cloud_stub", "store": False})
        await client.until("ready")
        unknown = await http.post("/llm/generate", json={"provider": "echo", "session_id": "private"})
        assert_our_error(unknown, 404, "not_found")


# -- the description --------------------------------------------------------------------------------


def operations(schema: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for path, methods in schema["paths"].items():
        for method, operation in methods.items():
            yield f"{method.upper()} {path}", operation


def undescribed(schema: dict[str, Any]) -> list[str]:
    """Fields that neither say what they are nor point to a model that does."""
    missing = []
    for name, model in schema["components"]["schemas"].items():
        for field, its in model.get("properties", {}).items():
            if "description" not in its and "$ref" not in its and "const" not in its:
                missing.append(f"{name}.{field}")
    return missing


async def test_every_operation_is_described(schema: dict[str, Any]) -> None:
    for name, operation in operations(schema):
        assert operation.get("summary"), name
        assert operation.get("description"), name
        assert operation.get("tags"), name
        for status, response in operation["responses"].items():
            assert response["description"] not in ("", "Successful Response", "Validation Error"), (
                name,
                status,
            )


async def test_every_model_and_field_is_described(schema: dict[str, Any]) -> None:
    for name, model in schema["components"]["schemas"].items():
        if "enum" not in model and "discriminator" not in model:
            assert model.get("description"), name
    assert undescribed(schema) == []


async def test_every_error_of_an_operation_is_documented(schema: dict[str, Any]) -> None:
    for name, operation in operations(schema):
        codes = set(operation["responses"])
        assert "422" not in codes, f"{name}: validation answers 400 here"
        assert "403" in codes or "default" in codes, f"{name} can be refused by the guard"
        for code in codes - {"200", "206", "default"}:
            content = operation["responses"][code]["content"]["application/json"]
            assert "example" in content or "examples" in content or "$ref" in content["schema"], (name, code)


async def test_the_socket_is_described(schema: dict[str, Any]) -> None:
    models = schema["components"]["schemas"]
    for name in ("ClientMessage", "ServerEvent"):
        for ref in models[name]["discriminator"]["mapping"].values():
            assert ref.removeprefix("#/components/schemas/") in models
    assert "/ws/stt" in schema["info"]["description"]


async def test_docs_load_only_our_own_files(http: httpx2.AsyncClient) -> None:
    page = await http.get("/docs")
    assert page.headers["content-type"].startswith("text/html")
    loaded = re.findall(r'(?:src|href)="([^"]+)"', page.text)
    assert len(loaded) >= 3
    for address in loaded:
        assert address.startswith("/docs/static/")
        assert (await http.get(address)).status_code == 200
    assert "http://" not in page.text
    assert "https://" not in page.text
