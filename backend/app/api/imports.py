"""`/api/import`: takes a file of conversations, tells how far its import is and what came of it, and cancels it."""

import hashlib
from typing import IO, Annotated

import anyio.to_thread
from fastapi import APIRouter, Header, Request
from starlette.datastructures import FormData, UploadFile

from app.api.deps import CallerDep, ResourcesDep
from app.api.openai.uploads import read_form
from app.api.responses import ID_REUSED, STORAGE, describe_file_form
from app.core.errors import BadRequest
from app.core.idempotency import RequestKey, make_request_key
from app.schemas.errors import describe_answer, describe_error
from app.schemas.imports import ImportDeletedOut, ImportErrorOut, ImportOut, ImportReportOut
from app.services.importing.imports import StoredImport

router = APIRouter(prefix="/api/import", tags=["conversations"])

_NAME_CHARS = 200
_NO_IMPORT = describe_error(
    "There is no such import of yours", "not_found", "no import has this id; list yours with GET /api/import"
)
_BODY = describe_file_form(
    "the file, JSON or a zip archive; at most `limits.import_bytes`",
    dry_run={"type": "boolean", "description": "true reads the file and reports, without storing anything"},
)


@router.post(
    "",
    status_code=202,
    summary="Import conversations",
    openapi_extra={"requestBody": _BODY},
    responses={
        202: {"description": "The import, which goes on in the background"},
        400: describe_error("A form without a file", "bad_request", "`file`: one file is expected"),
        409: {
            **ID_REUSED,
            "description": "Another import has not ended, or the key was sent with another request",
        },
        413: describe_error(
            "The file is too large",
            "message_too_big",
            "a body holds at most 268435456 bytes here (limits.import_bytes); send less at a time",
        ),
        **STORAGE,
    },
)
async def import_conversations(
    request: Request,
    caller: CallerDep,
    resources: ResourcesDep,
    idempotency_key: Annotated[
        str | None,
        Header(
            description="key that the client makes for this request, such as a UUID: for 24 hours the same file with "
            "the same key begins nothing new",
        ),
    ] = None,
) -> ImportOut:
    """Exports of ChatGPT, Claude, Open WebUI, LibreChat, Chatbot UI and PROMPTer, told by their content.

    A conversation that is here already gets what is new in the file. The uploaded file is not kept.
    """
    form = await read_form(request)
    is_taken = False
    try:
        upload = _find_file(form)
        dry_run = _read_flag(form)
        size_bytes, digest = await anyio.to_thread.run_sync(_measure, upload.file)
        key = _make_key(idempotency_key, request, f"{digest} {dry_run}")
        stored, is_taken = await resources.imports.begin(
            caller.user_id,
            upload.file,
            name=" ".join((upload.filename or "").split())[:_NAME_CHARS],
            size_bytes=size_bytes,
            dry_run=dry_run,
            key=key,
        )
    finally:
        if not is_taken:
            await form.close()
    return _describe(stored)


@router.get("", summary="List imports", responses={**describe_answer("Newest first"), **STORAGE})
async def list_imports(caller: CallerDep, resources: ResourcesDep) -> list[ImportOut]:
    """The last 50 imports, with their reports."""
    return [_describe(each) for each in await resources.imports.list_all(caller.user_id)]


@router.get(
    "/{import_id}",
    summary="Read an import",
    responses={**describe_answer("How far it is, and its report at the end"), 404: _NO_IMPORT, **STORAGE},
)
async def get_import(import_id: str, caller: CallerDep, resources: ResourcesDep) -> ImportOut:
    """Ask again while its state is `waiting` or `working`."""
    return _describe(await resources.imports.get(caller.user_id, import_id))


@router.delete(
    "/{import_id}",
    summary="Cancel an import",
    responses={**describe_answer("Conversations that have come stay"), 404: _NO_IMPORT, **STORAGE},
)
async def cancel_import(import_id: str, caller: CallerDep, resources: ResourcesDep) -> ImportDeletedOut:
    """One that has ended is taken from the list."""
    was_under_way = await resources.imports.cancel_or_forget(caller.user_id, import_id)
    return ImportDeletedOut(status="cancelled" if was_under_way else "deleted")


def _find_file(form: FormData) -> UploadFile:
    files = [each for _, each in form.multi_items() if isinstance(each, UploadFile)]
    if len(files) != 1:
        raise BadRequest("`file`: one file is expected; send one request for each", param="file")
    return files[0]


def _read_flag(form: FormData) -> bool:
    value = form.get("dry_run", "false")
    if value not in ("true", "false"):
        raise BadRequest("`dry_run`: input should be true or false", param="dry_run")
    return value == "true"


def _measure(file: IO[bytes]) -> tuple[int, str]:
    """The size and the hash of a file, which is on disk afterwards, whatever its size."""
    file.fileno()
    file.seek(0)
    digest, size = hashlib.sha256(), 0
    while block := file.read(1 << 20):
        digest.update(block)
        size += len(block)
    if not size:
        raise BadRequest("`file`: the file is empty; choose the file that the product exported", param="file")
    return size, digest.hexdigest()


def _make_key(key: str | None, request: Request, content: str) -> RequestKey | None:
    """The key of the request. Its body is hashed from the disk: it may be larger than the memory."""
    return None if key is None else make_request_key(key, request.method, request.url.path, content.encode())


def _describe(stored: StoredImport) -> ImportOut:
    return ImportOut(
        id=stored.id,
        state=stored.state,
        name=stored.name,
        size_bytes=stored.size_bytes,
        dry_run=stored.dry_run,
        done=stored.done,
        total=stored.total,
        report=ImportReportOut(**stored.report) if stored.report else None,
        error=ImportErrorOut(**stored.error) if stored.error else None,
        created_at=stored.created_at,
        ended_at=stored.ended_at,
    )
