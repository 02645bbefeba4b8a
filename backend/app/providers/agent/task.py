"""What a run with tools is given, and what it gives; nothing here needs pydantic-ai."""

import importlib
import importlib.util
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import anyio.to_thread

from app.core.errors import ProviderNotReady
from app.providers.agent.events import ApprovalRequired, Decision, ToolUpdate
from app.providers.base import ChatProvider

COMMAND = "pip install 'prompter[tools]', or pip install '.[tools]' in a checkout"

Limit = Literal["rounds", "seconds", "chars", "nothing"]
"""What ended a run before its model did: a limit; `nothing` is a model that said nothing, twice."""


Runner = Callable[["AgentTask"], "AsyncGenerator[Delta | ToolUpdate | RunEnd, None]"]


async def load_runner() -> Runner:
    """The loop. Importing pydantic-ai takes a second, off the event loop and only once.

    Raises:
        ProviderNotReady: it is there, and broken.
    """
    try:
        return await anyio.to_thread.run_sync(_load, abandon_on_cancel=True)
    except ImportError as error:
        raise ProviderNotReady(f"pydantic-ai cannot be loaded ({error.name}); {COMMAND}") from error


def _load() -> Runner:
    run: Runner = importlib.import_module("app.providers.agent.run").run
    return run


def is_installed() -> bool:
    """Whether pydantic-ai is there; imports nothing."""
    return importlib.util.find_spec("pydantic_ai") is not None


@dataclass(frozen=True, slots=True)
class AgentTool:
    """One function as a model may call it."""

    name: str
    toolset: str
    function: Callable[..., Any]
    """Takes `context` and the arguments."""
    context: Any = field(repr=False)
    asks: bool
    """A person is asked before each call."""
    timeout_s: float
    writes: bool = False


@dataclass(frozen=True, slots=True)
class RunLimits:
    """Where a run ends, whatever its model does."""

    rounds: int
    """Questions to the model."""
    calls: int
    """Calls of tools."""
    seconds: float
    """The whole run, without the time in which a person is asked (s)."""
    output_chars: int
    """What one call may tell the model (characters)."""
    answer_chars: int
    """What the model may say, its reasoning included (characters)."""


@dataclass(frozen=True, slots=True)
class AgentTask:
    """One answer to make."""

    chat: ChatProvider
    model: str
    messages: Sequence[Mapping[str, Any]] = field(repr=False)
    """The conversation on OpenAI's wire, instructions first; sent as it is."""
    fields: Mapping[str, Any] = field(repr=False)
    """All other fields of each request."""
    tools: Sequence[AgentTool]
    bounds: RunLimits
    approval_s: float
    approve: Callable[[ApprovalRequired], Awaitable[Decision]] | None


@dataclass(frozen=True, slots=True)
class Delta:
    """The next piece of the answer: `content`, `reasoning_content`, `reasoning`; empty when the first round begins."""

    fields: dict[str, Any] = field(repr=False)


@dataclass(frozen=True, slots=True)
class RunEnd:
    """The last of all."""

    finish_reason: str
    usage: dict[str, int] | None
    """Of all rounds together; None where one did not tell."""
    limit: Limit | None = None
