"""Errors as HTTP answers: in OpenAI's or Anthropic's shape under /v1, else in PROMPTer's; hints for unknown paths."""

from collections.abc import Sequence
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse
from starlette.types import Message, Receive, Scope, Send

from app.api.headers import add_common_headers
from app.core.errors import (
    BadRequest,
    HttpError,
    IdleTimeout,
    MessageTooBig,
    MethodNotAllowed,
    NotAllowed,
    NotFound,
    PrompterError,
)
from app.core.notes import Note
from app.schemas.anthropic_errors import make_anthropic_error, to_anthropic_error
from app.schemas.openai_errors import make_error_headers, make_openai_error, to_openai_error, to_openai_status
from app.utils.validation import explain_details

_WITHOUT_V1 = ("/chat/completions", "/models", "/audio/transcriptions", "/audio/models", "/completions",
              "/embeddings", "/responses", "/messages", "/messages/count_tokens")  # fmt: skip
_ALTERNATIVES = {
    "responses": "of responses there is POST /v1/responses; none is stored",
    "messages": "of messages there are POST /v1/messages and POST /v1/messages/count_tokens",
    "realtime": "there are transcription sessions at the socket /v1/realtime, and POST /v1/realtime/client_secrets;"
    " see docs/realtime.md",
    "audio": "of audio there are POST /v1/audio/transcriptions, /v1/audio/translations and /v1/audio/speech",
    "v1": "the base URL has /v1 twice; give it once",
}
ANTHROPIC_VERSION = b"anthropic-version"
"""The header that every client of Anthropic's API sends."""
_AVAILABLE = "there are GET /v1/models, POST /v1/chat/completions and POST /v1/audio/transcriptions"

_NOT_IMPLEMENTED = frozenset({
    "assistants", "batches", "chat", "conversations", "evals", "files", "fine_tuning", "images", "live", "moderations",
    "models", "organization", "realtime", "threads", "uploads", "vector_stores", "videos",
})  # fmt: skip
"""Other parts of OpenAI's API, whose names may be repeated in an error."""


def is_under_v1(path: str) -> bool:
    """Whether a path belongs to OpenAI's API, so that its errors have OpenAI's shape."""
    return path == "/v1" or path.startswith("/v1/")


def wants_anthropic_shape(scope: Scope) -> bool:
    """Whether a request under /v1 comes from a client of Anthropic's API, which reads errors in another shape."""
    path = scope["path"]
    if path == "/v1/messages" or path.startswith("/v1/messages/"):
        return True
    return is_under_v1(path) and any(name == ANTHROPIC_VERSION for name, _ in scope["headers"])


def explain_missing_path(method: str, path: str) -> str | None:
    """Say why there is nothing at this path; None if there is nothing to add to `not found`."""
    if is_under_v1(path):
        first, _, rest = path.removeprefix("/v1").lstrip("/").partition("/")
        is_known = first in _ALTERNATIVES or first in _NOT_IMPLEMENTED
        # Repeat only words from the lists above, never what the client sent.
        shown = f"{method} /v1/{first}" if is_known else "this path under /v1"
        if is_known and rest:
            shown += "/…"
        return f"{shown} is not implemented; {_ALTERNATIVES.get(first, _AVAILABLE)}"
    if path.rstrip("/") in _WITHOUT_V1:
        return "OpenAI's API is under /v1: add /v1 to the base URL of the client"
    return None


_HTTP_ERRORS: dict[int, type[PrompterError]] = {
    cls.status: cls for cls in (BadRequest, NotFound, MethodNotAllowed, IdleTimeout, MessageTooBig)
}
"""Status of an error of the web framework -> the error of the tree that has its code; `HttpError` for all others."""


def make_error_body(
    code: str, message: str, request_id: str, note: Note | None = None
) -> dict[str, dict[str, Any]]:
    """Make the body of an error outside /v1."""
    said = (note or Note(code)).to_dict()
    return {"error": {"code": code, "message": message, "note": said, "request_id": request_id}}


def make_error_response(error: PrompterError, scope: Scope) -> JSONResponse:
    """Make the answer for an error, in the shape of the path."""
    if is_under_v1(scope["path"]):
        status = to_openai_status(error)
        told = (
            to_anthropic_error(error, scope["state"]["request_id"])
            if wants_anthropic_shape(scope)
            else to_openai_error(error)
        )
        return JSONResponse(told, status_code=status, headers=make_error_headers(error, status))
    body = make_error_body(error.code, error.message, scope["state"]["request_id"], error.note)
    return JSONResponse(body, status_code=error.status, headers=make_error_headers(error, error.status))


async def refuse_socket(error: PrompterError, scope: Scope, receive: Receive, send: Send) -> None:
    """Refuse a socket in its handshake: with the error as the answer, or by closing where the server cannot answer."""
    await receive()
    if "websocket.http.response" not in scope.get("extensions", {}):
        await send(
            {
                "type": "websocket.close",
                "code": error.close_code or NotAllowed.close_code,
                "reason": error.code,
            }
        )
        return

    async def send_with_headers(message: Message) -> None:
        if message["type"] == "websocket.http.response.start":
            add_common_headers(message, scope["state"]["request_id"])
        await send(message)

    await make_error_response(error, scope)(scope, receive, send_with_headers)


async def answer_missing(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer a request or socket for which there is no route."""
    if scope["type"] != "websocket":
        raise HTTPException(404)
    hint = explain_missing_path("a socket at", scope["path"])
    missing = NotFound(hint or "no socket answers here; live speech is at /ws/stt, see docs/speech-socket.md")
    await refuse_socket(missing, scope, receive, send)


def install_error_handlers(app: FastAPI) -> None:
    """Register the handlers that answer every exception, and every unknown path, in the shape of its path."""
    app.router.default = answer_missing

    @app.exception_handler(PrompterError)
    async def handle_error(request: Request, error: PrompterError) -> JSONResponse:
        return make_error_response(error, request.scope)

    @app.exception_handler(RequestValidationError)
    async def handle_invalid_request(request: Request, error: RequestValidationError) -> JSONResponse:
        faults = error.errors()
        return make_error_response(
            BadRequest(explain_details(faults), param=_find_field(faults)), request.scope
        )

    @app.exception_handler(HTTPException)
    async def handle_http_error(request: Request, error: HTTPException) -> JSONResponse:
        code = _HTTP_ERRORS.get(error.status_code, HttpError).code
        message = str(error.detail).lower()
        if error.status_code == 404:
            message = explain_missing_path(request.method, request.url.path) or message
        body: dict[str, Any] = make_error_body(code, message, request.state.request_id)
        if wants_anthropic_shape(request.scope):
            body = make_anthropic_error(code, message, error.status_code, request_id=request.state.request_id)
        elif is_under_v1(request.url.path):
            body = make_openai_error(code, message, error.status_code)
        return JSONResponse(body, status_code=error.status_code, headers=error.headers)


def _find_field(faults: Sequence[Any]) -> str | None:
    """Return the path of the first wrong field as OpenAI writes it: `messages[0].role`."""
    path = ""
    first = faults[0] if faults and faults[0]["type"] != "json_invalid" else None
    for part in first["loc"][1:] if first else ():
        if isinstance(part, int):
            path += f"[{part}]"
        elif not part.isidentifier() or part in ("str", "list"):
            break  # a branch of a union, added by pydantic
        else:
            path += f".{part}" if path else part
    return path or None
