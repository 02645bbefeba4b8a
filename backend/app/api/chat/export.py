"""`GET /api/conversations/{id}/export`: a conversation as a file."""

from typing import Annotated, Literal

from fastapi import APIRouter, Query
from fastapi.responses import StreamingResponse

from app.api.chat.common import MALFORMED, NO_CONVERSATION, STORAGE, known
from app.api.deps import CallerDep, ResourcesDep
from app.schemas.errors import guarded
from app.utils.file_names import attachment

router = APIRouter(prefix="/api/conversations", tags=["conversations"])

_MEDIA = {"markdown": "text/markdown", "json": "application/json"}
_ENDINGS = {"markdown": "md", "json": "json"}


@router.get(
    "/{conversation_id}/export",
    response_class=StreamingResponse,
    summary="Export a conversation",
    responses={
        **guarded(""),
        200: {
            "description": "A file, named after the conversation",
            "content": {media: {"schema": {"type": "string"}} for media in _MEDIA.values()},
            "headers": {
                "Content-Disposition": {
                    "description": "`attachment`, with the file's name",
                    "schema": {"type": "string"},
                }
            },
        },
        400: MALFORMED,
        404: NO_CONVERSATION,
        **STORAGE,
    },
)
async def export(
    conversation_id: str,
    caller: CallerDep,
    resources: ResourcesDep,
    format: Annotated[  # noqa: A002  # the word on the wire
        Literal["markdown", "json"],
        Query(description="`markdown`: the branch that is shown, to be read; `json`: all that is stored"),
    ] = "markdown",
) -> StreamingResponse:
    """Of an answer under way it has what was saved.

    A message stands in the Markdown as it was written; one that could show HTML or images stands in a block of code.
    """
    exported = await resources.export.export(caller.user_id, known(conversation_id), format)
    return StreamingResponse(
        exported.pieces,
        media_type=_MEDIA[format],
        headers={
            "Content-Disposition": attachment(exported.title, _ENDINGS[format], unnamed="conversation"),
            "X-Content-Type-Options": "nosniff",
        },
    )
