"""The HTTP bodies of imports of conversations."""

from collections.abc import Sequence
from datetime import datetime
from typing import Literal
from uuid import UUID

from pydantic import BaseModel, Field

from app.schemas.errors import NoteOut

ImportStateName = Literal["waiting", "working", "done", "failed", "cancelled", "interrupted"]
ImportReason = Literal[
    "image",
    "file",
    "audio",
    "tool",
    "hidden",
    "empty",
    "unknown_role",
    "unknown_content",
    "too_long",
    "cut",
    "too_deep",
    "duplicate",
    "orphan",
    "cycle",
    "future_date",
    "too_many_messages",
    "no_messages",
    "not_a_conversation",
    "busy",
    "other_file",
    "nested_archive",
    "locked_file",
    "file_too_large",
    "file_not_readable",
    "files_full",
    "too_many_files",
    "recordings_full",
]


class ImportLeftOut(BaseModel):
    """What was not imported, or not as it is in the file."""

    reason: ImportReason = Field(description="why: see the table of reasons", examples=["image"])
    count: int = Field(description="how often", examples=[3])


class ImportDetailOut(BaseModel):
    """A conversation of which something was left out."""

    title: str = Field(
        description="its title, shortened; empty where it has none", examples=["Holiday plans"]
    )
    outcome: Literal["created", "extended", "unchanged", "left_out"] = Field(
        description="what became of the conversation"
    )
    left: Sequence[ImportLeftOut] = Field(description="what of it was left out")


class ImportReportOut(BaseModel):
    """What came of an import."""

    sources: Sequence[str] = Field(
        description="products that wrote the file: `chatgpt`, `claude`, `open_webui`, `librechat`, `chatbot_ui`, "
        "`prompter`",
        examples=[["chatgpt"]],
    )
    created: int = Field(description="new conversations", examples=[12])
    extended: int = Field(
        description="conversations that were here and got new messages or files", examples=[1]
    )
    unchanged: int = Field(description="conversations that were here as they are in the file", examples=[0])
    left_out: int = Field(description="conversations that were not imported", examples=[0])
    messages: int = Field(description="new messages", examples=[240])
    files: int = Field(description="new files of messages", examples=[3])
    left: Sequence[ImportLeftOut] = Field(description="what was left out, counted over the whole file")
    details: Sequence[ImportDetailOut] = Field(
        description="conversations of which something was left out; at most the first 100"
    )
    more_details: int = Field(description="further conversations of that kind", examples=[0])


class ImportErrorOut(BaseModel):
    """Why an import failed or was interrupted."""

    code: str = Field(description="stable code from the table of errors", examples=["import_not_readable"])
    message: str = Field(description="what was wrong, and what to do about it")
    note: NoteOut | None = Field(None, description="the message as a code with parameters")


class ImportOut(BaseModel):
    """An import of conversations."""

    id: UUID = Field(description="id of the import")
    state: ImportStateName = Field(
        description="`waiting` for its turn, `working`, or how it ended: `done`, `failed`, `cancelled`, `interrupted`"
    )
    name: str = Field(description="name of the file", examples=["conversations.json"])
    size_bytes: int = Field(description="size of the file (bytes)", examples=[52_428_800])
    dry_run: bool = Field(
        description="whether the file is only read, and nothing is stored", examples=[False]
    )
    done: int = Field(description="conversations of the file that have been looked at", examples=[120])
    total: int | None = Field(
        description="conversations of the file; null until they are counted", examples=[480]
    )
    report: ImportReportOut | None = Field(description="what came of it; null until its end")
    error: ImportErrorOut | None = Field(description="why it failed or was interrupted; null otherwise")
    created_at: datetime = Field(description="time of the upload")
    ended_at: datetime | None = Field(description="time of its end; null until then")


class ImportDeletedOut(BaseModel):
    """The import is cancelled, or no longer listed. Its conversations stay."""

    status: Literal["cancelled", "deleted"] = Field(
        description="`cancelled` if it had not ended, `deleted` if it had", examples=["cancelled"]
    )
