"""The shape of errors over HTTP, and the descriptions of answers in OpenAPI."""

from typing import Any

from pydantic import BaseModel, Field

from app.core.notes import Note


class NoteOut(BaseModel):
    """What the web app says in its user's language, as a code."""

    code: str = Field(description="the code of an error, or a finer one", examples=["key_missing"])
    params: dict[str, str | int | float] = Field(
        default_factory=dict,
        description="names and numbers for the sentence: no key, no prompt, nothing that was said",
        examples=[{"host": "api.example.com"}],
    )

    @classmethod
    def from_note(cls, note: Note) -> "NoteOut":
        return cls(code=note.code, params=dict(note.params))

    @classmethod
    def from_note_or_none(cls, note: Note | None) -> "NoteOut | None":
        return None if note is None else cls.from_note(note)


class ErrorBody(BaseModel):
    """What was wrong, and how to go on."""

    code: str = Field(description="stable code, see the table of errors", examples=["missing_config"])
    message: str = Field(
        description="what was wrong and how to go on; never contains keys, prompts or the input",
        examples=[
            "openai_compat needs api_key; give it in `config`, or set PROMPTER_LLM__OPENAI_COMPAT__API_KEY"
        ],
    )
    note: NoteOut | None = Field(None, description="the message as a code with parameters")
    request_id: str | None = Field(
        description="id of this request in the server's log", examples=["0d9f6c1e8a7b4f0c9d3e5a6b7c8d9e0f"]
    )


class ErrorOut(BaseModel):
    """The body of every error answer."""

    error: ErrorBody


ANY_OTHER: dict[int | str, dict[str, Any]] = {
    "default": {"model": ErrorOut, "description": "Any other error, in the same shape"}
}
"""For the `responses` of a route with input: without it FastAPI documents a status that is never sent."""


def describe_answer(answer: str) -> dict[int | str, dict[str, Any]]:
    """Return the `responses` of a route: its answer, and the refusal by the network checks."""
    return {
        200: {"description": answer},
        403: describe_error(
            "This Origin, Host or address is not allowed",
            "not_allowed",
            "this web origin is not allowed; add it to allowed_origins",
        ),
    }


def describe_error(description: str, code: str, message: str) -> dict[str, Any]:
    """Return one entry of a route's `responses`: the shape of errors with an example."""
    example = {"error": {"code": code, "message": message, "request_id": "0d9f6c1e8a7b4f0c9d3e5a6b7c8d9e0f"}}
    return {
        "model": ErrorOut,
        "description": description,
        "content": {"application/json": {"example": example}},
    }
