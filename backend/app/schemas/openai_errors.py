"""OpenAI's shape of errors, which everything under /v1 has."""

import math
from typing import Any

from pydantic import BaseModel, Field

from app.core.errors import EngineFailed, PrompterError, ProviderNotReady, UpstreamError, UpstreamTruncated

_TYPES = {401: "authentication_error", 403: "permission_error", 429: "rate_limit_error"}
_KEPT = frozenset({400, 401, 402, 403, 404, 413, 429, 503, 504})
"""Statuses of an upstream that mean to our client what they mean to us."""
_NOT_AGAIN = (EngineFailed, UpstreamTruncated)
"""What is told after work was done and perhaps paid for: doing it once more is the user's decision."""


class OpenAiErrorBody(BaseModel):
    """What went wrong, and how to go on."""

    message: str = Field(
        description="what was wrong and how to go on; never holds keys, prompts or the input",
        examples=["there is no model 'gpt-9'; GET /v1/models lists those there are"],
    )
    type: str = Field(
        description="`invalid_request_error`, `authentication_error`, `permission_error`, `rate_limit_error` or "
        "`server_error`",
        examples=["invalid_request_error"],
    )
    param: str | None = Field(description="the field that was wrong, where one was", examples=["model"])
    code: str | None = Field(description="stable code, see the table of errors", examples=["model_not_found"])


class OpenAiErrorOut(BaseModel):
    """Every error answer under /v1, and the event that ends a broken stream."""

    error: OpenAiErrorBody


def openai_error(code: str, message: str, status: int, param: str | None = None) -> dict[str, Any]:
    """An error in OpenAI's shape."""
    kind = _TYPES.get(status) or ("server_error" if status >= 500 else "invalid_request_error")
    return {"error": {"message": message, "type": kind, "param": param, "code": code}}


def openai_error_of(error: PrompterError) -> dict[str, Any]:
    """One of our errors in OpenAI's shape."""
    return openai_error(error.code, error.message, openai_status(error), error.param)


def openai_status(error: PrompterError) -> int:
    """The status under /v1: the upstream's own where it says something to the client."""
    said = error.upstream_status if isinstance(error, UpstreamError) else None
    if said == 422:
        return 400
    return said if said in _KEPT else error.status


def error_headers(error: PrompterError, status: int) -> dict[str, str]:
    """When to try again, or that it must not be tried by itself: SDKs read both; and what to log in with."""
    headers = {}
    if error.status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    if error.retry_after_s is not None:
        headers["Retry-After"] = str(max(0, math.ceil(error.retry_after_s)))
    useless = isinstance(error, ProviderNotReady) and error.retry_after_s is None
    if useless or isinstance(error, _NOT_AGAIN) or status in (401, 402, 403):
        headers["X-Should-Retry"] = "false"
    return headers


def openai_answer(description: str, **examples: tuple[str, str, int, str | None]) -> dict[str, Any]:
    """One entry of a route's `responses`: the shape, with an example of each case by its name.

    A case is code, message, status and param.
    """
    shown = {name: {"value": openai_error(*case)} for name, case in examples.items()}
    return {
        "model": OpenAiErrorOut,
        "description": description,
        "content": {"application/json": {"examples": shown}},
    }
