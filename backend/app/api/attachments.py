"""`/api/attachments`: send a file before its message, read it, its text and its thumbnail, and delete it."""

import hashlib
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Annotated, Any, BinaryIO

import anyio.to_thread
from fastapi import APIRouter, Header, Request, Response
from fastapi.responses import FileResponse
from starlette.datastructures import UploadFile

from app.api.deps import CallerDep, ResourcesDep
from app.api.openai.uploads import read_form
from app.api.responses import ID_REUSED, NO_ATTACHMENT, STORAGE, describe_file_form, parse_attachment_id
from app.core.errors import BadRequest, MessageTooBig
from app.core.idempotency import RequestKey, make_request_key
from app.schemas.attachments import AttachmentDeletedOut, AttachmentErrorOut, AttachmentOut
from app.schemas.errors import describe_answer, describe_error
from app.services.attachments.attachments import Attachment
from app.utils.file_names import make_content_disposition

router = APIRouter(prefix="/api/attachments", tags=["conversations"])

SHOWN = frozenset({"image/png", "image/apng", "image/jpeg", "image/webp", "image/gif"})
"""What a browser may show where it is; everything else is saved."""
_POLICY = "default-src 'none'; sandbox; frame-ancestors 'none'"
"""Nothing in a file runs, also where a browser opens it alone."""
_PIECE_BYTES = 1 << 20
_BINARY = {"schema": {"type": "string", "format": "binary"}}
BODY = describe_file_form("the file, with its name; at most `limits.attachment_bytes`")


@dataclass(frozen=True, slots=True)
class SentFile:
    """A file of a request, on disk without a name."""

    file: BinaryIO
    name: str
    sha256: str


@router.post(
    "",
    status_code=201,
    summary="Send a file",
    openapi_extra={"requestBody": BODY},
    responses={
        201: {"description": "The file, to be named in `attachments` of a message"},
        400: describe_error(
            "A form that cannot be read, or a file that no message can have",
            "unsupported_file",
            "this is no file that a message can have; expected a picture (PNG, JPEG, WebP, GIF, HEIC, AVIF), a text …",
        ),
        404: NO_ATTACHMENT,
        409: ID_REUSED,
        413: describe_error(
            "The file is too large, or there are too many",
            "message_too_big",
            "a file has at most 26214400 bytes (limits.attachment_bytes)",
        ),
        **STORAGE,
    },
)
async def add_attachment(
    request: Request,
    caller: CallerDep,
    resources: ResourcesDep,
    idempotency_key: Annotated[
        str | None,
        Header(
            description="key that the client makes for this request, such as a UUID: for 24 hours the same file "
            "with the same key makes nothing new",
        ),
    ] = None,
) -> AttachmentOut:
    """What a file is is told by its content. A picture is kept without what it says about place and camera.

    It belongs to nobody's message until one names it; unsent, it is deleted after `attachments.unsent_hours`. The text
    of a recording is made in the background: see `state`.
    """
    async with _receive_file(request, resources.settings.limits.attachment_bytes) as sent:
        key = _make_key(idempotency_key, request, sent)
        made = await resources.attachments.add(caller.user_id, sent.file, sent.name, key)
    return describe_attachment(made)


@router.get(
    "/{attachment_id}",
    summary="Read about a file",
    responses={**describe_answer("The file"), 404: NO_ATTACHMENT, **STORAGE},
)
async def get_attachment(attachment_id: str, caller: CallerDep, resources: ResourcesDep) -> AttachmentOut:
    """What it is, and whether its text is made."""
    return describe_attachment(
        await resources.attachments.get(caller.user_id, parse_attachment_id(attachment_id))
    )


@router.get(
    "/{attachment_id}/content",
    response_class=Response,
    summary="Fetch a file",
    responses={
        200: {
            "description": "The file. Only pictures come with the disposition `inline`",
            "content": {"application/octet-stream": _BINARY},
        },
        206: {"description": "The part that `Range` asks for"},
        404: NO_ATTACHMENT,
        416: describe_error("`Range` begins behind the end", "http_error", "the range is not satisfiable"),
        **STORAGE,
    },
)
async def get_attachment_content(
    attachment_id: str, caller: CallerDep, resources: ResourcesDep
) -> FileResponse:
    """With `nosniff` and a policy under which nothing in it runs."""
    found, path = await resources.attachments.find_content(caller.user_id, parse_attachment_id(attachment_id))
    media_type = found.media_type
    if found.kind == "text":
        media_type = "text/plain; charset=utf-8"
    return FileResponse(path, media_type=media_type, headers=_make_headers(found))


@router.get(
    "/{attachment_id}/thumbnail",
    response_class=Response,
    summary="Fetch a small picture of a file",
    responses={
        200: {
            "description": "A picture of at most 480 pixels",
            "content": {"image/jpeg": _BINARY, "image/png": _BINARY},
        },
        404: NO_ATTACHMENT,
        **STORAGE,
    },
)
async def get_attachment_thumbnail(
    attachment_id: str, caller: CallerDep, resources: ResourcesDep
) -> Response:
    """Of a picture, or of the first page of a PDF."""
    found, path = await resources.attachments.find_thumbnail(
        caller.user_id, parse_attachment_id(attachment_id)
    )
    data = await anyio.to_thread.run_sync(path.read_bytes)
    media_type = "image/png" if data.startswith(b"\x89PNG") else "image/jpeg"
    headers = _make_headers(found) | {"Content-Disposition": "inline"}
    return Response(data, media_type=media_type, headers=headers)


@router.get(
    "/{attachment_id}/text",
    response_class=Response,
    summary="Read the text of a file",
    responses={
        200: {
            "description": "The text as far as a model is sent it",
            "content": {"text/plain": {"schema": {"type": "string"}}},
        },
        404: NO_ATTACHMENT,
        **STORAGE,
    },
)
async def get_attachment_text(attachment_id: str, caller: CallerDep, resources: ResourcesDep) -> Response:
    """Of a document its text, of a recording what is said in it."""
    _, text = await resources.attachments.read_text(caller.user_id, parse_attachment_id(attachment_id))
    headers = {"Cache-Control": "private, no-cache", "Content-Security-Policy": _POLICY}
    return Response(text, media_type="text/plain; charset=utf-8", headers=headers)


@router.delete(
    "/{attachment_id}",
    summary="Delete a file",
    responses={**describe_answer("The file is deleted"), 404: NO_ATTACHMENT, **STORAGE},
)
async def delete_attachment(
    attachment_id: str, caller: CallerDep, resources: ResourcesDep
) -> AttachmentDeletedOut:
    """Also one that a message has. The same file in another message stays."""
    await resources.attachments.delete(caller.user_id, parse_attachment_id(attachment_id))
    return AttachmentDeletedOut(status="deleted")


def describe_attachment(attachment: Attachment) -> AttachmentOut:
    """A file as responses show it."""
    fields = {name: getattr(attachment, name) for name in AttachmentOut.model_fields if name != "error"}
    error = AttachmentErrorOut(**attachment.error) if attachment.error else None
    return AttachmentOut(**fields, error=error)


def _make_headers(found: Attachment) -> dict[str, str]:
    stem, _, ending = found.name.rpartition(".")
    disposition = make_content_disposition(stem or found.name, ending if stem else "bin", unnamed="file")
    if found.media_type in SHOWN:
        disposition = disposition.replace("attachment", "inline", 1)
    return {
        "Content-Disposition": disposition,
        "Content-Security-Policy": _POLICY,
        "X-Content-Type-Options": "nosniff",
        "Cross-Origin-Resource-Policy": "same-origin",
        # The content of an id never changes; it may be deleted.
        "Cache-Control": "private, no-cache",
    }


@asynccontextmanager
async def _receive_file(request: Request, most_bytes: int) -> AsyncIterator[SentFile]:
    """Read the form of a request; the file is closed when the block ends.

    Raises:
        BadRequest, MessageTooBig
        HTTPException: the client has left, or is too slow.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "multipart/form-data":
        raise BadRequest("send multipart/form-data with one `file`")
    form = await read_form(request)
    try:
        files = [each for each in form.getlist("file") if isinstance(each, UploadFile)]
        if len(files) != 1:
            raise BadRequest("`file`: one file with a name is expected; send one request for each")
        if (files[0].size or 0) > most_bytes:
            raise MessageTooBig(f"a file has at most {most_bytes} bytes (limits.attachment_bytes)")
        if not files[0].size:
            raise BadRequest("`file`: it is empty")
        with tempfile.TemporaryFile() as copy:
            sha256 = await anyio.to_thread.run_sync(_copy, files[0].file, copy)
            yield SentFile(copy, files[0].filename or "", sha256)
    finally:
        await form.close()


def _copy(source: BinaryIO, target: Any) -> str:
    """Copy a file that may be in memory to one that another process can read; its hash."""
    digest = hashlib.sha256()
    source.seek(0)
    while data := source.read(_PIECE_BYTES):
        digest.update(data)
        target.write(data)
    target.flush()
    return digest.hexdigest()


def _make_key(header: str | None, request: Request, sent: SentFile) -> RequestKey | None:
    """The key of a request, by its file: the form around it is another each time."""
    if header is None:
        return None
    body = f"{sent.sha256} {sent.name}".encode("utf-8", "replace")
    return make_request_key(header, request.method, request.url.path, body)
