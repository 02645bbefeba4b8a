"""The parts of a streamed answer (text, reasoning, refusal, calls) one after another, whatever order the chunks mix."""

from collections import deque
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import orjson

from app.providers.joining import ANSWER_CHARS, too_long

PartKind = Literal["text", "reasoning", "refusal", "call"]
_TEXT_FIELDS: tuple[tuple[str, PartKind], ...] = (
    ("reasoning_content", "reasoning"),
    ("content", "text"),
    ("refusal", "refusal"),
)
"""Fields of a delta, and the kind of part that each belongs to."""


@dataclass(slots=True, eq=False)
class AnswerPart:
    """One part of an answer, as far as it has come."""

    kind: PartKind
    call_id: str = ""
    """Of a call: unlike that of every other call in the conversation."""
    name: str = ""
    """Of a call: the function."""
    is_open: bool = False
    _pieces: list[str] = field(default_factory=list)
    _news: list[str] = field(default_factory=list)
    """Pieces that have not been told."""

    @property
    def text(self) -> str:
        """All of its text; of a call its arguments as JSON."""
        if len(self._pieces) > 1:
            self._pieces = ["".join(self._pieces)]
        return self._pieces[0] if self._pieces else ""

    def append(self, text: str) -> None:
        self._pieces.append(text)
        self._news.append(text)

    def take_news(self) -> str:
        """What has come since the last time."""
        news = "".join(self._news)
        self._news.clear()
        return news


@dataclass(frozen=True, slots=True)
class Step:
    """What a client is told next of an answer. A part is opened, grows and is closed before the next one is opened."""

    does: Literal["open", "add", "close"]
    part: AnswerPart
    text: str = ""
    """What the part grows by."""


class PartSequencer:
    """Takes the deltas of one choice in order, and says in steps what they make of the answer.

    Parallel calls may come mixed: a call waits until the arguments of the one before it are whole. White space alone
    between other parts is dropped, since clients show an empty paragraph for it.
    """

    def __init__(self, used_ids: Collection[str] = ()) -> None:
        """`used_ids`: the ids of calls that the conversation has already; some services count from 0 in each answer."""
        self._used_ids = set(used_ids)
        self._waiting: deque[AnswerPart] = deque()
        """The part that grows, and those after it."""
        self._calls: dict[int, AnswerPart] = {}
        self._has_told = False
        self._chars = 0

    def feed(self, delta: Mapping[str, Any]) -> list[Step]:
        """The steps that a delta brings, or the message of a whole answer, whose calls have an `index` too.

        Raises:
            UpstreamError: the answer is over `ANSWER_CHARS`.
        """
        for name, kind in _TEXT_FIELDS:
            if (text := delta.get(name)) and isinstance(text, str):
                self._append_text(kind, text)
        for call in delta.get("tool_calls") or ():
            self._append_call(call)
        if self._chars > ANSWER_CHARS:
            raise too_long("the model")
        return list(self._advance(is_last=False))

    def finish(self) -> list[Step]:
        """The steps that end the answer."""
        return list(self._advance(is_last=True))

    def _append_text(self, kind: PartKind, text: str) -> None:
        self._chars += len(text)
        if not self._waiting or self._waiting[-1].kind != kind:
            self._waiting.append(AnswerPart(kind))
        self._waiting[-1].append(text)

    def _append_call(self, piece: Mapping[str, Any]) -> None:
        function = piece.get("function") or {}
        index = piece.get("index", len(self._calls))
        part = self._calls.get(index)
        if part is None:
            part = AnswerPart(
                "call", self._make_id(str(piece.get("id") or "")), str(function.get("name") or "")
            )
            self._calls[index] = part
            self._waiting.append(part)
        if arguments := function.get("arguments"):
            self._chars += len(arguments)
            part.append(arguments)

    def _make_id(self, given: str) -> str:
        made, number = given, 0
        while not made or made in self._used_ids:
            number += 1
            made = f"{given or 'call'}_{number}"
        self._used_ids.add(made)
        return made

    def _advance(self, *, is_last: bool) -> Iterator[Step]:
        while self._waiting:
            part, has_next = self._waiting[0], len(self._waiting) > 1
            ends = is_last or (has_next and _is_whole(part))
            if not part.is_open:
                is_blank = part.kind != "call" and not part.text.strip()
                if is_blank and ends and (has_next or self._has_told):
                    self._waiting.popleft()
                    continue
                if is_blank and not ends:
                    return
                part.is_open = self._has_told = True
                yield Step("open", part)
            if ends and part.kind == "call" and not part.text.strip():
                part.append("{}")
            if news := part.take_news():
                yield Step("add", part, news)
            if not ends:
                return
            self._waiting.popleft()
            yield Step("close", part)


def _is_whole(part: AnswerPart) -> bool:
    """Whether nothing more can come of a part that another one follows."""
    if part.kind != "call":
        return True
    if not part.text.rstrip().endswith("}"):
        return False
    try:
        orjson.loads(part.text)
    except orjson.JSONDecodeError:
        return False
    return True
