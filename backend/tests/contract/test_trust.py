"""Who may talk to a server without accounts: peers of this machine, by its names, from its own pages."""

from collections.abc import AsyncIterator, Iterator
from typing import Any

import httpx2
import pytest
from starlette.types import Message, Receive, Scope, Send
from websockets.exceptions import InvalidStatus

from app.api.middleware.network import NetworkMiddleware
from tests.fakes.engine import FakeEngine
from tests.support.server import RunningServer, fake_settings, serve_engine
from tests.support.speech_client import connect_speech_client


@pytest.fixture(scope="module")
def served() -> Iterator[RunningServer]:
    fields: dict[str, Any] = {
        "allowed_origins": ["https://app.example"],
        "allowed_hosts": ["box.local"],
    }
    with serve_engine(FakeEngine(), **fields) as served:
        yield served


@pytest.fixture
async def http(served: RunningServer) -> AsyncIterator[httpx2.AsyncClient]:
    async with httpx2.AsyncClient(base_url=served.url, trust_env=False) as client:
        yield client


FOREIGN_ORIGINS = [
    "https://evil.example",
    "http://evil.example",
    "http://127.0.0.1.evil.example",
    "http://127.0.0.1",  # another port of this machine is another origin
    "http://127.0.0.1:1",
    "http://localhost:{port}",  # a page of localhost that speaks to 127.0.0.1
    "https://127.0.0.1:{port}",
    "https://app.example.evil.example",
    "https://app.example:8443",
    "http://app.example",
    "null",
    "file://",
    "",
    "*",
    "http://user@127.0.0.1:{port}",
]
FOREIGN_HOSTS = [
    "evil.example",
    "127.0.0.1.evil.example:{port}",
    "box.local.evil.example",
    "localhost.evil.example",
    "0.0.0.0:{port}",
    "10.0.0.1",
    "[::]:{port}",
    "evil.example:127.0.0.1",
    "127.0.0.1:evil.example",
    "[::1].evil.example",
    "[::1].evil.example:{port}",
    "[::1]@evil.example",
    "",
]
KNOWN_HOSTS = [
    "127.0.0.1:{port}",
    "localhost:{port}",
    "LOCALHOST",
    "[::1]:{port}",
    "box.local",
    "Box.Local:80",
]


def filled(value: str, url: str) -> str:
    return value.replace("{port}", url.rpartition(":")[2])


def assert_refused(response: httpx2.Response) -> None:
    assert response.status_code == 403
    error = response.json()["error"]
    assert error["code"] == "not_allowed"
    assert error["request_id"] == response.headers["x-request-id"]


@pytest.mark.parametrize("origin", FOREIGN_ORIGINS)
async def test_pages_of_others_are_refused(
    served: RunningServer, http: httpx2.AsyncClient, origin: str
) -> None:
    origin = filled(origin, served.url)
    for method, path in (
        ("GET", "/health"),
        ("POST", "/llm/generate"),
        ("GET", "/docs/static/swagger-ui.css"),
    ):
        assert_refused(await http.request(method, path, headers={"Origin": origin}))
    with pytest.raises(InvalidStatus) as refusal:
        async with connect_speech_client(served.url, additional_headers={"Origin": origin}):
            pass
    assert refusal.value.response.status_code == 403


async def test_own_and_allowed_pages_and_no_page_at_all_are_let_in(
    served: RunningServer, http: httpx2.AsyncClient
) -> None:
    for origin in (served.url, "https://app.example"):
        assert (await http.get("/health", headers={"Origin": origin})).status_code == 200
        async with connect_speech_client(served.url, additional_headers={"Origin": origin}) as client:
            await client.check_alive()
    assert (await http.get("/health")).status_code == 200
    async with connect_speech_client(served.url) as client:
        await client.check_alive()


@pytest.mark.parametrize("host", FOREIGN_HOSTS)
async def test_other_names_of_this_machine_are_refused(
    served: RunningServer, http: httpx2.AsyncClient, host: str
) -> None:
    """A page whose own name was pointed at 127.0.0.1 shows its name here."""
    host = filled(host, served.url)
    assert_refused(await http.get("/health", headers={"Host": host}))
    assert_refused(await http.get("/health", headers={"Host": host, "Origin": f"http://{host}"}))


@pytest.mark.parametrize("host", KNOWN_HOSTS)
async def test_known_names_are_let_in(served: RunningServer, http: httpx2.AsyncClient, host: str) -> None:
    response = await http.get("/health", headers={"Host": filled(host, served.url)})
    assert response.status_code == 200


# -- the peer ---------------------------------------------------------------------------------------


async def passes(scope: Scope, **settings: Any) -> bool:
    """Whether the guard hands a request on."""
    reached: list[Scope] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        reached.append(scope)

    async def receive() -> Message:
        return {"type": f"{scope['type']}.connect"}

    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    await NetworkMiddleware(app, fake_settings(**settings))(scope, receive, send)
    if reached:
        assert not sent
        return True
    if scope["type"] == "websocket":
        assert [message["type"] for message in sent] == ["websocket.close"]
        assert sent[0]["code"] == 1008
    else:
        assert sent[0]["status"] == 403
    return False


def request_from(peer: str | None, kind: str, **headers: str) -> Scope:
    named = {"host": "127.0.0.1:8000", **headers}
    return {
        "type": kind,
        "scheme": {"http": "http", "websocket": "ws"}[kind],
        "client": None if peer is None else (peer, 50_000),
        "path": "/health",
        "method": "GET",
        "query_string": b"",
        "headers": [(name.replace("_", "-").encode(), value.encode()) for name, value in named.items()],
    }


@pytest.mark.parametrize("kind", ["http", "websocket"])
@pytest.mark.parametrize(
    "peer",
    ["192.168.1.7", "10.0.0.1", "8.8.8.8", "::ffff:10.0.0.1", "fe80::1", "2001:db8::1", "0.0.0.0", "::", ""],
)
async def test_another_machine_is_refused_without_accounts(kind: str, peer: str) -> None:
    assert not await passes(request_from(peer, kind))
    # What a proxy or a liar says of the peer changes nothing.
    assert not await passes(request_from(peer, kind, x_forwarded_for="127.0.0.1", forwarded="for=127.0.0.1"))
    assert await passes(request_from(peer, kind), insecure=True)


@pytest.mark.parametrize("kind", ["http", "websocket"])
@pytest.mark.parametrize("peer", ["127.0.0.1", "127.8.9.10", "::1", "::ffff:127.0.0.1", None])
async def test_this_machine_is_let_in(kind: str, peer: str | None) -> None:
    assert await passes(request_from(peer, kind))


async def test_insecure_still_refuses_pages_of_others() -> None:
    scope = request_from("10.0.0.1", "websocket", origin="https://evil.example")
    assert not await passes(scope, insecure=True)


async def test_a_refusal_is_logged_without_what_was_sent(
    served: RunningServer, http: httpx2.AsyncClient
) -> None:
    served.log.clear()
    await http.get("/health?secret=midnight", headers={"Origin": "https://midnight.example"})
    assert len(served.troubles) == 1
    assert "midnight" not in served.troubles[0]


# -- with accounts


@pytest.mark.parametrize("kind", ["http", "websocket"])
async def test_with_accounts_other_machines_are_let_in_by_names_that_are_known(kind: str) -> None:
    """By the very address they reached, which no name that was pointed there can be; `insecure` changes nothing."""
    settings = {"accounts": {"mode": "accounts"}, "allowed_hosts": ["box.lan"]}

    def asking(host: str, **headers: str) -> Scope:
        return {**request_from("192.168.1.7", kind, host=host, **headers), "server": ("192.168.1.2", 8000)}

    for host in ("192.168.1.2:8000", "192.168.1.2", "box.lan", "BOX.lan:443", "localhost"):
        for insecure in (False, True):
            assert await passes(asking(host), **settings, insecure=insecure)
    for host in ("192.168.1.3:8000", "evil.example", "192.168.1.2.evil.example", "box.lan.evil.example", ""):
        for insecure in (False, True):
            assert not await passes(asking(host), **settings, insecure=insecure)
    assert not await passes(asking("box.lan", origin="https://evil.example"), **settings)
    without_accounts = {**asking("192.168.1.2:8000"), "client": ("127.0.0.1", 5)}
    assert not await passes(without_accounts), "the address counts only where there are accounts"
