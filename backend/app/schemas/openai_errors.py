"""Errors in OpenAI's shape, for everything under /v1."""

import math
from typing import Any

from pydantic import BaseModel, Field

from app.core.errors import EngineFailed, PrompterError, ProviderNotReady, UpstreamError, UpstreamTruncated

_ERROR_TYPES = {401: "authentication_error", 403: "permission_error", 429: "rate_limit_error"}
_PASSED_ON_STATUSES = frozenset({400, 401, 402, 403, 404, 413, 429, 503, 504})
"""Statuses of an upstream that are passed on: they mean the same to our client as to us."""
_NOT_RETRIED = (EngineFailed, UpstreamTruncated)
"""Errors after work was done and perhaps paid for: only the user decides to try again."""


class OpenAiErrorBody(BaseModel):
    """One error, and how to go on."""

    message: str = Field(
        description="what was wrong and how to go on; it holds no keys, prompts or other input",
        examples=["there is no model of this name; GET /v1/models lists those there are"],
    )
    type: str = Field(
        description="`invalid_request_error`, `authentication_error`, `permission_error`, `rate_limit_error` or "
        "`server_error`",
        examples=["invalid_request_error"],
    )
    param: str | None = Field(
        description="field of the request that was wrong, where there is one", examples=["model"]
    )
    code: str | None = Field(description="stable code, see the table of errors", examples=["model_not_found"])


class OpenAiErrorOut(BaseModel):
    """An error answer under /v1, and the event that ends a broken stream."""

    error: OpenAiErrorBody


def make_openai_error(code: str, message: str, status: int, param: str | None = None) -> dict[str, Any]:
    """Return an error in OpenAI's shape."""
    kind = _ERROR_TYPES.get(status) or ("server_error" if status >= 500 else "invalid_request_error")
    return {"error": {"message": message, "type": kind, "param": param, "code": code}}


def to_openai_error(error: PrompterError) -> dict[str, Any]:
    """Return one of our errors in OpenAI's shape."""
    return make_openai_error(error.code, error.message, to_openai_status(error), error.param)


def to_openai_status(error: PrompterError) -> int:
    """Return the status under /v1: the upstream's own where it concerns the client, else the error's."""
    upstream_status = error.upstream_status if isinstance(error, UpstreamError) else None
    if upstream_status == 422:
        return 400
    return upstream_status if upstream_status in _PASSED_ON_STATUSES else error.status


def make_error_headers(error: PrompterError, status: int) -> dict[str, str]:
    """Return the headers of an error: when to try again or that SDKs must not, and how to log in."""
    headers = {}
    if error.status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    if error.retry_after_s is not None:
        headers["Retry-After"] = str(max(0, math.ceil(error.retry_after_s)))
    is_not_ready = isinstance(error, ProviderNotReady) and error.retry_after_s is None
    if is_not_ready or isinstance(error, _NOT_RETRIED) or status in (401, 402, 403):
        headers["X-Should-Retry"] = "false"
    return headers


def describe_openai_error(description: str, **examples: tuple[str, str, int, str | None]) -> dict[str, Any]:
    """Return one entry of a route's `responses`: the shape, with an example of each named case.

    A case is the code, message, status and param of an error.
    """
    shown = {name: {"value": make_openai_error(*case)} for name, case in examples.items()}
    return {
        "model": OpenAiErrorOut,
        "description": description,
        "content": {"application/json": {"examples": shown}},
    }


NOT_ALLOWED = describe_openai_error(
    "This Origin, Host or address may not ask",
    not_allowed=("not_allowed", "this web origin is not allowed; add it to allowed_origins", 403, None),
)
"""For the documentation of a route that asks nobody else."""

_HOST = "'api.example.com'"
CHAT_ERRORS: dict[int | str, dict[str, Any]] = {
    400: describe_openai_error(
        "Cannot be asked",
        bad_request=("bad_request", "`messages`: field required", 400, "messages"),
        context_length_exceeded=(
            "context_length_exceeded",
            f"the upstream {_HOST} can read fewer tokens than these messages have; send less",
            400,
            "messages",
        ),
    ),
    401: describe_openai_error(
        "The upstream refuses the server's key",
        upstream_unauthorized=(
            "upstream_unauthorized",
            f"the upstream {_HOST} did not accept the API key (status 401); check api_key",
            401,
            None,
        ),
    ),
    403: describe_openai_error(
        "This Origin, Host or address may not ask, or the upstream says so of the server's key",
        not_allowed=("not_allowed", "this web origin is not allowed; add it to allowed_origins", 403, None),
    ),
    404: describe_openai_error(
        "No such model",
        model_not_found=(
            "model_not_found",
            "there is no model of this name; GET /v1/models lists those there are",
            404,
            "model",
        ),
    ),
    408: describe_openai_error(
        "The body did not come",
        idle_timeout=(
            "idle_timeout",
            "the body brought nothing for 30 s (limits.request_s); send it again",
            408,
            None,
        ),
    ),
    413: describe_openai_error(
        "The body is over the limit",
        message_too_big=(
            "message_too_big",
            "a body holds at most 20971520 bytes here (limits.chat_bytes); send less at a time",
            413,
            None,
        ),
    ),
    429: describe_openai_error(
        "The upstream wants fewer requests; see `Retry-After`",
        rate_limit_exceeded=(
            "rate_limit_exceeded",
            f"the upstream {_HOST} wants fewer requests; try again in 20 s",
            429,
            None,
        ),
    ),
    502: describe_openai_error(
        "The upstream failed, or its answer broke off",
        upstream_error=("upstream_error", f"the upstream {_HOST} answered with status 500", 502, None),
    ),
    503: describe_openai_error(
        "The provider cannot be used yet: it loads its model, or is not configured",
        upstream_loading=(
            "upstream_loading",
            f"the upstream {_HOST} is loading its model; try again in 5 s",
            503,
            None,
        ),
    ),
    504: describe_openai_error(
        "The upstream did not answer in time",
        upstream_timeout=("upstream_timeout", f"the upstream {_HOST} did not answer in time", 504, None),
    ),
    "default": describe_openai_error("Any other error, in the same shape"),
}
"""The errors of whatever asks a model under /v1."""
