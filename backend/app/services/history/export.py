"""Exports a conversation as Markdown for reading, or as JSON with everything, piece by piece."""

from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass, fields
from datetime import datetime, tzinfo
from typing import Any, Literal
from uuid import UUID

import anyio
import anyio.to_thread
import orjson

from app.core.errors import NotFound
from app.services.history import export_markdown
from app.storage import conversations, messages
from app.storage.common import utc_now
from app.storage.conversations import Conversation
from app.storage.database import Database
from app.storage.messages import Message

ExportFormat = Literal["markdown", "json"]
VERSION = 1
"""The version of the JSON. Raise it when programs that read the JSON have to change."""
PAGE_SIZE = 100
"""Messages in memory at a time."""
_EXPORTED_FIELDS = tuple(field.name for field in fields(Message) if field.name != "conversation_id")


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportFile:
    """A file whose content is made while it is read."""

    title: str
    at: datetime
    pieces: AsyncGenerator[bytes, None]
    """The content. Close the generator when the reader leaves."""


class ConversationExporter:
    """Reads a few messages at a time, with no database session open while the client downloads them.

    An answer under way is exported as far as it is stored.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    async def export(
        self, user_id: UUID, conversation_id: UUID, form: ExportFormat, timezone: str = "UTC"
    ) -> ExportFile:
        """Export the shown branch as Markdown, with times of this IANA zone, or all branches as JSON.

        Raises:
            BadRequest: there is no zone of that name.
            NotFound: this user has no such conversation.
            StorageUnavailable: the database cannot be read. The pieces raise it, too, and then the file is incomplete.
        """
        async with self._database.read() as session:
            conversation = await conversations.get(session, user_id, conversation_id)
            ids = await messages.list_ids(session, user_id, conversation_id, all_branches=form == "json")
        at, pages = utc_now(), self._read_pages(conversation_id, ids)
        if form == "json":
            pieces = _write_json(conversation, at, pages)
        else:
            zone = await anyio.to_thread.run_sync(export_markdown.find_zone, timezone)  # it reads a file
            pieces = _write_markdown(conversation, at, zone, pages)
        return ExportFile(title=conversation.title, at=at, pieces=pieces)

    async def _read_pages(
        self, conversation_id: UUID, ids: Sequence[UUID]
    ) -> AsyncGenerator[tuple[Message, ...], None]:
        """Read the messages page by page.

        Raises:
            NotFound: the conversation was deleted meanwhile.
        """
        for begin in range(0, len(ids), PAGE_SIZE):
            wanted = ids[begin : begin + PAGE_SIZE]
            async with self._database.read() as session:
                found = await messages.read_page(session, conversation_id, wanted)
            if len(found) < len(wanted):
                raise NotFound("the conversation was deleted while it was exported")
            yield found


async def _write_markdown(
    conversation: Conversation, at: datetime, zone: tzinfo, pages: AsyncGenerator[tuple[Message, ...], None]
) -> AsyncGenerator[bytes, None]:
    yield export_markdown.render_head(conversation, at, zone).encode()
    async for page in pages:
        # In a thread: long messages, written for the purpose, can take long.
        yield (await anyio.to_thread.run_sync(_render_page, page, zone)).encode()


def _render_page(page: Sequence[Message], zone: tzinfo) -> str:
    return "".join(export_markdown.render_message(message, zone) for message in page)


async def _write_json(
    conversation: Conversation, at: datetime, pages: AsyncGenerator[tuple[Message, ...], None]
) -> AsyncGenerator[bytes, None]:
    """Write one message on each line, so that people can read a long file.

    `default=str` serialises the ids of PostgreSQL, whose driver has a UUID class of its own.
    """
    head = {"format": "prompter.conversation", "version": VERSION, "exported_at": at}
    about = {
        field.name: getattr(conversation, field.name)
        for field in fields(Conversation)
        if field.name not in ("user_id", "message_count", "ordered_at")
    }
    yield orjson.dumps({**head, "conversation": about}, default=str)[:-1] + b',"messages":['
    separator = b"\n"
    async for page in pages:
        lines = [orjson.dumps(_values(message), default=str) for message in page]
        yield separator + b",\n".join(lines)
        separator = b",\n"
    yield b"\n]}\n"


def _values(message: Message) -> dict[str, Any]:
    return {name: getattr(message, name) for name in _EXPORTED_FIELDS}
