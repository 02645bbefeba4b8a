"""The context of one run of an assistant: whose rights it has, who follows its tools, and who approves them."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from uuid import UUID

from app.core.assistants import ApprovalDecision
from app.core.security import Caller
from app.providers.agent.events import ApprovalRequired, ToolUpdate


def _ignore(_: ToolUpdate) -> None:
    """Nobody follows the tools of this run."""


@dataclass(frozen=True, slots=True)
class RunContext:
    """What a run gets besides its request."""

    caller: Caller
    """Tools have the rights of this caller and no others."""
    conversation_id: UUID | None = None
    on_tool_update: Callable[[ToolUpdate], None] = _ignore
    """Called in order, between the chunks of the answer. It must not block."""
    request_approval: Callable[[ApprovalRequired], Awaitable[ApprovalDecision]] | None = None
    """Asks a person. None where nobody can be asked: the call is refused, and the model gets the reason."""
