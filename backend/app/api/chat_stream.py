"""`/api/chat/stream`: send a message and follow its answer, also again after the connection was lost."""

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import asdict
from typing import Annotated, Any

from fastapi import APIRouter, Header, Response

from app.api.deps import CallerDep, Resources, ResourcesDep
from app.api.responses import (
    BUSY,
    MALFORMED,
    NO_CONVERSATION,
    NO_MESSAGE,
    STORAGE,
    TOO_BIG,
    parse_attachment_id,
    parse_conversation_id,
    parse_message_id,
)
from app.api.sse import EventStream, encode_event
from app.core.errors import PrompterError
from app.core.security import Caller
from app.schemas.chat import AnswerAgainIn, ChatStreamIn
from app.services.chat.answers import AnswerOptions, AttachedIds, NewTurn, Parent
from app.services.chat.events import (
    AnswerEvent,
    Cursor,
    Delivery,
    Failed,
    ReasoningDelta,
    Status,
    TextDelta,
    ToolEvent,
)

router = APIRouter(prefix="/api/chat", tags=["conversations"])

_EXAMPLE = (
    'id: 0.0\nevent: start\ndata: {"conversation_id":"0197…","message_id":"0198…","user_message_id":"0198…",'
    '"title":"Say hello"}\n\n'
    'id: 4.0\nevent: message\ndata: {"content":"Say "}\n\nid: 9.0\nevent: message\ndata: {"content":"hello"}\n\n'
    'id: 9.0.end\nevent: done\ndata: {"status":"completed","message_id":"0198…","model":"echo","provider":"echo",'
    '"finish_reason":"stop","usage":null}\n\n'
)
STREAM: dict[str, Any] = {
    "description": (
        "Events: `start`; `message`, `reasoning`, tool events and `status`; then `done` or `error`. Each has an `id`"
    ),
    "content": {"text/event-stream": {"schema": {"type": "string"}, "example": _EXAMPLE}},
}


@router.post(
    "/stream",
    response_class=Response,
    summary="Send a message, and stream its answer",
    responses={
        200: STREAM,
        400: MALFORMED,
        404: NO_CONVERSATION,
        409: BUSY,
        413: TOO_BIG,
        **STORAGE,
    },
)
async def send(body: ChatStreamIn, caller: CallerDep, resources: ResourcesDep) -> Response:
    """Store the message, ask the model, and stream the answer.

    The answer belongs to the conversation: it continues when the client leaves, and is stored before `done` is sent.
    To follow it again, use `GET /api/chat/stream/{message_id}`. A client that does not know whether its message arrived
    sends it again with the same `client_message_id`: it is stored and answered once.
    """
    conversation_id = parse_conversation_id(body.conversation_id)
    parent: Parent = parse_message_id(body.parent_id) if body.parent_id else "leaf"
    turn = await resources.answers.send(
        caller.user_id,
        conversation_id,
        body.message,
        parent=parent,
        options=make_options(body),
        client_message_id=body.client_message_id,
        files=make_attached(body.attachments, as_text=body.attachments_as_text),
    )
    return await stream_turn(turn, caller, resources)


@router.get(
    "/stream/{message_id}",
    response_class=Response,
    summary="Follow an answer, or go on following it",
    responses={
        200: STREAM,
        400: MALFORMED,
        404: NO_MESSAGE,
        **STORAGE,
    },
)
async def follow(
    message_id: str,
    caller: CallerDep,
    resources: ResourcesDep,
    last_event_id: Annotated[
        str,
        Header(max_length=100, description="`id` of the last event received; the beginning if absent"),
    ] = "",
) -> Response:
    """Follow an answer while it is made, after it has ended, or after a restart of the server.

    The texts of all events together are the answer. A client that sends the `id` of the last event has everything,
    and gets an empty 204.
    """
    cursor = Cursor.parse(last_event_id)
    deliveries = await resources.answers.follow(caller.user_id, parse_message_id(message_id), cursor)
    if cursor.at_end:
        return Response(status_code=204)  # tells an EventSource not to reconnect
    return EventStream(encode_deliveries(deliveries), slow_reader_s=resources.settings.limits.slow_reader_s)


async def stream_turn(turn: NewTurn, caller: Caller, resources: Resources) -> Response:
    """The events of a new turn, from its start."""
    deliveries = await resources.answers.follow(caller.user_id, turn.assistant.id)
    return EventStream(_encode_turn(turn, deliveries), slow_reader_s=resources.settings.limits.slow_reader_s)


async def _encode_turn(
    turn: NewTurn, deliveries: AsyncGenerator[Delivery, None]
) -> AsyncGenerator[bytes, None]:
    start = {
        "conversation_id": turn.user.conversation_id,
        "message_id": turn.assistant.id,
        "user_message_id": turn.user.id,
        "title": turn.title,
    }
    async with aclosing(encode_deliveries(deliveries)) as pieces:
        yield encode_event("start", start, event_id=str(Cursor()))
        async for piece in pieces:
            yield piece


async def encode_deliveries(deliveries: AsyncGenerator[Delivery, None]) -> AsyncGenerator[bytes, None]:
    """The deliveries as server-sent events; a failure to read them is the last event."""
    cursor = Cursor()
    async with aclosing(deliveries):
        try:
            async for cursor, event in deliveries:
                name, data = _name_and_data(event)
                yield encode_event(name, data, event_id=str(cursor))
        except PrompterError as error:
            data = {
                "error": error.message,
                "code": error.code,
                "note": error.note.to_dict(),
                "message_id": None,
            }
            yield encode_event("error", data, event_id=str(cursor))


def _name_and_data(event: AnswerEvent) -> tuple[str, dict[str, Any]]:
    if isinstance(event, TextDelta):
        return "message", {"content": event.text}
    if isinstance(event, ReasoningDelta):
        return "reasoning", {"content": event.text}
    if isinstance(event, ToolEvent):
        return event.name, event.data
    if isinstance(event, Status):
        return "status", asdict(event)
    if isinstance(event, Failed):
        return "error", {
            "error": event.message,
            "code": event.code,
            "note": event.note.to_dict(),
            "message_id": event.message_id,
        }
    return "done", {
        "status": event.status,
        "message_id": event.message_id,
        "model": event.model,
        "provider": event.provider,
        "finish_reason": event.finish_reason,
        "usage": event.usage,
    }


def make_attached(ids: Sequence[str], *, as_text: bool) -> AttachedIds:
    """The files of a message from a request's body.

    Raises:
        NotFound: one of the ids is none.
    """
    return AttachedIds(ids=tuple(parse_attachment_id(each) for each in dict.fromkeys(ids)), as_text=as_text)


def make_options(body: AnswerAgainIn | ChatStreamIn) -> AnswerOptions:
    """The options of an answer from a request's body."""
    return AnswerOptions(
        model=body.model or None,
        temperature=body.temperature,
        top_p=body.top_p,
        max_tokens=body.max_tokens,
    )
