"""The buffer of one answer: text, reasoning, tool events and end, read by any number of readers at their own pace."""

import io
import re
from collections.abc import AsyncGenerator, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import anyio

from app.schemas.chat import ToolEventName
from app.services.chat.events import AnswerEnd, Cursor, Delivery, ReasoningDelta, Status, TextDelta
from app.storage.common import replace_unstorable
from app.storage.tool_events import ToolEvent

MOST_EVENT_CHARS = 1 << 16
"""Most characters in one event: a reader that is far behind catches up in several."""
_SURROGATE_PAIR = re.compile("[\ud800-\udbff][\udc00-\udfff]")


class SurrogateJoiner:
    """Joins surrogate pairs across pieces of text: some upstreams cut within a character above U+FFFF."""

    def __init__(self) -> None:
        self._half = ""

    def join(self, piece: str) -> str:
        """The piece with the half character left from the last one, without a half character at its own end."""
        if piece.isascii() and not self._half and "\0" not in piece:
            return piece
        piece = self._half + piece
        self._half = piece[-1] if "\ud800" <= piece[-1:] <= "\udbff" else ""
        piece = piece.removesuffix(self._half) if self._half else piece
        return replace_unstorable(_SURROGATE_PAIR.sub(_join_pair, piece))


def _join_pair(pair: re.Match[str]) -> str:
    return pair[0].encode("utf-16-le", "surrogatepass").decode("utf-16-le")


class TextBuffer:
    """Text that grows at its end and is read from any position without copying the rest."""

    def __init__(self) -> None:
        self._buffer = io.StringIO()
        self._joiner = SurrogateJoiner()
        self.size = 0
        """Characters."""

    def append(self, piece: str) -> int:
        """Add a piece; the number of characters added."""
        clean = self._joiner.join(piece)
        self._buffer.seek(self.size)
        added = self._buffer.write(clean)
        self.size += added
        return added

    def read(self, start: int, end: int | None = None) -> str:
        """The text from `start` up to `end`, at most `MOST_EVENT_CHARS` of it."""
        end = self.size if end is None else end
        if start >= end:
            return ""
        self._buffer.seek(start)
        return self._buffer.read(min(MOST_EVENT_CHARS, end - start))

    def __str__(self) -> str:
        return self._buffer.getvalue()


class AnswerBuffer:
    """Everything that readers of one answer get, in order.

    A reader is only a cursor: a slow one gets more at a time and costs nothing in between.
    """

    def __init__(self) -> None:
        self.text = TextBuffer()
        self.reasoning = TextBuffer()
        self.tool_events: list[ToolEvent] = []
        self.end: AnswerEnd | None = None
        self._changed = anyio.Event()
        self._waiting = 0
        self._status: Status | None = None
        self._status_at = Cursor()

    @classmethod
    def load(
        cls, text: str, reasoning: str, tool_events: Sequence[ToolEvent], end: AnswerEnd | None
    ) -> "AnswerBuffer":
        """The buffer of a stored answer; `end` is None while another process makes it."""
        buffer = cls()
        buffer.text.append(text)
        buffer.reasoning.append(reasoning)
        buffer.tool_events = list(tool_events)
        buffer.end = end
        return buffer

    @property
    def chars(self) -> int:
        """Characters of text and reasoning together."""
        return self.text.size + self.reasoning.size

    @property
    def cursor(self) -> Cursor:
        """The cursor of a reader that has everything so far."""
        return Cursor(text=self.text.size, reasoning=self.reasoning.size, tool_events=len(self.tool_events))

    def add_text(self, piece: str) -> int:
        """Add a piece of the answer; the number of characters added."""
        added = self.text.append(piece)
        self._wake_readers()
        return added

    def add_reasoning(self, piece: str) -> int:
        """Add a piece of the reasoning and return the number of characters added."""
        added = self.reasoning.append(piece)
        self._wake_readers()
        return added

    def make_tool_event(self, name: ToolEventName, data: Mapping[str, Any]) -> ToolEvent:
        """A tool event at the current position, not added yet."""
        return ToolEvent.create(name, self.text.size, self.reasoning.size, data)

    def add_tool_event(self, event: ToolEvent) -> None:
        self.tool_events.append(event)
        self._wake_readers()

    def close(self, end: AnswerEnd) -> None:
        """Add the last event. Only the first end counts."""
        if self.end is None:
            self.end = end
            self._wake_readers()

    @property
    def is_asking(self) -> bool:
        """Whether the newest event is a question to the user."""
        return bool(self.tool_events) and self.tool_events[-1].name == "approval_required"

    @property
    def status(self) -> Status | None:
        """What the answer waits for; None as soon as more of it has arrived."""
        return self._status if self._status is not None and self._status_at == self.cursor else None

    def tell(self, status: Status | None) -> None:
        """Tell the readers who have everything so far what the answer waits for, where that has changed."""
        if status == self.status:
            return
        self._status, self._status_at = status, self.cursor
        self._wake_readers()

    async def read(self, cursor: Cursor) -> AsyncGenerator[Delivery, None]:
        """Everything after a cursor, as it arrives, to the end; between that, what the answer waits for."""
        told: Status | None = None
        while not cursor.at_end:
            if (delivery := self._next(cursor)) is not None:
                cursor = delivery.cursor
                yield delivery
            elif (status := self.status) is not None and status is not told:
                told = status
                yield Delivery(cursor, status)
            else:
                await self._wait_for_more()

    def read_available(self, cursor: Cursor) -> Iterator[Delivery]:
        """Everything after a cursor that is there now. Text before a tool event comes before it."""
        while (delivery := self._next(cursor)) is not None:
            cursor = delivery.cursor
            yield delivery

    def _next(self, cursor: Cursor) -> Delivery | None:
        if cursor.at_end:
            return None
        ahead = self.tool_events[cursor.tool_events] if cursor.tool_events < len(self.tool_events) else None
        text, reasoning, tool_events = cursor.text, cursor.reasoning, cursor.tool_events
        if piece := self.reasoning.read(reasoning, ahead.reasoning if ahead else None):
            after = Cursor(text=text, reasoning=reasoning + len(piece), tool_events=tool_events)
            return Delivery(after, ReasoningDelta(piece))
        if piece := self.text.read(text, ahead.text if ahead else None):
            after = Cursor(text=text + len(piece), reasoning=reasoning, tool_events=tool_events)
            return Delivery(after, TextDelta(piece))
        if ahead is not None:
            after = Cursor(text=text, reasoning=reasoning, tool_events=tool_events + 1)
            return Delivery(after, ahead)
        return None if self.end is None else Delivery(replace(self.cursor, at_end=True), self.end)

    async def _wait_for_more(self) -> None:
        self._waiting += 1
        try:
            await self._changed.wait()
        finally:
            self._waiting -= 1

    def _wake_readers(self) -> None:
        if self._waiting:
            self._changed.set()
            self._changed = anyio.Event()
