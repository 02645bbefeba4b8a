"""The probe: one question for state, models and true address, shared by all who ask."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import anyio
import orjson
import pytest

from app.core.config import VendorName
from app.providers.upstream import probe as module
from app.providers.upstream.addresses import Reach, parse_base_url
from app.providers.upstream.client import Endpoint, UpstreamClient
from app.providers.upstream.probe import Probe, read_sights
from app.providers.upstream.vendors import VENDORS
from app.schemas.providers import ProviderState
from tests.fakes import model_servers as fakes
from tests.fakes.model_servers import PAGE, ModelServer, models
from tests.fakes.upstream import Reply, dropped_reply, error_reply, json_reply, silent_reply

KEY = "sk-canary-4711"


@asynccontextmanager
async def probing(
    url: str, model: str = "", listed: Sequence[str] = (), kind: VendorName = "other", key: str = KEY
) -> AsyncIterator[Probe]:
    client = UpstreamClient(1.0)
    try:
        yield Probe(client, Endpoint(parse_base_url(url), key, Reach.OPERATOR), model, listed, VENDORS[kind])
    finally:
        await client.aclose()


@pytest.mark.parametrize(
    ("reply", "state", "ids", "words"),
    [
        (models("a", "b"), ProviderState.READY, ["a", "b"], "2 models at"),
        (models("a"), ProviderState.READY, ["a"], "'a' at"),
        (models("text-embedding-x", "a", "a"), ProviderState.READY, ["a", "text-embedding-x"], "2 models"),
        (json_reply([{"id": "a"}]), ProviderState.READY, ["a"], "'a' at"),
        (
            json_reply({"data": [{"id": "a\n"}, {"id": ""}, {"id": 1}, "b", {"id": "c"}]}),
            ProviderState.READY,
            ["c"],
            "'c'",
        ),
        (models(), ProviderState.NO_MODEL, [], "has no model"),
        (PAGE, ProviderState.NO_MODEL, [], "check base_url"),
        (json_reply({"error": "Unexpected endpoint"}), ProviderState.NO_MODEL, [], "check base_url"),
        (error_reply(404, "no"), ProviderState.NO_MODEL, [], "lists no models"),
        (error_reply(401, f"bad {KEY}"), ProviderState.UNAUTHORIZED, [], "did not accept the API key"),
        (error_reply(403, "no"), ProviderState.UNAUTHORIZED, [], "did not accept the API key"),
        (error_reply(503, "Loading model"), ProviderState.LOADING, [], "Loading model"),
        (error_reply(500, "oops"), ProviderState.UNREACHABLE, [], "status 500"),
        (
            Reply(status=302, headers={"Location": "http://127.0.0.1/x"}),
            ProviderState.UNREACHABLE,
            [],
            "redirects",
        ),
        (dropped_reply(), ProviderState.UNREACHABLE, [], "cannot be reached"),
    ],
)
async def test_state_and_models(reply: Reply, state: ProviderState, ids: list[str], words: str) -> None:
    async with ModelServer({"/v1/models": reply}).serve() as server, probing(server.base_url) as probe:
        status = await probe.status()
        assert status.state is state
        assert words in status.description
        assert KEY not in status.description
        assert await probe.models() == ids
        assert server.paths == ["/v1/models"]
        assert server.requests[0].headers["authorization"] == f"Bearer {KEY}"


@pytest.mark.parametrize("status", [404, 405, 501])
async def test_one_that_lists_nothing_has_the_models_of_the_settings(status: int) -> None:
    async with ModelServer({}, error_reply(status, "no")).serve() as server:
        async with probing(server.base_url, "sonar") as probe:
            assert (await probe.status()).state is ProviderState.READY
            assert await probe.models() == ["sonar"]
        async with probing(server.base_url, "sonar", ["sonar", "sonar-pro"]) as probe:
            assert await probe.models() == ["sonar", "sonar-pro"]


async def test_the_settings_choose_of_what_is_listed() -> None:
    """OpenRouter lists thousands."""
    async with ModelServer({"/v1/models": models(*"abc")}).serve() as server:
        async with probing(server.base_url, listed=["b", "z"]) as probe:
            assert await probe.models() == ["b", "z"]
        async with probing(server.base_url, "z") as probe:
            assert "does not list that name" in (await probe.status()).description


async def test_a_llama_that_loads_is_loading_though_it_lists_its_model() -> None:
    async with fakes.llama_cpp(loading=True).serve() as server:
        async with probing(server.base_url, kind="llama_cpp") as probe:
            assert (await probe.status()).state is ProviderState.LOADING
            assert server.paths == ["/v1/models", "/health"]
        server.answers["/health"] = json_reply({"status": "ok"})
        async with probing(server.base_url, kind="llama_cpp") as probe:
            assert (await probe.status()).state is ProviderState.READY


async def test_a_local_server_that_is_off_says_how_to_start_it() -> None:
    async with ModelServer({}).serve() as server:
        url = server.base_url
    async with probing(url, kind="lm_studio") as probe:
        assert "lms server start" in (await probe.status()).description
    async with fakes.ollama().serve() as server, probing(server.base_url, kind="ollama") as probe:
        server.answers["/v1/models"] = models()
        assert "ollama pull" in (await probe.status()).description


async def test_any_number_ask_once() -> None:
    async with fakes.ollama().serve() as server, probing(server.base_url) as probe:
        async with anyio.create_task_group() as group:
            for ask in (probe.status, probe.models, probe.resolve_endpoint) * 4:
                group.start_soon(ask)
        assert server.paths == ["/v1/models"]


async def test_one_that_leaves_does_not_spoil_the_answer_of_others() -> None:
    async with fakes.ollama().serve() as server, probing(server.base_url) as probe:
        server.answers["/v1/models"] = silent_reply()
        async with anyio.create_task_group() as group:
            group.start_soon(probe.status)
            await server.asked.wait()
            group.cancel_scope.cancel()
        server.answers["/v1/models"] = models("a")
        assert await probe.models() == ["a"]


async def test_what_is_known_grows_old(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_NOT_READY_CACHE_S", 0.0)
    async with ModelServer({}, error_reply(500, "oops")).serve() as server, probing(server.base_url) as probe:
        assert (await probe.status()).state is ProviderState.UNREACHABLE
        server.answers["/v1/models"] = models("a")
        assert (await probe.status()).state is ProviderState.READY
        server.answers["/v1/models"] = models("b")
        assert await probe.models() == ["a"]


async def test_silence_lasts_less_than_three_seconds() -> None:
    async with ModelServer({}, silent_reply()).serve() as server, probing(server.origin) as probe:
        with anyio.fail_after(30):
            assert (await probe.status()).state is ProviderState.UNREACHABLE
            assert await probe.models() == []
    assert module._PROBE_TIMEOUT_S < 3


# -- the true address


@pytest.mark.parametrize(
    ("answers", "otherwise", "path", "asked"),
    [
        ({"/v1/models": models("a")}, error_reply(404, "no"), "/v1", 1),
        ({"/models": models("a")}, error_reply(404, "no"), "", 2),
        ({"/models": models("a")}, PAGE, "", 2),
        ({"/v1/models": models("a")}, PAGE, "/v1", 1),
        ({"/v1/models": error_reply(401, "no key")}, error_reply(404, "no"), "/v1", 1),
        ({"/v1/models": error_reply(503, "Loading model")}, error_reply(404, "no"), "/v1", 1),
        ({}, error_reply(404, "no"), "", 2),
    ],
)
async def test_a_base_url_without_a_path(
    answers: dict[str, Reply], otherwise: Reply, path: str, asked: int
) -> None:
    async with ModelServer(answers, otherwise).serve() as server, probing(server.origin + "/", "m") as probe:
        assert (await probe.resolve_endpoint()).base.url == server.origin + path
        assert (await probe.resolve_endpoint()).api_key == KEY
        await probe.status()
        assert len(server.paths) == asked


async def test_what_was_found_stays_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_CACHE_S", 0.0)
    monkeypatch.setattr(module, "_NOT_READY_CACHE_S", 0.0)
    async with fakes.ollama().serve() as server, probing(server.origin) as probe:
        await probe.status()
        server.answers["/v1/models"] = error_reply(404, "gone for now")
        assert (await probe.status()).state is ProviderState.NO_MODEL
        assert (await probe.resolve_endpoint()).base.path == "/v1"


async def test_while_nobody_answers_the_likeliest_form_is_taken() -> None:
    async with ModelServer({}).serve() as server:
        origin = server.origin
    async with probing(origin) as probe:
        assert (await probe.resolve_endpoint()).base.url == f"{origin}/v1"


async def test_with_a_path_nobody_is_asked() -> None:
    async with ModelServer({}).serve() as server, probing(f"{server.origin}/api/v1") as probe:
        endpoint: Any = await probe.resolve_endpoint()
        assert endpoint.base.url == f"{server.origin}/api/v1"
        assert server.paths == []


def test_lists_of_models_tell_which_see_pictures() -> None:
    listed = [
        {"id": "a", "architecture": {"input_modalities": ["text", "image"]}},
        {"id": "b", "architecture": {"input_modalities": ["text"]}},
        {"id": "c", "capabilities": {"vision": True}},
        {"id": "d", "capabilities": {"vision": False}},
        {"id": "e", "capabilities": ["completion", "multimodal"]},
        {"id": "f", "capabilities": ["completion"]},
        {"id": "g", "type": "vlm"},
        {"id": "h", "architecture": 1, "capabilities": 2, "input_modalities": {}},
    ]
    found = read_sights(orjson.dumps({"data": listed}))
    assert found == {"a": True, "b": False, "c": True, "d": False, "e": True, "g": True}
    assert read_sights(b"no list") == read_sights(b"{}") == {}
