"""`/api/messages/{id}/approvals/{call_id}`: what a user says to a tool that asks before it runs."""

from fastapi import APIRouter

from app.api.chat.common import MALFORMED, STORAGE, known_message
from app.api.deps import CallerDep, ResourcesDep
from app.schemas.chat import ApprovalIn, ApprovalOut
from app.schemas.errors import error_answer

router = APIRouter(prefix="/api/messages", tags=["conversations"])


@router.post(
    "/{message_id}/approvals/{call_id}",
    summary="Let a tool run, or not",
    responses={
        200: {"description": "What was decided"},
        400: MALFORMED,
        404: error_answer(
            "There is no such answer of yours, or it asks about no such call",
            "not_found",
            "this answer asks about no such call; see the `call_id` of its event `approval_required`",
        ),
        409: error_answer(
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
    """After `approval_required` the answer waits for this, `chat.approval_s` at most. A call that is denied is not run,
    and the model is told so. Saying the same again changes nothing.
    """
    decision = await resources.answers.decide(
        caller.user_id, known_message(message_id), call_id, approved=body.approved
    )
    return ApprovalOut(call_id=call_id, decision=decision)
