"""What a file of conversations holds, whichever product wrote it: conversations, their trees, and what is left out."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Literal

from app.services.importing.json_spans import Span, TooDeep, TooLarge
from app.storage.common import replace_unstorable

SourceName = Literal["chatgpt", "claude", "open_webui", "librechat", "chatbot_ui", "prompter"]
Role = Literal["system", "user", "assistant"]

FIELD_BYTES = 1 << 20
"""Longest field of a conversation beside its messages (bytes of JSON)."""
NODE_BYTES = 16 << 20
"""Longest message (bytes of JSON)."""
TITLE_CHARS = 200
NAME_CHARS = 200
"""Longest name of a model or of a tool."""
_MILLISECONDS_FROM = 1e11
"""Seconds since 1970 reach this number in the year 5138: larger ones are milliseconds."""
_EARLIEST = datetime(1990, 1, 1, tzinfo=UTC)


class Left(StrEnum):
    """Why something of a file is not imported, or not as it is there."""

    IMAGE = "image"
    FILE = "file"
    AUDIO = "audio"
    TOOL = "tool"
    HIDDEN = "hidden"
    EMPTY = "empty"
    UNKNOWN_ROLE = "unknown_role"
    UNKNOWN_CONTENT = "unknown_content"
    TOO_LONG = "too_long"
    CUT = "cut"
    TOO_DEEP = "too_deep"
    DUPLICATE = "duplicate"
    ORPHAN = "orphan"
    CYCLE = "cycle"
    FUTURE_DATE = "future_date"
    TOO_MANY_MESSAGES = "too_many_messages"
    NO_MESSAGES = "no_messages"
    NOT_A_CONVERSATION = "not_a_conversation"
    BUSY = "busy"
    OTHER_FILE = "other_file"
    NESTED_ARCHIVE = "nested_archive"
    LOCKED_FILE = "locked_file"
    FILE_TOO_LARGE = "file_too_large"
    FILE_NOT_READABLE = "file_not_readable"
    FILES_FULL = "files_full"
    TOO_MANY_FILES = "too_many_files"
    RECORDINGS_FULL = "recordings_full"


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceTool:
    """A call of a tool, the result of one, or both."""

    name: str | None = None
    """None for a result alone, which belongs to the call before it."""
    arguments: dict[str, Any] = field(default_factory=dict)
    result: str | None = None
    at: int = 0
    """Characters of the message's text before the call."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceFile:
    """A file of a message, which the archive may hold."""

    key: str
    """What it is found by: its name in the archive, its id there, or a data URL."""
    name: str
    """What its user called it."""
    reason: Left = Left.FILE
    """What is told where it is not there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceMessage:
    """One message as another product has it, in our words."""

    role: Role
    content: str = ""
    reasoning: str = ""
    model: str | None = None
    created_at: datetime | None = None
    tools: Sequence[SourceTool] = ()
    is_complete: bool = True
    files: Sequence[SourceFile] = ()
    more: dict[str, Any] = field(default_factory=dict)
    """Columns that only our own export has."""

    @property
    def is_empty(self) -> bool:
        said = self.content.strip() or self.reasoning.strip()
        return not (said or self.tools or self.files or self.more)


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceNode:
    """One place in the tree of a conversation."""

    key: str
    """The id of the message in its product."""
    parent: str | None
    message: SourceMessage | None
    """None for a place without a message: what follows it follows the message before."""
    joins: bool = False
    """Whether it goes on with the answer before it, where nothing else follows that."""
    is_open: bool = False
    """Whether the answer goes on after it."""
    left: Sequence[Left] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceConversation:
    """One conversation. Its nodes are read from the file while they are iterated."""

    source: SourceName
    key: str
    """Its id in its product."""
    nodes: Iterator[SourceNode]
    title: str = ""
    created_at: datetime | None = None
    updated_at: datetime | None = None
    model: str | None = None
    """The id of the model to go on with; None where only names of another product are known."""
    system_prompt: str | None = None
    settings: dict[str, Any] = field(default_factory=dict)
    is_archived: bool = False
    leaf: str | None = None
    """The key of the last message of the branch that is shown; None for the newest."""


# -- reading values that another product wrote


def read_field(index: dict[str, Span], name: str, limit_bytes: int = FIELD_BYTES) -> Any:
    """A field of an object; None where it is absent, too long or too deep."""
    span = index.get(name)
    if span is None:
        return None
    try:
        return span.load(limit_bytes)
    except (TooLarge, TooDeep):
        return None


def read_node(span: Span, limit_bytes: int = NODE_BYTES) -> tuple[dict[str, Any] | None, Left | None]:
    """The object of one message, or why it cannot be had.

    Raises:
        DamagedJson
    """
    try:
        value = span.load(limit_bytes)
    except TooLarge:
        return None, Left.TOO_LONG
    except TooDeep:
        return None, Left.TOO_DEEP
    return (value, None) if isinstance(value, dict) else (None, Left.NOT_A_CONVERSATION)


def as_text(value: Any) -> str:
    return replace_unstorable(value) if isinstance(value, str) else ""


def as_dict(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def as_name(value: Any) -> str | None:
    """The name of a model or tool on one line; None where there is none."""
    name = " ".join(as_text(value).split())[:NAME_CHARS]
    return name or None


def as_key(value: Any) -> str | None:
    """An id of another product; None where there is none, or it is none."""
    if isinstance(value, bool) or not isinstance(value, str | int):
        return None
    return str(value)[:500] or None


def as_time(value: Any) -> datetime | None:
    """A time as seconds or milliseconds since 1970 or in ISO's form; None where it is none, or before computers."""
    try:
        if isinstance(value, str):
            found = datetime.fromisoformat(value)
            found = found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)
        elif isinstance(value, int | float) and not isinstance(value, bool):
            found = datetime.fromtimestamp(value / 1000 if value >= _MILLISECONDS_FROM else value, UTC)
        else:
            return None
    except (ValueError, OverflowError, OSError):
        return None
    return found if found >= _EARLIEST else None


def join_texts(parts: Iterator[str] | Sequence[str]) -> str:
    """Parts of a text with an empty line between them; empty ones are left away."""
    return "\n\n".join(part for part in parts if part.strip())


def fence(text: str, language: str = "") -> str:
    """A text as a block of code of Markdown."""
    marks = "```"
    while marks in text:
        marks += "`"
    return f"{marks}{language}\n{text.rstrip()}\n{marks}"
