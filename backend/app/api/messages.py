"""`/api/messages/{id}`: regenerate, edit and fork messages, and approve or deny their tool calls."""

from typing import Annotated

from fastapi import APIRouter, Body, Response

from app.api.chat_stream import STREAM, make_attached, make_options, stream_turn
from app.api.conversations import make_detail
from app.api.deps import CallerDep, RequestKeyDep, ResourcesDep
from app.api.responses import BUSY, MALFORMED, NO_MESSAGE, STORAGE, TOO_BIG, parse_message_id
from app.schemas.chat import AnswerAgainIn, ApprovalIn, ApprovalOut, ConversationDetailOut, EditIn, ForkIn
from app.schemas.errors import describe_error

router = APIRouter(prefix="/api/messages", tags=["conversations"])


@router.post(
    "/{message_id}/regenerate",
    response_class=Response,
    summary="Answer again, and stream the answer",
    responses={200: STREAM, 400: MALFORMED, 404: NO_MESSAGE, 409: BUSY, **STORAGE},
)
async def regenerate(
    message_id: str,
    caller: CallerDep,
    resources: ResourcesDep,
    body: Annotated[AnswerAgainIn | None, Body(description="optional")] = None,
) -> Response:
    """Start one more answer beside this one, or to this message of the user. It is shown; the old one is kept.

    The events are those of `POST /api/chat/stream`. As there, a client that leaves does not end the answer.
    """
    id_, options = parse_message_id(message_id), make_options(body or AnswerAgainIn())
    client_id = body.client_message_id if body else None
    turn = await resources.branches.regenerate(caller.user_id, id_, options, client_id)
    return await stream_turn(turn, caller, resources)


@router.post(
    "/{message_id}/edit",
    response_class=Response,
    summary="Edit a message, and stream the answer to it",
    responses={200: STREAM, 400: MALFORMED, 404: NO_MESSAGE, 409: BUSY, 413: TOO_BIG, **STORAGE},
)
async def edit(message_id: str, body: EditIn, caller: CallerDep, resources: ResourcesDep) -> Response:
    """Store another version of a user's message, and start its answer. It is shown; the old version is kept.

    The events are those of `POST /api/chat/stream`.
    """
    id_ = parse_message_id(message_id)
    given = body.attachments
    files = None if given is None else make_attached(given, as_text=body.attachments_as_text)
    turn = await resources.branches.edit(
        caller.user_id, id_, body.message, make_options(body), body.client_message_id, files
    )
    return await stream_turn(turn, caller, resources)


@router.post(
    "/{message_id}/fork",
    status_code=201,
    summary="Go on from a message in a new conversation",
    responses={
        201: {"description": "The new conversation"},
        400: MALFORMED,
        404: NO_MESSAGE,
        409: BUSY,
        **STORAGE,
    },
)
async def fork(
    message_id: str,
    caller: CallerDep,
    resources: ResourcesDep,
    key: RequestKeyDep,
    body: Annotated[ForkIn | None, Body(description="optional")] = None,
) -> ConversationDetailOut:
    """Copy the messages down to this one, with model and settings, into a new conversation. The old one stays."""
    title = (body.title if body else None) or ""
    id_ = parse_message_id(message_id)
    return make_detail(await resources.branches.fork(caller.user_id, id_, title, key))


@router.post(
    "/{message_id}/approvals/{call_id}",
    summary="Let a tool run, or not",
    responses={
        200: {"description": "The decision that holds"},
        400: MALFORMED,
        404: describe_error(
            "There is no such answer of yours, or it asks about no such call",
            "not_found",
            "this answer asks about no such call; see the `call_id` of its event `approval_required`",
        ),
        409: describe_error(
            "The call waits no more",
            "approval_over",
            "this call is denied already, which stays so",
        ),
        **STORAGE,
    },
)
async def decide(
    message_id: str, call_id: str, body: ApprovalIn, caller: CallerDep, resources: ResourcesDep
) -> ApprovalOut:
    """Decide about a call. After `approval_required` the answer waits for the decision, at most `chat.approval_s`.

    A denied call is not run, and the model is told so. Repeating a decision changes nothing.
    """
    decision = await resources.answers.decide(
        caller.user_id, parse_message_id(message_id), call_id, approved=body.approved
    )
    return ApprovalOut(call_id=call_id, decision=decision)
