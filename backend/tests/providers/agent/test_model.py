"""Rounds of a model in a run: what it is sent, what it does wrong, and real llama.cpp."""

import json
from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest

from app.core.config import LlamaSettings, LlmSettings, Settings
from app.core.errors import UpstreamError, UpstreamTruncated
from app.providers.agent.events import (
    ToolCall,
    ToolError,
    ToolResult,
)
from app.providers.agent.run import run_agent
from app.providers.agent.task import AgentTask, AgentTool, Delta, RunEnd, RunLimits
from app.providers.agent.workers import ToolWorkers
from app.providers.llm.llama.provider import LlamaLocalProvider
from tests.fakes.scripted_chat import COUNTS, ScriptedChat, answer_round, call_round, chunk
from tests.support.agent_runs import add, find, get_end, join_text, list_errors, make_task, run_task
from tests.support.tiny_llama import SENTENCE, write_tiny_llama


async def test_what_it_does_not_know_survives() -> None:
    """Pictures come in, and thoughts and a service's own fields go back, as they were."""
    picture = {"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:,x"}, "x": 1}]}
    thinks = [chunk({"reasoning_content": "Hm.", "reasoning": "Hm."})]
    extra: dict[str, Any] = {"extra_content": {"google": {"thought_signature": "abc"}}}
    chat = ScriptedChat([[*thinks, *call_round(("add", '{"a": 1, "b": 2}'), **extra)], answer_round("3")])
    items = await run_task(make_task(chat, add, messages=[picture]))
    assert items[0].fields == {"reasoning_content": "Hm.", "reasoning": "Hm."}
    sent = chat.bodies[-1]["messages"]
    assert sent[0] == picture
    assert sent[1]["reasoning_content"] == sent[1]["reasoning"] == "Hm."
    assert sent[1]["tool_calls"][0]["extra_content"] == extra["extra_content"]


async def test_without_tools_it_is_a_plain_model() -> None:
    chat = ScriptedChat([answer_round("Hel", "lo", finish="length")])
    items = await run_task(make_task(chat))
    assert join_text(items) == "Hello"
    assert get_end(items) == RunEnd("length", COUNTS)
    assert "tools" not in chat.bodies[0]


@pytest.mark.parametrize(
    ("name", "arguments", "code", "words"),
    [
        ("find", '{"limit": "many"}', "bad_arguments", "query: Field required"),
        ("find", '{"query": "a", "colour": "red"}', "bad_arguments", "colour"),
        ("find", '{"query": "lam', "bad_arguments", "Invalid JSON"),
        ("find", "[1, 2]", "bad_arguments", "wrong arguments"),
        ("delete_all", "{}", "unknown_tool", "there is no tool 'delete_all'"),
    ],
)
async def test_a_wrong_call_is_told_and_the_model_may_try_again(
    name: str, arguments: str, code: str, words: str
) -> None:
    chat = ScriptedChat(
        [call_round((name, arguments)), call_round(("find", '{"query": "a"}')), answer_round("Found.")]
    )
    items = await run_task(make_task(chat, find))
    [error] = list_errors(items)
    assert (error.call_id, error.name, error.code) == ("call_1", name, code)
    assert words in error.message
    assert join_text(items) == "Found."
    assert get_end(items).limit is None
    answer = chat.bodies[1]["messages"][-1]
    assert answer["role"] == "tool"
    assert "error" in answer["content"]
    # What goes back is always an object: templates of local servers fail on anything else.
    assert isinstance(
        json.loads(chat.bodies[1]["messages"][1]["tool_calls"][0]["function"]["arguments"]), dict
    )


async def test_wrong_calls_without_end_end_with_the_rounds() -> None:
    chat = ScriptedChat([call_round(("nobody", "{}"))])
    items = await run_task(make_task(chat, find, rounds=3))
    assert get_end(items).limit == "rounds"
    assert len(chat.bodies) == 3


async def test_an_endless_loop_ends_with_the_rounds() -> None:
    """In the last round it is told to answer; what it still asks for is not done."""
    chat = ScriptedChat([call_round(("add", '{"a": 1, "b": 2}'))])
    items = await run_task(make_task(chat, add, rounds=3))
    assert sum(isinstance(item, ToolResult) for item in items) == 2
    assert get_end(items) == RunEnd("length", {name: 3 * count for name, count in COUNTS.items()}, "rounds")
    assert [body.get("tool_choice") for body in chat.bodies] == [None, None, "none"]


async def test_a_model_that_says_nothing_is_asked_once_more() -> None:
    chat = ScriptedChat([answer_round("")])
    assert get_end(await run_task(make_task(chat, add))).limit == "nothing"
    assert len(chat.bodies) == 2


async def test_an_answer_without_end_is_cut() -> None:
    chat = ScriptedChat([[chunk({"content": "word "})] * 1000 + [None]])
    items = await run_task(make_task(chat, answer_chars=100))
    assert get_end(items).limit == "chars"
    assert len(join_text(items)) <= 105
    assert chat.closed == 1


@pytest.mark.parametrize("error", [UpstreamError("broken"), UpstreamTruncated("cut off"), ValueError("odd")])
@pytest.mark.parametrize("later", [False, True])
async def test_a_failure_of_the_model_is_raised_as_it_is(error: Exception, later: bool) -> None:
    before = [call_round(("add", '{"a": 1, "b": 2}'))] if later else []
    chat = ScriptedChat([*before, [chunk({"content": "Hel"}), error]])
    with pytest.raises(type(error)) as raised:
        await run_task(make_task(chat, add))
    assert raised.value is error
    assert chat.opened == chat.closed


async def say(context: Any, words: str) -> str:
    """Say something aloud."""
    return f"said {words}"


async def test_llama_cpp_calls_a_tool_and_reads_its_answer(tmp_path: Path) -> None:
    """The first round must call, the second may not; the likeliest words of this model are always the same."""
    pytest.importorskip("xllamacpp", reason="llama.cpp is not installed")
    write_tiny_llama(tmp_path / "tiny.gguf")
    settings = Settings(
        _env_file=None,
        models_dir=tmp_path,
        llm=LlmSettings(llama_local=LlamaSettings(threads=1), discover=False),
    )
    provider = LlamaLocalProvider(settings)
    try:
        made = AgentTask(
            chat=provider,
            model=(await provider.models())[0],
            messages=[{"role": "system", "content": "Help."}, {"role": "user", "content": "Hi"}],
            fields={"temperature": 0, "max_tokens": 200, "tool_choice": "required"},
            tools=[
                AgentTool(name="say", toolset="tests", function=say, context=None, asks=False, timeout_s=5.0)
            ],
            workers=ToolWorkers(1),
            limits=RunLimits(rounds=2, calls=4, seconds=60, output_chars=1000, answer_chars=10_000),
            approval_s=1,
            request_approval=None,
        )
        async with aclosing(run_agent(made)) as items:
            found = [item async for item in items]
    finally:
        await provider.aclose()
    [call] = [item for item in found if isinstance(item, ToolCall)]
    assert (call.name, call.toolset) == ("say", "tests")
    assert not [item for item in found if isinstance(item, ToolError)]
    [result] = [item for item in found if isinstance(item, ToolResult)]
    assert result.result == f"said {call.arguments['words']}"
    text = "".join(item.fields.get("content") or "" for item in found if isinstance(item, Delta))
    assert SENTENCE.removesuffix(".") in text
    last = found[-1]
    assert isinstance(last, RunEnd)
    assert (last.finish_reason, last.limit) == ("stop", None)
    assert last.usage is not None
    assert last.usage["total_tokens"] > 0
