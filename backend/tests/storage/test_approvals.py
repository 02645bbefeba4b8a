"""Questions of tools: stored once, decided once, and closed with their time or their answer; on both databases."""

from datetime import timedelta
from uuid import UUID

import pytest

from app.core.assistants import ApprovalDecision
from app.core.errors import ApprovalOver, NotFound
from app.storage import answers, approvals, conversations, messages
from app.storage.common import utc_now
from app.storage.database import Database
from app.utils.ids import new_id

HOUR = timedelta(hours=1)


async def ask(database: Database, user_id: UUID, within: timedelta = HOUR) -> UUID:
    """An answer under way that asks about `call_1`; its id."""
    async with database.write() as session:
        made = await conversations.create(session, user_id)
        turn = await messages.append_turn(session, user_id, made.id, "hello", run_id=database.run_id)
        await approvals.ask(session, turn.assistant.id, "call_1", utc_now() + within)
    return turn.assistant.id


async def test_a_question_waits_until_it_is_decided(database: Database, ana: UUID) -> None:
    message_id = await ask(database, ana)
    async with database.write() as session:
        assert await approvals.read_decision(session, message_id, "call_1") is None
        assert await approvals.read_decision(session, message_id, "call_2") is None
        assert await approvals.decide(session, ana, message_id, "call_1", "approved") == "approved"
    async with database.write() as session:
        assert await approvals.read_decision(session, message_id, "call_1") == "approved"
        assert await approvals.decide(session, ana, message_id, "call_1", "approved") == "approved"
        assert await approvals.expire(session, message_id, "call_1") == "approved"
        with pytest.raises(ApprovalOver, match="approved already"):
            await approvals.decide(session, ana, message_id, "call_1", "denied")


async def test_a_question_whose_time_is_over(database: Database, ana: UUID) -> None:
    message_id = await ask(database, ana)
    async with database.write() as session:
        assert await approvals.expire(session, message_id, "call_1") == "expired"
        assert await approvals.read_decision(session, message_id, "call_1") == "expired"
        with pytest.raises(ApprovalOver, match=r"its time is over \(chat\.approval_s\)"):
            await approvals.decide(session, ana, message_id, "call_1", "approved")


@pytest.mark.parametrize("decision", ["approved", "denied"])
async def test_a_question_waits_as_long_as_its_process_does(
    database: Database, ana: UUID, decision: ApprovalDecision
) -> None:
    """The clock may have been set forwards by a day: the time told is over, and the tool still waits."""
    message_id = await ask(database, ana, within=-24 * HOUR)
    async with database.write() as session:
        assert await approvals.decide(session, ana, message_id, "call_1", decision) == decision


async def test_a_question_whose_answer_has_ended(database: Database, ana: UUID) -> None:
    message_id = await ask(database, ana)
    async with database.write() as session:
        assert await answers.finish(session, message_id, database.run_id, "interrupted", "")
        with pytest.raises(ApprovalOver, match="has ended"):
            await approvals.decide(session, ana, message_id, "call_1", "approved")


@pytest.mark.parametrize("call_id", ["call_2", "", "a" * 65, "call_1'; --", "\0"])
async def test_a_call_that_nobody_asked_about(database: Database, ana: UUID, call_id: str) -> None:
    message_id = await ask(database, ana)
    async with database.write() as session:
        with pytest.raises(NotFound, match="approval_required"):
            await approvals.decide(session, ana, message_id, call_id, "approved")


async def test_a_question_of_somebody_else(database: Database, ana: UUID) -> None:
    message_id = await ask(database, ana)
    async with database.write() as session:
        with pytest.raises(NotFound):
            await approvals.decide(session, new_id(), message_id, "call_1", "approved")
        assert await approvals.read_decision(session, message_id, "call_1") is None
