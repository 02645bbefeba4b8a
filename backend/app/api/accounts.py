"""`/api/auth`, `/api/keys`, `/api/settings`: log-ins, the current user, API keys, and what a user decides."""

from datetime import UTC, datetime, timedelta
from typing import Any, cast

from fastapi import APIRouter, Request, Response

from app.api.deps import CallerDep, RequestKeyDep, ResourcesDep
from app.api.responses import ID_REUSED, MALFORMED, STORAGE
from app.core.errors import Forbidden, NotFound, Unauthorized
from app.core.idempotency import bind_key
from app.core.security import Role
from app.schemas.accounts import (
    KeyDeletedOut,
    KeyIn,
    KeyOut,
    LoggedOutOut,
    LogInIn,
    LogInOut,
    MeOut,
    NewKeyOut,
    RefreshIn,
    SettingsIn,
    SettingsOut,
    UserOut,
)
from app.schemas.errors import ANY_OTHER, describe_answer, describe_error
from app.services.accounts.api_keys import ApiKey
from app.services.accounts.logins import LoginTokens
from app.utils.ids import parse_id

router = APIRouter(prefix="/api/auth", tags=["accounts"])

COOKIE = "prompter_refresh"
COOKIE_PATH = "/api/auth"
COOKIE_HEADER = "X-Prompter-Refresh"
"""Required with the cookie: a page of another site can make a browser send the cookie, but not this header."""

_NO_ACCOUNTS = describe_error(
    "This server has no accounts",
    "not_found",
    "this server has no accounts; PROMPTER_ACCOUNTS__MODE=accounts gives it some",
)
_BAD_BODY = describe_error("The body cannot be parsed", "bad_request", "`name`: field required")
UNAUTHORIZED = describe_error(
    "There is no token, or it is not valid any more",
    "unauthorized",
    "this token or key is not valid, or not any more; log in again, or use another key",
)


@router.post(
    "/login",
    summary="Log in",
    responses={
        **describe_answer("An access token for some minutes, and a refresh token that renews it"),
        400: _BAD_BODY,
        401: describe_error(
            "Unknown name, disabled user or wrong password; always with the same message",
            "unauthorized",
            "the name or the password is wrong",
        ),
        404: _NO_ACCOUNTS,
        429: describe_error(
            "Too many wrong passwords; `Retry-After` says how long to wait",
            "too_many_attempts",
            "too many wrong passwords; try again in 60 s",
        ),
        **ANY_OTHER,
    },
)
async def log_in(body: LogInIn, request: Request, response: Response, resources: ResourcesDep) -> LogInOut:
    """A wrong password and an unknown name get the same answer after the same time."""
    peer = request.client.host if request.client else ""
    tokens = await resources.accounts.logins.begin(body.name, body.password, peer)
    return _answer(tokens, request, response, in_cookie=body.cookie)


@router.post(
    "/refresh",
    summary="Renew a log-in",
    responses={
        **describe_answer("New tokens; the refresh token of the request is not valid any more"),
        400: _BAD_BODY,
        401: describe_error(
            "The refresh token is not valid any more. A token that is used twice ends its log-in, as a stolen one",
            "unauthorized",
            "this log-in has ended; log in again",
        ),
        403: describe_error(
            "The header `X-Prompter-Refresh` is missing beside the cookie, or this origin is not allowed",
            "forbidden",
            "the cookie counts only with the header X-Prompter-Refresh; send it with any value",
        ),
        404: _NO_ACCOUNTS,
        **ANY_OTHER,
    },
)
async def refresh(
    request: Request,
    response: Response,
    resources: ResourcesDep,
    request_key: RequestKeyDep,
    body: RefreshIn | None = None,
) -> LogInOut:
    """A program sends the token in the body; a browser sends the cookie, and a header that other sites cannot send."""
    logins = resources.accounts.logins
    if body is not None and body.refresh_token is not None:
        sent = body.refresh_token
        tokens = await logins.renew(sent, request_key and bind_key(request_key, sent))
        return _answer(tokens, request, response, in_cookie=False)
    token = request.cookies.get(COOKIE)
    if token is None:
        raise Unauthorized(
            "there is nothing to renew: expected `refresh_token` in the body, or the cookie of a log-in"
        )
    if COOKIE_HEADER not in request.headers:
        raise Forbidden(f"the cookie counts only with the header {COOKIE_HEADER}; send it with any value")
    tokens = await logins.renew(token, request_key and bind_key(request_key, token))
    return _answer(tokens, request, response, in_cookie=True)


@router.post(
    "/logout",
    summary="Log out",
    responses={
        **describe_answer("The tokens of this log-in are not valid any more, on every server process"),
        401: UNAUTHORIZED,
        404: _NO_ACCOUNTS,
    },
)
async def log_out(caller: CallerDep, response: Response, resources: ResourcesDep) -> LoggedOutOut:
    """The open sockets of this log-in close within a minute. Other log-ins of the user go on."""
    await resources.accounts.logins.end(caller)
    response.delete_cookie(COOKIE, COOKIE_PATH, httponly=True, samesite="strict")
    return LoggedOutOut(status="logged_out")


@router.get(
    "/me",
    summary="Who one is",
    responses={**describe_answer("The user of this request"), 401: UNAUTHORIZED},
)
async def me(caller: CallerDep, resources: ResourcesDep) -> MeOut:
    """Without accounts it is the local user, so that a client can always call this first."""
    return MeOut(
        id=caller.user_id,
        name=caller.name,
        role=caller.role,
        mode=resources.accounts.mode,
        via=caller.via,
        scopes=sorted(caller.scopes),
        expires_at=caller.expires_at,
        sharing=resources.shares.sharing,
    )


def _answer(tokens: LoginTokens, request: Request, response: Response, *, in_cookie: bool) -> LogInOut:
    now = datetime.now(UTC)
    if in_cookie:
        response.set_cookie(
            COOKIE,
            tokens.refresh_token,
            max_age=int((tokens.refresh_expires_at - now).total_seconds()),
            path=COOKIE_PATH,
            secure=request.url.scheme == "https",
            httponly=True,
            samesite="strict",
        )
    response.headers["Cache-Control"] = "no-store"
    return LogInOut(
        access_token=tokens.access_token,
        token_type="bearer",  # noqa: S106  # a type of token, not a password
        expires_in=max(int((tokens.expires_at - now).total_seconds()), 0),
        refresh_token=None if in_cookie else tokens.refresh_token,
        refresh_expires_at=tokens.refresh_expires_at,
        user=UserOut(id=tokens.user.id, name=tokens.user.name, role=cast("Role", tokens.user.role)),
    )


keys_router = APIRouter(prefix="/api/keys", tags=["accounts"])

_REFUSED: dict[int | str, dict[str, Any]] = {
    401: UNAUTHORIZED,
    403: describe_error(
        "An API key may not do this, or this Origin, Host or address is not allowed",
        "forbidden",
        "this needs somebody who has logged in; an API key is not enough",
    ),
}
_GONE = describe_error(
    "You have no such key, or the server has no accounts", "not_found", "you have no key of this id"
)


@keys_router.get(
    "",
    summary="List one's keys",
    responses={**describe_answer("Newest first, without secrets"), **_REFUSED},
)
async def list_keys(caller: CallerDep, resources: ResourcesDep) -> list[KeyOut]:
    """Expired keys are listed until they are deleted. Without accounts the list is empty."""
    if resources.accounts.mode == "none":
        return []
    return [KeyOut(**_describe(key)) for key in await resources.accounts.keys.list_keys(caller)]


@keys_router.post(
    "",
    status_code=201,
    summary="Make a key",
    responses={
        201: {"description": "The key, which is never shown again"},
        400: describe_error("The body cannot be parsed", "bad_request", "`scopes`: field required"),
        **_REFUSED,
        404: _GONE,
        409: ID_REUSED,
        **ANY_OTHER,
    },
)
async def make_key(
    body: KeyIn, caller: CallerDep, response: Response, resources: ResourcesDep, request_key: RequestKeyDep
) -> NewKeyOut:
    """Use the key as `Authorization: Bearer`, or as the API key of an OpenAI SDK.

    Secrets are not stored: the same request again, with its `Idempotency-Key`, gives the same key another secret.
    """
    life = None if body.expires_days is None else timedelta(days=body.expires_days)
    key, secret = await resources.accounts.keys.create(caller, body.name, body.scopes, life, request_key)
    response.headers["Cache-Control"] = "no-store"
    return NewKeyOut(**_describe(key), key=secret)


@keys_router.delete(
    "/{key_id}",
    summary="Delete a key",
    responses={**describe_answer("The key is not valid any more"), **_REFUSED, 404: _GONE, **ANY_OTHER},
)
async def delete_key(key_id: str, caller: CallerDep, resources: ResourcesDep) -> KeyDeletedOut:
    """The key is invalid at once, on every server process. Its open sockets close within a minute."""
    found = parse_id(key_id)
    keys = resources.accounts.keys
    if found is None:
        raise NotFound("you have no key of this id")
    await keys.revoke(caller, found)
    return KeyDeletedOut(status="deleted")


def _describe(key: ApiKey) -> dict[str, Any]:
    return {
        "id": key.id,
        "name": key.name,
        "prefix": key.prefix,
        "scopes": list(key.scopes),
        "created_at": key.created_at,
        "expires_at": key.expires_at,
        "last_used_at": key.last_used_at,
    }


settings_router = APIRouter(prefix="/api/settings", tags=["accounts"])


@settings_router.get(
    "",
    summary="What one has decided",
    responses={**describe_answer("The settings of the user that the server keeps"), **STORAGE},
)
async def read_settings(caller: CallerDep, resources: ResourcesDep) -> SettingsOut:
    """The settings of the web page itself are in its browser."""
    audio, settings = resources.audio, resources.settings
    return SettingsOut(
        keep_audio=await audio.read_switch(caller.user_id),
        audio_hours=audio.hours,
        attachment_files=settings.attachments.files,
        attachment_bytes=settings.limits.attachment_bytes,
    )


@settings_router.patch(
    "",
    summary="Decide",
    responses={**describe_answer("The settings as they are now"), 400: MALFORMED, **STORAGE},
)
async def change_settings(body: SettingsIn, caller: CallerDep, resources: ResourcesDep) -> SettingsOut:
    """Turning `keep_audio` off deletes what is kept. An API key cannot decide this."""
    if body.keep_audio is not None:
        await resources.audio.set_switch(caller.user_id, is_on=body.keep_audio)
    return await read_settings(caller, resources)
