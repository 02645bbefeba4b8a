"""`/api/chat/stream`: send a message and follow its answer; come back to an answer after the line was lost."""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Header, Response

from app.api.deps import CallerDep, Resources, ResourcesDep
from app.api.responses import (
    BUSY,
    MALFORMED,
    NO_CONVERSATION,
    NO_MESSAGE,
    STORAGE,
    TOO_BIG,
    known,
    known_message,
)
from app.api.sse import EventStream
from app.core.errors import PrompterError
from app.core.security import Caller
from app.schemas.chat import ChatStreamIn
from app.services.chat.answer import AnswerOptions
from app.services.chat.answers import NewTurn, Parent
from app.services.chat.events import AnswerEvent, Cursor, Failed, Happened, ReasoningDelta, TextDelta

router = APIRouter(prefix="/api/chat", tags=["conversations"])

_EXAMPLE = (
    'id: 0.0\nevent: start\ndata: {"conversation_id":"0197…","message_id":"0198…","user_message_id":"0198…",'
    '"title":"Say hello"}\n\n'
    'id: 4.0\nevent: message\ndata: {"content":"Say "}\n\nid: 9.0\nevent: message\ndata: {"content":"hello"}\n\n'
    'id: 9.0.end\nevent: done\ndata: {"status":"completed","message_id":"0198…","model":"echo","provider":"echo",'
    '"finish_reason":"stop","usage":null}\n\n'
)
STREAM: dict[str, Any] = {
    "description": "Events: `start`, `message`, `reasoning` and those of tools …, then `done` or `error`; each has an "
    "`id`",
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
    """Store the message, ask the model, and send the answer as it comes.

    The answer belongs to the conversation: it goes on when the client leaves, and is stored before `done` is sent.
    Follow it again with `GET /api/chat/stream/{message_id}`, never by sending the message a second time.
    """
    conversation_id = known(body.conversation_id)
    parent: Parent = known_message(body.parent_id) if body.parent_id else "leaf"
    turn = await resources.answers.send(
        caller.user_id, conversation_id, body.message, parent=parent, options=_options(body)
    )
    return await told(turn, caller, resources)


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
        Header(max_length=100, description="the `id` of the last event that came; the beginning if absent"),
    ] = "",
) -> Response:
    """While it is made, after it has ended, and after the server was started again: the texts of all events together
    are the answer. Whoever sends the `id` of the last event has heard all, and gets an empty 204.
    """
    cursor = Cursor.of(last_event_id)
    events = await resources.answers.follow(caller.user_id, known_message(message_id), cursor)
    if cursor.over:
        return Response(status_code=204)  # by which an EventSource knows that it need not come again
    return EventStream(_written(events), slow_reader_s=resources.settings.limits.slow_reader_s)


async def told(turn: NewTurn, caller: Caller, resources: Resources) -> Response:
    """The answer of a turn, from its beginning."""
    events = await resources.answers.follow(caller.user_id, turn.assistant.id)
    return EventStream(_begun(turn, events), slow_reader_s=resources.settings.limits.slow_reader_s)


async def _begun(turn: NewTurn, events: AsyncGenerator[AnswerEvent, None]) -> AsyncGenerator[bytes, None]:
    start = {
        "conversation_id": turn.user.conversation_id,
        "message_id": turn.assistant.id,
        "user_message_id": turn.user.id,
        "title": turn.title,
    }
    async with aclosing(_written(events)) as written:
        yield sse(Cursor(), "start", start)
        async for piece in written:
            yield piece


async def _written(events: AsyncGenerator[AnswerEvent, None]) -> AsyncGenerator[bytes, None]:
    """Events as they stand on the wire."""
    cursor = Cursor()
    async with aclosing(events):
        try:
            async for event in events:
                cursor = event.cursor
                yield written(event)
        except PrompterError as error:
            yield sse(cursor, "error", {"error": error.message, "code": error.code, "message_id": None})


def written(event: AnswerEvent) -> bytes:
    """One event on the wire."""
    if isinstance(event, TextDelta):
        return sse(event.cursor, "message", {"content": event.text})
    if isinstance(event, ReasoningDelta):
        return sse(event.cursor, "reasoning", {"content": event.text})
    if isinstance(event, Happened):
        return sse(event.cursor, event.name, event.data)
    if isinstance(event, Failed):
        told = {"error": event.message, "code": event.code, "message_id": event.message_id}
        return sse(event.cursor, "error", told)
    return sse(
        event.cursor,
        "done",
        {
            "status": event.status,
            "message_id": event.message_id,
            "model": event.model,
            "provider": event.provider,
            "finish_reason": event.finish_reason,
            "usage": event.usage,
        },
    )


def sse(cursor: Cursor, name: str, data: dict[str, Any]) -> bytes:
    """One event of this name, whose id is the place behind it. PostgreSQL's ids need `default`."""
    return b"id: %s\nevent: %s\ndata: %s\n\n" % (
        str(cursor).encode(),
        name.encode(),
        orjson.dumps(data, default=str),
    )


def _options(body: ChatStreamIn) -> AnswerOptions:
    return AnswerOptions(body.model or None, body.temperature, body.top_p, body.max_tokens)
