"""The messages of real-time chat sessions: everything may be left out, and each event says what it is."""

from typing import Any

import pytest
from pydantic import BaseModel, ValidationError

from app.schemas.chat import TITLE_CHARS
from app.schemas.realtime_chat import (
    RealtimeContent,
    RealtimeDone,
    RealtimeError,
    RealtimeMessageIn,
    RealtimeSessionIn,
    RealtimeStart,
    realtime_event,
)

ID = "0197a3b2-5c1d-7e8f-9a0b-1c2d3e4f5a6b"


def test_every_field_may_be_left_out() -> None:
    assert RealtimeSessionIn.model_validate({}) == RealtimeSessionIn(title=None, initial_message=None)
    assert RealtimeMessageIn.model_validate({"other": 1}) == RealtimeMessageIn(content=None, model=None)


@pytest.mark.parametrize(
    ("model", "fields"),
    [
        (RealtimeSessionIn, {"title": "x" * (TITLE_CHARS + 1)}),
        (RealtimeSessionIn, {"initial_message": 3}),
        (RealtimeMessageIn, {"model": "x" * 501}),
    ],
)
def test_what_a_request_may_not_be(model: type[BaseModel], fields: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        model.model_validate(fields)


def test_what_is_said_is_not_in_a_representation() -> None:
    assert "secret" not in repr(RealtimeMessageIn(content="secret"))
    assert "secret" not in repr(RealtimeSessionIn(initial_message="secret"))


@pytest.mark.parametrize(
    ("event", "model"),
    [
        ({"type": "start", "session_id": ID, "message_id": ID}, RealtimeStart),
        ({"type": "content", "content": "Say "}, RealtimeContent),
        ({"type": "done", "message_id": ID, "full_content": "Say hello"}, RealtimeDone),
        ({"type": "error", "message": "no", "code": "busy", "message_id": None}, RealtimeError),
    ],
)
def test_an_event_is_known_by_its_type(event: dict[str, Any], model: type[BaseModel]) -> None:
    assert type(realtime_event.validate_python(event)) is model


@pytest.mark.parametrize("event", [{"type": "reasoning", "content": ""}, {"content": ""}, {"type": "done"}])
def test_what_is_no_event_is_refused(event: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        realtime_event.validate_python(event)
