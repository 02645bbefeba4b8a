"""Errors in Anthropic's shape, for `/v1/messages` and for whoever asks under /v1 with Anthropic's headers."""

from typing import Any, Literal

from pydantic import BaseModel, Field

from app.core.errors import ContextTooLong, PrompterError
from app.schemas.openai_errors import to_openai_status

_TYPES = {
    400: "invalid_request_error",
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    503: "overloaded_error",
    504: "timeout_error",
}
_TOO_LONG = "prompt is too long"
"""How Anthropic begins this message; clients that shorten a conversation by themselves look for these words."""


class AnthropicErrorBody(BaseModel):
    """One error, and how to go on."""

    type: str = Field(
        description="`invalid_request_error`, `authentication_error`, `permission_error`, `not_found_error`, "
        "`request_too_large`, `rate_limit_error`, `api_error`, `timeout_error` or `overloaded_error`",
        examples=["invalid_request_error"],
    )
    message: str = Field(
        description="what was wrong and how to go on; it holds no keys, prompts or other input",
        examples=["there is no model of this name; GET /v1/models lists those there are"],
    )
    param: str | None = Field(
        description="field of the request that was wrong, where there is one", examples=["model"]
    )
    code: str = Field(description="stable code, see the table of errors", examples=["model_not_found"])


class AnthropicErrorOut(BaseModel):
    """An error in Anthropic's shape, and the event that ends a broken stream."""

    type: Literal["error"] = Field("error", description="always `error`")
    error: AnthropicErrorBody
    request_id: str | None = Field(None, description="id of the request, as in `X-Request-ID`")


def make_anthropic_error(
    code: str, message: str, status: int, param: str | None = None, *, request_id: str | None = None
) -> dict[str, Any]:
    """Return an error in Anthropic's shape, which holds what OpenAI's has too."""
    kind = _TYPES.get(status) or ("api_error" if status >= 500 else "invalid_request_error")
    return {
        "type": "error",
        "error": {"type": kind, "message": message, "param": param, "code": code},
        "request_id": request_id,
    }


def to_anthropic_error(error: PrompterError, request_id: str | None = None) -> dict[str, Any]:
    """Return one of our errors in Anthropic's shape; its status is that of the other routes under /v1."""
    message = f"{_TOO_LONG}: {error.message}" if isinstance(error, ContextTooLong) else error.message
    return make_anthropic_error(
        error.code, message, to_openai_status(error), error.param, request_id=request_id
    )


def describe_anthropic_error(description: str, **examples: tuple[str, str, int]) -> dict[str, Any]:
    """Return one entry of a route's `responses`: the shape, with an example of each named case.

    A case is the code, message and status of an error.
    """
    shown = {name: {"value": make_anthropic_error(*case)} for name, case in examples.items()}
    return {
        "model": AnthropicErrorOut,
        "description": description,
        "content": {"application/json": {"examples": shown}},
    }
