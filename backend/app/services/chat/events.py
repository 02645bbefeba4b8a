"""What readers of an answer are told, each event with the place from which a reader goes on after it."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal
from uuid import UUID

from app.core.errors import BadRequest
from app.storage.messages import Message
from app.storage.tool_events import Name, ToolEvent, load_tool_events

MOST_CHARS = 1 << 16
"""Of one event: a reader that is far behind catches up in several."""
STOPPED = "stopped"
"""In the `error` of a message that its user has stopped, which is no error to whoever reads it."""
_PLACE = re.compile(r"(\d{1,9})\.(\d{1,9})(?:\.([1-9]\d{0,8}))?(\.end)?", re.ASCII)


@dataclass(frozen=True, slots=True)
class Cursor:
    """How much of an answer a reader has: all that resuming takes, also from what is stored."""

    text: int = 0
    """In characters, …"""
    reasoning: int = 0
    """… and so is this."""
    over: bool = False
    """Whether the reader has seen the end, too."""
    happened: int = 0
    """How many events of tools; left out of ids where there is none."""

    def __str__(self) -> str:
        happened = f".{self.happened}" if self.happened else ""
        return f"{self.text}.{self.reasoning}{happened}{'.end' if self.over else ''}"

    @classmethod
    def of(cls, event_id: str) -> "Cursor":
        """The place that an event's id names; the beginning where there is none.

        Raises:
            BadRequest: no event has this id.
        """
        if not event_id.strip():
            return cls()
        match = _PLACE.fullmatch(event_id.strip())
        if match is None:
            raise BadRequest(
                "`Last-Event-ID` is the `id` of no event; send the last one that came, or leave it out"
            )
        return cls(int(match[1]), int(match[2]), bool(match[4]), int(match[3] or 0))


@dataclass(frozen=True, slots=True)
class TextDelta:
    """The next piece of the answer."""

    cursor: Cursor
    text: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class ReasoningDelta:
    """The next piece of what the model thinks before it answers."""

    cursor: Cursor
    text: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Happened:
    """A tool was called, or what became of it."""

    cursor: Cursor
    name: Name
    data: dict[str, Any] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Done:
    """The answer is stored and whole, or as long as its user let it become; the last event."""

    cursor: Cursor
    message_id: UUID
    status: Literal["completed", "stopped"]
    model: str | None
    provider: str | None
    finish_reason: str | None
    usage: dict[str, Any] | None


@dataclass(frozen=True, slots=True)
class Failed:
    """The answer broke off, and what had arrived stays; the last event."""

    cursor: Cursor
    message_id: UUID
    code: str
    message: str


AnswerEvent = TextDelta | ReasoningDelta | Happened | Done | Failed
AnswerEnd = Done | Failed


def replay(
    cursor: Cursor, text: str, reasoning: str, happened: Sequence[ToolEvent] = ()
) -> Iterator[TextDelta | ReasoningDelta | Happened]:
    """What a reader lacks that has come to `place` of an answer of which so much is there.

    What happened comes after the words that stood before it, and before those that came later.
    """
    for each in happened[cursor.happened :]:
        for event in _words(cursor, text, reasoning, each.text, each.reasoning):
            cursor = event.cursor
            yield event
        cursor = replace(cursor, happened=cursor.happened + 1)
        yield Happened(cursor, each.name, each.data)
    yield from _words(cursor, text, reasoning, len(text), len(reasoning))


def _words(
    cursor: Cursor, text: str, reasoning: str, text_end: int, reasoning_end: int
) -> Iterator[TextDelta | ReasoningDelta]:
    while piece := reasoning[cursor.reasoning : min(reasoning_end, cursor.reasoning + MOST_CHARS)]:
        cursor = replace(cursor, reasoning=cursor.reasoning + len(piece))
        yield ReasoningDelta(cursor, piece)
    while piece := text[cursor.text : min(text_end, cursor.text + MOST_CHARS)]:
        cursor = replace(cursor, text=cursor.text + len(piece))
        yield TextDelta(cursor, piece)


def tool_events_of(message: Message) -> tuple[ToolEvent, ...]:
    """What happened in an answer, as it is stored."""
    return load_tool_events(message.tool_data)


def stored_end(message: Message) -> AnswerEnd:
    """The last event of an answer, as it is stored."""
    happened = len(tool_events_of(message))
    cursor = Cursor(len(message.content), len(message.reasoning or ""), over=True, happened=happened)
    error = message.error or {}
    if message.status == "complete" or error.get("code") == STOPPED:
        return Done(
            cursor,
            message.id,
            "completed" if message.status == "complete" else "stopped",
            message.model,
            message.provider,
            message.finish_reason,
            message.usage,
        )
    return Failed(
        cursor,
        message.id,
        error.get("code", "interrupted"),
        error.get("message", "the answer was cut short; what had arrived is here"),
    )
