"""The loop over real llama.cpp: it takes our tools, calls one, reads what it said, and answers."""

from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest

from app.core.config import LlamaSettings, LlmSettings, Settings
from app.providers.agent.events import ToolCall, ToolError, ToolResult
from app.providers.agent.run import run
from app.providers.agent.task import AgentTask, AgentTool, Delta, RunEnd, RunLimits
from app.providers.llm.llama.provider import LlamaLocalProvider
from tests.support.tiny_llama import SENTENCE, write_tiny_llama

pytest.importorskip("xllamacpp", reason="llama.cpp is not installed")


async def say(context: Any, words: str) -> str:
    """Say something aloud."""
    return f"said {words}"


async def test_llama_cpp_calls_a_tool_and_reads_its_answer(tmp_path: Path) -> None:
    """The first round must call, the second may not; the likeliest words of this model are always the same."""
    write_tiny_llama(tmp_path / "tiny.gguf")
    settings = Settings(
        _env_file=None,
        models_dir=tmp_path,
        llm=LlmSettings(llama_local=LlamaSettings(threads=1), discover=False),
    )
    provider = LlamaLocalProvider(settings)
    try:
        task = AgentTask(
            chat=provider,
            model=(await provider.models())[0],
            messages=[{"role": "system", "content": "Help."}, {"role": "user", "content": "Hi"}],
            fields={"temperature": 0, "max_tokens": 200, "tool_choice": "required"},
            tools=[AgentTool("say", "tests", say, None, False, 5.0)],
            bounds=RunLimits(rounds=2, calls=4, seconds=60, output_chars=1000, answer_chars=10_000),
            approval_s=1,
            approve=None,
        )
        async with aclosing(run(task)) as items:
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
