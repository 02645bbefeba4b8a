"""The HTTP bodies of attached files."""

from datetime import datetime
from typing import Literal
from uuid import UUID

from pydantic import BaseModel, Field

from app.schemas.errors import NoteOut


class AttachmentErrorOut(BaseModel):
    """Why the text of a recording could not be made."""

    code: str = Field(description="stable code from the table of errors", examples=["audio_not_readable"])
    note: NoteOut | None = Field(None, description="the message as a code with parameters")
    message: str = Field(description="what went wrong, and what to do about it")


class AttachmentOut(BaseModel):
    """A file of a message, or one that is not sent yet."""

    id: UUID = Field(description="id of the file")
    name: str = Field(description="its name, without folders", examples=["notes.md"])
    kind: Literal["image", "text", "document", "audio", "video"] = Field(
        description="what it is, told by its content", examples=["text"]
    )
    media_type: str = Field(description="type of what is kept", examples=["text/markdown"])
    size_bytes: int = Field(description="size of what is kept (bytes)", examples=[2048])
    sha256: str = Field(description="SHA-256 of what is kept, in hexadecimal digits")
    width: int | None = Field(description="width of a picture (pixels); null for other kinds")
    height: int | None = Field(description="height of a picture (pixels); null for other kinds")
    pages: int | None = Field(description="number of pages of a PDF; null for other kinds")
    tokens: int | None = Field(
        description="estimated tokens of its text that a model is sent; null without text", examples=[512]
    )
    total_tokens: int | None = Field(
        description="estimated tokens of all of its text; null without text", examples=[512]
    )
    cut: bool = Field(description="whether a model is sent less than all of its text", examples=[False])
    state: Literal["working", "ready", "failed"] = Field(
        description="`working`: the text of a recording is being made; `failed`: see `error`",
        examples=["ready"],
    )
    error: AttachmentErrorOut | None = Field(
        None, description="why the text of a recording could not be made; null otherwise"
    )
    has_thumbnail: bool = Field(description="whether `/thumbnail` has a small picture of it")
    created_at: datetime = Field(description="when it was sent to the server")


class AttachmentDeletedOut(BaseModel):
    """The file is deleted."""

    status: Literal["deleted"] = Field("deleted", description="always `deleted`")


class ModelAbilitiesOut(BaseModel):
    """What a model can do besides text."""

    id: str = Field(description="id of the model", examples=["echo"])
    images: bool | None = Field(
        description="whether it sees pictures; null where nothing tells", examples=[False]
    )
