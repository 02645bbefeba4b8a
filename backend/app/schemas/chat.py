"""The words of conversations, and of the answers that are streamed in them."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import BaseModel, Field, TypeAdapter

from app.core.assistants import ApprovalDecision

ToolEventName = Literal["tool_call", "approval_required", "approval_decided", "tool_result", "tool_error"]
"""The tool events of an answer, in the stream and in the list of messages."""
TITLE_CHARS = 200
PROMPT_CHARS = 100_000
_MODEL = "who answers, as `GET /api/models` lists them; the server's default if absent"


class ChatOptions(BaseModel):
    """How answers are asked for; what is absent is the model's own default."""

    temperature: float | None = Field(None, ge=0, le=2, description="randomness", examples=[0.7])
    top_p: float | None = Field(
        None, ge=0, le=1, description="share of the likeliest tokens to choose from", examples=[0.9]
    )
    max_tokens: int | None = Field(
        None, ge=1, le=10_000_000, strict=True, description="longest answer (tokens)", examples=[500]
    )


class ConversationIn(BaseModel):
    """A conversation to be made; every field may be left out."""

    title: str | None = Field(
        None,
        max_length=TITLE_CHARS,
        description="its title; without one it is called `New Conversation` until its first message names it",
        examples=["Holiday plans"],
    )
    model: str | None = Field(None, max_length=500, description=_MODEL, examples=["echo"])
    system_prompt: str | None = Field(
        None,
        max_length=PROMPT_CHARS,
        description="sent before all messages, whatever is left out of them; the server's own if absent",
        examples=["Answer in one sentence."],
    )
    settings: ChatOptions | None = Field(None, description="how its answers are asked for")


class ConversationChangeIn(ConversationIn):
    """What of a conversation changes: the fields that are there; null takes a value away."""

    archived: bool | None = Field(
        None, description="put away, or back; it stays in the list", examples=[True]
    )
    active_leaf_id: str | None = Field(
        None, max_length=200, description="a message: its branch is shown, down to its newest message"
    )


class ConversationOut(BaseModel):
    """A conversation in the list."""

    id: UUID = Field(description="the conversation's id")
    title: str = Field(description="its title", examples=["Holiday plans"])
    created_at: datetime = Field(description="when it was made")
    updated_at: datetime = Field(description="when its last message came, or it was last changed")
    message_count: int = Field(description="messages of all branches", examples=[2])
    model: str | None = Field(description="who answers; null for the server's default", examples=["echo"])
    archived: bool = Field(description="whether it has been put away", examples=[False])


class ConversationDetailOut(ConversationOut):
    """A conversation, with what is sent along with its messages."""

    system_prompt: str | None = Field(description="its own system prompt; null for the server's")
    settings: ChatOptions = Field(description="how its answers are asked for")
    active_leaf_id: UUID | None = Field(
        description="the last message of the branch that is shown; null where there is none"
    )


class ConversationDeletedOut(BaseModel):
    """The conversation is gone, with all its messages."""

    status: Literal["deleted"] = Field("deleted", description="always `deleted`")


class StoredErrorOut(BaseModel):
    """Why an answer broke off."""

    code: str = Field(description="stable code, see the table of errors; `stopped`: by its user")
    message: str = Field(description="what went wrong and how to go on")


class ToolEventOut(BaseModel):
    """A tool was called in an answer, or what became of it: an event of the stream, and where it stands."""

    event: ToolEventName = Field(description="the event's name")
    text: int = Field(description="characters of `content` that stand before it", examples=[0])
    reasoning: int = Field(description="the same of `reasoning`", examples=[0])
    data: dict[str, Any] = Field(
        description="the event's data; `call_id` tells which events are of one call",
        examples=[{"call_id": "call_1", "name": "now", "toolset": "time", "arguments": {"zone": "UTC"}}],
    )


class MessageOut(BaseModel):
    """One message."""

    id: UUID = Field(description="the message's id")
    parent_id: UUID | None = Field(
        description="the message that it follows; messages with the same one are versions of each other"
    )
    version_ids: Sequence[UUID] = Field(
        description="this message and its other versions, oldest first: edits of a question, answers to one; of more "
        "than 100 those nearest to it"
    )
    role: Literal["system", "user", "assistant", "tool"] = Field(description="who said it")
    content: str = Field(description="what was said; of a streamed answer what was saved so far")
    reasoning: str | None = Field(description="what the model thought before it answered, where it tells")
    status: Literal["streaming", "complete", "interrupted", "failed"] = Field(
        description="`streaming`: under way; `interrupted`: stopped, or cut short; `failed`: `error` tells why"
    )
    timestamp: datetime = Field(description="when it was made")
    model: str | None = Field(description="who answered, or was asked to", examples=["echo"])
    provider: str | None = Field(description="the provider of that model", examples=["echo"])
    finish_reason: str | None = Field(
        description="why the model ended: `stop`, `length` …", examples=["stop"]
    )
    usage: dict[str, Any] | None = Field(
        description="tokens read, written, and both; with `estimated` where nobody has counted"
    )
    error: StoredErrorOut | None = Field(description="why an answer broke off; null where it did not")
    tool_events: Sequence[ToolEventOut] = Field(
        description="what an assistant's tools did in this answer, in its order"
    )


class ApprovalIn(BaseModel):
    """What is said to a tool that asks."""

    approved: bool = Field(strict=True, description="whether it may run", examples=[True])


class ApprovalOut(BaseModel):
    """What was decided of a call."""

    call_id: str = Field(description="the call", examples=["call_1"])
    decision: ApprovalDecision = Field(description="what holds for it")


class StopOut(BaseModel):
    """What was stopped."""

    status: Literal["stopped", "idle"] = Field(description="`idle`: no answer was under way")
    message_id: UUID | None = Field(description="the answer that was stopped; what had arrived is kept")


class ChatStreamIn(ChatOptions):
    """A message, to be answered as a stream of events."""

    conversation_id: str = Field(
        max_length=200, description="where it is said", examples=["0197a3b2-5c1d-7e8f-9a0b-1c2d3e4f5a6b"]
    )
    message: str = Field(
        repr=False, description="what the user says; at most `chat.message_chars`", examples=["Say hello"]
    )
    model: str | None = Field(
        None,
        max_length=500,
        description="who answers this message; the conversation's model if absent",
        examples=["echo"],
    )
    parent_id: str | None = Field(
        None,
        max_length=200,
        description="the message that it follows; the last one of the branch that is shown if absent",
    )


class AnswerAgainIn(ChatOptions):
    """How to answer; the body may be left out."""

    model: str | None = Field(
        None,
        max_length=500,
        description="who answers this time; the conversation's model if absent",
        examples=["echo"],
    )


class EditIn(AnswerAgainIn):
    """Another version of a message, to be answered."""

    message: str = Field(
        repr=False, description="what it says now; at most `chat.message_chars`", examples=["Say goodbye"]
    )


class ForkIn(BaseModel):
    """A copy of a branch; the body may be left out."""

    title: str | None = Field(
        None, max_length=TITLE_CHARS, description="the new conversation's title; the old one's if absent"
    )


class StartEvent(BaseModel):
    """`event: start`: the message is stored, and the answer has an id by which it can be followed."""

    conversation_id: UUID = Field(description="where it is said")
    message_id: UUID = Field(description="of the answer: for `GET /api/chat/stream/{message_id}`")
    user_message_id: UUID = Field(description="of the user's message")
    title: str = Field(description="of the conversation, which its first message names")


class SaidEvent(BaseModel):
    """`event: message`, and `event: reasoning`: the next piece of the answer, and of the thoughts before it."""

    content: str = Field(description="text to append", examples=["Say "])


class ToolAbout(BaseModel):
    """Of which call an event tells."""

    call_id: str = Field(description="the call; unique in its answer", examples=["call_1"])
    name: str = Field(description="the tool", examples=["get_order_details"])
    toolset: str = Field(description="whose tool it is; empty of one that nobody has", examples=["loft"])


class ToolCallEvent(ToolAbout):
    """`event: tool_call`: the model wants a tool to be run; `tool_result` or `tool_error` follows."""

    arguments: dict[str, Any] = Field(
        description='as the model wrote them; `{"_raw": text}` where that is no JSON object',
        examples=[{"order_id": "1042"}],
    )


class ApprovalRequiredEvent(ToolCallEvent):
    """`event: approval_required`: the call waits for `POST /api/messages/{message_id}/approvals/{call_id}`."""

    message_id: UUID = Field(description="of the answer")
    expires_at: datetime = Field(description="when it waits no more, and is not run")


class ApprovalDecidedEvent(ToolAbout):
    """`event: approval_decided`: nobody need be asked any more."""

    decision: ApprovalDecision = Field(description="what holds for the call")


class ToolResultEvent(ToolAbout):
    """`event: tool_result`: the tool has run."""

    result: str = Field(description="what it gave, JSON where that was no text; data of others, never HTML")
    truncated: bool = Field(description="whether there was more than a result may hold")
    ms: int = Field(description="how long it took (ms)")


class ToolErrorEvent(ToolAbout):
    """`event: tool_error`: the tool was not run, or gave nothing."""

    code: str = Field(
        description="`denied`, `approval_expired`, `no_approval`, `bad_arguments`, `unknown_tool`, `tool_timeout`, "
        "`tool_failed`, `limit`, `stopped` (with its answer, by its user), `interrupted` (with its answer)",
        examples=["tool_timeout"],
    )
    error: str = Field(description="why; the model was told the same")
    ms: int | None = Field(description="how long it took (ms); null where its answer ended first")


class AnswerDoneEvent(BaseModel):
    """`event: done`: the answer is stored; the last event."""

    status: Literal["completed", "stopped"] = Field(description="`stopped`: by its user, before its end")
    message_id: UUID = Field(description="of the answer")
    model: str | None = Field(description="who answered", examples=["echo"])
    provider: str | None = Field(description="the provider of that model", examples=["echo"])
    finish_reason: str | None = Field(description="why the model ended; null where it was stopped")
    usage: dict[str, Any] | None = Field(
        description="tokens read, written, and both; with `estimated` where nobody has counted"
    )


class AnswerErrorEvent(BaseModel):
    """`event: error`: the answer broke off, and what had arrived is stored; the last event."""

    error: str = Field(description="what went wrong and how to go on", examples=["the upstream broke off"])
    code: str = Field(description="stable code, see the table of errors", examples=["upstream_error"])
    message_id: UUID | None = Field(description="of the answer; null where it could not be read")


ChatEvent = Annotated[
    StartEvent
    | SaidEvent
    | ToolCallEvent
    | ApprovalRequiredEvent
    | ApprovalDecidedEvent
    | ToolResultEvent
    | ToolErrorEvent
    | AnswerDoneEvent
    | AnswerErrorEvent,
    Field(
        description="the data of one event of an answer in a conversation; the event's name tells which it is"
    ),
]
chat_event: TypeAdapter[Any] = TypeAdapter(ChatEvent)
