"""Errors become HTTP answers in one place and one shape: code, message, request id; never a stack, never the input."""

import logging
import traceback
from math import ceil

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse

from app.core.errors import BadRequest, PrompterError
from app.utils.validation import explain_details

logger = logging.getLogger(__name__)

_HTTP_CODES = {400: "bad_request", 404: "not_found", 405: "method_not_allowed", 413: "message_too_big"}


def error_body(code: str, message: str, request_id: str) -> dict[str, dict[str, str]]:
    """The one shape of an error."""
    return {"error": {"code": code, "message": message, "request_id": request_id}}


def error_response(error: PrompterError, request_id: str) -> JSONResponse:
    body = error_body(error.code, error.message, request_id)
    return JSONResponse(body, status_code=error.status, headers=error_headers(error))


def error_headers(error: PrompterError) -> dict[str, str]:
    """What an answer says beside its body: how to ask again, and when."""
    headers = {}
    if error.status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    if error.retry_after_s is not None:
        headers["Retry-After"] = str(ceil(error.retry_after_s))
    return headers


def log_unexpected(error: Exception, path: str) -> None:
    """Log a fault of ours: the place, not the message, which may quote a prompt."""
    where = "".join(traceback.format_tb(error.__traceback__))
    logger.error("unexpected %s on %s\n%s", type(error).__name__, path, where)


def install_error_handlers(app: FastAPI) -> None:
    """Answer every exception that reaches the application in our shape."""

    @app.exception_handler(PrompterError)
    async def ours(request: Request, error: PrompterError) -> JSONResponse:
        return error_response(error, request.state.request_id)

    @app.exception_handler(RequestValidationError)
    async def invalid(request: Request, error: RequestValidationError) -> JSONResponse:
        said = explain_details(error.errors())
        return error_response(BadRequest(said), request.state.request_id)

    @app.exception_handler(HTTPException)
    async def http(request: Request, error: HTTPException) -> JSONResponse:
        code = _HTTP_CODES.get(error.status_code, "http_error")
        body = error_body(code, str(error.detail).lower(), request.state.request_id)
        return JSONResponse(body, status_code=error.status_code, headers=error.headers)
