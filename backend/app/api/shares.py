"""`/api/shares`: the links by which a user shows conversations to others; `/s/…`: what they open, without log-in."""

import re
from collections.abc import AsyncIterator
from datetime import timedelta
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread
from fastapi import APIRouter, Request, Response
from fastapi.responses import FileResponse, HTMLResponse, StreamingResponse

from app.api.accounts import UNAUTHORIZED
from app.api.attachments import SHOWN
from app.api.deps import CallerDep, RequestKeyDep, ResourcesDep
from app.api.headers import choose_language
from app.api.responses import BUSY, ID_REUSED, MALFORMED, NO_CONVERSATION, STORAGE, parse_conversation_id
from app.core.errors import NotFound, TooManyAttempts
from app.schemas.errors import describe_answer, describe_error
from app.schemas.shares import ShareDeletedOut, ShareIn, ShareOut
from app.services.sharing.shared_page import (
    PageFrame,
    render_busy,
    render_foot,
    render_gone,
    render_head,
    render_messages,
)
from app.services.sharing.shares import Attachment, Share, SharedBranch, ShareDraft, Shares
from app.utils.file_names import make_content_disposition
from app.utils.ids import parse_id

router = APIRouter(prefix="/api/shares", tags=["shared links"])
page_router = APIRouter(prefix="/s", include_in_schema=False)

_REFUSED: dict[int | str, dict[str, Any]] = {
    **STORAGE,
    401: UNAUTHORIZED,
    403: describe_error(
        "Nobody shares on this server (`sharing_off`), the user has as many links as one may have, an API key may not "
        "do this, or this Origin, Host or address is not allowed",
        "sharing_off",
        "nobody shares conversations on this server (sharing.enabled is off)",
    ),
}
_GONE = describe_error(
    "You have no such link", "not_found", "no shared link has this id; list yours with GET /api/shares"
)


@router.get(
    "",
    summary="List one's shared links",
    responses={**describe_answer("Newest first, expired ones included"), **_REFUSED},
)
async def list_shares(
    caller: CallerDep, request: Request, response: Response, resources: ResourcesDep
) -> list[ShareOut]:
    """On a server where nobody shares any more, too: the links open nothing there, and can be revoked for good."""
    response.headers["Cache-Control"] = "no-store"
    return [_describe(share, request) for share in await resources.shares.list_own(caller.user_id)]


@router.post(
    "",
    status_code=201,
    summary="Share a conversation",
    responses={
        201: {"description": "The link. Whoever has its address can read the conversation"},
        400: MALFORMED,
        404: NO_CONVERSATION,
        409: {**BUSY, "description": f"{BUSY['description']}. {ID_REUSED['description']}"},
        **_REFUSED,
    },
)
async def make_share(
    body: ShareIn,
    caller: CallerDep,
    request: Request,
    response: Response,
    resources: ResourcesDep,
    key: RequestKeyDep,
) -> ShareOut:
    """Make a link to a conversation with at least one message."""
    draft = ShareDraft(
        conversation_id=parse_conversation_id(body.conversation_id),
        is_live=body.kind == "live",
        attachments=body.attachments,
        dictations=body.dictations,
        expires_in=None if body.expires_in_s is None else timedelta(seconds=body.expires_in_s),
    )
    made = await resources.shares.make(caller.user_id, draft, key)
    response.headers["Cache-Control"] = "no-store"
    return _describe(made, request)


@router.delete(
    "/{share_id}",
    summary="Revoke a shared link",
    responses={
        **describe_answer("The link opens nothing from now on, on every server process"),
        **_REFUSED,
        404: _GONE,
    },
)
async def delete_share(share_id: str, caller: CallerDep, resources: ResourcesDep) -> ShareDeletedOut:
    """What somebody has read or saved before stays theirs."""
    if (found := parse_id(share_id)) is None:
        raise NotFound("no shared link has this id; list yours with GET /api/shares")
    await resources.shares.remove(caller.user_id, found)
    return ShareDeletedOut(status="deleted")


def _describe(share: Share, request: Request) -> ShareOut:
    base = str(request.base_url).rstrip("/")
    return ShareOut(
        id=share.id,
        url=None if share.token is None else f"{base}/s/{share.token}",
        conversation_id=share.conversation_id,
        title=share.title,
        kind="live" if share.is_live else "snapshot",
        attachments=share.attachments,
        dictations=share.dictations,
        created_at=share.created_at,
        expires_at=share.expires_at,
        expired=share.is_expired,
    )


# -- what a link opens

_STYLE = Path(__file__).with_name("shared_page.css")
_YEAR_S = 365 * 24 * 3600
_RENDERING = anyio.CapacityLimiter(1)
"""Strangers who open long conversations take one thread, not those of everybody else."""
PAGE_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; img-src 'self'; media-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "X-Robots-Tag": "noindex, nofollow, noarchive",
    "Vary": "Accept-Language",
}
"""The headers of a shared page. No script runs there, none that a message might bring either."""
FILE_HEADERS = {
    **{name: PAGE_HEADERS[name] for name in ("Cache-Control", "Referrer-Policy", "X-Robots-Tag")},
    "Content-Security-Policy": "default-src 'none'; sandbox; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
}
_FILE_NUMBER = re.compile(r"([0-9]{1,7})-([0-9]{1,3})", re.ASCII)


@page_router.api_route("/style.css", methods=["GET", "HEAD"])
async def read_style() -> Response:
    """The style of shared pages. Its address changes with it."""
    text, _ = _read_style()
    headers = {"Cache-Control": f"public, max-age={_YEAR_S}, immutable"}
    return Response(text, media_type="text/css", headers=headers)


@page_router.api_route("/{token}", methods=["GET", "HEAD"])
async def open_share(
    token: str, request: Request, resources: ResourcesDep, lang: str = "", page: str = "1"
) -> Response:
    """The page of a shared conversation. A link that opens nothing has the same page, whatever the reason."""
    frame = _make_frame(request, lang, token)
    if refusal := await _count_visit(request, resources, frame):
        return refusal
    number = int(page) if page.isascii() and page.isdecimal() and len(page) < 7 else 0
    branch = await resources.shares.read(token, number)
    if branch is None:
        return _make_page(frame, render_gone(frame), 404)
    return StreamingResponse(
        _render(resources.shares, frame, branch),
        media_type="text/html; charset=utf-8",
        headers={**PAGE_HEADERS, "Content-Language": frame.language},
    )


@page_router.api_route("/{token}/files/{number}", methods=["GET", "HEAD"])
async def open_file(
    token: str, number: str, request: Request, resources: ResourcesDep, small: str = ""
) -> Response:
    """A file of a shared conversation: `3-0` is the first one of its fourth message. With `small` its thumbnail."""
    frame = _make_frame(request)
    if refusal := await _count_visit(request, resources, frame, is_file=True):
        return refusal
    asked = _FILE_NUMBER.fullmatch(number)
    found = asked and await resources.shares.find_file(
        token, int(asked[1]), int(asked[2]), is_small=bool(small)
    )
    if not found:
        return _make_page(frame, render_gone(frame), 404)
    file, path = found
    if small:
        data = await anyio.to_thread.run_sync(path.read_bytes)
        kind = "image/png" if data.startswith(b"\x89PNG") else "image/jpeg"
        return Response(data, media_type=kind, headers=FILE_HEADERS)
    media_type = "text/plain; charset=utf-8" if file.kind == "text" else file.media_type
    return FileResponse(
        path, media_type=media_type, headers={**FILE_HEADERS, "Content-Disposition": _name_file(file)}
    )


def _name_file(file: Attachment) -> str:
    stem, _, ending = file.name.rpartition(".")
    disposition = make_content_disposition(stem or file.name, ending if stem else "bin", unnamed="file")
    return disposition.replace("attachment", "inline", 1) if file.media_type in SHOWN else disposition


async def _count_visit(
    request: Request, resources: ResourcesDep, frame: PageFrame, *, is_file: bool = False
) -> Response | None:
    """Count a request; the refusal, if its address has sent too many."""
    try:
        await resources.shares.count_visit(request.client.host if request.client else "", is_file=is_file)
    except TooManyAttempts as refusal:
        wait_s = int(refusal.retry_after_s or 1)
        response = _make_page(frame, render_busy(frame, wait_s), refusal.status)
        response.headers["Retry-After"] = str(wait_s)
        return response
    return None


async def _render(shares: Shares, frame: PageFrame, branch: SharedBranch) -> AsyncIterator[str]:
    yield render_head(frame, branch)
    is_empty = True
    async for at, some in shares.read_messages(branch):
        heard = await shares.read_heard(branch.share, some)
        html = await anyio.to_thread.run_sync(
            render_messages, frame, branch.share, some, at, heard, limiter=_RENDERING
        )
        is_empty = is_empty and not html
        yield html
    yield render_foot(frame, branch, is_empty=is_empty)


def _make_frame(request: Request, lang: str = "", token: str = "") -> PageFrame:
    _, version = _read_style()
    accepted = request.headers.get("accept-language", "")
    return PageFrame(
        language=choose_language(f"{lang},{accepted}"),
        style=f"/s/style.css?v={version}",
        address=f"/s/{token}",
    )


def _make_page(frame: PageFrame, html: str, status: int) -> Response:
    headers = {**PAGE_HEADERS, "Content-Language": frame.language}
    return HTMLResponse(html, status_code=status, headers=headers)


@cache
def _read_style() -> tuple[str, str]:
    """The style sheet, and what tells this one from others."""
    text = _STYLE.read_text(encoding="utf-8")
    return text, sha256(text.encode()).hexdigest()[:12]
