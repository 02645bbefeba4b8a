"""Discovery: servers on this machine are told by what they answer, never by their port alone."""

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import anyio
import pytest

from app.core.config import Settings, VendorName
from app.providers.upstream import discovery as module
from app.providers.upstream.discovery import (
    DISCOVERY_AGENT,
    FINGERPRINT_PATHS,
    PORTS,
    Discovery,
    list_local_servers,
)
from tests.fakes import model_servers as fakes
from tests.fakes.model_servers import ModelServer
from tests.fakes.upstream import json_reply, silent_reply


def settings(**llm: Any) -> Settings:
    return Settings(_env_file=None, llm=llm)


@asynccontextmanager
async def served(*servers: ModelServer) -> AsyncIterator[None]:
    async with AsyncExitStack() as stack:
        for server in servers:
            await stack.enter_async_context(server.serve())
        yield


@pytest.mark.parametrize("expected", ["lm_studio", "ollama", "llama_cpp", "vllm"])
@pytest.mark.parametrize(
    ("make", "kind"),
    [
        (fakes.ollama, "ollama"),
        (fakes.lm_studio, "lm_studio"),
        (fakes.llama_cpp, "llama_cpp"),
        (lambda: fakes.llama_cpp(loading=True), "llama_cpp"),
        (fakes.vllm, "vllm"),
        (lambda: fakes.vllm(key=True), "vllm"),
        (fakes.local_ai, "other"),
        (fakes.web_app, None),
        (fakes.prompter, None),
    ],
)
async def test_a_server_is_told_by_its_answers_on_any_port(
    make: Callable[[], ModelServer], kind: VendorName | None, expected: VendorName
) -> None:
    async with make().serve() as server:
        found = await Discovery(settings(), {server.port: expected}).discover()
        assert list(found) == ([kind] if kind else [])
        for profile in found.values():
            assert profile.is_discovered
            assert profile.require_endpoint().base.url == f"http://127.0.0.1:{server.port}/v1"
            assert profile.require_endpoint().api_key == ""
            assert profile.is_local
            assert profile.vendor.is_local
            assert profile.first_byte_timeout_s == 300


@pytest.mark.parametrize("make", [fakes.ollama, fakes.lm_studio, fakes.llama_cpp, fakes.vllm])
async def test_two_questions_where_the_usual_server_answers(make: Callable[[], ModelServer]) -> None:
    kind: Any = make.__name__
    async with make().serve() as server:
        assert list(await Discovery(settings(), {server.port: kind}).discover()) == [kind]
        assert len(server.paths) == 2
        assert {request.headers["user-agent"] for request in server.requests} == {DISCOVERY_AGENT}


async def test_nobody_asks_a_prompter_for_its_models() -> None:
    """It would ask its own upstreams for theirs, us among them."""
    async with fakes.prompter().serve() as server:
        for expected in FINGERPRINT_PATHS:
            await Discovery(settings(), {server.port: expected}).discover()
        assert len(server.paths) == 4
        assert "/v1/models" not in server.paths


async def test_a_running_prompter_is_not_found(server: str) -> None:
    port = int(server.rpartition(":")[2])
    for expected in FINGERPRINT_PATHS:
        assert await Discovery(settings(), {port: expected}).discover() == {}


async def test_a_key_is_needed_and_lm_studio_stands_at_its_port() -> None:
    refused = json_reply({"error": {"message": "no token", "code": "invalid_api_key"}}, 401)
    async with ModelServer({}, refused).serve() as server:
        assert list(await Discovery(settings(), {server.port: "lm_studio"}).discover()) == ["lm_studio"]
        assert list(await Discovery(settings(), {server.port: "ollama"}).discover()) == []


async def test_all_ports_are_asked_at_once_and_remembered() -> None:
    servers = [fakes.ollama(), fakes.lm_studio(), fakes.web_app()]
    async with served(*servers):
        ports: dict[int, VendorName] = {servers[0].port: "ollama", servers[1].port: "lm_studio"}
        looking = Discovery(settings(), {**ports, servers[2].port: "llama_cpp"})
        async with anyio.create_task_group() as group:
            for _ in range(5):
                group.start_soon(looking.discover)
        assert set(await looking.discover()) == {"ollama", "lm_studio"}
        assert [len(server.paths) for server in servers] == [2, 2, 2]


async def test_a_silent_port_delays_nobody_beyond_three_seconds() -> None:
    silent, ollama = ModelServer({}, silent_reply()), fakes.ollama()
    async with served(silent, ollama):
        looking = Discovery(settings(), {silent.port: "llama_cpp", ollama.port: "ollama"})
        with anyio.fail_after(30):
            assert list(await looking.discover()) == ["ollama"]
    assert module._ANSWER_TIMEOUT_S < module._SWEEP_TIMEOUT_S <= 3


async def test_one_that_has_gone_is_dropped_and_a_busy_one_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_CACHE_S", 0.0)
    async with fakes.ollama().serve() as server:
        looking = Discovery(settings(), {server.port: "ollama"})
        assert list(await looking.discover()) == ["ollama"]
        server.answers["/api/version"] = silent_reply()
        assert list(await looking.discover()) == ["ollama"]
    assert await looking.discover() == {}


async def test_the_first_of_two_of_one_kind_is_taken() -> None:
    servers = [fakes.llama_cpp(), fakes.llama_cpp()]
    async with served(*servers):
        looking = Discovery(settings(), {server.port: "llama_cpp" for server in servers})
        assert (
            (await looking.discover())["llama_cpp"].require_endpoint().base.url.startswith(servers[0].origin)
        )


def test_the_usual_ports() -> None:
    assert PORTS == {1234: "lm_studio", 11434: "ollama", 8080: "llama_cpp", 9931: "llama_cpp", 8000: "vllm"}


async def test_its_own_port_and_those_in_settings_are_not_asked() -> None:
    async with fakes.ollama().serve() as server:
        own = Settings(_env_file=None, port=server.port)
        assert await Discovery(own, {server.port: "ollama"}).discover() == {}
        named = settings(profiles={"mine": {"base_url": f"http://localhost:{server.port}/v1"}})
        assert await Discovery(named, {server.port: "ollama"}).discover() == {}
        assert server.paths == []


def test_what_is_sought() -> None:
    assert list(list_local_servers(settings())) == ["lm_studio", "ollama", "llama_cpp", "vllm", "other"]
    assert list_local_servers(settings(discover=False)) == {}
    named = settings(
        profiles={"vllm": {"base_url": "http://gpu.lan:8000/v1"}, "mine": {"kind": "ollama"}},
        openai_compat={"base_url": "http://localhost:1234/v1", "api_key": "any", "model": "m"},
    )
    assert list(list_local_servers(named)) == ["llama_cpp", "other"]
    elsewhere = settings(profiles={"study": {"kind": "lm_studio", "base_url": "http://192.168.1.20:1234/v1"}})
    assert "lm_studio" in list_local_servers(elsewhere)


async def test_a_sought_server_comes_and_goes() -> None:
    async with fakes.ollama().serve() as server:
        sought = list_local_servers(settings(), {server.port: "ollama"})
        profile = await sought["ollama"].get_profile()
        assert profile is not None
        assert (profile.name, profile.vendor.name, profile.is_discovered) == ("ollama", "ollama", True)
        assert await sought["lm_studio"].get_profile() is None
        assert all(each.is_local and each.vendor.is_local for each in sought.values())
