"""The upstream client: what it sends, when it tries again, and what it refuses."""

import pytest

from app.core.errors import BadRequest, UpstreamError, UpstreamTimeout
from app.providers.upstream.addresses import Address, Reach, parse_base_url
from app.providers.upstream.client import Endpoint, UpstreamClient, make_redactor
from tests.fakes.upstream import FakeUpstream, Reply, dropped_reply, error_reply, json_reply, silent_reply

KEY = "sk-canary-4711"


async def post(upstream: FakeUpstream, *, tries: int = 1, timeout_s: float = 5.0, **body: object) -> int:
    client = UpstreamClient(1.0)
    endpoint = Endpoint(parse_base_url(upstream.base_url), KEY, Reach.OPERATOR)
    try:
        async with client.request(
            "POST", endpoint, "/x", timeout_s=timeout_s, tries=tries, max_retry_wait_s=0.5, **body
        ) as reply:
            await reply.read_body(1000)
            return reply.status
    finally:
        await client.aclose()


async def test_a_request_has_the_key_and_asks_for_plain_bytes() -> None:
    async with FakeUpstream().serve() as upstream:
        assert await post(upstream, json={"a": 1}) == 200
        sent = upstream.requests[0]
    assert (sent.method, sent.path, sent.json) == ("POST", "/v1/x", {"a": 1})
    assert sent.headers["authorization"] == f"Bearer {KEY}"
    assert sent.headers["accept-encoding"] == "identity"
    assert sent.headers["content-type"] == "application/json"


async def test_an_endpoint_without_reuse_closes_its_connection() -> None:
    async with FakeUpstream().serve() as upstream:
        base = parse_base_url(upstream.base_url)
        endpoint = Endpoint(base, "", Reach.OPERATOR, reuses_connections=False)
        client = UpstreamClient(1.0)
        async with client.request("GET", endpoint, "/models", timeout_s=5, tries=1):
            pass
        await client.aclose()
        assert upstream.requests[0].headers["connection"] == "close"
        assert "authorization" not in upstream.requests[0].headers


@pytest.mark.parametrize(
    "first",
    [error_reply(429, "x", Retry_After="0"), error_reply(503, "x"), error_reply(529, "x"), dropped_reply()],
)
async def test_a_failure_before_the_first_byte_is_tried_again(first: Reply) -> None:
    async with FakeUpstream().serve() as upstream:
        upstream.script.extend([first, json_reply({})])
        assert await post(upstream, tries=2, json={}) == 200
        assert len(upstream.requests) == 2


@pytest.mark.parametrize(
    "refusal", [error_reply(400, "x"), error_reply(501, "x"), error_reply(429, "x", Retry_After="60")]
)
async def test_other_refusals_are_the_reply(refusal: Reply) -> None:
    async with FakeUpstream().serve() as upstream:
        upstream.script.append(refusal)
        assert await post(upstream, tries=3, json={}) == refusal.status
        assert len(upstream.requests) == 1


async def test_all_tries_share_one_time_limit() -> None:
    async with FakeUpstream().serve() as upstream:
        upstream.script.extend([error_reply(500, "x"), silent_reply()])
        with pytest.raises(UpstreamTimeout):
            await post(upstream, tries=2, timeout_s=0.5, json={})


async def test_the_last_failure_to_connect_is_an_error() -> None:
    async with FakeUpstream().serve() as upstream:
        upstream.script.extend([dropped_reply(), dropped_reply()])
        with pytest.raises(UpstreamError, match="cannot be reached"):
            await post(upstream, tries=2, json={})


@pytest.mark.parametrize(
    ("reach", "label"),
    [(Reach.PUBLIC, "base_url"), (Reach.LISTED, "canary.example"), (Reach.OPERATOR, "canary.example")],
)
async def test_an_address_of_a_request_is_not_repeated(reach: Reach, label: str) -> None:
    """One of the settings is named by its host, that people know which service failed."""

    async def unknown(host: str, port: int) -> list[Address]:
        raise OSError("no such name")

    client = UpstreamClient(1.0, unknown)
    endpoint = Endpoint(parse_base_url("https://canary.example/v1"), KEY, reach)
    with pytest.raises(UpstreamError) as failed:
        async with client.request("GET", endpoint, "/models", timeout_s=5, tries=1):
            raise AssertionError("never reached")
    assert f"the upstream {label!r} cannot be reached" in failed.value.message
    await client.aclose()


async def test_a_body_that_nests_without_end_is_a_bad_request() -> None:
    nested: list[object] = []
    for _ in range(100_000):
        nested = [nested]
    async with FakeUpstream().serve() as upstream:
        with pytest.raises(BadRequest, match="nests too deeply"):
            await post(upstream, json=nested)
        assert upstream.requests == []


def test_error_messages_hold_neither_key_nor_texts() -> None:
    endpoint = Endpoint(parse_base_url("https://host/v1"), KEY, Reach.OPERATOR)
    redactor = make_redactor(endpoint, "the purple submarine")
    assert redactor.redact(f"bad {KEY}") == "bad [key]"
    assert "submarine" not in redactor.redact("about the purple submarine")
    assert KEY not in repr(endpoint)
