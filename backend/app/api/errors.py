"""Errors become HTTP answers in one place: OpenAI's shape under /v1, ours elsewhere; never a stack, never the input."""

import logging
import traceback
from collections.abc import Sequence
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse
from starlette.types import Scope

from app.api.openai.unimplemented import under_v1, why_not_here
from app.core.errors import BadRequest, PrompterError
from app.schemas.openai.errors import error_headers, openai_error, openai_error_of, openai_status
from app.utils.validation import explain_details

logger = logging.getLogger(__name__)

_HTTP_CODES = {400: "bad_request", 404: "not_found", 405: "method_not_allowed", 408: "idle_timeout",
               413: "message_too_big"}  # fmt: skip


def error_body(code: str, message: str, request_id: str) -> dict[str, dict[str, str]]:
    """The shape of an error outside /v1."""
    return {"error": {"code": code, "message": message, "request_id": request_id}}


def error_response(error: PrompterError, scope: Scope) -> JSONResponse:
    """The answer to a request that met one of our errors."""
    if under_v1(scope["path"]):
        status = openai_status(error)
        return JSONResponse(openai_error_of(error), status_code=status, headers=error_headers(error, status))
    body = error_body(error.code, error.message, scope["state"]["request_id"])
    return JSONResponse(body, status_code=error.status, headers=error_headers(error, error.status))


def log_unexpected(error: Exception, path: str) -> None:
    """Log a fault of ours: the place, not the message, which may quote a prompt."""
    where = "".join(traceback.format_tb(error.__traceback__))
    logger.error("unexpected %s on %s\n%s", type(error).__name__, path, where)


def install_error_handlers(app: FastAPI) -> None:
    """Answer every exception that reaches the application in the shape of its path."""

    @app.exception_handler(PrompterError)
    async def ours(request: Request, error: PrompterError) -> JSONResponse:
        return error_response(error, request.scope)

    @app.exception_handler(RequestValidationError)
    async def invalid(request: Request, error: RequestValidationError) -> JSONResponse:
        faults = error.errors()
        return error_response(BadRequest(explain_details(faults), param=_field(faults)), request.scope)

    @app.exception_handler(HTTPException)
    async def http(request: Request, error: HTTPException) -> JSONResponse:
        code, message = _HTTP_CODES.get(error.status_code, "http_error"), str(error.detail).lower()
        if error.status_code == 404:
            message = why_not_here(request.method, request.url.path) or message
        body: dict[str, Any] = error_body(code, message, request.state.request_id)
        if under_v1(request.url.path):
            body = openai_error(code, message, error.status_code)
        return JSONResponse(body, status_code=error.status_code, headers=error.headers)


def _field(faults: Sequence[Any]) -> str | None:
    """The first field that is wrong, as OpenAI writes it: `messages[0].role`."""
    path = ""
    first = faults[0] if faults and faults[0]["type"] != "json_invalid" else None
    for part in first["loc"][1:] if first else ():
        if isinstance(part, int):
            path += f"[{part}]"
        elif not part.isidentifier() or part in ("str", "list"):
            break  # a branch of a union, which pydantic adds
        else:
            path += f".{part}" if path else part
    return path or None
