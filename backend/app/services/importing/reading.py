"""Reads an uploaded file from its beginning to its end, one conversation at a time. Runs in a thread."""

import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from mmap import mmap
from typing import IO

from app.services.importing.archive import Unpacked, open_upload, release_pages
from app.services.importing.draft import Draft, DraftFile
from app.services.importing.formats import count_conversations, find_list, read_conversations
from app.services.importing.json_spans import DamagedJson
from app.services.importing.source import Left, SourceConversation
from app.services.importing.tree import TooManyMessages


class NotRecognised(Exception):
    """No format is known that has such content."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadLimits:
    """The bounds of one import."""

    unpacked_bytes: int
    message_chars: int
    message_files: int
    """Most files of one message."""


@dataclass(frozen=True, slots=True)
class Counted:
    """The first step: how many conversations the file has."""

    total: int


@dataclass(frozen=True, slots=True)
class Drafted:
    """A conversation that can be stored; what its messages say is in the file until the next step."""

    draft: Draft
    file: DraftFile


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A conversation that cannot be imported."""

    reason: Left
    title: str = ""
    source: str = ""


@dataclass(frozen=True, slots=True)
class Rest:
    """The last step: what else an archive holds."""

    left: Counter[Left]


Step = Counted | Drafted | LeftOut | Rest


def read_upload(
    file: IO[bytes], limits: ReadLimits, now: datetime, check: Callable[[], None]
) -> Iterator[Step]:
    """The steps of an import. `check` is called now and then, and may raise; close the generator to end early.

    Raises:
        NotText, DamagedArchive, ArchiveTooLarge, DamagedJson, NotRecognised, TooManyConversations
    """
    with open_upload(file, limits.unpacked_bytes) as unpacked, tempfile.TemporaryFile() as kept:
        counts = _count(unpacked, check)
        if not any(count is not None for count in counts):
            raise NotRecognised
        yield Counted(sum(count or 0 for count in counts))
        drafts = DraftFile(kept, limits.message_chars, unpacked.files, limits.message_files)
        for n, count in enumerate(counts):
            if count:
                yield from _read_text(unpacked, n, drafts, now, check)
        texts = {name for name, count in zip(unpacked.names, counts, strict=False) if count}
        yield Rest(unpacked.left + unpacked.files.count_unwanted(texts))


def _count(unpacked: Unpacked, check: Callable[[], None]) -> list[int | None]:
    """How many conversations each text has; None for one that holds none."""
    counts: list[int | None] = []
    for n in range(len(unpacked.places)):
        check()
        with unpacked.open_text(n) as text:
            try:
                found = find_list(text)
            except DamagedJson:
                if len(unpacked.places) == 1:
                    raise
                found = None  # a text of an archive that begins as JSON does, and is none
            counts.append(None if found is None else count_conversations(found, partial(_look, text, check)))
        if found is None:
            unpacked.left[Left.OTHER_FILE] += 1
    return counts


def _read_text(
    unpacked: Unpacked, n: int, drafts: DraftFile, now: datetime, check: Callable[[], None]
) -> Iterator[Step]:
    with unpacked.open_text(n) as text:
        found = find_list(text)
        if found is None:
            return
        look = partial(_look, text, check)
        for conversation in read_conversations(found):
            look()
            if isinstance(conversation, Left):
                yield LeftOut(conversation)
            else:
                yield _draft(conversation, drafts, now, look)


def _look(text: mmap, check: Callable[[], None]) -> None:
    """What is done now and then: see whether to go on, and give memory back."""
    check()
    release_pages(text)


def _draft(
    conversation: SourceConversation, drafts: DraftFile, now: datetime, check: Callable[[], None]
) -> Step:
    try:
        draft = drafts.read_draft(conversation, now, check)
    except TooManyMessages:
        return LeftOut(Left.TOO_MANY_MESSAGES, conversation.title, conversation.source)
    if not draft.messages:
        return LeftOut(Left.NO_MESSAGES, conversation.title, conversation.source)
    return Drafted(draft, drafts)
