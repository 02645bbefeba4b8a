"""The words of real-time chat sessions: the second dialect of conversations."""

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import BaseModel, Field, TypeAdapter

from app.schemas.chat import TITLE_CHARS


class RealtimeSessionIn(BaseModel):
    """A session to be made; every field may be left out."""

    title: str | None = Field(
        None,
        max_length=TITLE_CHARS,
        description="its title; without one its first message names it",
        examples=["Holiday plans"],
    )
    initial_message: str | None = Field(
        None,
        repr=False,
        description="stored as the first message of the user; no model is asked yet",
        examples=["Where is it warm in May?"],
    )


class RealtimeSessionOut(BaseModel):
    """A session: a conversation by another name."""

    id: UUID = Field(description="the session's id, which is that of its conversation")
    user_id: UUID = Field(description="whose it is")
    title: str = Field(description="its title", examples=["Holiday plans"])
    created_at: datetime = Field(description="when it was made")
    updated_at: datetime = Field(description="when its last message came")


class RealtimeMessageIn(BaseModel):
    """What the user says next."""

    content: str | None = Field(
        None,
        repr=False,
        description="what the user says; may be left out to have the `initial_message` answered",
        examples=["Say hello"],
    )
    model: str | None = Field(
        None,
        max_length=500,
        description="who answers, as `GET /api/models` lists them; the server's default if absent",
        examples=["echo"],
    )


class RealtimeStart(BaseModel):
    """The first event: the message is stored."""

    type: Literal["start"]
    session_id: UUID = Field(description="the session")
    message_id: UUID = Field(description="of the answer: for `GET /api/chat/stream/{message_id}`")


class RealtimeContent(BaseModel):
    """The next piece of the answer."""

    type: Literal["content"]
    content: str = Field(description="text to append", examples=["Say "])


class RealtimeDone(BaseModel):
    """The last event: the answer is stored."""

    type: Literal["done"]
    message_id: UUID = Field(description="of the answer")
    full_content: str = Field(description="the whole answer", examples=["Say hello"])


class RealtimeError(BaseModel):
    """The last event: the answer broke off, and what had arrived is stored."""

    type: Literal["error"]
    message: str = Field(description="what went wrong and how to go on")
    code: str = Field(description="stable code, see the table of errors", examples=["upstream_error"])
    message_id: UUID | None = Field(description="of the answer; null where it could not be read")


RealtimeEvent = Annotated[
    RealtimeStart | RealtimeContent | RealtimeDone | RealtimeError, Field(discriminator="type")
]
realtime_event: TypeAdapter[RealtimeEvent] = TypeAdapter(RealtimeEvent)
