"""Files of conversations in tests: read as an import reads them, with all that their messages say."""

import tempfile
from collections import Counter
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
    Rest,
    Step,
    read_upload,
)
from app.services.importing.source import Left
from app.storage.imports import ImportedMessage
from tests.support.exports import T0, dump

NOW = datetime(2026, 11, 30, tzinfo=UTC)
LIMITS = ReadLimits(unpacked_bytes=1 << 20, message_chars=10_000, message_files=3)
REFUSALS = (NotText, DamagedArchive, ArchiveTooLarge, DamagedJson, NotRecognised, TooManyConversations)
"""What a file can be refused with."""


class Found:
    """One conversation of a file, with all of its messages."""

    def __init__(self, step: Drafted) -> None:
        self.draft = step.draft
        self.messages = step.file.read_messages(step.draft.messages, lambda key: make_message_id("", key))
        self.by_key = {message.key: message for message in self.messages}
        self.files = {
            key: [(file.key, file.name) for file in files]
            for key, files in step.file.read_files(step.draft.messages).items()
        }
        self.tools = {message.key: message.tool_data or [] for message in self.messages}

    def read(self, name: str) -> dict[str, Any]:
        return {message.key: getattr(message, name) for message in self.messages}


def read_all(content: bytes, limits: ReadLimits = LIMITS) -> tuple[Counter[Left], list[Found | LeftOut]]:
    """Everything in a file: what else an archive holds, and the conversations."""
    with tempfile.TemporaryFile() as file:
        file.write(content)
        file.flush()
        steps = read_upload(file, limits, NOW, lambda: None)
        counted = next(steps)
        assert isinstance(counted, Counted)
        found: list[Found | LeftOut] = []
        for step in steps:
            if isinstance(step, Rest):
                assert counted.total == len(found)
                assert next(steps, None) is None
                return step.left, found
            found.append(_take(step))
    raise AssertionError("the last step is missing")


def _take(step: Step) -> Found | LeftOut:
    assert isinstance(step, Drafted | LeftOut)
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
