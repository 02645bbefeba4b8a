"""The events of an answer, and the cursor from which a reader resumes."""

import re
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple
from uuid import UUID

from app.core.errors import BadRequest
from app.core.notes import Note
from app.services.llm.waiting import Status
from app.storage.tool_events import ToolEvent

__all__ = [
    "AnswerEnd",
    "AnswerEvent",
    "Cursor",
    "Delivery",
    "Done",
    "Failed",
    "ReasoningDelta",
    "Status",
    "TextDelta",
    "ToolEvent",
]

_CURSOR = re.compile(r"(\d{1,9})\.(\d{1,9})(?:\.([1-9]\d{0,8}))?(\.end)?", re.ASCII)


@dataclass(frozen=True, slots=True)
class Cursor:
    """How much of an answer a reader has: enough to resume while the answer is made and after it is stored."""

    text: int = 0
    """Characters of the text."""
    reasoning: int = 0
    """Characters of the reasoning."""
    at_end: bool = False
    """Whether the reader has the last event."""
    tool_events: int = 0
    """Number of tool events; not written into the event id while it is 0."""

    def __str__(self) -> str:
        tool_events = f".{self.tool_events}" if self.tool_events else ""
        return f"{self.text}.{self.reasoning}{tool_events}{'.end' if self.at_end else ''}"

    @classmethod
    def parse(cls, event_id: str) -> "Cursor":
        """The cursor that an event's id holds; the beginning for an empty id.

        Raises:
            BadRequest: no event has this id.
        """
        if not event_id.strip():
            return cls()
        match = _CURSOR.fullmatch(event_id.strip())
        if match is None:
            raise BadRequest(
                "`Last-Event-ID` is not the `id` of an event; send the last one received, or leave it out"
            )
        return cls(
            text=int(match[1]),
            reasoning=int(match[2]),
            at_end=bool(match[4]),
            tool_events=int(match[3] or 0),
        )


@dataclass(frozen=True, slots=True)
class TextDelta:
    """The next piece of the answer's text."""

    text: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class ReasoningDelta:
    """The next piece of the model's reasoning."""

    text: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Done:
    """The last event: the answer is stored, complete or as far as its user let it run."""

    message_id: UUID
    status: Literal["completed", "stopped"]
    model: str | None
    provider: str | None
    finish_reason: str | None
    usage: dict[str, Any] | None


@dataclass(frozen=True, slots=True)
class Failed:
    """The last event: the answer broke off. What had arrived is stored."""

    message_id: UUID
    code: str
    message: str
    note: Note


AnswerEnd = Done | Failed
AnswerEvent = TextDelta | ReasoningDelta | ToolEvent | Status | AnswerEnd


class Delivery(NamedTuple):
    """One event for a reader, and the cursor after it."""

    cursor: Cursor
    event: AnswerEvent
