"""No request makes the server ask where it must not: every way to write an address, through a running server.

A canary listens on loopback; whoever connects to it has been fooled. What each address is belongs to
test_upstream_addresses, what the transport does to test_upstream_transport.
"""

import logging
import socket
from collections.abc import AsyncIterator, Iterator
from ipaddress import ip_address
from typing import Any

import httpx2
import pytest
from pydantic import SecretStr

from app.core.config import LlmProfile, LlmSettings, Settings
from app.providers.llm.openai_compat import OpenAiCompatProvider
from app.providers.registry import Registration, Registrations, list_llm_registrations
from app.providers.upstream.addresses import Address
from app.providers.upstream.transport import resolve_host
from app.services.llm.forwarding import ROUTING
from tests.conftest import StartServer
from tests.fakes.upstream import FakeUpstream, Reply, json_reply
from tests.support.server import run_server

pytestmark = pytest.mark.once

KEY = "sk-canary-0123456789abcdef"
MESSAGES = [{"role": "user", "content": "hello"}]
PUBLIC = "8.8.8.8"

LOOPBACK_V4 = [
    "127.0.0.1",
    "127.9.8.7",
    "localhost",
    "LOCALHOST",
    "localhost.",
    "127.0.0.1.",
    "127.1",
    "127.0.1",
    "2130706433",
    "017700000001",
    "0177.0.0.1",
    "0x7f000001",
    "0x7f.0.0.1",
    "0x7f.1",
    "0177.0.0x0.1",
    "0",
    "0.0.0.0",
    "00000000.0",
]
LOOPBACK_V6 = [
    "::1",
    "::",
    "0:0:0:0:0:0:0:1",
    "0000:0000:0000:0000:0000:0000:0000:0001",
    "::ffff:127.0.0.1",  # mapped
    "::ffff:7f00:1",
    "::127.0.0.1",  # compatible
    "::ffff:0:127.0.0.1",  # translated
    "2002:7f00:1::",  # 6to4
    "2001:0:4136:e378:8000:63bf:80ff:fffe",  # Teredo
    "64:ff9b::127.0.0.1",  # NAT64
    "64:ff9b:1::127.0.0.1",
    "2600::5efe:127.0.0.1",  # ISATAP
    "2600::200:5efe:127.0.0.1",
    "fe80::1",
    "fec0::1",
    "fd00::1",
    "ff02::1",
]
INSIDE_V4 = [
    "10.0.0.1",
    "172.16.0.1",
    "192.168.1.1",
    "100.64.0.1",
    "169.254.1.1",
    "224.0.0.1",
    "255.255.255.255",
]
METADATA = [
    "169.254.169.254",
    "2852039166",
    "0xa9fea9fe",
    "0251.0376.0251.0376",
    "169.254.170.2",
    "100.100.100.200",
    "168.63.129.16",
    "192.0.0.192",
    "[fd00:ec2::254]",
    "[fd20:ce::254]",
    "[::ffff:169.254.169.254]",
    "[64:ff9b::a9fe:a9fe]",
    "[2002:a9fe:a9fe::]",
]
NAMES = {
    "metadata.google.internal": ("169.254.169.254",),
    "instance-data": ("169.254.169.254",),
    "inside.example": ("127.0.0.1",),
    "six.example": ("::1",),
    "mapped.example": ("::ffff:127.0.0.1",),
    "mixed.example": (PUBLIC, "127.0.0.1"),
    "xn--nxasmq6b.example": ("127.0.0.1",),
    "127.0.0.1.nip.example": ("127.0.0.1",),
    "public.example.": ("127.0.0.1",),
}
"""Names, and what they lead to."""
WRITTEN = [
    "https://user@127.0.0.1:{port}/v1",
    "https://user:word@127.0.0.1:{port}/v1",
    "https://mixed.example@127.0.0.1:{port}/v1",
    "https://127.0.0.1:{port}@mixed.example/v1",
    "https://@127.0.0.1:{port}/v1",
    "https://mixed.example\\@127.0.0.1:{port}/v1",
    "https://mixed.example\\.127.0.0.1:{port}/v1",
    "https:\\\\127.0.0.1:{port}/v1",
    "https://127.0.0.1\t:{port}/v1",
    "https://127.0.0\n.1:{port}/v1",
    "https://127.0.0.1\x00:{port}/v1",
    "https://127.0.0.1:{port}\r\nHost: mixed.example/v1",
    "https://mixed.example#@127.0.0.1:{port}/v1",
    "https://mixed.example?@127.0.0.1:{port}/v1",
    "https://mixed.example/v1?x=http://127.0.0.1:{port}",
    "https://127.0.0.1%2f@mixed.example:{port}/v1",
    "https://%31%32%37.0.0.1:{port}/v1",
    "https://[::1%25lo]:{port}/v1",
    "https://[fe80::1%25eth0]:{port}/v1",
    "https://[fe80::1%eth0]:{port}/v1",
    "https://１２７.0.0.1:{port}/v1",
    "https://127。0。0。1:{port}/v1",
    "https://ⓛⓞⓒⓐⓛⓗⓞⓢⓣ:{port}/v1",
    "https://[::1:{port}/v1",
    "https://[127.0.0.1]:{port}/v1",
    "https://:{port}/v1",
    "https:///127.0.0.1:{port}/v1",
    "https:127.0.0.1:{port}/v1",
    "//127.0.0.1:{port}/v1",
    "127.0.0.1:{port}/v1",
    "https://127.0.0.1:0/v1",
    "https://127.0.0.1:99999/v1",
    "https://127.0.0.1:{port}:80/v1",
    "HTTP://127.0.0.1:{port}/v1",
    "ftp://127.0.0.1:{port}/v1",
    "gopher://127.0.0.1:{port}/v1",
    "file:///etc/passwd",
    "unix:///tmp/socket",
    "ws://127.0.0.1:{port}/v1",
    "data:application/json,{{}}",
    "javascript:alert(1)",
]


class Resolving:
    """A resolver of a test's own names; a list of several answers gives one after the other, the last for ever."""

    def __init__(self) -> None:
        self.answers: dict[str, list[tuple[str, ...]]] = {}
        self.asked: list[str] = []

    async def __call__(self, host: str, port: int) -> list[Address]:
        self.asked.append(host)
        if found := self.answers.get(host.lower()):
            return [ip_address(each) for each in (found.pop(0) if len(found) > 1 else found[0])]
        assert host.rstrip(".").lower() == "localhost" or not host.strip("0123456789abcdefx.:"), host
        return await resolve_host(host, port)


@pytest.fixture
async def canary() -> AsyncIterator[FakeUpstream]:
    """Whoever connects to it has been fooled."""
    async with FakeUpstream().serve() as fake:
        yield fake
        assert fake.connections == 0


@pytest.fixture(scope="module")
def listener() -> Iterator[socket.socket]:
    """Where the upstream listens: it stays the same while the fake behind it is new for each test."""
    with socket.create_server(("127.0.0.1", 0)) as made:
        yield made


@pytest.fixture
async def upstream(listener: socket.socket) -> AsyncIterator[FakeUpstream]:
    async with FakeUpstream().serve(listener=listener) as fake:
        yield fake


@pytest.fixture(scope="module")
def resolving() -> Resolving:
    made = Resolving()
    made.answers.update({name: [addresses] for name, addresses in NAMES.items()})
    return made


def settings_for(origin: str) -> Settings:
    """The upstream there is the profile `mine`, and on the list of allowed origins."""
    own = LlmProfile(base_url=f"{origin}/v1", api_key=SecretStr(KEY), model="tiny")
    llm = LlmSettings(
        discover=False,
        profiles={"mine": own},
        allowed_base_urls=[origin],
        connect_timeout_s=3,
        first_byte_timeout_s=5,
    )
    return Settings(_env_file=None, llm=llm)


@pytest.fixture(scope="module")
def url(resolving: Resolving, listener: socket.socket) -> Iterator[str]:
    """A server that asks this resolver."""

    def made(settings: Settings) -> OpenAiCompatProvider:
        return OpenAiCompatProvider(settings, resolver=resolving)

    settings = settings_for(f"http://127.0.0.1:{listener.getsockname()[1]}")
    own = Registration("openai_compat", lambda: made, "tests")
    llm = list_llm_registrations(settings) | {"openai_compat": own}
    with run_server(settings, registrations=Registrations(llm=llm, resolver=resolving)) as server:
        yield server.url


@pytest.fixture
async def http(url: str, upstream: FakeUpstream) -> AsyncIterator[httpx2.AsyncClient]:
    async with httpx2.AsyncClient(base_url=url, timeout=20, trust_env=False) as client:
        yield client


async def generate(http: httpx2.AsyncClient, base_url: str, **body: Any) -> httpx2.Response:
    config = {"base_url": base_url, "api_key": KEY, "model": "tiny"}
    return await http.post("/llm/generate", json={"messages": MESSAGES, "config": config, **body})


def port_of(canary: FakeUpstream) -> str:
    return canary.origin.rpartition(":")[2]


def hosts() -> Iterator[str]:
    yield from (*LOOPBACK_V4, *INSIDE_V4, *METADATA, *NAMES)
    yield from (f"[{address}]" for address in LOOPBACK_V6)


async def test_no_way_to_write_a_host_leads_inside(http: httpx2.AsyncClient, canary: FakeUpstream) -> None:
    reached = {}
    for host in hosts():
        for scheme in ("https", "http"):
            base_url = f"{scheme}://{host}:{port_of(canary)}/v1"
            for stream in (False, True):
                response = await generate(http, base_url, stream=stream)
                told = (response.status_code, response.json()["error"]["code"])
                unknown = host.endswith(".") and told == (
                    502,
                    "upstream_error",
                )  # some systems know no such name
                if (told != (400, "base_url_not_allowed") and not unknown) or KEY in response.text:
                    reached[base_url] = told
    assert not reached


@pytest.mark.parametrize("written", WRITTEN)
async def test_no_trick_of_writing_leads_inside(
    http: httpx2.AsyncClient, canary: FakeUpstream, written: str
) -> None:
    response = await generate(http, written.format(port=port_of(canary)))
    assert (response.status_code, response.json()["error"]["code"]) == (400, "base_url_not_allowed")
    assert KEY not in response.text


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("status", [300, 301, 302, 303, 304, 305, 307, 308])
async def test_an_allowed_upstream_cannot_send_us_elsewhere(
    http: httpx2.AsyncClient, upstream: FakeUpstream, canary: FakeUpstream, status: int, *, stream: bool
) -> None:
    elsewhere = Reply(
        status=status, headers={"Location": f"{canary.base_url}/chat/completions", "Refresh": "0"}
    )
    upstream.script.append(elsewhere)
    response = await generate(http, upstream.base_url, stream=stream)
    assert (response.status_code, response.json()["error"]["code"]) == (502, "upstream_error")
    assert len(upstream.requests) == 1
    upstream.script.append(elsewhere)
    body = {"model": "mine", "messages": MESSAGES, "stream": stream}
    response = await http.post("/v1/chat/completions", json=body)
    assert response.status_code == 502
    assert port_of(canary) not in response.text


async def test_a_list_of_models_is_not_followed_elsewhere(
    upstream: FakeUpstream, canary: FakeUpstream, start_server: StartServer
) -> None:
    upstream.models = Reply(status=302, headers={"Location": f"{canary.base_url}/models"})
    url = start_server(settings_for(upstream.origin))
    async with httpx2.AsyncClient(base_url=url, timeout=20, trust_env=False) as http:
        for path in ("/v1/models", "/providers/llm", "/v1/models/mine"):
            assert (await http.get(path)).status_code == 200
    assert upstream.requests


async def test_a_name_that_changes_its_mind_is_judged_each_time(
    http: httpx2.AsyncClient, resolving: Resolving, canary: FakeUpstream
) -> None:
    """Public when it is checked, loopback a moment later: what was checked is what is connected to."""
    resolving.answers["rebinding.example"] = [(PUBLIC,), ("127.0.0.1",)]
    resolving.asked.clear()
    response = await generate(http, f"https://rebinding.example:{port_of(canary)}/v1")
    assert (response.status_code, response.json()["error"]["code"]) == (400, "base_url_not_allowed")
    assert resolving.asked == ["rebinding.example"] * 2  # one look-up for each connection, none beside


async def test_proxies_of_the_environment_are_not_used(
    http: httpx2.AsyncClient, upstream: FakeUpstream, canary: FakeUpstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, canary.origin)
        monkeypatch.setenv(name.lower(), canary.origin)
    assert (await generate(http, upstream.base_url)).status_code == 200
    refused = await generate(http, f"https://inside.example:{port_of(canary)}/v1")
    assert refused.json()["error"]["code"] == "base_url_not_allowed"
    assert (await http.get("/v1/models")).status_code == 200


@pytest.mark.parametrize("name", sorted(ROUTING))
async def test_a_body_under_v1_names_no_upstream(
    http: httpx2.AsyncClient, upstream: FakeUpstream, canary: FakeUpstream, name: str
) -> None:
    for value in (canary.base_url, {"base_url": canary.base_url}, [canary.base_url]):
        body = {"model": "mine", "messages": MESSAGES, name: value}
        response = await http.post("/v1/chat/completions", json=body)
        error = response.json()["error"]
        assert (response.status_code, error["code"], error["param"]) == (400, "bad_request", name)
        assert canary.origin not in response.text
    assert not any(request.method == "POST" for request in upstream.requests)


PARTS = [
    {"type": "image_url", "image_url": {"url": "{url}/cat.png"}},
    {"type": "image_url", "image_url": "{url}/cat.png"},
    {"type": "input_image", "image_url": "{url}/cat.png"},
    {"type": "video_url", "video_url": {"url": "{url}/cat.mp4"}},
    {"type": "audio_url", "audio_url": {"url": "{url}/cat.wav"}},
    {"type": "file", "file": {"file_url": "{url}/cat.pdf"}},
    {"type": "file", "file_url": "{url}/cat.pdf"},
]


def filled(value: Any, url: str) -> Any:
    if isinstance(value, dict):
        return {name: filled(each, url) for name, each in value.items()}
    return value.replace("{url}", url) if isinstance(value, str) else value


@pytest.mark.parametrize("model", ["mine", "echo"])
@pytest.mark.parametrize("part", PARTS)
async def test_addresses_in_messages_are_never_fetched(
    http: httpx2.AsyncClient, upstream: FakeUpstream, canary: FakeUpstream, part: dict[str, Any], model: str
) -> None:
    upstream.script.append(json_reply({"choices": [{"message": {"content": "a cat"}}]}))
    said = filled(part, canary.origin)
    messages = [{"role": "user", "content": [{"type": "text", "text": "what is it?"}, said]}]
    response = await http.post("/v1/chat/completions", json={"model": model, "messages": messages})
    assert response.status_code == (200 if model == "mine" else 400)
    if model == "mine":
        assert (
            upstream.requests[-1].json["messages"] == messages
        )  # whether to fetch it is the upstream's affair


@pytest.mark.parametrize(
    "scheme", ["file:///etc/passwd", "FILE:/etc/passwd", "ftp://x/y", "/etc/passwd", "\tfile:///x"]
)
@pytest.mark.parametrize("part", PARTS)
async def test_addresses_that_are_not_of_the_web_are_refused(
    http: httpx2.AsyncClient, upstream: FakeUpstream, part: dict[str, Any], scheme: str
) -> None:
    messages = [{"role": "user", "content": [filled(part, scheme)]}]
    response = await http.post("/v1/chat/completions", json={"model": "mine", "messages": messages})
    assert (response.status_code, response.json()["error"]["param"]) == (400, "messages[0].content")
    assert not any(request.method == "POST" for request in upstream.requests)


async def test_a_second_address_in_a_part_is_looked_at_too(http: httpx2.AsyncClient) -> None:
    file = {"url": "https://public.example/cat.pdf", "file_url": "file:///etc/passwd"}
    messages = [{"role": "user", "content": [{"type": "file", "file": file}]}]
    response = await http.post("/v1/chat/completions", json={"model": "mine", "messages": messages})
    assert (response.status_code, response.json()["error"]["param"]) == (400, "messages[0].content")


# -- the addresses that users connect


async def attempt(http: httpx2.AsyncClient, base_url: str) -> httpx2.Response:
    return await http.post("/api/connections/test", json={"base_url": base_url, "api_key": KEY})


async def connect(http: httpx2.AsyncClient, base_url: str) -> str | None:
    """A new connection's name; None where its address is refused."""
    body = {"base_url": base_url, "api_key": KEY, "model": "tiny"}
    response = await http.post("/api/connections", json=body)
    if response.status_code == 201:
        return str(response.json()["name"])
    assert (response.status_code, response.json()["error"]["code"]) == (400, "base_url_not_allowed")
    return None


@pytest.fixture
async def without_connections(http: httpx2.AsyncClient) -> AsyncIterator[None]:
    yield
    for each in (await http.get("/api/connections")).json():
        await http.delete(f"/api/connections/{each['id']}")


async def test_no_connection_is_tried_inside(http: httpx2.AsyncClient, canary: FakeUpstream) -> None:
    reached = {}
    for host in hosts():
        for scheme in ("https", "http"):
            base_url = f"{scheme}://{host}:{port_of(canary)}/v1"
            response = await attempt(http, base_url)
            told = response.json()
            is_unknown = host.endswith(".") and told.get("problem") in ("unknown_host", "refused")
            is_refused = response.status_code == 400 and told["error"]["code"] == "base_url_not_allowed"
            if not (is_refused or is_unknown) or KEY in response.text:
                reached[base_url] = told
    assert not reached


@pytest.mark.parametrize("written", WRITTEN)
async def test_no_connection_is_written_inside(
    http: httpx2.AsyncClient, canary: FakeUpstream, written: str
) -> None:
    base_url = written.format(port=port_of(canary))
    response = await attempt(http, base_url)
    assert (response.status_code, response.json()["error"]["code"]) == (400, "base_url_not_allowed")
    assert KEY not in response.text
    assert await connect(http, base_url) is None


@pytest.mark.usefixtures("without_connections")
@pytest.mark.parametrize(
    "host", ["inside.example", "metadata.google.internal", "mixed.example", "127.0.0.1", "[::1]", "10.0.0.1"]
)
async def test_a_stored_connection_leads_nowhere_inside(
    http: httpx2.AsyncClient, canary: FakeUpstream, host: str
) -> None:
    """A name is checked when it is used, by whichever door, and not only when it is stored."""
    name = await connect(http, f"https://{host}:{port_of(canary)}/v1")
    assert name is not None
    ask = {"model": f"{name}/tiny", "messages": MESSAGES}
    response = await http.post("/v1/chat/completions", json=ask)
    assert (response.status_code, response.json()["error"]["code"]) == (400, "base_url_not_allowed")
    response = await http.post("/llm/generate", json={"provider": name, "messages": MESSAGES})
    assert (response.status_code, response.json()["error"]["code"]) == (400, "base_url_not_allowed")
    [stored] = (await http.get("/api/connections")).json()
    response = await http.post(f"/api/connections/{stored['id']}/test")
    assert (response.status_code, response.json()["error"]["code"]) == (400, "base_url_not_allowed")
    listed = (await http.get("/v1/models")).text + (await http.get("/providers/llm")).text
    assert KEY not in listed
    moved = {"base_url": "http://169.254.169.254/v1", "api_key": KEY}
    response = await http.patch(f"/api/connections/{stored['id']}", json=moved)
    assert response.json()["error"]["code"] == "base_url_not_allowed"


async def test_a_connection_is_not_sent_elsewhere(
    http: httpx2.AsyncClient, upstream: FakeUpstream, canary: FakeUpstream
) -> None:
    elsewhere = Reply(status=307, headers={"Location": f"{canary.base_url}/models"})
    upstream.models = elsewhere
    told = (await attempt(http, upstream.base_url)).json()
    assert (told["ok"], told["problem"]) == (False, "redirects")
    upstream.models = json_reply({"data": [{"id": "tiny"}]})
    upstream.script.append(elsewhere)
    told = (await attempt(http, upstream.base_url)).json()
    assert (told["ok"], told["problem"]) == (False, "redirects")
    assert port_of(canary) not in str(told["message"])


@pytest.mark.usefixtures("without_connections")
async def test_a_connection_whose_name_changes_its_mind_is_judged_each_time(
    http: httpx2.AsyncClient, resolving: Resolving, canary: FakeUpstream
) -> None:
    resolving.answers["turning.example"] = [(PUBLIC,), ("127.0.0.1",)]
    name = await connect(http, f"https://turning.example:{port_of(canary)}/v1")
    refused = await http.post("/v1/chat/completions", json={"model": f"{name}/tiny", "messages": MESSAGES})
    assert refused.json()["error"]["code"] == "base_url_not_allowed"


async def test_a_server_is_not_connected_to_itself(http: httpx2.AsyncClient) -> None:
    """Its list of models would ask for its list of models."""
    port = Settings(_env_file=None).port
    for host in ("127.0.0.1", "localhost", "[::1]"):
        assert (await attempt(http, f"http://{host}:{port}/v1")).json()["error"]["code"] == (
            "base_url_not_allowed"
        )


async def test_a_refusal_is_logged_without_key_or_address(
    http: httpx2.AsyncClient, canary: FakeUpstream, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG):
        await generate(http, f"https://inside.example:{port_of(canary)}/secret-path")
    assert KEY not in caplog.text
    assert "secret-path" not in caplog.text
