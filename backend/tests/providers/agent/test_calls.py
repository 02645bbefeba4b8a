"""Calls of tools: counted, timed, approved, and their failures told to the model as data."""

import json
from collections.abc import Awaitable, Callable
from typing import Any

import anyio
import pytest

from app.core.assistants import ApprovalDecision
from app.core.errors import NotFound, ProviderNotReady
from app.providers.agent.events import (
    ApprovalRequired,
    ToolCall,
    ToolError,
    ToolResult,
)
from app.providers.agent.task import Delta, RunEnd
from tests.fakes.scripted_chat import ScriptedChat, answer_round, call_round
from tests.support.agent_runs import (
    SECRET,
    add,
    breaks,
    closes,
    get_end,
    gives_up,
    interrupts,
    join_text,
    leaves,
    leaves_its_thread,
    list_errors,
    make_task,
    make_tool,
    odd,
    panics,
    panics_in_its_thread,
    refuses,
    run_task,
    waited,
)


async def test_calls_of_one_round_run_one_after_another_under_names_of_their_own() -> None:
    running, most = 0, 0

    async def slow(context: Any, n: int) -> int:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await anyio.sleep(0.01)
        running -= 1
        return n

    asked = [("slow", json.dumps({"n": n})) for n in range(3)]
    chat = ScriptedChat([call_round(*asked), call_round(*asked), answer_round("Done")])
    items = await run_task(make_task(chat, slow))
    results = [item for item in items if isinstance(item, ToolResult)]
    assert [result.call_id for result in results] == [f"call_{n}" for n in range(1, 7)]
    assert [result.result for result in results] == ["0", "1", "2"] * 2
    assert most == 1


async def test_calls_over_the_limit_are_not_made() -> None:
    made = 0

    async def count(context: Any) -> int:
        nonlocal made
        made += 1
        return made

    chat = ScriptedChat([call_round(*[("count", "{}")] * 3), answer_round("Enough.")])
    items = await run_task(make_task(chat, count, calls=2))
    assert made == 2
    [error] = list_errors(items)
    assert error.code == "limit"
    assert chat.bodies[-1]["tool_choice"] == "none"
    assert get_end(items).limit is None


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (refuses, "the shop is closed; try again tomorrow"),
        (breaks, "the tool failed (RuntimeError)"),
        (odd, "the tool failed (TypeError)"),
        (leaves, "the tool failed (SystemExit)"),
        (leaves_its_thread, "the tool failed (SystemExit)"),
        (gives_up, "the tool failed (CancelledError)"),
        (waited, "the tool failed (TimeoutError)"),
        (panics, "the tool failed (Panic)"),
        (panics_in_its_thread, "the tool failed (Panic)"),
        (interrupts, "the tool failed (KeyboardInterrupt)"),
        (closes, "the tool failed (GeneratorExit)"),
    ],
)
async def test_a_tool_that_fails_is_data(
    function: Callable[..., Any], message: str, caplog: pytest.LogCaptureFixture
) -> None:
    chat = ScriptedChat([call_round((function.__name__, "{}")), answer_round("Sorry.")])
    items = await run_task(make_task(chat, function))
    [error] = list_errors(items)
    assert (error.message, error.code) == (message, "tool_failed")
    assert json.dumps(message)[1:-1] in chat.answers[0]["content"]
    assert join_text(items) == "Sorry."
    assert SECRET not in f"{items}{chat.bodies}{caplog.text}"
    if error.message.startswith("the tool failed") and function is not odd:
        assert f"in {function.__name__}" in caplog.text, "whoever wrote it has to find the place"


async def test_a_function_that_no_model_can_be_told_of_is_named() -> None:
    class Odd:
        """No type that JSON has a word for."""

    async def strange(context: Any, what: Odd) -> str:
        return ""

    async def unknown(context: Any, what: "Nowhere") -> str:  # type: ignore[name-defined]  # noqa: F821
        return ""

    for function in (strange, unknown):
        chat = ScriptedChat([answer_round("Never.")])
        with pytest.raises(ProviderNotReady, match=f"tool '{function.__name__}' of the toolset 'set'"):
            await run_task(make_task(chat, function))
        assert chat.opened == 0


async def test_calls_without_number_are_told_up_to_the_limit() -> None:
    """What is stored and sent stays small, whatever a model asks for at once."""
    asked = [("add", '{"a": 1, "b": 2}')] * 500
    chat = ScriptedChat([call_round(*asked), call_round(*asked), answer_round("Enough.")])
    items = await run_task(make_task(chat, add, calls=3, answer_chars=10**6))
    assert sum(isinstance(item, ToolResult) for item in items) == 3
    assert [error.code for error in list_errors(items)] == ["limit"] * 2
    assert [item.call_id for item in items if isinstance(item, ToolCall)] == [
        f"call_{n}" for n in range(1, 6)
    ]
    sent = chat.bodies[-1]["messages"]
    assert [len(message["tool_calls"]) for message in sent if message["role"] == "assistant"] == [4, 1]
    assert len(chat.answers) == 5
    assert join_text(items) == "Enough."


async def test_a_slow_tool_is_stopped() -> None:
    ended = anyio.Event()

    async def slow(context: Any) -> str:
        try:
            await anyio.sleep_forever()
        finally:
            ended.set()
        return ""

    chat = ScriptedChat([call_round(("slow", "{}")), answer_round("Later.")])
    items = await run_task(make_task(chat, make_tool(slow, timeout_s=0.05)))
    [error] = list_errors(items)
    assert error.code == "tool_timeout"
    assert error.message.startswith("the tool did not answer within 0.05 s; it was stopped: whether it did")
    assert ended.is_set()
    assert join_text(items) == "Later."


async def test_a_plain_function_runs_in_a_thread() -> None:
    chat = ScriptedChat([call_round(("add", '{"a": 20, "b": 22}')), answer_round("42")])
    [result] = [item for item in await run_task(make_task(chat, add)) if isinstance(item, ToolResult)]
    assert result.result == "42"


def says_of_approval(decision: ApprovalDecision) -> Callable[[ApprovalRequired], Awaitable[ApprovalDecision]]:
    async def approve(asked: ApprovalRequired) -> ApprovalDecision:
        assert (asked.call_id, asked.arguments) == ("call_1", {"a": 1, "b": 2})
        return decision

    return approve


@pytest.mark.parametrize(
    ("decision", "code"), [("approved", None), ("denied", "denied"), ("expired", "approval_expired")]
)
async def test_a_person_is_asked(decision: ApprovalDecision, code: str | None) -> None:
    chat = ScriptedChat([call_round(("add", '{"a": 1, "b": 2}')), answer_round("So be it.")])
    items = await run_task(make_task(chat, make_tool(add, asks=True), approve=says_of_approval(decision)))
    end = ToolError if code else ToolResult
    assert [type(item) for item in items] == [ToolCall, ApprovalRequired, end, Delta, RunEnd]
    assert [error.code for error in list_errors(items)] == ([code] if code else [])
    if code:
        assert list_errors(items)[0].message in chat.answers[0]["content"]


async def test_where_nobody_can_be_asked_it_is_not_done() -> None:
    chat = ScriptedChat([call_round(("breaks", "{}")), answer_round("No.")])
    items = await run_task(make_task(chat, make_tool(breaks, asks=True)))
    [error] = list_errors(items)
    assert error.code == "no_approval"
    assert not any(isinstance(item, ApprovalRequired) for item in items)


async def test_the_time_stands_still_while_a_person_thinks() -> None:
    async def approve(_: ApprovalRequired) -> ApprovalDecision:
        await anyio.sleep(0.6)
        return "approved"

    chat = ScriptedChat([call_round(("add", '{"a": 1, "b": 2}')), answer_round("3")])
    items = await run_task(make_task(chat, make_tool(add, asks=True), approve=approve, seconds=0.5))
    assert get_end(items).limit is None
    assert join_text(items) == "3"


async def test_an_error_of_the_asking_ends_the_run() -> None:
    async def approve(_: ApprovalRequired) -> ApprovalDecision:
        raise NotFound("gone")

    chat = ScriptedChat([call_round(("add", '{"a": 1, "b": 2}'))])
    with pytest.raises(NotFound, match="gone"):
        await run_task(make_task(chat, make_tool(add, asks=True), approve=approve))
