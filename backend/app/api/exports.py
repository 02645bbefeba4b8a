"""`/api/conversations/{conversation_id}/export` and `/api/export`: one conversation, several or all as a file."""

from collections.abc import Sequence
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query, Request
from fastapi.responses import StreamingResponse

from app.api.deps import CallerDep, ResourcesDep
from app.api.responses import MALFORMED, NO_CONVERSATION, STORAGE, parse_conversation_id
from app.api.sse import cancel_on_disconnect
from app.core.errors import BadRequest
from app.schemas.errors import describe_answer, describe_error
from app.services.history.export import UNNAMED, ExportFile, ExportFormat
from app.services.history.export_words import ExportLanguage
from app.utils.file_names import make_content_disposition

router = APIRouter(prefix="/api", tags=["conversations"])

MAX_IDS = 200
"""Ids of one request: their address stays shorter than proxies allow."""
_MEDIA = {
    "md": "text/markdown",
    "json": "application/json",
    "html": "text/html",
    "pdf": "application/pdf",
    "zip": "application/zip",
}


PDF_TOO_LARGE = describe_error(
    "A PDF that takes too much time or memory",
    "pdf_too_large",
    "a PDF may take 120 s (exports.pdf_s) and 2048 MiB of memory (exports.pdf_memory_mb), and this one takes more; "
    "export HTML, and print it",
)
NOT_NOW = describe_error(
    "The database cannot serve now, PDF files need a package (`pdf_not_installed`), or too many wait (`server_full`)",
    "pdf_not_installed",
    "PDF needs a package that is not installed; install it with `prompter extras add pdf`",
)


_KINDS = {media: "object" if media == "application/json" else "string" for media in _MEDIA.values()}
"""Media type -> what it is to the description of the API."""


def _describe_file(what: str) -> dict[int | str, dict[str, Any]]:
    """The documented answers of a route that sends a file."""
    disposition = {"description": "`attachment`, with the file's name", "schema": {"type": "string"}}
    return {
        **describe_answer(""),
        200: {
            "description": what,
            "content": {media: {"schema": {"type": kind}} for media, kind in _KINDS.items()},
            "headers": {"Content-Disposition": disposition},
        },
        400: MALFORMED,
        404: NO_CONVERSATION,
        413: PDF_TOO_LARGE,
        **STORAGE,
        503: NOT_NOW,
    }


FormatParam = Annotated[
    ExportFormat,
    Query(
        description="`markdown`, `html`, `pdf`: the shown branch, for reading; `json`: everything that is stored; "
        "`zip`: Markdown, JSON and the attached files"
    ),
]
ZoneParam = Annotated[
    str,
    Query(max_length=64, description="IANA zone of the times in files for reading, such as `Europe/Madrid`"),
]
LanguageParam = Annotated[
    ExportLanguage, Query(description="language of the words that are not the conversation's")
]


@router.get(
    "/conversations/{conversation_id}/export",
    response_class=StreamingResponse,
    summary="Export a conversation",
    responses=_describe_file("A file that is named after the conversation"),
)
async def export(
    request: Request,
    conversation_id: str,
    caller: CallerDep,
    resources: ResourcesDep,
    format: FormatParam = "markdown",  # noqa: A002  # the name on the wire
    timezone: ZoneParam = "UTC",
    language: LanguageParam = "en",
) -> StreamingResponse:
    """The export of a conversation. A running answer holds what is stored so far.

    Markdown holds each message as it was written; a message that could show HTML or images is in a code block.
    """
    id_ = parse_conversation_id(conversation_id)
    work = resources.exporter.export(caller.user_id, id_, format, timezone, language)
    return _send(await cancel_on_disconnect(request, work))


@router.get(
    "/export",
    response_class=StreamingResponse,
    summary="Export several conversations",
    responses=_describe_file("One JSON file, or a zip of files that are named after their conversations"),
)
async def export_several(
    caller: CallerDep,
    resources: ResourcesDep,
    format: FormatParam = "json",  # noqa: A002  # the name on the wire
    ids: Annotated[
        str | None,
        Query(
            max_length=40 * MAX_IDS,
            description=f"ids of at most {MAX_IDS} conversations, with commas between them; all of the caller's "
            "if absent",
        ),
    ] = None,
    timezone: ZoneParam = "UTC",
    language: LanguageParam = "en",
) -> StreamingResponse:
    """The export of several conversations, or of all. JSON is one file; the other formats are a zip of files."""
    wanted = None if ids is None else _parse_ids(ids)
    return _send(await resources.exporter.export_several(caller.user_id, wanted, format, timezone, language))


def _parse_ids(text: str) -> Sequence[UUID]:
    given = [part.strip() for part in text.split(",")]
    if len(given) > MAX_IDS:
        raise BadRequest(f"`ids` names at most {MAX_IDS} conversations; leave it out to export all of them")
    return [parse_conversation_id(part) for part in given]


def _send(exported: ExportFile) -> StreamingResponse:
    disposition = make_content_disposition(exported.title, exported.ending, unnamed=UNNAMED)
    return StreamingResponse(
        exported.pieces, media_type=_MEDIA[exported.ending], headers={"Content-Disposition": disposition}
    )
