"""What the routes of stored things share: ids in paths, pages, parts of files, documented error responses."""

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from starlette.responses import Response

from app.core.errors import NotFound
from app.schemas.errors import ErrorOut, describe_error
from app.utils.ids import parse_id

_RANGE = re.compile(r"bytes=\s*([0-9]{0,18})\s*-\s*([0-9]{0,18})", re.IGNORECASE)

NEXT_PAGE_LINK = {"Link": {"description": 'The next page: `<…>; rel="next"`', "schema": {"type": "string"}}}
"""The documented header of `link_next_page`."""
TOTAL_COUNT = {
    "X-Total-Count": {"description": "The number of items on all pages", "schema": {"type": "integer"}}
}
NO_CONVERSATION = describe_error(
    "There is no such conversation of yours",
    "not_found",
    "no conversation has this id; list yours with GET /api/conversations",
)
MALFORMED = describe_error(
    "A body or a parameter that cannot be read", "bad_request", "`limit`: input should be less than 201"
)
TOO_BIG = describe_error(
    "The message is too long",
    "message_too_big",
    "a message holds at most 100000 characters (chat.message_chars), this one 100001; send less at a time",
)
NO_MESSAGE = describe_error(
    "There is no such message of yours",
    "not_found",
    "no message has this id; see GET /api/conversations/{id}/messages",
)
NO_ATTACHMENT = describe_error(
    "There is no such attachment of yours",
    "not_found",
    "no attachment has this id; send the file with POST /api/attachments",
)
BUSY = describe_error(
    "An answer is under way in this conversation",
    "busy",
    "this conversation has an answer under way; wait for it or stop it",
)
ID_REUSED = describe_error(
    "The key or id was sent with another request, or an answer is under way in this conversation",
    "id_reused",
    "this `Idempotency-Key` was sent with another request; send this one with another key",
)
STORAGE: dict[int | str, dict[str, Any]] = {
    403: describe_error(
        "This Origin, Host or address may not ask, or the key lacks the scope `chat`",
        "forbidden",
        "this key lacks the scope 'chat'",
    ),
    503: describe_error(
        "The database cannot serve now; nothing is half written",
        "storage_unavailable",
        "the database cannot be written: the disk is full; nothing was kept; free some space, then try again",
    ),
    "default": {"model": ErrorOut, "description": "Any other error, in the same shape"},
}


def link_next_page(response: Response, path: str, query: Mapping[str, Any]) -> None:
    """Set the `Link` header to the next page of a list."""
    response.headers["Link"] = f'<{path}?{urlencode(query)}>; rel="next"'


def parse_conversation_id(text: str) -> UUID:
    """The id in a path or body. No conversation has a malformed one.

    Raises:
        NotFound
    """
    if (conversation_id := parse_id(text)) is None:
        raise NotFound("no conversation has this id; list yours with GET /api/conversations")
    return conversation_id


def parse_message_id(text: str) -> UUID:
    """The id in a path or body. No message has a malformed one.

    Raises:
        NotFound
    """
    if (message_id := parse_id(text)) is None:
        raise NotFound("no message has this id; see GET /api/conversations/{id}/messages")
    return message_id


def parse_attachment_id(text: str) -> UUID:
    """The id in a path or body. No attachment has a malformed one.

    Raises:
        NotFound
    """
    if (attachment_id := parse_id(text)) is None:
        raise NotFound("no attachment has this id; send the file with POST /api/attachments")
    return attachment_id


def parse_range(header: str | None, size: int) -> range | None:
    """Return the bytes that a `Range` header asks for; None: send all.

    Several ranges, another unit and what is malformed get all, as the standard allows. What begins behind the end is
    empty, and cannot be sent.
    """
    asked = _RANGE.fullmatch((header or "").strip())
    if asked is None or not (asked[1] or asked[2]):
        return None
    if not asked[1]:
        return range(max(size - int(asked[2]), 0) if int(asked[2]) else size, size)
    first, end = int(asked[1]), min(int(asked[2]) + 1, size) if asked[2] else size
    if asked[2] and int(asked[2]) < first:
        return None
    return range(min(first, size), max(end, min(first, size)))


def describe_file_form(description: str, **fields: dict[str, Any]) -> dict[str, Any]:
    """The documented body of a request that sends one file, and other fields beside it."""
    properties = {"file": {"type": "string", "format": "binary", "description": description}, **fields}
    form = {"type": "object", "required": ["file"], "properties": properties}
    return {"required": True, "content": {"multipart/form-data": {"schema": form}}}
