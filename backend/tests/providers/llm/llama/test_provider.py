"""llama.cpp inside: its states, its answers, its models by turns, and that its death is nobody else's."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from pathlib import Path
from typing import Any

import httpx2
import orjson
import pytest

from app.core.config import LlamaSettings, LlmProfile, LlmSettings, Settings
from app.core.errors import (
    ContextTooLong,
    ModelNotFound,
    ProviderNotReady,
    UpstreamLoading,
    UpstreamTruncated,
)
from app.providers.base import ChatMessage, ChatProvider, ChatRequest, LlmConfig
from app.providers.llm.llama.process import LlamaProcess
from app.providers.llm.llama.provider import LlamaLocalProvider
from app.providers.upstream.chat import ChatUpstream
from app.providers.upstream.client import UpstreamClient
from app.providers.upstream.profiles import read_profiles
from app.schemas.providers import ProviderState
from tests.conftest import ROOT
from tests.support.gguf import write_gguf
from tests.support.speech_client import eventually, gathered
from tests.support.text_answers import ask_for_text
from tests.support.tiny_llama import SENTENCE, write_tiny_llama

ASKED = [{"role": "user", "content": "Say héllo"}]
ENDLESS: dict[str, Any] = {"temperature": 0, "ignore_eos": True}
TOOL = {
    "type": "function",
    "function": {
        "name": "weather",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A models folder with one GGUF file."""
    folder = tmp_path_factory.mktemp("models")
    write_tiny_llama(folder / "tiny.gguf")
    return folder


Make = Callable[..., LlamaLocalProvider]


@pytest.fixture
async def make(models: Path) -> AsyncIterator[Make]:
    """Providers that end with the test."""
    made: list[LlamaLocalProvider] = []

    def build(
        models_dir: Path = models, log_level: str = "info", wait_s: float = 60, **llama: Any
    ) -> LlamaLocalProvider:
        settings = Settings(
            _env_file=None,
            models_dir=models_dir,
            log_level=log_level,
            # More threads than cores that are free wait for each other longer than they work.
            llm=LlmSettings(
                llama_local=LlamaSettings(**{"threads": 1} | llama), local_first_byte_timeout_s=wait_s
            ),
        )
        made.append(LlamaLocalProvider(settings))
        return made[-1]

    yield build
    for provider in made:
        await provider.aclose()


def request(model: str = "", **fields: Any) -> ChatRequest:
    return ChatRequest(model, {"messages": ASKED, "temperature": 0} | fields)


async def answer(provider: ChatProvider, asked: ChatRequest) -> tuple[str, dict[str, Any]]:
    """The text of a streamed answer, and its last chunk with a choice, usage put in."""
    text, last = "", {}
    async with aclosing(provider.stream(asked)) as chunks:
        async for chunk in chunks:
            for choice in chunk["choices"]:
                text += choice["delta"].get("content") or ""
                last = choice
            last = last | {"usage": chunk.get("usage")}
    return text, last


async def begun(provider: ChatProvider, asked: ChatRequest) -> Any:
    """A stream of which some text has come."""
    chunks = provider.stream(asked)
    async for chunk in chunks:
        if chunk["choices"] and chunk["choices"][0]["delta"].get("content"):
            return chunks
    raise AssertionError("the answer has no text")


def pid_of(provider: LlamaLocalProvider) -> int:
    process = provider.server.process
    assert process is not None
    assert process.pid is not None
    return process.pid


def lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


# -- what is there


async def test_without_the_package_it_says_how_to_install_it(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "xllamacpp", None)
    provider = make()
    status = await provider.status()
    assert status.state is ProviderState.NOT_INSTALLED
    assert "pip install 'prompter[llama]'" in status.description
    assert await provider.models() == []
    with pytest.raises(ProviderNotReady, match="pip install"):
        await provider.complete(request())


async def test_without_a_model_it_says_where_to_put_one(make: Make, tmp_path: Path) -> None:
    status = await make(tmp_path).status()
    assert status.state is ProviderState.NO_MODEL
    assert str(tmp_path) in status.description
    assert "PROMPTER_LLM__LLAMA_LOCAL__MODEL" in status.description
    with pytest.raises(ProviderNotReady, match="put a GGUF file into"):
        await make(tmp_path).complete(request())


async def test_of_several_models_the_setting_chooses(make: Make, tmp_path: Path) -> None:
    for name in ("large.gguf", "small.gguf"):
        write_tiny_llama(tmp_path / name)
    status = await make(tmp_path).status()
    assert status.state is ProviderState.NO_MODEL
    assert "'large', 'small'" in status.description
    for chosen in ("small", "small.gguf", str(tmp_path / "small.gguf")):
        provider = make(tmp_path, model=chosen)
        assert (await provider.status()).state is ProviderState.READY
        assert await provider.models() == ["small", "large"]


async def test_a_setting_that_leads_nowhere_is_named(make: Make) -> None:
    status = await make(model="qwen").status()
    assert status.state is ProviderState.NO_MODEL
    assert "'qwen'" in status.description
    assert "'tiny'" in status.description


async def test_what_is_no_model_is_not_listed(make: Make, tmp_path: Path) -> None:
    """Later parts, the eyes of a model, what was not fetched whole, hidden files."""
    for name in ("big-00001-of-00002.gguf", "big-00002-of-00002.gguf", "mmproj-big.gguf", ".half.gguf"):
        write_tiny_llama(tmp_path / name)
    (tmp_path / "pointer.gguf").write_text("version https://git-lfs.github.com/spec/v1")
    (tmp_path / "folder.gguf").mkdir()
    write_tiny_llama(tmp_path / "folder.gguf" / "inner.gguf")
    assert await make(tmp_path).models() == ["big", "inner"]


async def test_asking_for_the_state_loads_nothing(make: Make) -> None:
    provider = make()
    status = await provider.status()
    assert status.state is ProviderState.READY
    assert "tiny.gguf" in status.description
    assert await provider.models() == ["tiny"]
    assert provider.server.process is None
    asked = asyncio.ensure_future(provider.complete(request()))
    await eventually(lambda: provider.server.loading is not None)
    assert (await provider.status()).state is ProviderState.LOADING
    await asked
    assert "is loaded" in (await provider.status()).description


@pytest.mark.parametrize("name", ["other", "../tiny", "tiny.gguf", "/etc/passwd"])
async def test_a_request_names_a_listed_model_or_none(make: Make, name: str) -> None:
    provider = make()
    with pytest.raises(ModelNotFound, match="'tiny'"):
        await answer(provider, request(name))
    assert provider.server.process is None


# -- what it answers


async def test_an_answer_is_streamed_with_its_usage(make: Make) -> None:
    text, last = await answer(make(), request("tiny"))
    assert text == SENTENCE
    assert last["finish_reason"] == "stop"
    usage = last["usage"]
    assert usage["completion_tokens"] > 10
    assert usage["total_tokens"] == usage["prompt_tokens"] + usage["completion_tokens"]


async def test_a_whole_answer_is_the_streamed_one(make: Make) -> None:
    provider = make()
    whole = await provider.complete(request())
    text, last = await answer(provider, request())
    assert whole["choices"][0]["message"]["content"] == text
    assert whole["choices"][0]["finish_reason"] == last["finish_reason"]
    assert whole["usage"]["total_tokens"] == last["usage"]["total_tokens"]
    assert whole["model"] == "tiny"


async def test_plain_messages_are_answered_in_text(make: Make) -> None:
    config = LlmConfig(temperature=0)
    answer = await ask_for_text(make(), [ChatMessage("user", "Hello")], config)
    assert answer.text == SENTENCE
    assert len(answer.texts) > 10, "it is streamed"
    assert answer.finish_reason == "stop"
    assert answer.usage is not None


async def test_a_limit_and_a_stop_word_end_an_answer(make: Make) -> None:
    provider = make()
    text, last = await answer(provider, request(max_tokens=3))
    assert (text, last["finish_reason"], last["usage"]["completion_tokens"]) == (
        "the quick brown",
        "length",
        3,
    )
    text, last = await answer(provider, request(stop=["fox"]))
    assert (text, last["finish_reason"]) == ("the quick brown ", "stop")


async def test_more_than_the_context_is_refused_as_such(make: Make) -> None:
    provider = make(context_tokens=256)
    long = [{"role": "user", "content": "word " * 400}]
    with pytest.raises(ContextTooLong):
        await answer(provider, request(messages=long))
    assert (await answer(provider, request()))[0] == SENTENCE


async def test_each_answer_has_the_whole_context_of_the_setting(make: Make) -> None:
    """llama.cpp divides what it is given between the answers at once."""
    provider = make(context_tokens=512, parallel=4)
    long = [{"role": "user", "content": "w" * 450}]
    assert (await answer(provider, request(messages=long)))[0] == SENTENCE


async def test_a_json_schema_is_obeyed(make: Make) -> None:
    schema = {
        "type": "object",
        "properties": {
            "say": {"type": "string"},
            "count": {"type": "integer"},
            "how": {"enum": ["low", "high"]},
        },
        "required": ["say", "count", "how"],
        "additionalProperties": False,
    }
    wanted = {"type": "json_schema", "json_schema": {"name": "told", "strict": True, "schema": schema}}
    text, last = await answer(make(), request(response_format=wanted))
    assert last["finish_reason"] == "stop"
    told = orjson.loads(text)
    assert (told["say"], type(told["count"]), told["how"] in ("low", "high")) == (SENTENCE, int, True)


@pytest.mark.parametrize("choice", ["required", {"type": "function", "function": {"name": "weather"}}])
async def test_a_function_is_called_where_it_has_to_be(make: Make, choice: Any) -> None:
    provider = make()
    other = TOOL | {"function": TOOL["function"] | {"name": "other"}}  # type: ignore[operator]
    tools = [TOOL] if choice == "required" else [other, TOOL]
    whole = await provider.complete(request(tools=tools, tool_choice=choice, max_tokens=300))
    assert whole["choices"][0]["finish_reason"] == "tool_calls"
    [call] = whole["choices"][0]["message"]["tool_calls"]
    assert call["function"]["name"] == "weather"
    assert list(orjson.loads(call["function"]["arguments"])) == ["city"]
    result = {"role": "tool", "tool_call_id": call["id"], "content": "18 degrees"}
    messages = [*ASKED, whole["choices"][0]["message"], result]
    assert (await answer(provider, request(messages=messages, tools=[TOOL])))[0] == SENTENCE


async def test_more_answers_than_places_wait_their_turn(make: Make) -> None:
    provider = make(parallel=2)
    answers = await gathered(*(answer(provider, request()) for _ in range(8)))
    assert [text for text, _ in answers] == [SENTENCE] * 8


async def test_each_answer_has_a_connection_of_its_own(make: Make) -> None:
    """llama.cpp closes one after a streamed answer though its headers promise to keep it: what is sent next is lost."""
    provider = make()
    await answer(provider, request())
    process = provider.server.process
    assert process is not None
    client = UpstreamClient(5)
    once = ChatUpstream(client, provider._profile(process), tries=1)
    for _ in range(150):
        async with aclosing(once.stream(request("tiny", max_tokens=1))) as chunks:
            assert [chunk async for chunk in chunks]
    await client.aclose()


@pytest.mark.parametrize(("name", "reused"), [("llama_cpp", False), ("ollama", True)])
def test_the_same_holds_for_its_server_elsewhere(name: str, reused: bool) -> None:
    settings = Settings(_env_file=None, llm=LlmSettings(profiles={name: LlmProfile()}))
    assert read_profiles(settings)[name].require_endpoint().reuses_connections is reused


# -- who leaves, who dies, who takes whose place


async def test_who_leaves_frees_the_only_place_at_once(make: Make) -> None:
    provider = make(parallel=1, context_tokens=65_536)
    for _ in range(3):
        chunks = await begun(provider, request(**ENDLESS))
        await chunks.aclose()
        began = time.monotonic()
        assert (await answer(provider, request()))[0] == SENTENCE
        assert time.monotonic() - began < 1.0


async def test_its_death_is_an_error_and_the_next_prompt_starts_it_anew(make: Make) -> None:
    provider = make(context_tokens=65_536)
    chunks = await begun(provider, request(**ENDLESS))
    first = pid_of(provider)
    os.kill(first, signal.SIGKILL)
    with pytest.raises(UpstreamTruncated, match="starts anew"):
        async for _ in chunks:
            pass
    assert (await answer(provider, request()))[0] == SENTENCE
    assert pid_of(provider) != first
    assert not lives(first)


async def test_what_dies_again_and_again_is_left_alone_for_a_while(make: Make, tmp_path: Path) -> None:
    write_gguf(tmp_path / "broken.gguf", {"general.architecture": "llama"}, {})
    provider = make(tmp_path)
    for _ in range(3):
        with pytest.raises(ProviderNotReady, match=r"broken\.gguf"):
            await provider.complete(request())
    with pytest.raises(ProviderNotReady, match="ended 3 times") as refused:
        await provider.complete(request())
    assert refused.value.retry_after_s is not None
    assert 50 < refused.value.retry_after_s <= 60
    assert (await provider.status()).state is ProviderState.UNREACHABLE


async def test_another_model_waits_for_answers_under_way(make: Make, tmp_path: Path) -> None:
    for name in ("one", "two"):
        write_tiny_llama(tmp_path / f"{name}.gguf")
    provider = make(tmp_path, context_tokens=65_536)
    chunks = await begun(provider, request("one", **ENDLESS))
    second = asyncio.ensure_future(provider.complete(request("two")))
    third = asyncio.ensure_future(provider.complete(request("one")))
    for _ in range(50):
        await anext(chunks)
    assert not second.done()
    await chunks.aclose()
    assert (await second)["model"] == "two"
    assert (await third)["model"] == "one", "who asks later for the first model does not pass the second"


async def test_a_model_that_does_not_get_its_turn_says_so(make: Make, tmp_path: Path) -> None:
    for name in ("one", "two"):
        write_tiny_llama(tmp_path / f"{name}.gguf")
    provider = make(tmp_path, context_tokens=65_536, wait_s=2)
    chunks = await begun(provider, request("one", **ENDLESS))
    provider._settings.llm.local_first_byte_timeout_s = 0.2
    with pytest.raises(UpstreamLoading, match="'two'") as refused:
        await provider.complete(request("two"))
    assert refused.value.retry_after_s
    await anext(chunks)
    await chunks.aclose()


async def test_loading_goes_on_for_whoever_asks_next(make: Make) -> None:
    provider = make()
    asked = asyncio.ensure_future(provider.complete(request()))
    await eventually(lambda: provider.server.loading is not None)
    asked.cancel()
    await asyncio.wait([asked])
    assert provider.server.loading is not None
    await eventually(lambda: provider.server.process is not None)
    pid = pid_of(provider)
    assert (await answer(provider, request()))[0] == SENTENCE
    assert pid_of(provider) == pid


@pytest.mark.parametrize("when", ["answering", "loading"])
async def test_it_ends_with_the_server(make: Make, when: str) -> None:
    provider = make(context_tokens=65_536)
    if when == "answering":
        chunks = await begun(provider, request(**ENDLESS))
        pid = pid_of(provider)
    asked = asyncio.ensure_future(provider.complete(request()))
    if when == "loading":
        await eventually(lambda: provider.server.loading is not None)
    began = time.monotonic()
    await provider.aclose()
    assert time.monotonic() - began < 2.0
    if when == "answering":
        assert not lives(pid)
        await chunks.aclose()
    await asyncio.wait([asked])
    assert asked.exception() is not None
    with pytest.raises(ProviderNotReady, match="is stopping"):
        await provider.complete(request())


@pytest.mark.skipif(sys.platform == "win32", reason="no SIGKILL here")
def test_it_ends_when_the_server_is_killed(models: Path) -> None:
    code = f"""
import asyncio, pathlib, sys
sys.path.insert(0, {str(ROOT / "backend")!r})
from app.weights.gguf import list_gguf
from app.core.config import Settings
from app.providers.llm.llama.process import LlamaProcess

async def main():
    settings = Settings(_env_file=None, models_dir=pathlib.Path({str(models)!r}))
    process = await LlamaProcess.start(list_gguf(settings)[0], settings)
    print(process.pid, flush=True)
    await asyncio.sleep(60)

if __name__ == "__main__":
    asyncio.run(main())
"""
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as server:
        assert server.stdout is not None
        pid = int(server.stdout.readline())
        assert lives(pid)
        server.kill()
    asyncio.run(eventually(lambda: not lives(pid), within_s=2))


@pytest.mark.skipif(sys.platform == "win32", reason="no SIGINT here")
async def test_ctrl_c_is_not_for_it(make: Make) -> None:
    provider = make()
    await provider.complete(request())
    os.kill(pid_of(provider), signal.SIGINT)
    assert (await answer(provider, request()))[0] == SENTENCE
    assert provider.server.process is not None


# -- who may use it, and what it tells


async def test_nobody_else_can_use_it(make: Make) -> None:
    provider = make()
    await provider.complete(request())
    process = provider.server.process
    assert process is not None
    base = process.endpoint.base
    assert base.host == "127.0.0.1"
    body = {"messages": ASKED}
    async with httpx2.AsyncClient(trust_env=False) as client:
        assert (await client.post(f"{base.url}/chat/completions", json=body)).status_code == 401
        headers = {"Authorization": f"Bearer {process.endpoint.api_key}", "Origin": "https://example.com"}
        for path in ("", "/slots", "/props", "/v1/models"):
            open_to_all = await client.get(base.origin + path)
            assert open_to_all.status_code in (401, 404), path
        own = await client.get(f"{base.url}/models", headers=headers)
        assert own.headers.get("access-control-allow-origin", "") in ("", "null")
    assert process.endpoint.api_key not in repr(process.endpoint)


@pytest.mark.parametrize("level", ["info", "debug"])
async def test_what_llama_says_stays_out_of_the_log_and_holds_no_prompt(
    make: Make, level: str, capfd: pytest.CaptureFixture[str]
) -> None:
    provider = make(log_level=level)
    secret = [{"role": "user", "content": "canary-prompt-4711"}]
    await answer(provider, request(messages=secret))
    await answer(provider, request(messages=secret, response_format={"type": "json_object"}, tools=[TOOL]))
    with pytest.raises(ContextTooLong):
        await answer(provider, request(messages=[{"role": "user", "content": "canary-prompt-4711 " * 2000}]))
    key = provider.server.process.endpoint.api_key if provider.server.process else "none"
    await provider.aclose()
    said = "".join(capfd.readouterr())
    assert "canary" not in said
    assert SENTENCE[:15] not in said
    assert key not in said
    assert ("model loaded" in said) is (level == "debug")


async def test_a_process_needs_no_provider(models: Path) -> None:
    """Starting and ending one alone leaves nothing behind."""
    from app.weights.gguf import list_gguf

    settings = Settings(_env_file=None, models_dir=models)
    process = await LlamaProcess.start(list_gguf(settings)[0], settings)
    assert process.pid is not None
    await process.aclose()
    await process.aclose()
    assert process.ended.is_set()
    assert not lives(process.pid)
