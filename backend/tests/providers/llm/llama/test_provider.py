"""llama.cpp inside as a provider: its states, its models, its answers."""

import asyncio
import sys
from contextlib import aclosing
from pathlib import Path
from typing import Any

import orjson
import pytest

from app.core.config import LlamaSettings, LlmProfile, LlmSettings, Settings
from app.core.errors import (
    ContextTooLong,
    ModelNotFound,
    ProviderNotReady,
)
from app.providers.base import ChatMessage, LlmConfig
from app.providers.upstream.chat import ChatUpstream
from app.providers.upstream.client import UpstreamClient
from app.providers.upstream.profiles import read_profiles
from app.schemas.providers import ProviderState
from app.weights import gguf
from tests.support.completions import ask_for_text
from tests.support.llama import ENDLESS, MESSAGES, TOOL, Make, make_request, read_answer, start_answer
from tests.support.speech_client import gather, wait_until
from tests.support.tiny_llama import SENTENCE, write_tiny_llama

# -- what is there


async def test_without_the_package_it_says_how_to_install_it(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "xllamacpp", None)
    provider = make()
    status = await provider.status()
    assert status.state is ProviderState.NOT_INSTALLED
    assert "`prompter extras add llama`" in status.description
    assert await provider.models() == []
    with pytest.raises(ProviderNotReady, match="prompter extras add llama"):
        await provider.complete(make_request())


async def test_without_a_model_it_says_where_to_put_one(make: Make, tmp_path: Path) -> None:
    status = await make(tmp_path).status()
    assert status.state is ProviderState.NO_MODEL
    assert str(tmp_path) in status.description
    assert "PROMPTER_LLM__LLAMA_LOCAL__MODEL" in status.description
    with pytest.raises(ProviderNotReady, match="put a GGUF file into"):
        await make(tmp_path).complete(make_request())


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


@pytest.mark.parametrize(("most_bytes", "params"), [(10**9, {"very_small": 1}), (1, {})])
async def test_of_a_very_small_model_that_is_told(
    make: Make, monkeypatch: pytest.MonkeyPatch, most_bytes: int, params: dict[str, int]
) -> None:
    monkeypatch.setattr(gguf, "VERY_SMALL_BYTES", most_bytes)
    note = (await make().status()).note
    assert note is not None
    assert (note.code, note.params) == ("loads_when_asked", params)


async def test_asking_for_the_state_loads_nothing(make: Make) -> None:
    provider = make()
    status = await provider.status()
    assert status.state is ProviderState.READY
    assert "tiny.gguf" in status.description
    assert await provider.models() == ["tiny"]
    assert provider.server.process is None
    asked = asyncio.ensure_future(provider.complete(make_request()))
    await wait_until(lambda: provider.server.loading is not None)
    assert (await provider.status()).state is ProviderState.LOADING
    await asked
    assert "is loaded" in (await provider.status()).description


@pytest.mark.parametrize("name", ["other", "../tiny", "tiny.gguf", "/etc/passwd"])
async def test_a_request_names_a_listed_model_or_none(make: Make, name: str) -> None:
    provider = make()
    with pytest.raises(ModelNotFound, match="'tiny'"):
        await read_answer(provider, make_request(name))
    assert provider.server.process is None


# -- what it answers


async def test_an_answer_is_streamed_with_its_usage(make: Make) -> None:
    text, last = await read_answer(make(), make_request("tiny"))
    assert text == SENTENCE
    assert last["finish_reason"] == "stop"
    usage = last["usage"]
    assert usage["completion_tokens"] > 10
    assert usage["total_tokens"] == usage["prompt_tokens"] + usage["completion_tokens"]


async def test_a_whole_answer_is_the_streamed_one(make: Make) -> None:
    provider = make()
    whole = await provider.complete(make_request())
    text, last = await read_answer(provider, make_request())
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
    text, last = await read_answer(provider, make_request(max_tokens=3))
    assert (text, last["finish_reason"], last["usage"]["completion_tokens"]) == (
        "the quick brown",
        "length",
        3,
    )
    text, last = await read_answer(provider, make_request(stop=["fox"]))
    assert (text, last["finish_reason"]) == ("the quick brown ", "stop")


async def test_the_settings_limit_every_answer(make: Make) -> None:
    assert LlamaSettings().answer_tokens == 2048
    provider = make(answer_tokens=5)
    for asked in (make_request(), make_request(max_tokens=100), make_request(max_completion_tokens=100)):
        text, last = await read_answer(provider, asked)
        assert (text, last["finish_reason"]) == ("the quick brown fox jumps", "length")
        [choice] = (await provider.complete(asked))["choices"]
        assert (choice["message"]["content"], choice["finish_reason"]) == (text, "length")


async def test_an_answer_over_its_time_keeps_what_has_come(make: Make) -> None:
    provider = make(context_tokens=65_536, answer_s=0.05)
    text, last = await read_answer(provider, make_request(**ENDLESS))
    assert (text.startswith("the quick brown"), last["finish_reason"]) == (True, "length")
    whole = await provider.complete(make_request(**ENDLESS))
    [choice] = whole["choices"]
    assert choice["message"]["content"].startswith("the quick brown")
    assert choice["finish_reason"] == "length"
    assert (await read_answer(provider, make_request(max_tokens=3)))[0] == "the quick brown"


async def test_more_than_the_context_is_refused_as_such(make: Make) -> None:
    provider = make(context_tokens=256)
    long = [{"role": "user", "content": "word " * 400}]
    with pytest.raises(ContextTooLong):
        await read_answer(provider, make_request(messages=long))
    assert (await read_answer(provider, make_request()))[0] == SENTENCE


async def test_each_answer_has_the_whole_context_of_the_setting(make: Make) -> None:
    """llama.cpp divides what it is given between the answers at once."""
    provider = make(context_tokens=512, parallel=4)
    long = [{"role": "user", "content": "w" * 450}]
    assert (await read_answer(provider, make_request(messages=long)))[0] == SENTENCE


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
    text, last = await read_answer(make(), make_request(response_format=wanted))
    assert last["finish_reason"] == "stop"
    told = orjson.loads(text)
    assert (told["say"], type(told["count"]), told["how"] in ("low", "high")) == (SENTENCE, int, True)


@pytest.mark.parametrize("choice", ["required", {"type": "function", "function": {"name": "weather"}}])
async def test_a_function_is_called_where_it_has_to_be(make: Make, choice: Any) -> None:
    provider = make()
    other = TOOL | {"function": TOOL["function"] | {"name": "other"}}  # type: ignore[operator]
    tools = [TOOL] if choice == "required" else [other, TOOL]
    whole = await provider.complete(make_request(tools=tools, tool_choice=choice, max_tokens=300))
    assert whole["choices"][0]["finish_reason"] == "tool_calls"
    [call] = whole["choices"][0]["message"]["tool_calls"]
    assert call["function"]["name"] == "weather"
    assert list(orjson.loads(call["function"]["arguments"])) == ["city"]
    result = {"role": "tool", "tool_call_id": call["id"], "content": "18 degrees"}
    messages = [*MESSAGES, whole["choices"][0]["message"], result]
    assert (await read_answer(provider, make_request(messages=messages, tools=[TOOL])))[0] == SENTENCE


async def test_more_answers_than_places_wait_their_turn(make: Make) -> None:
    provider = make(parallel=2)
    answers = await gather(*(read_answer(provider, make_request()) for _ in range(8)))
    assert [text for text, _ in answers] == [SENTENCE] * 8


async def test_each_answer_has_a_connection_of_its_own(make: Make) -> None:
    """llama.cpp closes one after a streamed answer though its headers promise to keep it: what is sent next is lost."""
    provider = make()
    await read_answer(provider, make_request())
    process = provider.server.process
    assert process is not None
    client = UpstreamClient(5)
    once = ChatUpstream(client, provider._profile(process), tries=1)
    for _ in range(150):
        async with aclosing(once.stream(make_request("tiny", max_tokens=1))) as chunks:
            assert [chunk async for chunk in chunks]
    await client.aclose()


@pytest.mark.parametrize(("name", "reused"), [("llama_cpp", False), ("ollama", True)])
def test_the_same_holds_for_its_server_elsewhere(name: str, reused: bool) -> None:
    settings = Settings(_env_file=None, llm=LlmSettings(profiles={name: LlmProfile()}))
    assert read_profiles(settings)[name].require_endpoint().reuses_connections is reused


# -- files that come and go


async def test_a_file_that_arrives_is_used_at_once(make: Make, tmp_path: Path) -> None:
    provider = make(tmp_path)
    assert (await provider.status()).state is ProviderState.NO_MODEL
    write_tiny_llama(tmp_path / "first.gguf")
    assert (await provider.status()).state is ProviderState.READY
    assert await provider.models() == ["first"]
    assert (await read_answer(provider, make_request()))[0] == SENTENCE


async def test_the_default_stays_when_another_file_arrives(make: Make, tmp_path: Path) -> None:
    write_tiny_llama(tmp_path / "second.gguf")
    provider = make(tmp_path)
    assert await provider.models() == ["second"]
    write_tiny_llama(tmp_path / "first.gguf")
    assert await provider.models() == ["second", "first"]
    assert (await provider.status()).state is ProviderState.READY
    assert (await provider.complete(make_request()))["model"] == "second"
    assert (await make(tmp_path).status()).state is ProviderState.NO_MODEL, (
        "after a restart it is to be chosen"
    )
    (tmp_path / "second.gguf").unlink()
    assert await provider.models() == ["first"]


async def test_the_file_of_an_answer_under_way_can_be_removed(make: Make, tmp_path: Path) -> None:
    write_tiny_llama(tmp_path / "first.gguf")
    provider = make(tmp_path, context_tokens=65_536)
    chunks = await start_answer(provider, make_request(**ENDLESS))
    (tmp_path / "first.gguf").unlink()
    assert (await provider.status()).state is ProviderState.NO_MODEL
    for _ in range(50):
        await anext(chunks)
    await chunks.aclose()
    with pytest.raises(ProviderNotReady, match="GGUF file"):
        await provider.complete(make_request())


async def test_a_file_that_is_still_copied_is_not_there_yet(make: Make, tmp_path: Path) -> None:
    whole = write_tiny_llama(tmp_path / "whole").read_bytes()
    (tmp_path / "models").mkdir()
    provider = make(tmp_path / "models")
    for share in (0.1, 0.5, 0.9):
        (tmp_path / "models" / "new.gguf").write_bytes(whole[: int(share * len(whole))])
        assert await provider.models() == []
    (tmp_path / "models" / "new.gguf").write_bytes(whole)
    assert (await read_answer(provider, make_request()))[0] == SENTENCE
