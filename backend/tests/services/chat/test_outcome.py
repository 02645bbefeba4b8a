"""How an answer ends: the same last event while it is made and when it is read from its row."""

from datetime import UTC, datetime
from typing import Any, Literal
from uuid import UUID

import pytest

from app.core.errors import UpstreamError
from app.core.notes import Note
from app.services.chat.events import Done, Failed
from app.services.chat.outcome import STOPPED, EndReason, ModelResult, Outcome, load_end, make_end
from app.storage.messages import Message
from app.utils.ids import new_id

RESULT = ModelResult(model="fake/tiny", provider="fake", finish_reason="stop", usage={"total_tokens": 3})


def stored(
    message_id: UUID,
    status: Literal["streaming", "complete", "interrupted", "failed"],
    result: ModelResult = RESULT,
    error: dict[str, Any] | None = None,
) -> Message:
    now = datetime.now(UTC)
    return Message(
        id=message_id,
        conversation_id=new_id(),
        parent_id=None,
        role="assistant",
        content="Hello",
        reasoning=None,
        status=status,
        model=result.model,
        provider=result.provider,
        finish_reason=result.finish_reason,
        usage=result.usage,
        error=error,
        tool_data=None,
        created_at=now,
        updated_at=now,
    )


@pytest.mark.parametrize(
    ("reason", "status", "code"),
    [
        ("stopped", "interrupted", STOPPED),
        ("shutdown", "interrupted", "interrupted"),
        ("deleted", "failed", "not_found"),
    ],
)
def test_a_reason_has_a_status_and_a_code(reason: EndReason, status: str, code: str) -> None:
    outcome = Outcome.from_reason(reason)
    assert (outcome.status, outcome.code, outcome.is_complete) == (status, code, False)
    assert outcome.is_stopped is (reason == "stopped")
    assert outcome.error == {
        "code": code,
        "message": outcome.message,
        "note": {"code": code, "params": {}},
    }


def test_a_time_limit_names_its_setting() -> None:
    outcome = Outcome.from_timeout(600)
    assert (outcome.status, outcome.code) == ("interrupted", "upstream_timeout")
    assert "600 s (chat.answer_s)" in outcome.message


def test_a_complete_answer_has_no_error() -> None:
    assert (Outcome().is_complete, Outcome().error) == (True, None)


def test_a_fault_keeps_its_words_to_itself() -> None:
    outcome = Outcome.from_fault(ValueError("the prompt"))
    assert (outcome.status, outcome.code) == ("failed", "internal_error")
    assert "the prompt" not in outcome.message


@pytest.mark.parametrize(
    "outcome",
    [
        Outcome(),
        Outcome.from_reason("stopped"),
        Outcome.from_reason("shutdown"),
        Outcome.from_timeout(1),
        Outcome.from_error(UpstreamError("it broke off")),
    ],
    ids=lambda outcome: outcome.code or "complete",
)
def test_the_row_tells_the_same_end(outcome: Outcome) -> None:
    id_ = new_id()
    assert load_end(stored(id_, outcome.status, error=outcome.error)) == make_end(id_, outcome, RESULT)


def test_stopped_is_done_and_broken_off_is_failed() -> None:
    id_ = new_id()
    stopped = make_end(id_, Outcome.from_reason("stopped"), ModelResult())
    assert isinstance(stopped, Done)
    assert (stopped.status, stopped.model) == ("stopped", None)
    broken = make_end(id_, Outcome.from_error(UpstreamError("it broke off")), RESULT)
    assert broken == Failed(
        message_id=id_, code="upstream_error", message="it broke off", note=Note("upstream_error")
    )


def test_a_row_without_its_reason() -> None:
    """One that is under way has no end, and one of an old version says at least that it was cut short."""
    assert load_end(stored(new_id(), "streaming")) is None
    cut = load_end(stored(new_id(), "interrupted"))
    assert isinstance(cut, Failed)
    assert (cut.code, "cut short" in cut.message) == ("interrupted", True)
