"""Network checks in front of an application: who is refused, what an answer carries, and how paths are read."""

from collections.abc import Callable
from typing import Any

import pytest
from starlette.exceptions import HTTPException
from starlette.types import Message, Receive, Scope, Send

from app import __version__
from app.api.middleware.network import NetworkMiddleware
from app.core.config import AccountSettings, LimitSettings, Settings

SECRET = "the purple submarine"
App = Callable[[Scope, Receive, Send], Any]


async def answer(scope: Scope, receive: Receive, send: Send) -> None:
    """An application that reads its body and answers with the path that it sees."""
    while (await receive()).get("more_body"):
        pass
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": scope["path"].encode()})


async def serve(
    app: App = answer, body: tuple[bytes, ...] = (b"",), *, settings: Settings | None = None, **more: Any
) -> list[Any]:
    """Send one request through the middleware; what came back."""
    sent: list[Any] = []
    parts = list(body)
    scope: dict[str, Any] = {
        "type": "http",
        "method": "POST",
        "path": "/api/x",
        "headers": [(b"host", b"localhost:8000")],
        "client": ("127.0.0.1", 50_000),
        "server": ("127.0.0.1", 8000),
        "scheme": "http",
        **more,
    }

    async def receive() -> Message:
        part = parts.pop(0)
        return {"type": "http.request", "body": part, "more_body": bool(parts)}

    async def send(message: Any) -> None:
        sent.append(message)

    await NetworkMiddleware(app, settings or Settings(_env_file=None))(scope, receive, send)
    return sent


def headers_of(sent: list[Any]) -> dict[str, str]:
    return {name.decode(): value.decode() for name, value in sent[0]["headers"]}


async def test_every_answer_has_an_id_and_the_version() -> None:
    sent = await serve()
    assert sent[0]["status"] == 200
    headers = headers_of(sent)
    assert len(headers["x-request-id"]) == 32
    assert headers["x-prompter"] == __version__
    assert headers["x-request-id"] != headers_of(await serve())["x-request-id"]


@pytest.mark.parametrize(
    ("path", "seen"),
    [
        ("/v1//models/", "/v1/models"),
        ("//v1/models", "/v1/models"),
        ("/v1/", "/v1"),
        ("/api//x/", "/api//x/"),
        ("/", "/"),
    ],
)
async def test_only_under_v1_slashes_are_removed(path: str, seen: str) -> None:
    assert (await serve(path=path))[1]["body"].decode() == seen


@pytest.mark.parametrize(
    "more",
    [
        {"client": ("192.0.2.7", 50_000)},
        {"headers": [(b"host", b"evil.example")]},
        {"headers": [(b"host", b"localhost:8000"), (b"origin", b"http://evil.example")]},
        {"headers": []},
    ],
)
async def test_who_is_not_of_this_machine_is_refused(more: dict[str, Any]) -> None:
    assert (await serve(**more))[0]["status"] == 403
    closed = await serve(**more, type="websocket", body=(b"",))
    assert closed == [{"type": "websocket.close", "code": 1008, "reason": "not_allowed"}]


async def test_with_accounts_a_server_is_reached_by_its_address() -> None:
    settings = Settings(_env_file=None, accounts=AccountSettings(mode="accounts"))
    there: dict[str, Any] = {
        "client": ("192.0.2.7", 50_000),
        "server": ("192.0.2.1", 8000),
        "settings": settings,
    }
    assert (await serve(**there, headers=[(b"host", b"192.0.2.1:8000")]))[0]["status"] == 200
    assert (await serve(**there, headers=[(b"host", b"192.0.2.2:8000")]))[0]["status"] == 403


async def test_a_body_over_its_limit_is_refused_with_the_name_of_the_setting() -> None:
    settings = Settings(_env_file=None, limits=LimitSettings(body_bytes=1024, chat_bytes=2048))
    long = [(b"host", b"localhost"), (b"content-length", b"1025")]
    refused = await serve(settings=settings, headers=long)
    assert refused[0]["status"] == 413
    assert b"limits.body_bytes" in refused[1]["body"]
    assert (await serve(settings=settings, headers=long, path="/v1/chat/completions"))[0]["status"] == 200
    too_long: list[str] = []

    async def read(scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await answer(scope, receive, send)
        except HTTPException as error:
            too_long.append(f"{error.status_code} {error.detail}")

    await serve(read, (b"x" * 1000,) * 2, settings=settings)
    assert too_long == ["413 a body holds at most 1024 bytes here (limits.body_bytes); send less at a time"]


async def test_a_fault_is_answered_without_its_words(caplog: pytest.LogCaptureFixture) -> None:
    async def fail(scope: Scope, receive: Receive, send: Send) -> None:
        raise ValueError(SECRET)

    sent = await serve(fail)
    assert sent[0]["status"] == 500
    assert SECRET not in f"{sent} {caplog.text}"


async def test_a_server_that_cannot_start_says_why_in_one_line() -> None:
    told: list[Any] = []

    async def send(message: Any) -> None:
        told.append(message["message"])

    async def fail(scope: Scope, receive: Receive, send: Send) -> None:
        for error in ("app.core.errors.CannotStart: no key", "ValueError: a fault"):
            await send({"type": "lifespan.startup.failed", "message": f"Traceback\n  line\n{error}\n"})

    async def receive() -> Message:
        return {"type": "lifespan.startup"}

    await NetworkMiddleware(fail, Settings(_env_file=None))({"type": "lifespan"}, receive, send)
    assert told == ["cannot start: no key", "Traceback\n  line\nValueError: a fault\n"]


async def test_an_allowed_page_can_read_the_errors_of_the_network_checks() -> None:
    """They come from outside the CORS middleware."""
    settings = Settings(
        _env_file=None, allowed_origins=["https://app.example"], limits=LimitSettings(body_bytes=1024)
    )
    page = [(b"host", b"localhost"), (b"origin", b"https://app.example")]

    async def fail(scope: Scope, receive: Receive, send: Send) -> None:
        raise ValueError(SECRET)

    too_long = await serve(settings=settings, headers=[*page, (b"content-length", b"1025")])
    for sent, status in ((too_long, 413), (await serve(fail, settings=settings, headers=page), 500)):
        assert sent[0]["status"] == status
        assert headers_of(sent)["access-control-allow-origin"] == "https://app.example"
        assert headers_of(sent)["access-control-allow-credentials"] == "true"
    unknown = await serve(fail, settings=settings, headers=[(b"host", b"localhost")])
    assert "access-control-allow-origin" not in headers_of(unknown)
