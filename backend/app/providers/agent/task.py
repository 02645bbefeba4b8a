"""The task of a run with tools, and what the run yields besides tool updates; nothing here needs pydantic-ai."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from app.core.assistants import ApprovalDecision
from app.providers.agent.events import ApprovalRequired
from app.providers.agent.workers import ToolWorkers
from app.providers.base import ChatProvider, OnWait, ignore_wait

Limit = Literal["rounds", "seconds", "chars", "nothing"]
"""The limit that ended a run before its model did; `nothing`: the model answered nothing, twice."""


@dataclass(frozen=True, slots=True)
class AgentTool:
    """One function that the model may call."""

    name: str
    toolset: str
    function: Callable[..., Any]
    """Takes `context` and the arguments."""
    context: Any = field(repr=False)
    asks: bool
    """Whether a person is asked before each call."""
    timeout_s: float


@dataclass(frozen=True, slots=True)
class ClientTools:
    """Tools that the client of a run calls itself: the model is offered them, and its calls of them end the run."""

    described: Sequence[Mapping[str, Any]] = field(default=(), repr=False)
    """As the client sent them, each with a name of its own."""
    choice: Any = None
    """The `tool_choice` that demands a call of one of them; None where the model may choose."""

    @property
    def names(self) -> frozenset[str]:
        return frozenset(tool["function"]["name"] for tool in self.described)


@dataclass(frozen=True, slots=True)
class RunLimits:
    """Where a run ends, whatever its model does."""

    rounds: int
    """Requests to the model."""
    calls: int
    """Calls of tools."""
    seconds: float
    """The whole run, without the time in which a person is asked (s)."""
    output_chars: int
    """What the model is sent of one call's result (characters)."""
    answer_chars: int
    """What the model writes, reasoning included (characters)."""


@dataclass(frozen=True, slots=True)
class AgentTask:
    """One answer to make."""

    chat: ChatProvider
    model: str
    messages: Sequence[Mapping[str, Any]] = field(repr=False)
    """The conversation in OpenAI's format, instructions first; sent unchanged."""
    fields: Mapping[str, Any] = field(repr=False)
    """All other fields of each request."""
    tools: Sequence[AgentTool]
    workers: ToolWorkers = field(repr=False)
    """Calls the functions of the tools."""
    limits: RunLimits
    approval_s: float
    """How long a person may take to decide about a call (s)."""
    request_approval: Callable[[ApprovalRequired], Awaitable[ApprovalDecision]] | None
    """Asks a person; None where nobody can be asked."""
    client_tools: ClientTools = ClientTools()
    """None of them has the name of one of `tools`."""
    on_wait: OnWait = field(default=ignore_wait, repr=False)
    """As of `ChatRequest`, for each request to the model."""


@dataclass(frozen=True, slots=True)
class Delta:
    """The next piece of the answer: `content`, `reasoning_content`, `reasoning`. Empty when the first round starts."""

    fields: dict[str, Any] = field(repr=False)


@dataclass(frozen=True, slots=True)
class RunEnd:
    """The last item of a run."""

    finish_reason: str
    usage: dict[str, int] | None
    """The tokens of all rounds together; None where a round did not report them."""
    limit: Limit | None = None
    calls: Sequence[Mapping[str, Any]] = field(default=(), repr=False)
    """The calls of the client's tools with which the model ended, in OpenAI's format."""
