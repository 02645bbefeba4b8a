"""The guard at connect time: names that lead inside, redirects, proxies, and who gets a connection."""

import shutil
import ssl
import subprocess
from ipaddress import ip_address
from pathlib import Path

import httpcore2
import httpx2
import pytest

from app.core.errors import BaseUrlNotAllowed, UpstreamError
from app.providers.upstream.addresses import Address, Reach, parse_base_url
from app.providers.upstream.client import Endpoint, UpstreamClient
from app.providers.upstream.transport import GuardedTransport, Resolver
from tests.fakes.upstream import FakeUpstream, Reply, json_reply


def names(*addresses: str) -> Resolver:
    """A resolver that gives these addresses for every name."""

    async def resolver(host: str, port: int) -> list[Address]:
        return [ip_address(address) for address in addresses]

    return resolver


async def ask(client: UpstreamClient, url: str, reach: Reach, key: str = "") -> int:
    endpoint = Endpoint(parse_base_url(url), key, reach)
    async with client.request("GET", endpoint, "/models", timeout_s=5, tries=1) as reply:
        return reply.status


@pytest.mark.parametrize(
    "addresses",
    [("127.0.0.1",), ("8.8.8.8", "127.0.0.1"), ("::1",), ("::ffff:127.0.0.1",), ("169.254.169.254",)],
)
async def test_a_public_name_that_leads_inside_is_refused_before_a_connection(
    addresses: tuple[str, ...],
) -> None:
    async with FakeUpstream().serve() as upstream:
        port = upstream.origin.rpartition(":")[2]
        client = UpstreamClient(5, names(*addresses))
        with pytest.raises(BaseUrlNotAllowed) as caught:
            await ask(client, f"https://public.example:{port}/v1", Reach.PUBLIC)
        await client.aclose()
        assert upstream.connections == 0
        assert not any(address in caught.value.message for address in addresses)


@pytest.mark.parametrize(
    "url", ["https://127.0.0.1/v1", "https://127.1/v1", "https://2130706433/v1", "https://[::1]/v1"]
)
async def test_every_way_to_write_loopback_is_refused(url: str) -> None:
    client = UpstreamClient(5)
    with pytest.raises(BaseUrlNotAllowed):
        await ask(client, url, Reach.PUBLIC)
    await client.aclose()


async def test_metadata_is_refused_to_the_operator_too() -> None:
    client = UpstreamClient(5, names("169.254.169.254"))
    with pytest.raises(BaseUrlNotAllowed):
        await ask(client, "http://harmless.example/v1", Reach.OPERATOR)
    await client.aclose()


async def test_the_checked_address_is_the_one_connected_to() -> None:
    asked: list[str] = []

    async def rebinding(host: str, port: int) -> list[Address]:
        asked.append(host)
        return [ip_address("127.0.0.1")]

    async with FakeUpstream().serve() as upstream:
        port = upstream.origin.rpartition(":")[2]
        client = UpstreamClient(5, rebinding)
        # No other resolver knows this name, so a second look-up would fail.
        assert await ask(client, f"http://name.invalid:{port}/v1", Reach.OPERATOR) == 200
        await client.aclose()
        assert asked == ["name.invalid"]
        assert upstream.requests[0].headers["host"] == f"name.invalid:{port}"


async def test_the_next_address_is_tried_when_one_does_not_answer() -> None:
    async with FakeUpstream().serve() as upstream:
        port = upstream.origin.rpartition(":")[2]
        client = UpstreamClient(5, names("127.0.0.2", "127.0.0.1"))
        assert await ask(client, f"http://two.example:{port}/v1", Reach.OPERATOR) == 200
        await client.aclose()


async def test_connections_are_not_lent_to_requests_with_less_reach() -> None:
    async with FakeUpstream().serve() as upstream:
        client = UpstreamClient(5)
        assert await ask(client, upstream.base_url, Reach.OPERATOR) == 200
        with pytest.raises(BaseUrlNotAllowed):
            await ask(client, upstream.base_url, Reach.PUBLIC)
        await client.aclose()


async def test_redirects_are_answers_not_orders() -> None:
    async with FakeUpstream().serve() as upstream:
        upstream.models = Reply(status=307, headers={"Location": f"{upstream.origin}/elsewhere"})
        client = UpstreamClient(5)
        assert await ask(client, upstream.base_url, Reach.OPERATOR) == 307
        await client.aclose()
        assert len(upstream.requests) == 1


async def test_the_environment_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    monkeypatch.setenv("OPENAI_CUSTOM_HEADERS", "X-Secret: all\nAuthorization: Bearer sk-of-the-server")
    monkeypatch.setenv("OPENAI_ORG_ID", "org-of-the-server")
    async with FakeUpstream().serve() as upstream:
        upstream.models = json_reply({"data": []}, Set_Cookie="session=1")
        client = UpstreamClient(5)
        for _ in range(2):
            assert await ask(client, upstream.base_url, Reach.OPERATOR, "sk-mine") == 200
        await client.aclose()
        for request in upstream.requests:
            assert set(request.headers) <= {
                "host",
                "accept",
                "accept-encoding",
                "user-agent",
                "authorization",
            }
            assert request.headers["authorization"] == "Bearer sk-mine"


async def test_packed_answers_are_refused() -> None:
    async with FakeUpstream().serve() as upstream:
        upstream.models = Reply([b"\x1f\x8b"], headers={"Content-Encoding": "gzip"})
        client = UpstreamClient(5)
        with pytest.raises(UpstreamError, match="compressed"):
            await ask(client, upstream.base_url, Reach.OPERATOR)
        await client.aclose()


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A key, and a certificate for `named.example` alone."""
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("openssl is not there to make a certificate")
    folder = tmp_path_factory.mktemp("certificate")
    key, cert = folder / "key.pem", folder / "cert.pem"
    command = [
        openssl,
        "req",
        "-x509",
        "-newkey",
        "rsa:2048",
        "-nodes",
        "-subj",
        "/CN=named.example",
        "-days",
        "2",
    ]
    command += ["-addext", "subjectAltName=DNS:named.example", "-keyout", str(key), "-out", str(cert)]
    subprocess.run(command, check=True, capture_output=True)
    return key, cert


@pytest.mark.parametrize(("name", "trusted"), [("named.example", True), ("other.example", False)])
async def test_tls_checks_the_name_in_the_url(
    certificate: tuple[Path, Path], name: str, *, trusted: bool
) -> None:
    key, cert = certificate
    server_side = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server_side.load_cert_chain(cert, key)
    async with FakeUpstream().serve(server_side) as upstream:
        port = upstream.origin.rpartition(":")[2]
        transport = GuardedTransport(
            Reach.OPERATOR,
            connect_timeout_s=5,
            resolver=names("127.0.0.1"),
            ssl_context=ssl.create_default_context(cafile=cert),
        )
        request = httpx2.Request("GET", f"https://{name}:{port}/v1/models")
        if trusted:
            reply = await transport.send(request)
            assert (reply.status, await reply.read_body(1000) != b"") == (200, True)
            await reply.aclose()
        else:
            with pytest.raises(httpcore2.ConnectError):
                await transport.send(request)
        await transport.aclose()
