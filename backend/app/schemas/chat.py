"""The HTTP bodies of conversations, and the events of answers that are streamed in them."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import BaseModel, Field, TypeAdapter

from app.core.assistants import ApprovalDecision
from app.schemas.attachments import AttachmentOut
from app.schemas.errors import NoteOut

ToolEventName = Literal["tool_call", "approval_required", "approval_decided", "tool_result", "tool_error"]
"""The tool events of an answer, in the stream and in the list of messages."""
TITLE_CHARS = 200
PROMPT_CHARS = 100_000
_MODEL = "id of the model that answers, from `GET /api/models`; the server's default if absent"


class ChatOptions(BaseModel):
    """Options of an answer. For an absent option the model uses its own default."""

    temperature: float | None = Field(
        None, ge=0, le=2, description="randomness of the answer", examples=[0.7]
    )
    top_p: float | None = Field(
        None, ge=0, le=1, description="probability mass of the tokens that are considered", examples=[0.9]
    )
    max_tokens: int | None = Field(
        None, ge=1, le=10_000_000, strict=True, description="longest answer (tokens)", examples=[500]
    )


class ConversationIn(BaseModel):
    """A new conversation. Every field is optional."""

    title: str | None = Field(
        None,
        max_length=TITLE_CHARS,
        description="title of the conversation; if absent `New Conversation`, until its first message names it",
        examples=["Holiday plans"],
    )
    model: str | None = Field(None, max_length=500, description=_MODEL, examples=["echo"])
    system_prompt: str | None = Field(
        None,
        max_length=PROMPT_CHARS,
        description="system prompt, always sent before the messages; the server's own if absent",
        examples=["Answer in one sentence."],
    )
    settings: ChatOptions | None = Field(None, description="options of its answers")


class ConversationChangeIn(ConversationIn):
    """Changes of a conversation. Absent fields stay as they are; null removes a value."""

    archived: bool | None = Field(
        None,
        description="true archives the conversation, false takes it back; the list shows it in both cases",
        examples=[True],
    )
    active_leaf_id: str | None = Field(
        None,
        max_length=200,
        description="id of a message whose branch is shown from now on, down to its newest message",
    )


class ConversationOut(BaseModel):
    """A conversation, as lists show it."""

    id: UUID = Field(description="id of the conversation")
    title: str = Field(description="title of the conversation", examples=["Holiday plans"])
    created_at: datetime = Field(description="time of its creation")
    updated_at: datetime = Field(description="time of its last message or change")
    message_count: int = Field(description="number of messages in all branches", examples=[2])
    model: str | None = Field(
        description="id of the model that answers; null for the server's default", examples=["echo"]
    )
    archived: bool = Field(description="whether the conversation is archived", examples=[False])


class ConversationDetailOut(ConversationOut):
    """A conversation with its system prompt and its options."""

    system_prompt: str | None = Field(
        description="system prompt of the conversation; null for the server's own"
    )
    settings: ChatOptions = Field(description="options of its answers")
    active_leaf_id: UUID | None = Field(
        description="id of the last message of the shown branch; null without messages"
    )
    title_pending: bool = Field(
        False, description="whether a model is being asked for a better title", examples=[False]
    )


class ConversationDeletedOut(BaseModel):
    """The conversation and all its messages are deleted."""

    status: Literal["deleted"] = Field("deleted", description="always `deleted`")


class StoredErrorOut(BaseModel):
    """Why an answer did not complete."""

    code: str = Field(description="stable code from the table of errors; `stopped` if its user stopped it")
    note: NoteOut | None = Field(
        None, description="the message as a code with parameters; null in old answers"
    )
    message: str = Field(description="what went wrong, and what to do about it")


class ToolEventOut(BaseModel):
    """A tool event of the stream, and its position in the answer."""

    event: ToolEventName = Field(description="name of the event in the stream")
    text: int = Field(description="number of characters of `content` before the event", examples=[0])
    reasoning: int = Field(description="number of characters of `reasoning` before the event", examples=[0])
    data: dict[str, Any] = Field(
        description="data of the event; events of one call have the same `call_id`",
        examples=[{"call_id": "call_1", "name": "now", "toolset": "time", "arguments": {"zone": "UTC"}}],
    )


class MessageOut(BaseModel):
    """One message of a conversation."""

    id: UUID = Field(description="id of the message")
    parent_id: UUID | None = Field(
        description="id of the message before it; messages with the same parent are versions of each other"
    )
    version_ids: Sequence[UUID] = Field(
        description="ids of this message and its other versions, oldest first; at most the nearest 100"
    )
    role: Literal["system", "user", "assistant", "tool"] = Field(description="author of the message")
    content: str = Field(description="text of the message; of a running answer, what is stored so far")
    reasoning: str | None = Field(
        description="reasoning of the model before its answer; null if it sent none"
    )
    status: Literal["streaming", "complete", "interrupted", "failed"] = Field(
        description="`streaming`: the answer is running; `interrupted`: it stopped or broke off; `failed`: see `error`"
    )
    timestamp: datetime = Field(description="time of its creation")
    model: str | None = Field(
        description="id of the model that answered, or was asked for", examples=["echo"]
    )
    provider: str | None = Field(description="the provider of that model", examples=["echo"])
    finish_reason: str | None = Field(
        description="why the model ended: `stop`, `length` or another reason", examples=["stop"]
    )
    usage: dict[str, Any] | None = Field(
        description="tokens of the request, the answer and both; `estimated` is true if the model did not count them"
    )
    client_message_id: UUID | None = Field(
        description="`client_message_id` of the request that made it; null if it had none"
    )
    error: StoredErrorOut | None = Field(description="why an answer did not complete; null otherwise")
    tool_events: Sequence[ToolEventOut] = Field(description="tool events of this answer, in order")
    attachments: Sequence[AttachmentOut] = Field(description="files of this message, in order")


class ApprovalIn(BaseModel):
    """The decision about a tool call."""

    approved: bool = Field(strict=True, description="whether the call may run", examples=[True])


class ApprovalOut(BaseModel):
    """The decision that holds for a call."""

    call_id: str = Field(description="id of the call", examples=["call_1"])
    decision: ApprovalDecision = Field(description="decision that holds for the call")


class StopOut(BaseModel):
    """The answer that was stopped."""

    status: Literal["stopped", "idle"] = Field(description="`idle` if no answer was running")
    message_id: UUID | None = Field(
        description="id of the stopped answer, which keeps what had arrived; null if none was running"
    )


AttachmentIds = Annotated[
    list[Annotated[str, Field(max_length=200)]],
    Field(max_length=1000, examples=[["0197a3b2-5c1d-7e8f-9a0b-1c2d3e4f5a6b"]]),
]
AS_TEXT = "true sends the names of pictures alone, to a model that sees none"
CLIENT_ID = (
    "id of this message, a UUID that the client makes: the same request again makes nothing new and gets the answer "
    "of the first one"
)


class ChatStreamIn(ChatOptions):
    """A message whose answer is streamed."""

    conversation_id: str = Field(
        max_length=200,
        description="id of the conversation",
        examples=["0197a3b2-5c1d-7e8f-9a0b-1c2d3e4f5a6b"],
    )
    message: str = Field(
        repr=False,
        description="text of the user's message; at most `chat.message_chars` characters, and not empty without files",
        examples=["Say hello"],
    )
    attachments: AttachmentIds = Field(
        [],
        description="ids of its files, in order, from `POST /api/attachments`; at most `attachments.files`",
    )
    attachments_as_text: bool = Field(False, description=AS_TEXT)
    model: str | None = Field(
        None,
        max_length=500,
        description="id of the model that answers this message; the conversation's model if absent",
        examples=["echo"],
    )
    parent_id: str | None = Field(
        None,
        max_length=200,
        description="id of the message before it; the last one of the shown branch if absent",
    )
    client_message_id: UUID | None = Field(
        None, description=CLIENT_ID, examples=["5e3c1a52-9c0f-4b8e-8f55-2f7a4f0c9d11"]
    )


class AnswerAgainIn(ChatOptions):
    """Options of another answer. The body is optional."""

    model: str | None = Field(
        None,
        max_length=500,
        description="id of the model that answers this time; the conversation's model if absent",
        examples=["echo"],
    )
    client_message_id: UUID | None = Field(None, description=CLIENT_ID)


class EditIn(AnswerAgainIn):
    """Another version of a message, which is answered."""

    message: str = Field(
        repr=False,
        description="new text of the message; at most `chat.message_chars` characters",
        examples=["Say goodbye"],
    )
    attachments: AttachmentIds | None = Field(
        None,
        description="ids of its files, also of those that the message has; absent or null: the same files",
    )
    attachments_as_text: bool = Field(False, description=AS_TEXT)


class ForkIn(BaseModel):
    """A copy of a branch. The body is optional."""

    title: str | None = Field(
        None,
        max_length=TITLE_CHARS,
        description="title of the new conversation; that of the old one if absent",
    )


class StartEvent(BaseModel):
    """`event: start`: the message is stored, and the answer has an id for following it."""

    conversation_id: UUID = Field(description="id of the conversation")
    message_id: UUID = Field(description="id of the answer, for `GET /api/chat/stream/{message_id}`")
    user_message_id: UUID = Field(description="id of the user's message")
    title: str = Field(description="title of the conversation; its first message may have named it")


class SaidEvent(BaseModel):
    """`event: message` and `event: reasoning`: the next piece of the answer, or of the model's reasoning."""

    content: str = Field(description="text to append", examples=["Say "])


class ToolAbout(BaseModel):
    """The call that a tool event belongs to."""

    call_id: str = Field(description="id of the call, unique within the answer", examples=["call_1"])
    name: str = Field(description="name of the tool", examples=["get_order_details"])
    toolset: str = Field(description="toolset of the tool; empty for an unknown tool", examples=["loft"])


class ToolCallEvent(ToolAbout):
    """`event: tool_call`: the model calls a tool. `tool_result` or `tool_error` follows."""

    arguments: dict[str, Any] = Field(
        description='arguments as the model wrote them; `{"_raw": text}` if they are not a JSON object',
        examples=[{"order_id": "1042"}],
    )


class ApprovalRequiredEvent(ToolCallEvent):
    """`event: approval_required`: the call waits for `POST /api/messages/{message_id}/approvals/{call_id}`."""

    message_id: UUID = Field(description="id of the answer")
    expires_at: datetime = Field(description="time from which the call is refused without a decision")


class ApprovalDecidedEvent(ToolAbout):
    """`event: approval_decided`: the call no longer waits for a decision."""

    decision: ApprovalDecision = Field(description="decision that holds for the call")


class ToolResultEvent(ToolAbout):
    """`event: tool_result`: the tool has returned a result."""

    result: str = Field(
        description="result of the tool, as text or JSON; foreign data that must not be rendered as HTML"
    )
    truncated: bool = Field(description="whether the result was cut at its size limit")
    ms: int = Field(description="duration of the call (ms)")


class ToolErrorEvent(ToolAbout):
    """`event: tool_error`: the tool was not run, or returned no result."""

    code: str = Field(
        description="`denied`, `approval_expired`, `no_approval`, `bad_arguments`, `unknown_tool`, `tool_timeout`, "
        "`tool_failed`, `limit`, `stopped` (its user stopped the answer), `interrupted` (the answer broke off)",
        examples=["tool_timeout"],
    )
    error: str = Field(description="reason, which the model was sent too")
    ms: int | None = Field(description="duration of the call (ms); null if its answer ended first")


class AnswerDoneEvent(BaseModel):
    """`event: done`, the last event: the answer is stored."""

    status: Literal["completed", "stopped"] = Field(
        description="`stopped` if its user stopped it before its end"
    )
    message_id: UUID = Field(description="id of the answer")
    model: str | None = Field(description="id of the model that answered", examples=["echo"])
    provider: str | None = Field(description="the provider of that model", examples=["echo"])
    finish_reason: str | None = Field(description="why the model ended; null if it was stopped")
    usage: dict[str, Any] | None = Field(
        description="tokens of the request, the answer and both; `estimated` is true if the model did not count them"
    )


class AnswerErrorEvent(BaseModel):
    """`event: error`, the last event: the answer broke off. What had arrived is stored."""

    error: str = Field(
        description="what went wrong, and what to do about it", examples=["the upstream broke off"]
    )
    code: str = Field(description="stable code from the table of errors", examples=["upstream_error"])
    note: NoteOut | None = Field(None, description="the error as a code with parameters")
    message_id: UUID | None = Field(description="id of the answer; null if it could not be read")


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
    Field(description="data of one event of an answer in a conversation; the name of the event says which"),
]
chat_event: TypeAdapter[Any] = TypeAdapter(ChatEvent)
