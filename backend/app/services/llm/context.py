"""For whom an assistant acts in one answer, whom it tells of its tools, and whom it asks."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from uuid import UUID

from app.core.security import Caller
from app.providers.agent.events import ApprovalRequired, Decision, ToolUpdate


def _ignore(_: ToolUpdate) -> None:
    """Nobody wants to know."""


@dataclass(frozen=True, slots=True)
class RunContext:
    """One answer's surroundings."""

    caller: Caller
    """Tools have the rights of this caller, and no more."""
    conversation_id: UUID | None = None
    tell: Callable[[ToolUpdate], None] = _ignore
    """Called in order, between chunks of the answer; must not block."""
    approve: Callable[[ApprovalRequired], Awaitable[Decision]] | None = None
    """Asks a person; None where nobody can be asked: the call is denied, and the model told so."""
