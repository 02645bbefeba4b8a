"""What tools ask their user before they run, and what the user said: asked once, decided once."""

import re
from datetime import datetime
from typing import Literal
from uuid import UUID

from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.errors import ApprovalOver, NotFound
from app.storage.common import execute_and_count, utc_now
from app.storage.messages import get
from app.storage.tables import ToolApprovalRow

Decision = Literal["approved", "denied", "expired"]
_CALL_ID = re.compile(r"[A-Za-z0-9_-]{1,64}", re.ASCII)


async def ask(session: AsyncSession, message_id: UUID, call_id: str, expires_at: datetime) -> None:
    """Note that a call waits for its user."""
    session.add(ToolApprovalRow(message_id=message_id, call_id=call_id, expires_at=expires_at))
    await session.flush()


async def decide(
    session: AsyncSession, user_id: UUID, message_id: UUID, call_id: str, decision: Decision
) -> Decision:
    """What the user says; the same again changes nothing.

    Raises:
        NotFound: this user has no such answer, or it never asked about such a call.
        ApprovalOver: it was decided otherwise, its time is over, or its answer has ended.
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
        raise ApprovalOver(f"this call is {row.decision} already, which stays so")
    if message.status != "streaming":
        raise ApprovalOver("the answer of this call has ended; ask again to have another one")
    if row.expires_at <= utc_now():
        raise ApprovalOver("this call waits no more: its time is over (chat.approval_s)")
    return await _settle(session, message_id, call_id, decision)


async def expire(session: AsyncSession, message_id: UUID, call_id: str) -> Decision:
    """The time is over: what was decided at the last moment, else `expired`."""
    return await _settle(session, message_id, call_id, "expired")


async def decision(session: AsyncSession, message_id: UUID, call_id: str) -> Decision | None:
    """What was decided; None while it waits."""
    row = await _row(session, message_id, call_id)
    return row.decision if row else None  # type: ignore[return-value]  # what is written here is read here


async def _settle(session: AsyncSession, message_id: UUID, call_id: str, decision: Decision) -> Decision:
    """Decide it, unless another has; what it is then. Who comes second, in any process, sees the first."""
    this = (ToolApprovalRow.message_id == message_id, ToolApprovalRow.call_id == call_id)
    open_ = (*this, ToolApprovalRow.decision.is_(None))
    statement = update(ToolApprovalRow).where(*open_).values(decision=decision, decided_at=utc_now())
    if await execute_and_count(session, statement):
        return decision
    settled = await session.scalar(select(ToolApprovalRow.decision).where(*this))
    if settled != decision and decision != "expired":
        raise ApprovalOver(f"this call is {settled} already, which stays so")
    return settled or "expired"  # type: ignore[return-value]


async def _row(session: AsyncSession, message_id: UUID, call_id: str) -> ToolApprovalRow | None:
    return await session.get(ToolApprovalRow, (message_id, call_id))
