"""The messages of conversations on the wire: bounds of requests, and one list of tool events."""

from typing import Any, get_args

import pytest
from pydantic import BaseModel, ValidationError

from app.schemas import chat
from app.schemas.chat import (
    ApprovalIn,
    ChatOptions,
    ChatStreamIn,
    ConversationChangeIn,
    ConversationIn,
    ToolEventName,
    ToolEventOut,
    chat_event,
)

ABOUT = {"call_id": "call_1", "name": "now", "toolset": "time"}


@pytest.mark.parametrize(
    "fields",
    [
        {"temperature": 2.1},
        {"temperature": -1},
        {"top_p": 1.1},
        {"max_tokens": 0},
        {"max_tokens": 1.5},
        {"max_tokens": "5"},
        {"max_tokens": True},
    ],
)
def test_options_have_bounds(fields: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        ChatOptions.model_validate(fields)


@pytest.mark.parametrize(
    ("model", "fields"),
    [
        (ConversationIn, {"title": "x" * (chat.TITLE_CHARS + 1)}),
        (ConversationIn, {"system_prompt": "x" * (chat.PROMPT_CHARS + 1)}),
        (ChatStreamIn, {"message": "hi"}),
        (ChatStreamIn, {"conversation_id": "1"}),
        (ApprovalIn, {"approved": 1}),
        (ApprovalIn, {}),
    ],
)
def test_what_a_request_may_not_be(model: type[BaseModel], fields: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        model.model_validate(fields)


def test_a_field_that_is_left_out_is_not_null() -> None:
    """By which a change knows what to leave as it is."""
    assert ConversationChangeIn.model_validate({"title": None}).model_fields_set == {"title"}


def test_what_is_said_is_not_in_a_representation() -> None:
    assert "secret" not in repr(ChatStreamIn(conversation_id="1", message="secret"))


@pytest.mark.parametrize("name", get_args(ToolEventName))
def test_every_tool_event_has_a_model_for_its_data(name: str) -> None:
    data: dict[str, dict[str, Any]] = {
        "tool_call": {"arguments": {}},
        "approval_required": {
            "arguments": {},
            "message_id": "0197a3b2-5c1d-7e8f-9a0b-1c2d3e4f5a6b",
            "expires_at": "2026-11-29T04:00:00Z",
        },
        "approval_decided": {"decision": "denied"},
        "tool_result": {"result": "1", "truncated": False, "ms": 3},
        "tool_error": {"code": "denied", "error": "no", "ms": None},
    }
    model = getattr(chat, "".join(part.title() for part in name.split("_")) + "Event")
    assert isinstance(model.model_validate(ABOUT | data[name]), BaseModel)
    listed = ToolEventOut.model_validate(
        {"event": name, "text": 0, "reasoning": 0, "data": ABOUT | data[name]}
    )
    assert listed.model_dump()["event"] == name


def test_other_events_are_none() -> None:
    with pytest.raises(ValidationError):
        ToolEventOut.model_validate({"event": "tool_dreamt", "text": 0, "reasoning": 0, "data": {}})
    with pytest.raises(ValidationError):
        chat_event.validate_python({"nothing": True})
