"""Functions as pydantic-ai's tools: asked for, counted, timed, and their failures told as data."""

import asyncio
import functools
import inspect
import logging
from collections.abc import Awaitable, Callable
from dataclasses import replace
from time import monotonic
from typing import Any

import anyio
import anyio.to_thread
from pydantic_ai import RunContext, Tool

from app.core.errors import PrompterError, ProviderNotReady
from app.core.logging import log_failure
from app.providers.agent.events import ApprovalRequired, ToolError, ToolFailed, ToolResult
from app.providers.agent.messages import arguments_of, as_text, capped, fenced
from app.providers.agent.task import AgentTask, AgentTool

logger = logging.getLogger(__name__)

Tell = Callable[[Any], Awaitable[None]]


class ToolRunner:
    """The calls of one run, one after another."""

    def __init__(self, task: AgentTask, tell: Tell, pause: Callable[[bool], None]) -> None:
        self._task = task
        self._tell = tell
        self._pause = pause
        self.arguments: dict[str, str] = {}
        """What the model wrote, by call."""
        self.ended: set[str] = set()
        """Calls whose end has been told."""
        self.made = 0

    @property
    def spent(self) -> bool:
        """Whether no more calls may be made."""
        return not self.left

    @property
    def left(self) -> int:
        return max(0, self._task.bounds.calls - self.made)

    def tool(self, tool: AgentTool) -> Tool[Any]:
        """The function as pydantic-ai calls it: its arguments checked against its annotations.

        Raises:
            ProviderNotReady: no model can be told of it.
        """
        try:
            described = _described(tool.function)
        except Exception as error:  # annotations of others may be anything
            logger.error("tool %s cannot be described: %s", tool.name, type(error).__name__)
            raise ProviderNotReady(
                f"the tool {tool.name!r} of the toolset {tool.toolset!r} cannot be told to a model "
                f"({type(error).__name__}); its arguments need types that are known when it runs and that JSON has"
            ) from error

        async def call(context: RunContext[Any], **arguments: Any) -> str:
            return await self._made(tool, context.tool_call_id or "", arguments)

        schema = replace(described.function_schema, function=call)
        return Tool(
            call,
            takes_ctx=True,
            name=tool.name,
            description=described.description,
            strict=False,
            function_schema=schema,
        )

    async def failed(
        self, call_id: str, name: str, toolset: str, message: str, *, code: str, ms: int = 0
    ) -> str:
        """Tell that a call gave nothing; what the model is shown."""
        self.ended.add(call_id)
        await self._tell(ToolError(call_id, name, toolset, message, ms, code))
        return fenced(name, as_text({"error": message}))

    async def _made(self, tool: AgentTool, call_id: str, arguments: dict[str, Any]) -> str:
        begun_s = monotonic()

        async def failed(message: str, code: str) -> str:
            ms = round((monotonic() - begun_s) * 1000)
            return await self.failed(call_id, tool.name, tool.toolset, message, code=code, ms=ms)

        if self.spent:
            most = self._task.bounds.calls
            return await failed(f"the limit of {most} calls is reached; answer with what is known", "limit")
        self.made += 1
        if tool.asks and (refusal := await self._refused(tool, call_id)):
            return await failed(*refusal)
        begun_s = monotonic()  # what a person thought about it is not the tool's time
        try:
            with anyio.move_on_after(tool.timeout_s) as scope:
                result = await _called(tool, arguments)
            if scope.cancelled_caught:
                return await failed(f"the tool did not answer within {tool.timeout_s:g} s", "tool_timeout")
            text, truncated = capped(as_text(result), self._task.bounds.output_chars)
        except (ToolFailed, PrompterError) as error:
            return await failed(str(error), "tool_failed")
        except (
            Exception,
            SystemExit,
            asyncio.CancelledError,
        ) as error:  # a tool of others may raise anything
            if isinstance(error, asyncio.CancelledError) and _is_cancelled():
                raise
            log_failure(logger, f"tool {tool.name} failed", error)
            return await failed(f"the tool failed ({type(error).__name__})", "tool_failed")
        self.ended.add(call_id)
        ms = round((monotonic() - begun_s) * 1000)
        await self._tell(ToolResult(call_id, tool.name, tool.toolset, text, truncated, ms))
        return fenced(tool.name, text)

    async def _refused(self, tool: AgentTool, call_id: str) -> tuple[str, str] | None:
        """Why a person does not want this call, and the code of that; None where one does."""
        if self._task.approve is None:
            return (
                "this needs a person's approval, and nobody can be asked here; ask in a conversation",
                "no_approval",
            )
        arguments = arguments_of(self.arguments.get(call_id, ""))
        asked = ApprovalRequired(call_id, tool.name, tool.toolset, arguments, self._task.approval_s)
        self._pause(True)
        try:
            await self._tell(asked)
            decision = await self._task.approve(asked)
        finally:
            self._pause(False)
        if decision == "approved":
            return None
        if decision == "denied":
            return "the user did not allow it", "denied"
        return "nobody approved it in time; ask the user whether to try again", "approval_expired"


@functools.lru_cache(1024)
def _described(function: Callable[..., Any]) -> Tool[Any]:
    """What a model is told of a function, read off its annotations and docstring: milliseconds, so only once."""

    @functools.wraps(function)
    async def described(context: RunContext[Any], **arguments: Any) -> str:
        raise NotImplementedError

    signature = inspect.signature(function)
    first, *others = signature.parameters.values()
    described.__annotations__ = {**function.__annotations__, first.name: RunContext[Any], "return": str}
    described.__signature__ = signature.replace(  # type: ignore[attr-defined]
        parameters=[
            first.replace(annotation=RunContext[Any]),
            *(parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY) for parameter in others),
        ],
        return_annotation=str,
    )
    return Tool(described, takes_ctx=True)


def _is_cancelled() -> bool:
    """Whether somebody wants this task to end, and not a tool that only says so."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


async def _called(tool: AgentTool, arguments: dict[str, Any]) -> Any:
    if inspect.iscoroutinefunction(tool.function):
        return await tool.function(tool.context, **arguments)
    call = functools.partial(tool.function, tool.context, **arguments)
    return await anyio.to_thread.run_sync(call, abandon_on_cancel=True)
