"""Tool calls through pydantic-ai: approved, counted, timed, and with their failures reported as data."""

import functools
import inspect
import logging
from collections.abc import Awaitable, Callable
from contextlib import AbstractContextManager
from dataclasses import replace
from time import monotonic
from typing import Any

import orjson
import pydantic_ai
from pydantic_ai import Tool

from app.core.errors import PrompterError, ProviderNotReady
from app.core.logging import log_failure
from app.core.supervision import reraise_cancellation
from app.providers.agent.events import ApprovalRequired, ToolError, ToolFailed, ToolResult, ToolUpdate
from app.providers.agent.messages import fence_output, parse_arguments, replace_surrogates
from app.providers.agent.task import AgentTask, AgentTool, Delta
from app.providers.agent.workers import CutOff, NotRun, Raised, Returned

logger = logging.getLogger(__name__)

Report = Callable[[Delta | ToolUpdate], Awaitable[None]]


class ToolRunner:
    """Makes the calls of one run, one at a time."""

    def __init__(
        self, task: AgentTask, report: Report, pause: Callable[[], AbstractContextManager[None]]
    ) -> None:
        self._task = task
        self._report = report
        self._pause = pause
        self._made = 0
        self.arguments: dict[str, str] = {}
        """The arguments as the model wrote them, by call id."""
        self.ended_ids: set[str] = set()
        """Ids of the calls whose end has been reported."""

    @property
    def left(self) -> int:
        """How many more calls may be made."""
        return max(0, self._task.limits.calls - self._made)

    def wrap(self, tool: AgentTool) -> Tool[Any]:
        """The tool as pydantic-ai calls it, with arguments checked against the function's annotations.

        Raises:
            ProviderNotReady: the function cannot be described to a model.
        """
        try:
            described = _describe(tool.function)
        except BaseException as error:  # annotations of other packages may be anything
            reraise_cancellation(error)
            logger.error("tool %s cannot be described: %s", tool.name, type(error).__name__)
            raise ProviderNotReady(
                f"the tool {tool.name!r} of the toolset {tool.toolset!r} cannot be described to a model "
                f"({type(error).__name__}); its arguments need types that exist at run time and that JSON has"
            ) from error

        async def call(context: pydantic_ai.RunContext[Any], **arguments: Any) -> str:
            return await self._call(tool, context.tool_call_id or "", arguments)

        return Tool(
            call,
            takes_ctx=True,
            name=tool.name,
            description=described.description,
            strict=False,
            function_schema=replace(described.function_schema, function=call),
        )

    async def report_error(
        self, call_id: str, name: str, toolset: str, message: str, *, code: str, ms: int = 0
    ) -> str:
        """Report that a call returned nothing; the text that the model is sent instead."""
        self.ended_ids.add(call_id)
        await self._report(
            ToolError(call_id=call_id, name=name, toolset=toolset, message=message, ms=ms, code=code)
        )
        return fence_output(name, orjson.dumps({"error": replace_surrogates(message)}).decode())

    async def _call(self, tool: AgentTool, call_id: str, arguments: dict[str, Any]) -> str:
        """Make one call, and report its end; the text that the model is sent."""
        started_s = monotonic()
        try:
            if not self.left:
                most = self._task.limits.calls
                raise _CallFailed(f"the limit of {most} calls is reached; answer with what is known", "limit")
            self._made += 1
            if tool.asks:
                await self._ask_approval(tool, call_id)
                started_s = monotonic()  # the time that a person took is not the tool's
            text, truncated = await self._run_function(tool, arguments)
        except _CallFailed as failure:
            return await self.report_error(
                call_id,
                tool.name,
                tool.toolset,
                failure.message,
                code=failure.code,
                ms=_elapsed_ms(started_s),
            )
        self.ended_ids.add(call_id)
        await self._report(
            ToolResult(
                call_id=call_id,
                name=tool.name,
                toolset=tool.toolset,
                result=text,
                truncated=truncated,
                ms=_elapsed_ms(started_s),
            )
        )
        return fence_output(tool.name, text)

    async def _ask_approval(self, tool: AgentTool, call_id: str) -> None:
        """Ask a person.

        Raises:
            _CallFailed: the call is not approved.
        """
        if self._task.request_approval is None:
            raise _CallFailed(
                "this needs a person's approval, and nobody can be asked here; ask in a conversation",
                "no_approval",
            )
        question = ApprovalRequired(
            call_id=call_id,
            name=tool.name,
            toolset=tool.toolset,
            arguments=parse_arguments(self.arguments.get(call_id, "")),
            timeout_s=self._task.approval_s,
        )
        with self._pause():
            await self._report(question)
            decision = await self._task.request_approval(question)
        if decision == "denied":
            raise _CallFailed("the user did not allow it", "denied")
        if decision == "expired":
            raise _CallFailed(
                "nobody approved it in time; ask the user whether to try again", "approval_expired"
            )

    async def _run_function(self, tool: AgentTool, arguments: dict[str, Any]) -> tuple[str, bool]:
        """The result of a tool as text, and whether it was cut.

        Raises:
            _CallFailed: the tool fails, takes too long, or returns what JSON cannot express.
        """
        end = await self._task.workers.run(
            tool.name,
            functools.partial(tool.function, tool.context, **arguments),
            timeout_s=tool.timeout_s,
            most_chars=self._task.limits.output_chars,
        )
        match end:
            case Returned(text, truncated):
                return text, truncated
            case Raised(ToolFailed() | PrompterError() as error):
                raise _CallFailed(str(error), "tool_failed") from error
            case Raised(error):
                log_failure(logger, f"tool {tool.name} failed", error)
                raise _CallFailed(f"the tool failed ({type(error).__name__})", "tool_failed") from None
            case NotRun(message):
                raise _CallFailed(message, "tool_failed")
            case CutOff(goes_on):
                how = "it cannot be stopped and may still finish" if goes_on else "it was stopped"
                raise _CallFailed(
                    f"the tool did not answer within {tool.timeout_s:g} s; {how}: whether it did what it was asked "
                    "is unknown, so find that out before you call it again",
                    "tool_timeout",
                )


class _CallFailed(Exception):
    """A call returns nothing. The message is for the model and the user; `code` is that of `ToolError`."""

    def __init__(self, message: str, code: str) -> None:
        super().__init__(message)
        self.message = message
        self.code = code


@functools.lru_cache(1024)
def _describe(function: Callable[..., Any]) -> Tool[Any]:
    """The description of a function for a model, from its annotations and docstring. Cached: it takes milliseconds."""

    @functools.wraps(function)
    async def described(context: pydantic_ai.RunContext[Any], **arguments: Any) -> str:
        raise NotImplementedError

    signature = inspect.signature(function)
    first, *others = signature.parameters.values()
    described.__annotations__ = {
        **function.__annotations__,
        first.name: pydantic_ai.RunContext[Any],
        "return": str,
    }
    described.__signature__ = signature.replace(  # type: ignore[attr-defined]
        parameters=[
            first.replace(annotation=pydantic_ai.RunContext[Any]),
            *(parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY) for parameter in others),
        ],
        return_annotation=str,
    )
    return Tool(described, takes_ctx=True)


def _elapsed_ms(started_s: float) -> int:
    return round((monotonic() - started_s) * 1000)
