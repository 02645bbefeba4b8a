"""A real language model behind the doors: llama.cpp through /llm/generate and /v1, as clients meet it."""

import asyncio
import json
import os
import signal
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx2
import openai
import pytest

from tests.support.llama import Running, serving
from tests.support.speech_client import gather, wait_until
from tests.support.tiny_llama import SENTENCE, write_tiny_llama

ASKED: list[Any] = [{"role": "user", "content": "Say hello"}]
ENDLESS: dict[str, Any] = {"temperature": 0, "extra_body": {"ignore_eos": True}}
SCHEMA = {
    "type": "object",
    "properties": {"say": {"type": "string"}, "count": {"type": "integer"}},
    "required": ["say", "count"],
    "additionalProperties": False,
}


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    write_tiny_llama(folder / "tiny.gguf")
    return folder


@pytest.fixture(scope="module")
def llama(models: Path) -> Iterator[Running]:
    """A server whose only model is the tiny one."""
    with serving(models, context_tokens=2048) as running:
        yield running


@pytest.fixture
async def sdk(llama: Running) -> AsyncIterator[openai.AsyncOpenAI]:
    async with llama.sdk() as client:
        yield client


async def test_it_is_listed_and_answers_by_default(llama: Running) -> None:
    async with httpx2.AsyncClient(base_url=llama.url, trust_env=False) as http:
        items = {item["name"]: item for item in (await http.get("/providers/llm")).json()["items"]}
        assert items["llama_local"]["status"] == "ready"
        assert items["llama_local"]["default"]
        assert "tiny.gguf" in items["llama_local"]["description"]
        asked = {"messages": ASKED, "config": {"temperature": 0}}
        answers = await gather(*(http.post("/llm/generate", json=asked, timeout=20) for _ in range(2)))
        for answer in answers:  # the second came while the model was loading
            told = answer.json()
            assert (told["provider"], told["model"], told["text"]) == ("llama_local", "tiny", SENTENCE)
            assert told["finish_reason"] == "stop"
            assert told["usage"]["completion_tokens"] > 10
        body = asked | {"provider": "llama_local", "stream": True}
        lines = (await http.post("/llm/generate", json=body)).text.splitlines()
        pieces = [json.loads(line[6:]) for line in lines if line.startswith("data: ")]
        assert "".join(piece.get("content", "") for piece in pieces) == SENTENCE
        assert pieces[-1]["status"] == "completed"


async def test_its_models_are_listed(sdk: openai.AsyncOpenAI) -> None:
    assert "llama_local/tiny" in [model.id async for model in await sdk.models.list()]
    assert (await sdk.models.retrieve("llama_local/tiny")).id == "llama_local/tiny"


@pytest.mark.parametrize("model", ["llama_local/tiny", "llama_local", "tiny"])
async def test_it_streams_with_usage(sdk: openai.AsyncOpenAI, model: str) -> None:
    text, reasons, usage = "", [], None
    stream = await sdk.chat.completions.create(
        model=model, messages=ASKED, temperature=0, stream=True, stream_options={"include_usage": True}
    )
    async for chunk in stream:
        usage = chunk.usage or usage
        for choice in chunk.choices:
            text += choice.delta.content or ""
            reasons.append(choice.finish_reason)
    assert text == SENTENCE
    assert [reason for reason in reasons if reason] == ["stop"]
    assert reasons[-1] == "stop"
    assert usage is not None
    assert usage.total_tokens == usage.prompt_tokens + usage.completion_tokens
    assert len(reasons) > 10


async def test_limits_stop_words_and_schemas_hold(sdk: openai.AsyncOpenAI) -> None:
    async def ask(**fields: Any) -> Any:
        return (
            await sdk.chat.completions.create(model="tiny", messages=ASKED, temperature=0, **fields)
        ).choices[0]

    cut = await ask(max_completion_tokens=3)
    assert (cut.message.content, cut.finish_reason) == ("the quick brown", "length")
    stopped = await ask(stop="fox")
    assert (stopped.message.content, stopped.finish_reason) == ("the quick brown ", "stop")
    wanted = {"type": "json_schema", "json_schema": {"name": "told", "strict": True, "schema": SCHEMA}}
    told = json.loads((await ask(response_format=wanted)).message.content)
    assert (told["say"], type(told["count"])) == (SENTENCE, int)


async def test_a_tool_goes_round(sdk: openai.AsyncOpenAI) -> None:
    tools: Any = [{"type": "function", "function": {"name": "report", "parameters": SCHEMA, "strict": True}}]
    first = await sdk.chat.completions.create(
        model="tiny", messages=ASKED, tools=tools, tool_choice="required", temperature=0, max_tokens=400
    )
    assert first.choices[0].finish_reason == "tool_calls"
    calls = first.choices[0].message.tool_calls or []
    assert [call.function.name for call in calls if call.type == "function"] == ["report"]
    answered: Any = {
        "role": "tool",
        "tool_call_id": calls[0].id,
        "content": [{"type": "text", "text": "done"}],
    }
    messages: Any = [*ASKED, first.choices[0].message, answered]
    second = await sdk.chat.completions.create(model="tiny", messages=messages, tools=tools, temperature=0)
    assert second.choices[0].message.content == SENTENCE


@pytest.mark.parametrize("stream", [False, True])
async def test_too_long_a_prompt_is_the_clients_error(sdk: openai.AsyncOpenAI, stream: bool) -> None:
    long: list[Any] = [{"role": "user", "content": "purple submarine " * 1000}]
    with pytest.raises(openai.BadRequestError) as refused:
        await sdk.chat.completions.create(model="tiny", messages=long, stream=stream)
    assert refused.value.code == "context_length_exceeded"
    assert "submarine" not in str(refused.value)


async def test_another_model_is_not_found(sdk: openai.AsyncOpenAI) -> None:
    with pytest.raises(openai.NotFoundError) as refused:
        await sdk.chat.completions.create(model="llama_local/other", messages=ASKED)
    assert refused.value.code == "model_not_found"


async def test_many_at_once_all_get_their_answers(sdk: openai.AsyncOpenAI) -> None:
    answers = await gather(
        *(sdk.chat.completions.create(model="tiny", messages=ASKED, temperature=0) for _ in range(16))
    )
    assert {answer.choices[0].message.content for answer in answers} == {SENTENCE}


async def test_who_leaves_frees_the_place_and_death_is_told(models: Path) -> None:
    """One place only: the next is served at once when the client has gone, and again after a crash."""
    with serving(models, parallel=1, context_tokens=65_536) as llama:
        async with llama.sdk() as sdk:
            stream = await sdk.chat.completions.create(model="tiny", messages=ASKED, stream=True, **ENDLESS)
            for _ in range(5):
                await anext(stream)
            await stream.close()
            began = time.monotonic()
            whole = await sdk.chat.completions.create(model="tiny", messages=ASKED, temperature=0)
            assert whole.choices[0].message.content == SENTENCE
            assert time.monotonic() - began < 1.5

            stream = await sdk.chat.completions.create(model="tiny", messages=ASKED, stream=True, **ENDLESS)
            await anext(stream)
            dead = llama.pid
            os.kill(dead, signal.SIGKILL)
            with pytest.raises(openai.APIError) as broken:
                async for _ in stream:
                    pass
            assert broken.value.code == "upstream_truncated"
            whole = await sdk.chat.completions.create(model="tiny", messages=ASKED, temperature=0)
            assert whole.choices[0].message.content == SENTENCE
            assert llama.pid != dead


async def test_the_end_of_the_server_is_the_end_of_the_process(models: Path) -> None:
    """Within 2 s beyond the second that clients are given, though an answer is under way."""
    with serving(models, context_tokens=65_536) as llama:
        async with llama.sdk() as sdk:
            stream = await sdk.chat.completions.create(model="tiny", messages=ASKED, stream=True, **ENDLESS)
            await anext(stream)
            process = llama.provider.server.process
            assert process is not None
            pid = llama.pid
            llama.server.should_exit = True
            reading = asyncio.ensure_future(_until_the_end(stream))
            await wait_until(process.ended.is_set, within_s=3.0)
            await reading
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


async def _until_the_end(stream: Any) -> None:
    with suppress(openai.APIError, httpx2.HTTPError):
        async for _ in stream:
            pass
