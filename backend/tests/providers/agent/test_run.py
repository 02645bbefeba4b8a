"""One run: what is told in which order, its limits of time, and every way in which its reader can leave it."""

import json
from dataclasses import replace
from typing import Any, get_args

import anyio

from app.providers.agent.events import (
    ToolCall,
    ToolResult,
)
from app.providers.agent.run import run_agent
from app.providers.agent.task import Delta, Limit, RunEnd
from tests.fakes.scripted_chat import COUNTS, ScriptedChat, answer_round, call_round, chunk
from tests.support.agent_runs import add, find, get_end, join_text, make_task, make_tool, run_task


async def test_a_turn_with_a_tool() -> None:
    chat = ScriptedChat(
        [call_round(("find", '{"query": "lamp"}'), before="Let me look."), answer_round("A ", "lamp.")]
    )
    items = await run_task(make_task(chat, find))
    kinds = [type(item) for item in items]
    assert kinds == [Delta, ToolCall, ToolResult, Delta, Delta, RunEnd]
    assert join_text(items) == "Let me look.\n\nA lamp."
    call, result = items[1], items[2]
    assert (call.call_id, call.name, call.toolset, call.arguments) == (
        "call_1",
        "find",
        "set",
        {"query": "lamp"},
    )
    assert (result.call_id, json.loads(result.result)) == ("call_1", [{"id": "mine-lamp", "price": 9.5}])
    assert not result.truncated
    assert get_end(items) == RunEnd("stop", {name: 2 * count for name, count in COUNTS.items()})
    first, second = chat.bodies
    assert first["temperature"] == 0
    [offered] = first["tools"]
    assert offered["function"]["name"] == "find"
    assert offered["function"]["parameters"]["required"] == ["query"]
    assert offered["function"]["parameters"]["properties"]["limit"]["description"] == "at most so many"
    assert "strict" not in offered["function"]
    asked, answered = second["messages"][1:]
    assert asked["content"] == "Let me look."
    assert asked["tool_calls"][0]["id"] == answered["tool_call_id"] == "call_1"
    assert answered["content"] == f'<tool_output tool="find">\n{result.result}\n</tool_output>'
    assert chat.opened == chat.closed == 2


async def test_the_tokens_are_not_told_where_one_round_does_not() -> None:
    chat = ScriptedChat([call_round(("add", '{"a": 1, "b": 2}')), answer_round("3")[:-1]])
    assert get_end(await run_task(make_task(chat, add))).usage is None


async def test_the_whole_run_has_a_limit_of_time() -> None:
    chat = ScriptedChat([[chunk({"content": "One"}), None]])
    with anyio.fail_after(10):
        items = await run_task(make_task(chat, seconds=0.1))
    assert get_end(items).limit == "seconds"
    assert join_text(items) == "One"
    assert chat.closed == 1


async def test_closing_it_stops_the_tool_and_the_model() -> None:
    begun, ended = anyio.Event(), anyio.Event()

    async def slow(context: Any) -> str:
        begun.set()
        try:
            await anyio.sleep_forever()
        finally:
            ended.set()
        return ""

    chat = ScriptedChat([call_round(("slow", "{}"))])
    items = run_agent(make_task(chat, make_tool(slow, timeout_s=60)))
    with anyio.fail_after(10):
        async for item in items:
            if isinstance(item, ToolCall):
                break
        with anyio.move_on_after(0.1):
            await anext(items)
        await items.aclose()
    assert begun.is_set()
    assert ended.is_set()
    assert chat.opened == chat.closed


async def test_leaving_in_mid_answer_closes_the_model() -> None:
    chat = ScriptedChat([[chunk({"content": "One"}), None]])
    items = run_agent(make_task(chat))
    assert isinstance(await anext(items), Delta)
    with anyio.fail_after(30):
        await items.aclose()
    assert chat.closed == 1


async def test_two_runs_at_once_do_not_meet() -> None:
    found: dict[str, list[Any]] = {}

    async def one(name: str) -> None:
        chat = ScriptedChat([call_round(("find", json.dumps({"query": name}))), answer_round(name)])
        own = replace(make_tool(find), context=name)
        found[name] = await run_task(make_task(chat, own))

    async with anyio.create_task_group() as group:
        for name in ("ana", "luis"):
            group.start_soon(one, name)
    for name, items in found.items():
        [result] = [item for item in items if isinstance(item, ToolResult)]
        assert json.loads(result.result)[0]["id"] == f"{name}-{name}"
        assert join_text(items) == name


def test_every_limit_has_a_test() -> None:
    """Here, and in `test_model.py`."""
    assert set(get_args(Limit)) == {"rounds", "seconds", "chars", "nothing"}
