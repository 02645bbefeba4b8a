"""The guard before every door: peer, Host, Origin and sizes are checked, and each request gets an id."""

import logging
import re
import uuid
from typing import Any

import anyio
from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app import __version__
from app.api.errors import is_under_v1, make_error_response
from app.core.config import LimitSettings, Settings
from app.core.errors import MessageTooBig, NotAllowed, PrompterError
from app.core.logging import report_fault
from app.core.security import LOOPBACK_NAMES, is_loopback, is_origin_allowed, parse_host

logger = logging.getLogger(__name__)

BODY_LIMITS = {"/v1/chat/completions": "chat_bytes", "/v1/audio/transcriptions": "upload_bytes"}
"""Routes whose bodies may be larger, and the limit of each; `body_bytes` is that of all others."""
OURS = "X-Prompter"
"""The header by which one PROMPTer knows another, and does not take it for a model server."""
LEAST_BYTES_S = 256
"""A body that comes slower, after twice `request_s`, holds a place that others want; the slowest voice has twice as
much."""
_SLASHES = re.compile(r"/{2,}")


def make_cors_options(settings: Settings) -> dict[str, Any]:
    """What the pages of listed origins may do, besides those of the server itself; never any page's."""
    return {
        "allow_origins": settings.allowed_origins,
        "allow_credentials": True,
        "allow_methods": ["GET", "POST", "PATCH", "DELETE"],
        "allow_headers": ["Authorization", "Content-Type", "Last-Event-ID", "X-Prompter-Refresh"],
        "expose_headers": ["Link", "Retry-After", "X-Request-ID"],
        "max_age": 600,
    }


def _in_one_line(send: Send) -> Send:
    """Why a server cannot start is a sentence for whoever starts it; a fault of ours keeps its trace."""

    async def told(message: Message) -> None:
        if message["type"] == "lifespan.startup.failed":
            kind, _, sentence = message["message"].strip().rpartition("\n")[2].partition(": ")
            if kind.startswith(f"{PrompterError.__module__}."):
                message = {**message, "message": f"cannot start: {sentence}"}
        await send(message)

    return told


class NetworkMiddleware:
    """ASGI middleware. A refused request answers 403; a refused socket is closed before it is accepted."""

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self._app = app
        self._accounts = settings.accounts.mode == "accounts"
        self._from_anywhere = settings.insecure or self._accounts
        self._limits = settings.limits
        self._check_host = self._accounts or not settings.insecure or bool(settings.allowed_hosts)
        self._hosts = LOOPBACK_NAMES | {
            settings.host.lower(),
            *(name.lower() for name in settings.allowed_hosts),
        }
        self._origins = frozenset(settings.allowed_origins)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._app(scope, receive, _in_one_line(send))
            return
        request_id = uuid.uuid4().hex
        scope.setdefault("state", {})["request_id"] = request_id
        scope = _normalised(scope)
        limit = _limit(self._limits, scope["path"])

        started = False

        async def send_with_id(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                headers = MutableHeaders(scope=message)
                headers.setdefault("X-Request-ID", request_id)
                headers[OURS] = __version__
            await send(message)

        try:
            self._check(scope, limit)
        except (NotAllowed, MessageTooBig) as refusal:
            logger.warning("refused a request: %s", refusal.message)
            await self._refuse(scope, receive, send_with_id, refusal)
            return
        try:
            if scope["type"] == "websocket":
                # Its messages carry no headers, and come too often for a wrapper.
                await self._app(scope, receive, send)
            else:
                await self._app(scope, _bounded(receive, limit, self._limits.request_s), send_with_id)
        except Exception as error:  # noqa: BLE001  # further out it would be logged with its words
            failure = report_fault(logger, f"on {scope['path']}", error)
            if scope["type"] == "http" and not started:
                await self._refuse(scope, receive, send_with_id, failure)
            elif scope["type"] == "http":
                raise RuntimeError("an answer broke off; the line before this one tells where") from None

    def _check(self, scope: Scope, limit: tuple[str, int]) -> None:
        headers = Headers(scope=scope)
        peer = (scope.get("client") or ("127.0.0.1", 0))[0]  # none over a UNIX socket, whose peer is local
        if not self._from_anywhere and not is_loopback(peer):
            raise NotAllowed(
                "only this machine may connect while there are no accounts; see docs/deployment.md"
            )
        netloc = headers.get("host", "")
        if self._check_host and parse_host(netloc) not in self._hosts and not self._is_own(scope, netloc):
            raise NotAllowed("this name in the Host header is not allowed; add it to allowed_hosts")
        origin = headers.get("origin")
        if origin is not None and not is_origin_allowed(
            origin, scope.get("scheme", "http"), netloc, self._origins
        ):
            raise NotAllowed("this web origin is not allowed; add it to allowed_origins")
        length = headers.get("content-length", "")
        if scope["type"] == "http" and length.isdecimal() and int(length) > limit[1]:
            raise MessageTooBig(_too_big(*limit))

    def _is_own(self, scope: Scope, netloc: str) -> bool:
        """Whether a server for many is called by the very address that it was reached at: no name can be that."""
        reached = (scope.get("server") or ("",))[0]
        return self._accounts and bool(reached) and parse_host(netloc) == reached.lower()

    @staticmethod
    async def _refuse(scope: Scope, receive: Receive, send: Send, refusal: PrompterError) -> None:
        if scope["type"] == "websocket":
            await receive()
            await send({"type": "websocket.close", "code": refusal.close_code, "reason": refusal.code})
            return
        await make_error_response(refusal, scope)(scope, receive, send)


def _normalised(scope: Scope) -> Scope:
    """Under /v1 slashes too many are taken off: some clients join a base URL and a path carelessly."""
    path: str = _SLASHES.sub("/", scope["path"])
    if scope["type"] != "http" or not is_under_v1(path):
        return scope
    path = path.rstrip("/")
    if path == scope["path"]:
        return scope
    return {**scope, "path": path, "raw_path": path.encode("utf-8", "surrogateescape")}


def _limit(limits: LimitSettings, path: str) -> tuple[str, int]:
    """The name and value of the limit on a body sent there (bytes)."""
    name = BODY_LIMITS.get(path, "body_bytes")
    return name, getattr(limits, name)


def _bounded(receive: Receive, limit: tuple[str, int], wait_s: float) -> Receive:
    """Count a body that comes without its length, and see that it comes.

    What is raised is the one kind of error that FastAPI lets through here.
    """
    received = 0
    whole = False
    began_s = anyio.current_time()

    async def bounded() -> Message:
        nonlocal received, whole
        if whole:  # who waits now waits for the client to leave
            return await receive()
        now_s = anyio.current_time()
        left_s = began_s + 2 * wait_s + received / LEAST_BYTES_S - now_s
        try:
            with anyio.fail_after(min(wait_s, max(0.0, left_s))):
                message = await receive()
        except TimeoutError:
            raise HTTPException(408, _too_slow(wait_s), {"Connection": "close"}) from None
        if message["type"] == "http.request":
            received += len(message.get("body", b""))
            whole = not message.get("more_body", False)
            if received > limit[1]:
                raise HTTPException(413, _too_big(*limit))
        return message

    return bounded


def _too_slow(wait_s: float) -> str:
    return (
        f"the body brought nothing for {wait_s:g} s (limits.request_s), or less than {LEAST_BYTES_S} bytes a second; "
        "send it again"
    )


def _too_big(name: str, limit_bytes: int) -> str:
    return f"a body holds at most {limit_bytes} bytes here (limits.{name}); send less at a time"
