"""`/api/chat/realtime`: real-time chat sessions, a second dialect for conversations."""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Annotated, Any
from uuid import UUID

import orjson
from fastapi import APIRouter, Body, Response

from app.api.deps import CallerDep, RequestKeyDep, ResourcesDep
from app.api.responses import ID_REUSED, MALFORMED, STORAGE, TOO_BIG, parse_conversation_id
from app.api.sse import EventStream
from app.core.errors import PrompterError
from app.schemas.errors import describe_error
from app.schemas.realtime_chat import RealtimeMessageIn, RealtimeSessionIn, RealtimeSessionOut
from app.services.chat.events import (
    AnswerEvent,
    Delivery,
    Failed,
    ReasoningDelta,
    Status,
    TextDelta,
    ToolEvent,
)

router = APIRouter(prefix="/api/chat/realtime", tags=["real-time chat sessions"])

_EXAMPLE = (
    'data: {"type":"start","session_id":"0197…","message_id":"0198…"}\n\n'
    'data: {"type":"content","content":"Say "}\n\ndata: {"type":"content","content":"hello"}\n\n'
    'data: {"type":"done","message_id":"0198…","full_content":"Say hello"}\n\n'
)


@router.post(
    "/sessions",
    status_code=201,
    summary="Begin a session",
    responses={
        201: {"description": "The new session"},
        400: MALFORMED,
        409: ID_REUSED,
        413: TOO_BIG,
        **STORAGE,
    },
)
async def make_session(
    caller: CallerDep,
    resources: ResourcesDep,
    key: RequestKeyDep,
    body: Annotated[RealtimeSessionIn | None, Body(description="optional")] = None,
) -> RealtimeSessionOut:
    """Create a session, which is a conversation. Its `initial_message` is stored, and answered on request."""
    body = body or RealtimeSessionIn()
    made = await resources.realtime.create(caller.user_id, body.title or "", body.initial_message or "", key)
    return RealtimeSessionOut(
        id=made.id,
        user_id=made.user_id,
        title=made.title,
        created_at=made.created_at,
        updated_at=made.updated_at,
    )


@router.post(
    "/sessions/{session_id}/stream",
    response_class=Response,
    summary="Say something in a session, and stream the answer",
    responses={
        200: {
            "description": "Events: `start`, `content` …, then `done` or `error`",
            "content": {"text/event-stream": {"schema": {"type": "string"}, "example": _EXAMPLE}},
        },
        400: MALFORMED,
        404: describe_error(
            "There is no such session of yours",
            "not_found",
            "no conversation has this id; list yours with GET /api/conversations",
        ),
        409: describe_error(
            "An answer is under way in this session",
            "busy",
            "this conversation has an answer under way; wait for it or stop it",
        ),
        413: TOO_BIG,
        **STORAGE,
    },
)
async def stream(
    session_id: str, body: RealtimeMessageIn, caller: CallerDep, resources: ResourcesDep
) -> Response:
    """Store the message, ask the model, and stream the answer, which is stored before `done` is sent.

    The model also gets an unanswered `initial_message`; without `content` that message is answered. A client that
    leaves does not end the answer: follow it again with `GET /api/chat/stream/{message_id}`.
    """
    id_ = parse_conversation_id(session_id)
    message_id = await resources.realtime.send(
        caller.user_id, id_, body.content, body.model, body.client_message_id
    )
    deliveries = await resources.answers.follow(caller.user_id, message_id)
    return EventStream(
        _encode_deliveries(id_, message_id, deliveries),
        slow_reader_s=resources.settings.limits.slow_reader_s,
    )


async def _encode_deliveries(
    session_id: UUID, message_id: UUID, deliveries: AsyncGenerator[Delivery, None]
) -> AsyncGenerator[bytes, None]:
    texts: list[str] = []
    async with aclosing(deliveries):
        yield _encode({"type": "start", "session_id": session_id, "message_id": message_id})
        try:
            async for _, event in deliveries:
                if isinstance(event, TextDelta):
                    texts.append(event.text)
                if data := _translate(event, texts):
                    yield _encode(data)
        except PrompterError as error:
            yield _encode({"type": "error", "message": error.message, "code": error.code, "message_id": None})


def _translate(event: AnswerEvent, texts: list[str]) -> dict[str, Any] | None:
    """The event in this dialect, which has none for reasoning, tools and waiting; `texts` are all texts so far."""
    if isinstance(event, ReasoningDelta | ToolEvent | Status):
        return None
    if isinstance(event, TextDelta):
        return {"type": "content", "content": event.text}
    if isinstance(event, Failed):
        return {
            "type": "error",
            "message": event.message,
            "code": event.code,
            "message_id": event.message_id,
        }
    return {"type": "done", "message_id": event.message_id, "full_content": "".join(texts)}


def _encode(data: dict[str, Any]) -> bytes:
    return b"data: %s\n\n" % orjson.dumps(data, default=str)
