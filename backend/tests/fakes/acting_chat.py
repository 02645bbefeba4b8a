"""A fake assistant: its script holds what its tools do, beside pieces of text; questions wait for their user."""

from collections.abc import AsyncGenerator
from dataclasses import dataclass, field, replace
from typing import Any

import anyio

from app.core.assistants import ApprovalDecision
from app.providers.agent.events import ApprovalRequired, ToolCall, ToolError, ToolResult
from app.providers.base import ChatRequest
from app.services.llm.context import RunContext
from tests.fakes.gated_chat import Gate, GatedChat

CALL = ToolCall("call_1", "find_order", "shop", {"order": "1042"})
RESULT = ToolResult("call_1", "find_order", "shop", '{"status":"sent"}', False, 3)
ASKED = ApprovalRequired("call_1", "find_order", "shop", {"order": "1042"}, 0)


@dataclass
class ActingChat(GatedChat):
    """As `GatedChat`; events are told, and an `ApprovalRequired` is asked: then comes a result, or an error."""

    decisions: list[ApprovalDecision] = field(default_factory=list)
    contexts: list[RunContext] = field(default_factory=list)
    _context: RunContext | None = None

    def bind(self, context: RunContext) -> "ActingChat":
        self.contexts.append(context)
        mine = replace(self, _context=context)
        mine.decisions, mine.requests = self.decisions, self.requests
        return mine

    async def stream(self, request: ChatRequest) -> AsyncGenerator[dict[str, Any], None]:
        assert self._context is not None, "an assistant is asked for somebody"
        self.requests.append(request)
        for step in self.script:
            if isinstance(step, ToolCall | ToolResult | ToolError):
                self._context.on_tool_update(step)
            elif isinstance(step, ApprovalRequired):
                self._context.on_tool_update(step)
                assert self._context.request_approval is not None
                decision = await self._context.request_approval(step)
                self.decisions.append(decision)
                self._context.on_tool_update(_end(step, decision))
            elif isinstance(step, Gate):
                while not step.is_set():  # noqa: ASYNC110  # another thread opens it
                    await anyio.sleep(0.002)
            elif isinstance(step, BaseException):
                raise step
            elif step is None:
                await anyio.sleep_forever()
            else:
                yield {
                    **step,
                    "choices": [{**each, "delta": dict(each["delta"])} for each in step["choices"]],
                }


def _end(asked: ApprovalRequired, decision: ApprovalDecision) -> ToolResult | ToolError:
    about = (asked.call_id, asked.name, asked.toolset)
    if decision == "approved":
        return ToolResult(*about, '"done"', False, 1)
    code = "denied" if decision == "denied" else "approval_expired"
    return ToolError(*about, "its user did not allow it", 0, code)
