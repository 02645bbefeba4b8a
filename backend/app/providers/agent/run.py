"""One run: ask the model, make its calls, and ask again until it answers or a limit is reached."""

import asyncio
from collections.abc import AsyncGenerator, Mapping, Sequence
from typing import Any

import anyio
from pydantic_ai import Agent, UnexpectedModelBehavior, UsageLimits

from app.providers.agent.calls import ToolRunner
from app.providers.agent.events import ToolUpdate
from app.providers.agent.messages import ModelReply
from app.providers.agent.model import ClientsTurn, LimitReached, ProviderModel
from app.providers.agent.task import AgentTask, Delta, Limit, RunEnd
from app.utils.deadline import PausableDeadline

_COUNTS = ("prompt_tokens", "completion_tokens", "total_tokens")
_CLOSING_S = 5.0
"""How long a cancelled tool may take to end (s)."""
_PLACEHOLDER_PROMPT = "."
"""pydantic-ai needs a prompt; `ProviderModel` sends the task's own messages in its place."""


async def run_agent(task: AgentTask) -> AsyncGenerator[Delta | ToolUpdate | RunEnd, None]:
    """Pieces of the answer and tool updates in order, then the end.

    The run is a task of its own, at most one item ahead of its reader. Closing the generator cancels the run, its
    request to the upstream and its running tool.

    Raises:
        PrompterError: as `ChatProvider.stream` raises it.
    """
    send, receive = anyio.create_memory_object_stream[Delta | ToolUpdate](0)
    deadline = PausableDeadline(task.limits.seconds)
    calls = ToolRunner(task, send.send, deadline.pause)
    model = ProviderModel(task, calls, send.send)

    async def run_to_end() -> None:
        async with send:
            await _run_rounds(task, model, calls)

    async with receive:
        running = asyncio.create_task(run_to_end())
        limit: Limit | None = None
        client_calls: Sequence[Mapping[str, Any]] = ()
        try:
            while True:
                try:
                    with deadline.make_scope() as scope:
                        item = await receive.receive()
                except anyio.EndOfStream:
                    break
                if scope.cancelled_caught:
                    limit = "seconds"
                    break
                yield item
            if limit is None:
                await running
        except LimitReached as reached:
            limit = reached.limit
        except ClientsTurn as turn:
            client_calls = turn.calls
        except UnexpectedModelBehavior:
            limit = "nothing"
        finally:
            with anyio.CancelScope(shield=True):
                running.cancel()
                await asyncio.wait([running], timeout=_CLOSING_S)
            if running.done() and not running.cancelled():
                running.exception()  # marked as retrieved: it was raised above, or its reader has left
    reason = model.replies[-1].finish_reason if model.replies else ""
    if reason in ("", "tool_calls", "function_call"):
        reason = "stop"
    if client_calls:
        reason = "tool_calls"
    yield RunEnd(
        finish_reason="length" if limit else reason,
        usage=_total_usage(model.replies),
        limit=limit,
        calls=client_calls,
    )


async def _run_rounds(task: AgentTask, model: ProviderModel, calls: ToolRunner) -> None:
    agent = Agent(
        model,
        tools=[calls.wrap(tool) for tool in task.tools],
        # The limit of rounds is the only one: a wrong call is an answer to the model and never the end.
        retries={"tools": task.limits.rounds + 1, "output": 1},
    )
    limits = UsageLimits(request_limit=task.limits.rounds + 1)
    with agent.parallel_tool_call_execution_mode("sequential"):
        await agent.run(_PLACEHOLDER_PROMPT, usage_limits=limits)


def _total_usage(replies: Sequence[ModelReply]) -> dict[str, int] | None:
    """The tokens of all rounds; None where a round did not report them."""
    usages: list[dict[str, Any]] = [reply.usage for reply in replies if reply.usage]
    if not usages or len(usages) < len(replies):
        return None
    return {name: sum(usage.get(name) or 0 for usage in usages) for name in _COUNTS}
