"""A trial tells whether a model answers, and else what keeps it from answering, by a code."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from dataclasses import replace
from ipaddress import ip_address
from typing import Any

import pytest

from app.core.config import Settings
from app.core.errors import BaseUrlNotAllowed
from app.providers.upstream import trial as module
from app.providers.upstream.addresses import Address, Reach
from app.providers.upstream.client import UpstreamClient
from app.providers.upstream.profiles import Profile, make_connected_profile
from app.providers.upstream.trial import Trial, try_upstream
from app.providers.upstream.vendors import VENDORS
from tests.fakes.model_servers import PAGE, models
from tests.fakes.upstream import FakeUpstream, Reply, error_reply, json_reply, silent_reply

KEY = "sk-canary-0123456789abcdef"


@pytest.fixture
async def upstream() -> AsyncIterator[FakeUpstream]:
    async with FakeUpstream().serve() as fake:
        yield fake


async def resolve_nowhere(host: str, port: int) -> list[Address]:
    del host, port
    raise OSError("no such name")


async def resolve_inside(host: str, port: int) -> list[Address]:
    del host, port
    return [ip_address("127.0.0.1")]


def make_profile(base_url: str, *allowed: str, **more: Any) -> Profile:
    settings = Settings.model_validate({"llm": {"allowed_base_urls": list(allowed), "connect_timeout_s": 1}})
    known = {"base_url": base_url, "api_key": KEY, "model": "", "models": ()}
    return make_connected_profile(
        "my.custom", more.pop("vendor", "other"), settings=settings, **(known | more)
    )


async def attempt(profile: Profile, **client: Any) -> Trial:
    made = UpstreamClient(1.0, **client)
    try:
        return await try_upstream(made, profile)
    finally:
        await made.aclose()


async def test_a_model_that_answers_is_timed(upstream: FakeUpstream) -> None:
    upstream.models = models("text-embedding-3", "b", "a")
    tried = await attempt(make_profile(upstream.base_url, upstream.origin))
    assert (tried.problem, tried.model, tried.models) == (None, "b", ("b", "a", "text-embedding-3"))
    assert tried.first_token_ms is not None
    assert tried.list_ms is not None
    listed, asked = upstream.requests
    assert listed.path == "/v1/models"
    assert asked.json["model"] == "b"
    assert {listed.headers["authorization"], asked.headers["authorization"]} == {f"Bearer {KEY}"}


async def test_an_address_without_its_path_is_found(upstream: FakeUpstream) -> None:
    tried = await attempt(make_profile(upstream.origin, upstream.origin, model="mine"))
    assert (tried.problem, tried.model) == (None, "mine")
    assert [request.path for request in upstream.requests] == ["/v1/models", "/v1/chat/completions"]


@pytest.mark.parametrize(
    ("listed", "answered", "problem"),
    [
        (error_reply(401, f"bad {KEY}"), None, "wrong_key"),
        (error_reply(403, "no"), None, "wrong_key"),
        (error_reply(429, "slow down"), None, "rate_limited"),
        (error_reply(503, "Loading model"), None, "loading"),
        (error_reply(500, "oops"), None, "unreachable"),
        (Reply(status=302, headers={"Location": "https://public.example/v1"}), None, "redirects"),
        (PAGE, None, "no_api"),
        (models(), None, "no_models"),
        (error_reply(404, "no"), None, "no_models"),
        (models("a"), error_reply(401, "no"), "wrong_key"),
        (models("a"), error_reply(404, "no such model"), "model_failed"),
        (models("a"), error_reply(429, "no credit"), "rate_limited"),
        (models("a"), Reply([b"<html>"], headers={"Content-Type": "text/html"}), "no_api"),
        (models("a"), silent_reply(), "too_slow"),
        (silent_reply(), None, "too_slow"),
    ],
)
async def test_what_keeps_it_from_answering_has_a_code(
    upstream: FakeUpstream,
    monkeypatch: pytest.MonkeyPatch,
    listed: Reply,
    answered: Reply | None,
    problem: str,
) -> None:
    if problem == "too_slow":
        monkeypatch.setattr(module, "LIST_S", 0.5)
        monkeypatch.setattr(module, "FIRST_TOKEN_S", 0.5)
    upstream.models = listed
    upstream.script.extend([answered] if answered else [])
    tried = await attempt(make_profile(upstream.base_url, upstream.origin))
    assert tried.problem == problem
    assert tried.message
    assert KEY not in repr(tried)
    assert tried.first_token_ms is None


async def test_a_server_without_a_list_answers_for_the_model_that_is_named(upstream: FakeUpstream) -> None:
    upstream.models = PAGE
    tried = await attempt(make_profile(upstream.base_url, upstream.origin, model="mine"))
    assert (tried.problem, tried.models, tried.list_ms) == (None, (), None)
    assert upstream.requests[-1].json["model"] == "mine"


async def test_a_name_that_leads_nowhere(upstream: FakeUpstream) -> None:
    tried = await attempt(make_profile("https://nowhere.example/v1"), resolver=resolve_nowhere)
    assert tried.problem == "unknown_host"
    assert upstream.connections == 0


async def test_an_address_where_nothing_listens(upstream: FakeUpstream) -> None:
    origin = "http://127.0.0.1:9"
    assert (await attempt(make_profile(f"{origin}/v1", origin))).problem == "refused"
    assert upstream.connections == 0


async def test_a_server_without_tls() -> None:
    """`https` where plain `http` is spoken."""

    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.write(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")
        writer.close()

    server = await asyncio.start_server(refuse, "127.0.0.1", 0)
    async with server:
        origin = f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        assert (await attempt(make_profile(f"{origin}/v1", origin))).problem == "tls"


async def test_a_certificate_that_nobody_vouches_for() -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)  # without a certificate no handshake succeeds
    async with FakeUpstream().serve(context) as fake:
        origin = fake.origin.replace("http:", "https:")
        assert (await attempt(make_profile(f"{origin}/v1", origin))).problem == "tls"


async def test_a_name_that_leads_inside_is_refused(upstream: FakeUpstream) -> None:
    with pytest.raises(BaseUrlNotAllowed) as refused:
        await attempt(make_profile("https://inside.example/v1"), resolver=resolve_inside)
    assert "127.0.0.1" not in refused.value.message
    assert upstream.connections == 0


async def test_a_change_of_mind_between_two_questions_is_refused(upstream: FakeUpstream) -> None:
    """The list is read at a public address; by the second question the name leads inside."""
    upstream.models = models("a")
    answers = [[ip_address("127.0.0.1")], [ip_address("169.254.169.254")]]

    async def resolve(host: str, port: int) -> list[Address]:
        del host, port
        return answers.pop(0)

    port = upstream.origin.rpartition(":")[2]
    profile = make_profile(f"http://turns.example:{port}/v1", f"http://turns.example:{port}")
    assert profile.endpoint is not None
    assert profile.endpoint.reach is Reach.LISTED_LOOPBACK
    with pytest.raises(BaseUrlNotAllowed):
        await attempt(profile, resolver=resolve)
    assert upstream.connections == 1


async def test_anthropics_list_wants_its_own_header(upstream: FakeUpstream) -> None:
    """With a bearer beside it the list is refused; its chat wants the bearer."""
    upstream.models = json_reply({"data": [{"id": "claude-x", "type": "model"}], "has_more": False})
    profile = replace(make_profile(upstream.base_url, upstream.origin), vendor=VENDORS["anthropic"])
    assert (await attempt(profile)).problem is None
    listed, asked = upstream.requests
    assert listed.headers["x-api-key"] == KEY
    assert listed.headers["anthropic-version"] == "2023-06-01"
    assert "authorization" not in listed.headers
    assert asked.headers["authorization"] == f"Bearer {KEY}"
    assert "x-api-key" not in asked.headers
