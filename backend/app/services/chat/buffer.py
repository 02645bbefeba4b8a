"""The text of one running answer: read by any number of readers, each at its own pace, without half characters."""

import io
import re
from collections.abc import AsyncGenerator, Mapping
from dataclasses import replace
from typing import Any

import anyio

from app.services.chat.events import (
    MOST_CHARS,
    AnswerEnd,
    AnswerEvent,
    Cursor,
    Happened,
    ReasoningDelta,
    TextDelta,
)
from app.storage.common import replace_unstorable
from app.storage.tool_events import Name, ToolEvent, make_tool_event

_PAIR = re.compile("[\ud800-\udbff][\udc00-\udfff]")


class SurrogateJoiner:
    """The pieces of one text, in order: some upstreams cut within a character beyond the first 65,536."""

    def __init__(self) -> None:
        self._half = ""

    def whole(self, piece: str) -> str:
        """The piece, with what is left of the one before, without what has not arrived whole."""
        if piece.isascii() and not self._half and "\0" not in piece:
            return piece
        piece = self._half + piece
        self._half = piece[-1] if "\ud800" <= piece[-1:] <= "\udbff" else ""
        piece = piece.removesuffix(self._half) if self._half else piece
        return replace_unstorable(_PAIR.sub(_joined, piece))


def _joined(pair: re.Match[str]) -> str:
    return pair[0].encode("utf-16-le", "surrogatepass").decode("utf-16-le")


class TextBuffer:
    """Text that grows at its end, and can be read from any place without making the rest anew."""

    def __init__(self) -> None:
        self._buffer = io.StringIO()
        self._characters = SurrogateJoiner()
        self.size = 0
        """In characters."""

    def add(self, piece: str) -> int:
        """Take the next piece; by how many characters it has grown."""
        clean = self._characters.whole(piece)
        self._buffer.seek(self.size)
        grown = self._buffer.write(clean)
        self.size += grown
        return grown

    def after(self, at: int, until: int | None = None) -> str:
        """What stands behind a place and before another one, up to what one event may hold."""
        end = self.size if until is None else until
        if at >= end:
            return ""
        self._buffer.seek(at)
        return self._buffer.read(min(MOST_CHARS, end - at))

    def __str__(self) -> str:
        return self._buffer.getvalue()


class AnswerBuffer:
    """The text and the reasoning of one answer, what happened between them, and its end.

    Nothing is kept for a reader but its place: one that is slow is told more at a time, and costs nothing meanwhile.
    """

    def __init__(self) -> None:
        self.text = TextBuffer()
        self.reasoning = TextBuffer()
        self.happened: list[ToolEvent] = []
        self.end: AnswerEnd | None = None
        self._news = anyio.Event()
        self._waiting = 0

    @property
    def chars(self) -> int:
        """Of text and reasoning."""
        return self.text.size + self.reasoning.size

    @property
    def cursor(self) -> Cursor:
        """Where a reader is who has everything."""
        return Cursor(self.text.size, self.reasoning.size, happened=len(self.happened))

    def say(self, piece: str) -> int:
        """Take a piece of the answer; by how many characters it has grown."""
        grown = self.text.add(piece)
        self._wake()
        return grown

    def think(self, piece: str) -> int:
        """The same of a piece of reasoning."""
        grown = self.reasoning.add(piece)
        self._wake()
        return grown

    def happen(self, name: Name, data: Mapping[str, Any]) -> None:
        """A tool was called, or something became of it, after all that has come so far."""
        self.add(make_tool_event(name, self.text.size, self.reasoning.size, data))

    def add(self, happened: ToolEvent) -> None:
        """The same of one that is ready."""
        self.happened.append(happened)
        self._wake()

    def close(self, end: AnswerEnd) -> None:
        """Nothing comes any more; only the first end counts."""
        if self.end is None:
            self.end = end
            self._wake()

    async def read(self, cursor: Cursor) -> AsyncGenerator[AnswerEvent, None]:
        """Everything behind a place, as it comes, to the end."""
        while True:
            ahead = self.happened[cursor.happened] if cursor.happened < len(self.happened) else None
            if thought := self.reasoning.after(cursor.reasoning, ahead.reasoning if ahead else None):
                cursor = Cursor(cursor.text, cursor.reasoning + len(thought), False, cursor.happened)
                yield ReasoningDelta(cursor, thought)
            elif said := self.text.after(cursor.text, ahead.text if ahead else None):
                cursor = Cursor(cursor.text + len(said), cursor.reasoning, False, cursor.happened)
                yield TextDelta(cursor, said)
            elif ahead is not None:
                cursor = replace(cursor, happened=cursor.happened + 1)
                yield Happened(cursor, ahead.name, ahead.data)
            elif self.end is not None:
                yield replace(self.end, cursor=replace(cursor, over=True))
                return
            else:
                await self._more()

    async def _more(self) -> None:
        self._waiting += 1
        try:
            await self._news.wait()
        finally:
            self._waiting -= 1

    def _wake(self) -> None:
        if self._waiting:
            self._news.set()
            self._news = anyio.Event()
