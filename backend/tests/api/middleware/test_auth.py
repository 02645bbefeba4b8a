"""Authentication in front of an application: the caller that it sees, and who never reaches it."""

from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest
from starlette.types import Receive, Scope, Send

from app.api.middleware.auth import AuthMiddleware
from app.core.config import AccountSettings, Settings
from app.core.errors import Unauthorized
from app.core.security import LOCAL_CALLER, LOCAL_USER_ID, Caller

ADA = Caller(user_id=LOCAL_USER_ID, name="ada", role="admin", via="session")


@dataclass
class FakeAccounts:
    """Knows one token, and watches callers."""

    watched: list[Caller] = field(default_factory=list)

    async def authenticate(self, token: str) -> Caller:
        if token != "ada":  # of a test
            raise Unauthorized("this token is not valid")
        return ADA

    def watch_caller(self, caller: Caller) -> str:
        self.watched.append(caller)
        return "watched"


@dataclass
class FakeApp:
    """Remembers the state of what reaches it."""

    state: dict[str, Any] | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.state = scope.get("state")


async def serve(path: str, mode: str = "accounts", **more: Any) -> tuple[FakeApp, list[dict[str, Any]]]:
    """Send one request or handshake through the middleware; what the application saw, and what was sent."""
    app, sent = FakeApp(), []
    settings = Settings(_env_file=None, accounts=AccountSettings(mode=mode))
    resources = SimpleNamespace(accounts=FakeAccounts())
    scope: dict[str, Any] = {
        "type": "http",
        "method": "GET",
        "path": path,
        "headers": [],
        "query_string": b"",
        "client": ("192.0.2.7", 50_000),
        "app": SimpleNamespace(state=SimpleNamespace(resources=resources)),
        "state": {"request_id": "r1"},
        **more,
    }

    async def receive() -> dict[str, Any]:
        return {"type": "websocket.connect"}

    async def send(message: Any) -> None:
        sent.append(message)

    await AuthMiddleware(app, settings)(scope, receive, send)
    return app, sent


def bearer(token: str) -> list[tuple[bytes, bytes]]:
    return [(b"authorization", f"Bearer {token}".encode())]


async def test_without_accounts_everybody_is_the_local_caller() -> None:
    app, sent = await serve("/api/search", mode="none", headers=bearer("whatever"))
    assert (app.state, sent) == ({"request_id": "r1", "caller": LOCAL_CALLER}, [])


async def test_a_token_makes_a_caller() -> None:
    app, _ = await serve("/api/search", headers=bearer("ada"))
    assert app.state is not None
    assert app.state["caller"] is ADA


async def test_an_open_route_needs_none_and_reads_none() -> None:
    for headers in ([], bearer("expired")):
        app, _ = await serve("/health", headers=headers)
        assert app.state is not None
        assert app.state["caller"] is None


@pytest.mark.parametrize(
    ("path", "headers", "status"),
    [
        ("/api/search", [], 401),
        ("/api/search", bearer("expired"), 401),
        ("/nowhere", [], 401),
        ("/nowhere", bearer("ada"), 404),
        ("/health?token=x", [], 400),
    ],
)
async def test_who_may_not_never_reaches_the_application(
    path: str, headers: list[tuple[bytes, bytes]], status: int
) -> None:
    path, _, query = path.partition("?")
    app, sent = await serve(path, headers=headers, query_string=query.encode())
    assert app.state is None
    assert sent[0]["status"] == status


async def test_a_socket_with_a_token_is_watched() -> None:
    app, _ = await serve("/ws/stt", type="websocket", headers=bearer("ada"), subprotocols=[])
    assert app.state is not None
    assert (app.state["caller"], app.state["live_auth"]) == (ADA, "watched")


@pytest.mark.parametrize(
    ("peer", "host", "forwarded", "allowed"),
    [
        ("127.0.0.1", b"localhost:8000", False, True),
        ("127.0.0.1", b"prompter.example", False, False),
        ("127.0.0.1", b"localhost", True, False),
        ("192.0.2.7", b"localhost", False, False),
    ],
)
async def test_only_a_client_on_the_machine_itself_watches_without_a_token(
    peer: str, host: bytes, forwarded: bool, allowed: bool
) -> None:
    """A proxy on the machine forwards requests of anybody."""
    headers = [(b"host", host), *([(b"x-forwarded-for", b"192.0.2.7")] if forwarded else [])]
    app, sent = await serve("/metrics", headers=headers, client=(peer, 50_000))
    assert (app.state is not None) is allowed
    assert allowed or sent[0]["status"] == 401
