"""Files of conversations in tests: read as an import reads them, with all that their messages say."""

import tempfile
from datetime import UTC, datetime
from typing import Any

from app.services.importing.archive import ArchiveTooLarge, DamagedArchive, NotText
from app.services.importing.draft import make_message_id
from app.services.importing.formats import TooManyConversations
from app.services.importing.json_spans import DamagedJson
from app.services.importing.reading import (
    Counted,
    Drafted,
    LeftOut,
    NotRecognised,
    ReadLimits,
    Step,
    read_upload,
)
from app.storage.imports import ImportedMessage
from tests.support.exports import T0, dump

NOW = datetime(2026, 11, 30, tzinfo=UTC)
LIMITS = ReadLimits(unpacked_bytes=1 << 20, message_chars=10_000)
REFUSALS = (NotText, DamagedArchive, ArchiveTooLarge, DamagedJson, NotRecognised, TooManyConversations)
"""What a file can be refused with."""


class Found:
    """One conversation of a file, with all of its messages."""

    def __init__(self, step: Drafted) -> None:
        self.draft = step.draft
        self.messages = step.file.read_messages(step.draft.messages, lambda key: make_message_id("", key))
        self.by_key = {message.key: message for message in self.messages}
        self.tools = {message.key: message.tool_data or [] for message in self.messages}

    def read(self, name: str) -> dict[str, Any]:
        return {message.key: getattr(message, name) for message in self.messages}


def read_all(content: bytes, limits: ReadLimits = LIMITS) -> tuple[Counted, list[Found | LeftOut]]:
    """Everything in a file."""
    with tempfile.TemporaryFile() as file:
        file.write(content)
        file.flush()
        steps = read_upload(file, limits, NOW, lambda: None)
        counted = next(steps)
        assert isinstance(counted, Counted)
        found = [_take(step) for step in steps]
    assert counted.total == len(found)
    return counted, found


def _take(step: Step) -> Found | LeftOut:
    assert not isinstance(step, Counted)
    return Found(step) if isinstance(step, Drafted) else step


def read_one(value: Any) -> Found:
    _, (found,) = read_all(dump(value))
    assert isinstance(found, Found)
    return found


def at(seconds: float) -> datetime:
    return datetime.fromtimestamp(T0 + seconds, UTC)


def check_order(messages: list[ImportedMessage]) -> None:
    """Each message follows one that came before it."""
    seen: set[str | None] = {None}
    for message in messages:
        assert message.parent_key in seen
        assert message.key not in seen
        seen.add(message.key)
