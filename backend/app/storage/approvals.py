"""Approvals of tool calls: each question to a user is stored once and decided once."""

import re
from datetime import datetime
from uuid import UUID

from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.assistants import ApprovalDecision
from app.core.errors import ApprovalOver, NotFound
from app.storage.common import execute_and_count, utc_now
from app.storage.messages import get
from app.storage.tables import ToolApprovalRow

_CALL_ID = re.compile(r"[A-Za-z0-9_-]{1,64}", re.ASCII)


async def ask(session: AsyncSession, message_id: UUID, call_id: str, expires_at: datetime) -> None:
    """Store that a call waits for its user's decision."""
    session.add(ToolApprovalRow(message_id=message_id, call_id=call_id, expires_at=expires_at))
    await session.flush()


async def decide(
    session: AsyncSession, user_id: UUID, message_id: UUID, call_id: str, decision: ApprovalDecision
) -> ApprovalDecision:
    """Store the user's decision, and return it. Repeating a decision changes nothing.

    A question waits until `expire` closes it. The process that waits counts that time without the wall clock, which
    may jump; `expires_at` is only what it told.

    Raises:
        NotFound: this user has no such answer, or it asked about no such call.
        ApprovalOver: the call was decided otherwise, its time is over, or its answer has ended.
    """
    message = await get(session, user_id, message_id)
    row = await _row(session, message_id, call_id) if _CALL_ID.fullmatch(call_id) else None
    if row is None:
        raise NotFound(
            "this answer asks about no such call; see the `call_id` of its event `approval_required`"
        )
    if row.decision == decision:
        return decision
    if row.decision is not None:
        raise _make_over(row.decision)
    if message.status != "streaming":
        raise ApprovalOver("the answer of this call has ended; ask again to have another one")
    return await _settle(session, message_id, call_id, decision)


async def expire(session: AsyncSession, message_id: UUID, call_id: str) -> ApprovalDecision:
    """Close a question whose time is over: `expired`, or the decision that came at the last moment."""
    return await _settle(session, message_id, call_id, "expired")


async def read_decision(session: AsyncSession, message_id: UUID, call_id: str) -> ApprovalDecision | None:
    """The stored decision; None while the call waits."""
    row = await _row(session, message_id, call_id)
    return row.decision if row else None  # type: ignore[return-value]  # this module writes the column


async def _settle(
    session: AsyncSession, message_id: UUID, call_id: str, decision: ApprovalDecision
) -> ApprovalDecision:
    """Store a decision unless there is one; the decision that holds. Of two, in any processes, the first wins."""
    this = (ToolApprovalRow.message_id == message_id, ToolApprovalRow.call_id == call_id)
    open_ = (*this, ToolApprovalRow.decision.is_(None))
    statement = update(ToolApprovalRow).where(*open_).values(decision=decision, decided_at=utc_now())
    if await execute_and_count(session, statement):
        return decision
    settled = await session.scalar(select(ToolApprovalRow.decision).where(*this))
    if settled != decision and decision != "expired":
        raise _make_over(settled or "expired")
    return settled or "expired"  # type: ignore[return-value]


def _make_over(decision: str) -> ApprovalOver:
    if decision == "expired":
        return ApprovalOver("this call waits no more: its time is over (chat.approval_s)")
    return ApprovalOver(f"this call is {decision} already, which stays so")


async def _row(session: AsyncSession, message_id: UUID, call_id: str) -> ToolApprovalRow | None:
    return await session.get(ToolApprovalRow, (message_id, call_id))
