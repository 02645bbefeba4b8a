"""What an assistant does while it answers, as it is told to whoever has it answer, and who is asked before it acts."""

from collections.abc import AsyncGenerator
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol, runtime_checkable

from app.core.caller import Caller
from app.providers.base import ChatProvider, ChatRequest

Verdict = Literal["approved", "denied", "expired"]


@dataclass(frozen=True, slots=True)
class ToolCalled:
    """The model wants a tool to be run."""

    call_id: str
    """Unique within one answer: 1 to 64 letters, digits, `_` and `-`. Models repeat their own ids."""
    tool: str
    arguments: dict[str, Any] = field(repr=False)


@dataclass(frozen=True, slots=True)
class ToolAnswered:
    """The tool has run, and the model is told this."""

    call_id: str
    tool: str
    result: str = field(repr=False)
    cut: bool = False
    """Whether there was more than a result may hold."""
    took_ms: int = 0


@dataclass(frozen=True, slots=True)
class ToolFailed:
    """The tool has not run, or not to its end; the model is told this."""

    call_id: str
    tool: str
    code: str
    """`denied`, `approval_expired`, `no_approval`, `bad_arguments`, `unknown_tool`, `tool_timeout`, `tool_failed`,
    `limit`."""
    message: str
    """Safe to show: without a trace, a key, or what the tool was given."""
    took_ms: int = 0


ToolEvent = ToolCalled | ToolAnswered | ToolFailed
"""Each call has one end, `ToolAnswered` or `ToolFailed`, unless its answer was cancelled."""


class Host(Protocol):
    """Who has an assistant answer: its tools have the rights of this caller, and ask here before they write."""

    @property
    def caller(self) -> Caller: ...

    async def approve(self, call: ToolCalled) -> Verdict:
        """Whether a tool may run that asks first. May take minutes; cancelled with the answer."""
        ...


@runtime_checkable
class ActingChat(ChatProvider, Protocol):
    """A `ChatProvider` that runs tools of its own on the way to its answer."""

    def act(self, request: ChatRequest, host: Host) -> AsyncGenerator[dict[str, Any] | ToolEvent, None]:
        """Chunks as of `stream`, and what happens between them, in the order in which it happened.

        Closing the generator ends running tools and closes the upstream. Raises as `stream` does.
        """
        ...
