"""Writes conversations as JSON: everything that is stored of them, one message on each line."""

from collections.abc import AsyncIterator
from dataclasses import fields
from datetime import datetime
from typing import Any

import orjson

from app.services.history.export_files import make_path
from app.storage.conversations import Conversation
from app.storage.messages import Message

VERSION = 1
"""The version of the JSON. Raise it when programs that read the JSON have to change."""
ONE, SEVERAL = "prompter.conversation", "prompter.conversations"
"""What the field `format` says."""
_LEFT_OUT = frozenset({"user_id", "message_count", "ordered_at"})
_CONVERSATION_FIELDS = tuple(field.name for field in fields(Conversation) if field.name not in _LEFT_OUT)
_MESSAGE_FIELDS = tuple(field.name for field in fields(Message) if field.name != "conversation_id")
_ATTACHMENT_FIELDS = (
    *("id", "name", "kind", "media_type", "size_bytes", "sha256", "width", "height", "pages"),
    *("tokens", "total_tokens", "cut", "created_at"),
)


async def write_conversation(
    conversation: Conversation, at: datetime, pages: AsyncIterator[tuple[Message, ...]]
) -> AsyncIterator[bytes]:
    """Write a file with one conversation."""
    yield _write_head(ONE, at)
    async for piece in _write_body(conversation, pages):
        yield piece
    yield b"}\n"


def begin_conversations(at: datetime) -> bytes:
    """Write what a file with several conversations begins with."""
    return _write_head(SEVERAL, at) + b'"conversations":['


async def write_item(
    conversation: Conversation, pages: AsyncIterator[tuple[Message, ...]], *, is_first: bool
) -> AsyncIterator[bytes]:
    """Write one of several conversations."""
    yield b"\n{" if is_first else b",\n{"
    async for piece in _write_body(conversation, pages):
        yield piece
    yield b"}"


END_OF_CONVERSATIONS = b"\n]}\n"


def _write_head(form: str, at: datetime) -> bytes:
    return orjson.dumps({"format": form, "version": VERSION, "exported_at": at})[:-1] + b","


async def _write_body(
    conversation: Conversation, pages: AsyncIterator[tuple[Message, ...]]
) -> AsyncIterator[bytes]:
    """Write the fields of a conversation, without the braces around them.

    `default=str` serialises the ids of PostgreSQL, whose driver has a UUID class of its own.
    """
    about = {name: getattr(conversation, name) for name in _CONVERSATION_FIELDS}
    yield b'"conversation":' + orjson.dumps(about, default=str) + b',"messages":['
    separator = b"\n"
    async for page in pages:
        lines = [orjson.dumps(_values(message), default=str) for message in page]
        yield separator + b",\n".join(lines)
        separator = b",\n"
    yield b"\n]"


def _values(message: Message) -> dict[str, Any]:
    values = {name: getattr(message, name) for name in _MESSAGE_FIELDS}
    values["attachments"] = [
        {**{name: getattr(file, name) for name in _ATTACHMENT_FIELDS}, "path": make_path(file)}
        for file in message.attachments
    ]
    return values
