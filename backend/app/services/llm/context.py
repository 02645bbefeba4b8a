"""The model that answers a request, and the context of one answer: caller, conversation, updates of tools."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from typing import Protocol, runtime_checkable
from uuid import UUID

from app.core.assistants import ApprovalDecision
from app.core.security import Caller
from app.providers.agent.events import ApprovalRequired, ToolUpdate
from app.providers.base import ChatProvider


def _ignore(_: object) -> None:
    """Nobody follows the tools of this run."""


@dataclass(frozen=True, slots=True)
class RunContext:
    """What a run of an assistant gets besides its request."""

    caller: Caller
    """Tools have the rights of this caller and no others."""
    conversation_id: UUID | None = None
    on_tool_update: Callable[[ToolUpdate], None] = _ignore
    """Called in order, between the chunks of the answer. It must not block."""
    on_tools_omitted: Callable[[Sequence[str]], None] = _ignore
    """Called before the first chunk with the names of the client's tools that the model is not offered."""
    request_approval: Callable[[ApprovalRequired], Awaitable[ApprovalDecision]] | None = None
    """Asks a person. None where nobody can be asked: the call is refused, and the model gets the reason."""


@runtime_checkable
class ContextualModel(Protocol):
    """A `ChatProvider` that acts for a caller, as an assistant does. Unbound, it answers nothing."""

    def bind(self, context: RunContext) -> ChatProvider: ...


@runtime_checkable
class ModelAsker(Protocol):
    """A `ChatProvider` that asks another model, as an assistant does."""

    async def resolve_model(self) -> "ResolvedModel":
        """The model that it asks.

        Raises:
            ProviderNotReady: there is none that can be asked.
        """
        ...


@dataclass(frozen=True, slots=True)
class ResolvedModel:
    """The model that a request means."""

    id: str
    """The full id, as answers show it."""
    provider: str
    chat: ChatProvider
    model: str
    """The provider's own name of the model; empty for a provider that has only one."""
    connected_type: str = ""
    """The type of its provider, such as "local", where a user has connected it; empty for the server's own."""

    @property
    def is_connected(self) -> bool:
        """Whether a user has connected it."""
        return self.connected_type != ""

    @property
    def metrics_label(self) -> str:
        """The provider's name in metrics, which know nothing of users."""
        return "connection" if self.is_connected else self.provider

    def bind(self, context: RunContext) -> "ResolvedModel":
        """The model bound to one run. A plain model needs no context and stays as it is."""
        return replace(self, chat=self.chat.bind(context)) if isinstance(self.chat, ContextualModel) else self


ResolveModel = Callable[[str | None], Awaitable[ResolvedModel]]
"""Finds the model of an id or an alias, the default for None; see `ModelCatalog.resolve`."""
