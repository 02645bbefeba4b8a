"""What a run tells of its tools: values, in the order in which things happen."""

from dataclasses import dataclass, field
from typing import Any, Literal

Decision = Literal["approved", "denied", "expired"]
"""What came of asking a person; `expired` is that nobody said anything in time."""


@dataclass(frozen=True, slots=True)
class ToolCall:
    """The model asks for a tool. Each is followed by one `ToolResult` or `ToolError`, unless the run is cut."""

    call_id: str
    """Unique in its answer: `call_1`, `call_2` …"""
    name: str
    toolset: str
    """Empty for a tool that nobody has."""
    arguments: dict[str, Any] = field(repr=False)
    """As the model wrote them; `{"_raw": text}` where that is no JSON object."""


@dataclass(frozen=True, slots=True)
class ApprovalRequired:
    """A call waits for a person's word."""

    call_id: str
    name: str
    toolset: str
    arguments: dict[str, Any] = field(repr=False)
    timeout_s: float
    """Without a word the call is denied after this time (s)."""


@dataclass(frozen=True, slots=True)
class ToolResult:
    """What a call gave."""

    call_id: str
    name: str
    toolset: str
    result: str = field(repr=False)
    """JSON text, as the model was told it."""
    truncated: bool
    """The rest is over the limit, and nobody was told it."""
    ms: int


@dataclass(frozen=True, slots=True)
class ToolError:
    """Why a call gave nothing: refused, wrong arguments, unknown, too slow, failed."""

    call_id: str
    name: str
    toolset: str
    message: str
    """Safe to show; the model was told the same."""
    ms: int
    code: str = "tool_failed"
    """`denied`, `approval_expired`, `no_approval` (nobody to ask, or `off`), `bad_arguments`, `unknown_tool`,
    `tool_timeout`, `tool_failed`, `limit`."""


class ToolFailed(Exception):
    """A tool could not do it; the message is for the model and the user: lower-case, no secrets, how to go on.

    Whatever else a tool raises is told as the kind of error alone.
    """


ToolUpdate = ToolCall | ApprovalRequired | ToolResult | ToolError
