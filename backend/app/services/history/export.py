"""A conversation as a file: Markdown to be read, or JSON with everything; written while it is read."""

from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
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
"""Of the JSON: raised when what reads it has to change."""
PAGE = 50
"""Messages in memory at a time."""
_KEPT = tuple(field.name for field in fields(Message) if field.name != "conversation_id")


@dataclass(frozen=True, slots=True)
class ExportFile:
    """A file in the making."""

    title: str
    at: datetime
    pieces: AsyncGenerator[bytes, None]
    """Close it when its reader leaves."""


class ConversationExporter:
    """Reads some messages at a time, with no session of the database open while the reader takes them.

    Of an answer under way the file has what was saved of it.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    async def export(self, user_id: UUID, conversation_id: UUID, form: ExportFormat) -> ExportFile:
        """The branch that is shown as Markdown, or all branches as JSON.

        Raises:
            NotFound: this user has no such conversation.
            StorageUnavailable: also from the pieces, which then are not the whole file.
        """
        async with self._database.read() as session:
            conversation = await conversations.get(session, user_id, conversation_id)
            ids = await messages.list_ids(session, user_id, conversation_id, all_branches=form == "json")
        at = utc_now()
        write = _json if form == "json" else _markdown
        return ExportFile(conversation.title, at, write(conversation, at, self._pages(conversation_id, ids)))

    async def _pages(
        self, conversation_id: UUID, ids: Sequence[UUID]
    ) -> AsyncGenerator[tuple[Message, ...], None]:
        """Raises: NotFound: the conversation has been deleted meanwhile."""
        for begin in range(0, len(ids), PAGE):
            wanted = ids[begin : begin + PAGE]
            async with self._database.read() as session:
                found = await messages.read_page(session, conversation_id, wanted)
            if len(found) < len(wanted):
                raise NotFound("the conversation was deleted while it was exported")
            yield found


async def _markdown(
    conversation: Conversation, at: datetime, pages: AsyncGenerator[tuple[Message, ...], None]
) -> AsyncGenerator[bytes, None]:
    yield export_markdown.render_head(conversation, at).encode()
    async for page in pages:
        # In a thread: messages may be long, and written to take long.
        yield (await anyio.to_thread.run_sync(_turns, page)).encode()


def _turns(page: Sequence[Message]) -> str:
    return "".join(map(export_markdown.render_message, page))


async def _json(
    conversation: Conversation, at: datetime, pages: AsyncGenerator[tuple[Message, ...], None]
) -> AsyncGenerator[bytes, None]:
    """A message on each line, so that a long file can be looked at. Ids of PostgreSQL are a kind of UUID of its own,
    which only `default` can write."""
    head = {"format": "prompter.conversation", "version": VERSION, "exported_at": at}
    about = {
        field.name: getattr(conversation, field.name)
        for field in fields(Conversation)
        if field.name not in ("user_id", "message_count")
    }
    yield orjson.dumps({**head, "conversation": about}, default=str)[:-1] + b',"messages":['
    separator = b"\n"
    async for page in pages:
        lines = [orjson.dumps(_values(message), default=str) for message in page]
        yield separator + b",\n".join(lines)
        separator = b",\n"
    yield b"\n]}\n"


def _values(message: Message) -> dict[str, Any]:
    return {name: getattr(message, name) for name in _KEPT}
