"""What a run reports about its tools, in the order in which it happens."""

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class ToolCall:
    """The model calls a tool. One `ToolResult` or `ToolError` follows, unless the run is cancelled first."""

    call_id: str
    """Unique within the answer: `call_1`, `call_2` …"""
    name: str
    toolset: str
    """Empty for an unknown tool."""
    arguments: dict[str, Any] = field(repr=False)
    """As the model wrote them; `{"_raw": text}` where they are not a JSON object."""


@dataclass(frozen=True, slots=True)
class ApprovalRequired:
    """A call waits for a person's decision."""

    call_id: str
    name: str
    toolset: str
    arguments: dict[str, Any] = field(repr=False)
    timeout_s: float
    """The call is denied after this time without a decision (s)."""


@dataclass(frozen=True, slots=True)
class ToolResult:
    """What a call returned."""

    call_id: str
    name: str
    toolset: str
    result: str = field(repr=False)
    """The text that the model was sent: JSON, or the tool's own text."""
    truncated: bool
    """Whether the rest was over the limit and left out."""
    ms: int


@dataclass(frozen=True, slots=True)
class ToolError:
    """A call was not made, or returned nothing."""

    call_id: str
    name: str
    toolset: str
    message: str
    """Safe to show. The model was sent the same."""
    ms: int
    code: str = "tool_failed"
    """`denied`, `approval_expired`, `no_approval` (nobody to ask, or `off`), `bad_arguments`, `unknown_tool`,
    `tool_timeout`, `tool_failed`, `limit`."""


class ToolFailed(Exception):
    """A tool cannot do what it was asked. The message is for the model and the user.

    It is lower-case, holds no secrets and says how to go on. Of any other exception only the class name is shown.
    """


ToolUpdate = ToolCall | ApprovalRequired | ToolResult | ToolError
