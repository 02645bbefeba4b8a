"""Network checks in front of every route: peer, Host, Origin, body sizes and time; each request gets an id."""

import logging
import re
import uuid

import anyio
from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.api.errors import is_under_v1, refuse_socket, wants_anthropic_shape
from app.api.headers import ANTHROPIC_ID_HEADER, add_common_headers, make_cors_options
from app.api.middleware.refusals import FOREIGN_HOST, FOREIGN_PEER, explain_origin, make_refusal
from app.core.config import LimitSettings, Settings
from app.core.errors import MessageTooBig, NotAllowed, PrompterError
from app.core.logging import REQUEST_ID, redact_path, report_fault
from app.core.security import LOOPBACK_NAMES, is_loopback, is_origin_allowed, parse_host
from app.core.supervision import reraise_cancellation

logger = logging.getLogger(__name__)

BODY_LIMITS = {
    "/v1/chat/completions": "chat_bytes",
    "/v1/completions": "chat_bytes",
    "/v1/responses": "chat_bytes",
    "/v1/messages": "chat_bytes",
    "/v1/messages/count_tokens": "chat_bytes",
    "/v1/embeddings": "chat_bytes",
    "/v1/audio/transcriptions": "upload_bytes",
    "/v1/audio/translations": "upload_bytes",
    "/api/import": "import_bytes",
    "/api/attachments": "attachment_bytes",
}
"""Routes with a limit of their own for bodies, by the name of its setting; all others have `body_bytes`."""
FORM_BYTES = {"attachment_bytes": 64 << 10}
"""What the form of a file may take besides the file, by the limit; the file is measured again where it is read."""
MIN_BYTES_PER_S = 256
"""The slowest allowed body, after twice `request_s`; the slowest codec of speech has twice as much."""
_SLASHES = re.compile(r"/{2,}")


def _shorten_startup_failure(send: Send) -> Send:
    """Replace the traceback of a `CannotStart` or another of this server's errors by its message."""

    async def send_shortened(message: Message) -> None:
        if message["type"] == "lifespan.startup.failed":
            kind, _, sentence = message["message"].strip().rpartition("\n")[2].partition(": ")
            if kind.startswith(f"{PrompterError.__module__}."):
                message = {**message, "message": f"cannot start: {sentence}"}
        await send(message)

    return send_shortened


class NetworkMiddleware:
    """ASGI middleware. It refuses a request with an error, and closes a refused socket before accepting it."""

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self._app = app
        self._has_accounts = settings.accounts.mode == "accounts"
        self._allows_any_peer = settings.insecure or self._has_accounts
        self._limits = settings.limits
        self._check_host = self._has_accounts or not settings.insecure or bool(settings.allowed_hosts)
        named = {settings.host.lower(), *(name.lower() for name in settings.allowed_hosts)}
        self._hosts = (LOOPBACK_NAMES | named) - {""}
        self._origins = frozenset(settings.allowed_origins)
        self._cors = make_cors_options(settings)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._app(scope, receive, _shorten_startup_failure(send))
            return
        request_id = uuid.uuid4().hex
        scope.setdefault("state", {})["request_id"] = request_id
        REQUEST_ID.set(request_id)
        scope = _normalize_path(scope)
        limit = _find_limit(self._limits, scope["path"])

        started = False

        async def send_with_id(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                add_common_headers(message, request_id)
                if wants_anthropic_shape(scope):
                    MutableHeaders(scope=message)[ANTHROPIC_ID_HEADER] = request_id
            await send(message)

        try:
            self._check(scope, limit)
        except (NotAllowed, MessageTooBig) as refusal:
            logger.warning("refused a request: %s", refusal.message)
            await self._refuse(scope, receive, send_with_id, refusal)
            return
        try:
            if scope["type"] == "websocket":
                # Messages of a socket have no headers, and are too frequent for a wrapper.
                await self._app(scope, receive, send)
            else:
                await self._app(scope, _limit_body(receive, limit, self._limits.request_s), send_with_id)
        except BaseException as error:  # noqa: BLE001  # further out it would be logged with its words
            reraise_cancellation(error)
            failure = report_fault(logger, f"on {redact_path(scope['path'])}", error)
            if scope["type"] == "http" and not started:
                await self._refuse(scope, receive, send_with_id, failure)
            elif scope["type"] == "http":
                raise RuntimeError(
                    "an answer broke off; the previous line of the log has the place"
                ) from None

    def _check(self, scope: Scope, limit: tuple[str, int]) -> None:
        headers = Headers(scope=scope)
        peer = (scope.get("client") or ("127.0.0.1", 0))[
            0
        ]  # a UNIX socket has no address, and its peer is local
        if not self._allows_any_peer and not is_loopback(peer):
            raise NotAllowed(FOREIGN_PEER)
        netlocs = headers.getlist("host")
        netloc = netlocs[0] if len(netlocs) == 1 else ""
        if (
            self._check_host
            and parse_host(netloc) not in self._hosts
            and not self._is_own_address(scope, netloc)
        ):
            raise NotAllowed(FOREIGN_HOST)
        origin, scheme = headers.get("origin"), scope.get("scheme", "http")
        if origin is not None and not is_origin_allowed(origin, scheme, netloc, self._origins):
            raise NotAllowed(explain_origin(origin, scheme, netloc, self._hosts))
        length = headers.get("content-length", "")
        if scope["type"] == "http" and length.isdecimal() and int(length) > limit[1]:
            raise MessageTooBig(_too_big(*limit))

    def _is_own_address(self, scope: Scope, netloc: str) -> bool:
        """Whether the Host of a request is the IP address that it reached, on a server with accounts."""
        reached = (scope.get("server") or ("",))[0]
        return self._has_accounts and bool(reached) and parse_host(netloc) == reached.lower()

    async def _refuse(self, scope: Scope, receive: Receive, send: Send, refusal: PrompterError) -> None:
        if scope["type"] == "websocket":
            await refuse_socket(refusal, scope, receive, send)
            return
        response: ASGIApp = make_refusal(refusal, scope)
        if not isinstance(refusal, NotAllowed):
            # An allowed page must be able to read the error; the CORS middleware further in has not seen the request.
            response = CORSMiddleware(response, **self._cors)
        await response(scope, receive, send)


def _normalize_path(scope: Scope) -> Scope:
    """Remove double and trailing slashes under /v1: some clients join a base URL and a path carelessly."""
    path: str = _SLASHES.sub("/", scope["path"])
    if not is_under_v1(path):
        return scope
    path = path.rstrip("/")
    if path == scope["path"]:
        return scope
    return {**scope, "path": path, "raw_path": path.encode("utf-8", "surrogateescape")}


def _find_limit(limits: LimitSettings, path: str) -> tuple[str, int]:
    """Return the name and value of the limit for bodies of this path (bytes)."""
    name = BODY_LIMITS.get(path, "body_bytes")
    return name, getattr(limits, name) + FORM_BYTES.get(name, 0)


def _limit_body(receive: Receive, limit: tuple[str, int], wait_s: float) -> Receive:
    """Refuse a body that is too large or too slow, while it is read.

    It raises `HTTPException`, because FastAPI turns other exceptions at this place into another error.
    """
    received = 0
    is_complete = False
    began_s = anyio.current_time()

    async def receive_limited() -> Message:
        nonlocal received, is_complete
        if is_complete:  # the application waits for the client to disconnect
            return await receive()
        now_s = anyio.current_time()
        left_s = began_s + 2 * wait_s + received / MIN_BYTES_PER_S - now_s
        try:
            with anyio.fail_after(min(wait_s, max(0.0, left_s))):
                message = await receive()
        except TimeoutError:
            raise HTTPException(408, _too_slow(wait_s), {"Connection": "close"}) from None
        if message["type"] == "http.request":
            received += len(message.get("body", b""))
            is_complete = not message.get("more_body", False)
            if received > limit[1]:
                raise HTTPException(413, _too_big(*limit))
        return message

    return receive_limited


def _too_slow(wait_s: float) -> str:
    return (
        f"the body brought nothing for {wait_s:g} s (limits.request_s), or less than {MIN_BYTES_PER_S} bytes a second; "
        "send it again"
    )


def _too_big(name: str, limit_bytes: int) -> str:
    return f"a body holds at most {limit_bytes} bytes here (limits.{name}); send less at a time"
