"""The one shape of errors over HTTP."""

from typing import Any

from pydantic import BaseModel, Field


class ErrorBody(BaseModel):
    """What went wrong, and how to go on."""

    code: str = Field(description="stable code, see the table of errors", examples=["missing_config"])
    message: str = Field(
        description="what was wrong and how to go on; never holds keys, prompts or the input",
        examples=[
            "openai_compat needs api_key; give it in `config`, or set PROMPTER_LLM__OPENAI_COMPAT__API_KEY"
        ],
    )
    request_id: str | None = Field(
        description="names this request in the server's log", examples=["0d9f6c1e8a7b4f0c9d3e5a6b7c8d9e0f"]
    )


class ErrorOut(BaseModel):
    """Every error answer."""

    error: ErrorBody


ANY_OTHER: dict[int | str, dict[str, Any]] = {
    "default": {"model": ErrorOut, "description": "Any other error, in the same shape"}
}
"""Beside the `responses` of a route that takes input; without it FastAPI promises a status that is never sent."""


def describe_answer(answer: str) -> dict[int | str, dict[str, Any]]:
    """The `responses` of a route that takes no input: its answer, and the guard's refusal."""
    return {
        200: {"description": answer},
        403: describe_error(
            "This Origin, Host or address may not ask",
            "not_allowed",
            "this web origin is not allowed; add it to allowed_origins",
        ),
    }


def describe_error(description: str, code: str, message: str) -> dict[str, Any]:
    """One entry of a route's `responses`: the error shape with an example of its own."""
    example = {"error": {"code": code, "message": message, "request_id": "0d9f6c1e8a7b4f0c9d3e5a6b7c8d9e0f"}}
    return {
        "model": ErrorOut,
        "description": description,
        "content": {"application/json": {"example": example}},
    }
