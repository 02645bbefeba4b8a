"""`/api/chat/realtime`: conversations in the words of real-time chat sessions; a second door to the same rooms."""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Annotated, Any
from uuid import UUID

import orjson
from fastapi import APIRouter, Body, Response

from app.api.deps import CallerDep, ResourcesDep
from app.api.responses import MALFORMED, STORAGE, known
from app.api.sse import EventStream
from app.core.errors import PrompterError
from app.schemas.errors import describe_error
from app.schemas.realtime import RealtimeMessageIn, RealtimeSessionIn, RealtimeSessionOut
from app.services.chat.events import AnswerEvent, Failed, Happened, ReasoningDelta, TextDelta

router = APIRouter(prefix="/api/chat/realtime", tags=["real-time chat sessions"])

_TOO_BIG = describe_error(
    "The message is too long",
    "message_too_big",
    "a message holds at most 100000 characters (chat.message_chars), this one 100001; send less at a time",
)
_EXAMPLE = (
    'data: {"type":"start","session_id":"0197…","message_id":"0198…"}\n\n'
    'data: {"type":"content","content":"Say "}\n\ndata: {"type":"content","content":"hello"}\n\n'
    'data: {"type":"done","message_id":"0198…","full_content":"Say hello"}\n\n'
)


@router.post(
    "/sessions",
    status_code=201,
    summary="Begin a session",
    responses={201: {"description": "The new session"}, 400: MALFORMED, 413: _TOO_BIG, **STORAGE},
)
async def make_session(
    caller: CallerDep,
    resources: ResourcesDep,
    body: Annotated[RealtimeSessionIn | None, Body(description="may be left out")] = None,
) -> RealtimeSessionOut:
    """A session is a conversation, and stands among them; its `initial_message` waits there for an answer."""
    body = body or RealtimeSessionIn()
    made = await resources.realtime.create(caller.user_id, body.title or "", body.initial_message or "")
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
            "no conversation '0197a3b2-5c1d-7e8f-9a0b-1c2d3e4f5a6b'; list yours with GET /api/conversations",
        ),
        409: describe_error(
            "An answer is under way in this session",
            "busy",
            "conversation '0197…' has an answer under way; wait for it or stop it",
        ),
        413: _TOO_BIG,
        **STORAGE,
    },
)
async def stream(
    session_id: str, body: RealtimeMessageIn, caller: CallerDep, resources: ResourcesDep
) -> Response:
    """Store the message, ask the model, and send the answer as it comes; it is stored before `done` is sent.

    The model is sent an `initial_message` that nobody has answered along with what is said after it. Without
    `content` that message itself is answered. A client that leaves does not end the answer: follow it again with
    `GET /api/chat/stream/{message_id}`.
    """
    id_ = known(session_id)
    message_id = await resources.realtime.say(caller.user_id, id_, body.content, body.model)
    events = await resources.answers.follow(caller.user_id, message_id)
    patience_s = resources.settings.limits.slow_reader_s
    return EventStream(_told(id_, message_id, events), slow_reader_s=patience_s)


async def _told(
    session_id: UUID, message_id: UUID, events: AsyncGenerator[AnswerEvent, None]
) -> AsyncGenerator[bytes, None]:
    whole: list[str] = []
    async with aclosing(events):
        yield _line({"type": "start", "session_id": session_id, "message_id": message_id})
        try:
            async for event in events:
                if isinstance(event, TextDelta):
                    whole.append(event.text)
                if told := _words(event, whole):
                    yield _line(told)
        except PrompterError as error:
            yield _line({"type": "error", "message": error.message, "code": error.code, "message_id": None})


def _words(event: AnswerEvent, whole: list[str]) -> dict[str, Any] | None:
    """An event in this door's words, which have none for what a model thinks and what its tools do."""
    if isinstance(event, ReasoningDelta | Happened):
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
    return {"type": "done", "message_id": event.message_id, "full_content": "".join(whole)}


def _line(data: dict[str, Any]) -> bytes:
    return b"data: %s\n\n" % orjson.dumps(data, default=str)
