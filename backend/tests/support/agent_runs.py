"""Runs of a scripted model with tools: tools that work, fail and misbehave, and the items that a run yields."""

import asyncio
import sys
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import Any

from app.core.assistants import ApprovalDecision
from app.providers.agent.events import (
    ApprovalRequired,
    ToolError,
    ToolFailed,
)
from app.providers.agent.run import run_agent
from app.providers.agent.task import AgentTask, AgentTool, Delta, RunEnd, RunLimits
from app.providers.agent.workers import ToolWorkers
from tests.fakes.scripted_chat import ScriptedChat

BOUNDS = RunLimits(rounds=5, calls=8, seconds=30, output_chars=1000, answer_chars=10_000)


SAID = [{"role": "user", "content": "Hi"}]


SECRET = "sk-secret-0123456789"


@dataclass
class Product:
    id: str
    price: float


async def find(context: Any, query: str, limit: int = 3) -> list[Product]:
    """Find products.

    Args:
        query: words of the name
        limit: at most so many
    """
    return [Product(f"{context}-{query}", 9.5)][:limit]


def add(context: Any, a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


async def breaks(context: Any) -> str:
    """Fails."""
    raise RuntimeError(SECRET)


async def refuses(context: Any) -> str:
    """Says why it cannot."""
    raise ToolFailed("the shop is closed; try again tomorrow")


async def echoes(context: Any, text: str) -> str:
    """Says it back."""
    return text


async def odd(context: Any) -> object:
    """Returns what JSON cannot hold."""
    return object()


async def leaves(context: Any) -> str:
    """Ends the program, or would."""
    sys.exit(SECRET)


def leaves_its_thread(context: Any) -> str:
    """Ends the program in its thread, or would."""
    sys.exit(SECRET)


async def gives_up(context: Any) -> str:
    """Raises a cancellation that nobody requested."""
    raise asyncio.CancelledError(SECRET)


async def waited(context: Any) -> str:
    """Had a time limit of its own."""
    raise TimeoutError(SECRET)


class Panic(BaseException):
    """No `Exception`, as the panics of some native libraries."""


async def panics(context: Any) -> str:
    """Fails in a way that nobody expects."""
    raise Panic(SECRET)


def panics_in_its_thread(context: Any) -> str:
    """The same in a thread."""
    raise Panic(SECRET)


async def interrupts(context: Any) -> str:
    """Says that somebody pressed Ctrl-C."""
    raise KeyboardInterrupt(SECRET)


async def closes(context: Any) -> str:
    """Says that it was closed."""
    raise GeneratorExit(SECRET)


def make_tool(function: Callable[..., Any], *, asks: bool = False, timeout_s: float = 5.0) -> AgentTool:
    return AgentTool(
        name=function.__name__,
        toolset="set",
        function=function,
        context="mine",
        asks=asks,
        timeout_s=timeout_s,
    )


def make_task(
    chat: ScriptedChat,
    *functions: AgentTool | Callable[..., Any],
    approve: Callable[[ApprovalRequired], Awaitable[ApprovalDecision]] | None = None,
    messages: Any = SAID,
    workers: ToolWorkers | None = None,
    **bounds: Any,
) -> AgentTask:
    tools = [one if isinstance(one, AgentTool) else make_tool(one) for one in functions]
    return AgentTask(
        chat=chat,
        model="tiny",
        messages=messages,
        fields={"temperature": 0},
        tools=tools,
        workers=workers or ToolWorkers(4),
        limits=replace(BOUNDS, **bounds),
        approval_s=60,
        request_approval=approve,
    )


async def run_task(made: AgentTask) -> list[Any]:
    async with aclosing(run_agent(made)) as items:
        return [item async for item in items if not (isinstance(item, Delta) and not item.fields)]


def join_text(items: list[Any]) -> str:
    return "".join(item.fields.get("content", "") for item in items if isinstance(item, Delta))


def list_errors(items: list[Any]) -> list[ToolError]:
    return [item for item in items if isinstance(item, ToolError)]


def get_end(items: list[Any]) -> RunEnd:
    assert isinstance(items[-1], RunEnd)
    assert not any(isinstance(item, RunEnd) for item in items[:-1])
    return items[-1]
