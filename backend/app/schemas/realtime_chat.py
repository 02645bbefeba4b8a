"""The HTTP bodies and events of real-time chat sessions, a second dialect for conversations."""

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import BaseModel, Field, TypeAdapter

from app.schemas.chat import CLIENT_ID, TITLE_CHARS


class RealtimeSessionIn(BaseModel):
    """A new session. Every field is optional."""

    title: str | None = Field(
        None,
        max_length=TITLE_CHARS,
        description="title of the session; if absent, its first message names it",
        examples=["Holiday plans"],
    )
    initial_message: str | None = Field(
        None,
        repr=False,
        description="first message of the user; it is stored, and answered on request",
        examples=["Where is it warm in May?"],
    )


class RealtimeSessionOut(BaseModel):
    """A session, which is a conversation under another name."""

    id: UUID = Field(description="id of the session and of its conversation")
    user_id: UUID = Field(description="id of its user")
    title: str = Field(description="title of the session", examples=["Holiday plans"])
    created_at: datetime = Field(description="time of its creation")
    updated_at: datetime = Field(description="time of its last message")


class RealtimeMessageIn(BaseModel):
    """The next message of the user."""

    content: str | None = Field(
        None,
        repr=False,
        description="text of the message; if absent, the `initial_message` is answered",
        examples=["Say hello"],
    )
    model: str | None = Field(
        None,
        max_length=500,
        description="id of the model that answers, from `GET /api/models`; the server's default if absent",
        examples=["echo"],
    )
    client_message_id: UUID | None = Field(None, description=CLIENT_ID)


class RealtimeStart(BaseModel):
    """The first event: the message is stored."""

    type: Literal["start"]
    session_id: UUID = Field(description="id of the session")
    message_id: UUID = Field(description="id of the answer, for `GET /api/chat/stream/{message_id}`")


class RealtimeContent(BaseModel):
    """The next piece of the answer."""

    type: Literal["content"]
    content: str = Field(description="text to append", examples=["Say "])


class RealtimeDone(BaseModel):
    """The last event: the answer is stored."""

    type: Literal["done"]
    message_id: UUID = Field(description="id of the answer")
    full_content: str = Field(description="text of the whole answer", examples=["Say hello"])


class RealtimeError(BaseModel):
    """The last event: the answer broke off. What had arrived is stored."""

    type: Literal["error"]
    message: str = Field(description="what went wrong, and what to do about it")
    code: str = Field(description="stable code from the table of errors", examples=["upstream_error"])
    message_id: UUID | None = Field(description="id of the answer; null if it could not be read")


RealtimeEvent = Annotated[
    RealtimeStart | RealtimeContent | RealtimeDone | RealtimeError, Field(discriminator="type")
]
realtime_event: TypeAdapter[RealtimeEvent] = TypeAdapter(RealtimeEvent)
