"""What readers of an answer are told, each event with the place from which a reader goes on after it."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Literal
from uuid import UUID

from app.core.errors import BadRequest
from app.storage.messages import Message

MOST_CHARS = 1 << 16
"""Of one event: a reader that is far behind catches up in several."""
STOPPED = "stopped"
"""In the `error` of a message that its user has stopped, which is no error to whoever reads it."""
_PLACE = re.compile(r"(\d{1,9})\.(\d{1,9})(\.end)?", re.ASCII)


@dataclass(frozen=True, slots=True)
class Place:
    """How much of an answer a reader has, in characters: all that resuming takes, also from what is stored."""

    text: int = 0
    reasoning: int = 0
    over: bool = False
    """Whether the reader has seen the end, too."""

    def __str__(self) -> str:
        return f"{self.text}.{self.reasoning}.end" if self.over else f"{self.text}.{self.reasoning}"

    @classmethod
    def of(cls, event_id: str) -> "Place":
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
        return cls(int(match[1]), int(match[2]), bool(match[3]))


@dataclass(frozen=True, slots=True)
class Said:
    """The next piece of the answer."""

    place: Place
    text: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Thought:
    """The next piece of what the model thinks before it answers."""

    place: Place
    text: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Done:
    """The answer is stored and whole, or as long as its user let it become; the last event."""

    place: Place
    message_id: UUID
    status: Literal["completed", "stopped"]
    model: str | None
    provider: str | None
    finish_reason: str | None
    usage: dict[str, Any] | None


@dataclass(frozen=True, slots=True)
class Failed:
    """The answer broke off, and what had arrived stays; the last event."""

    place: Place
    message_id: UUID
    code: str
    message: str


Event = Said | Thought | Done | Failed
End = Done | Failed


def between(place: Place, text: str, reasoning: str) -> Iterator[Said | Thought]:
    """What a reader lacks that has come to `place` of an answer of which so much is there."""
    for at in range(place.reasoning, len(reasoning), MOST_CHARS):
        piece = reasoning[at : at + MOST_CHARS]
        yield Thought(Place(place.text, at + len(piece)), piece)
    thought = max(place.reasoning, len(reasoning))
    for at in range(place.text, len(text), MOST_CHARS):
        piece = text[at : at + MOST_CHARS]
        yield Said(Place(at + len(piece), thought), piece)


def end_of(message: Message) -> End:
    """The last event of an answer, as it is stored."""
    place = Place(len(message.content), len(message.reasoning or ""), over=True)
    error = message.error or {}
    if message.status == "complete" or error.get("code") == STOPPED:
        return Done(
            place,
            message.id,
            "completed" if message.status == "complete" else "stopped",
            message.model,
            message.provider,
            message.finish_reason,
            message.usage,
        )
    return Failed(
        place,
        message.id,
        error.get("code", "interrupted"),
        error.get("message", "the answer was cut short; what had arrived is here"),
    )
