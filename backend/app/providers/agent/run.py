"""One run: asks the model, makes its calls, asks again, until it has answered or a limit is met."""

import asyncio
import math
from collections.abc import AsyncGenerator, Sequence
from typing import Any

import anyio
from pydantic_ai import Agent, UnexpectedModelBehavior, UsageLimits

from app.providers.agent.calls import ToolRunner
from app.providers.agent.events import ToolUpdate
from app.providers.agent.messages import ModelReply
from app.providers.agent.model import LimitReached, ProviderModel
from app.providers.agent.task import AgentTask, Delta, Limit, RunEnd

_COUNTS = ("prompt_tokens", "completion_tokens", "total_tokens")
_CLOSING_S = 5.0
"""How long a tool that is stopped may take to let go."""
_STANDS_FOR_THE_CONVERSATION = "."


async def run(task: AgentTask) -> AsyncGenerator[Delta | ToolUpdate | RunEnd, None]:
    """Pieces of the answer and what tools do, in order, then the end.

    The run is a task of its own, never more than one step ahead of its reader; closing the generator ends it, its
    request to the upstream and its running tool.

    Raises:
        What the provider's `stream` raises.
    """
    send, receive = anyio.create_memory_object_stream[Delta | ToolUpdate](0)
    clock = _Clock(task.bounds.seconds)
    calls = ToolRunner(task, send.send, clock.pause)
    model = ProviderModel(task, calls, send.send)

    async def make() -> None:
        async with send:
            await _agent(task, model, calls)

    async with receive:
        made = asyncio.create_task(make())
        limit: Limit | None = None
        try:
            while True:
                try:
                    with clock.left() as scope:
                        item = await receive.receive()
                except anyio.EndOfStream:
                    break
                if scope.cancelled_caught:
                    limit = "seconds"
                    break
                yield item
            if limit is None:
                await made
        except LimitReached as reached:
            limit = reached.limit
        except UnexpectedModelBehavior:
            limit = "nothing"
        finally:
            with anyio.CancelScope(shield=True):
                made.cancel()
                await asyncio.wait([made], timeout=_CLOSING_S)
            if made.done() and not made.cancelled():
                made.exception()  # has been raised, or nobody is left to hear it
    reason = model.replies[-1].finish_reason if model.replies else ""
    if reason in ("", "tool_calls", "function_call"):
        reason = "stop"
    yield RunEnd("length" if limit else reason, _spent(model.replies), limit)


async def _agent(task: AgentTask, model: ProviderModel, calls: ToolRunner) -> None:
    agent = Agent(
        model,
        tools=[calls.tool(tool) for tool in task.tools],
        # Rounds bound them: a wrong call is data for the model, and never the end.
        retries={"tools": task.bounds.rounds + 1, "output": 1},
    )
    limits = UsageLimits(request_limit=task.bounds.rounds + 1)
    with agent.parallel_tool_call_execution_mode("sequential"):
        await agent.run(_STANDS_FOR_THE_CONVERSATION, usage_limits=limits)


class _Clock:
    """The time of a run; it stands still while a person is asked."""

    def __init__(self, seconds: float) -> None:
        self._by_s = anyio.current_time() + seconds
        self._left_s: float | None = None
        self._scope: anyio.CancelScope | None = None

    def left(self) -> anyio.CancelScope:
        """A scope that ends when the time is over."""
        self._scope = anyio.CancelScope(deadline=self._by_s)
        return self._scope

    def pause(self, paused: bool) -> None:
        now_s = anyio.current_time()
        if paused:
            self._left_s, self._by_s = self._by_s - now_s, math.inf
        elif self._left_s is not None:
            self._by_s, self._left_s = now_s + self._left_s, None
        if self._scope is not None:
            self._scope.deadline = self._by_s


def _spent(replies: Sequence[ModelReply]) -> dict[str, int] | None:
    """The tokens of all rounds; None where one did not tell."""
    told: list[dict[str, Any]] = [reply.usage for reply in replies if reply.usage]
    if not told or len(told) < len(replies):
        return None
    return {name: sum(usage.get(name) or 0 for usage in told) for name in _COUNTS}
