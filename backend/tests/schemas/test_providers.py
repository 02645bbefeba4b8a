"""The lists of providers: states, and what only assistants have."""

import pytest
from pydantic import ValidationError

from app.schemas.providers import AssistantOut, LlmProviderOut, ProviderState


def test_there_is_one_list_of_states() -> None:
    assert {str(state) for state in ProviderState} == {
        "ready", "loading", "not_installed", "not_configured", "no_model", "unauthorized", "unreachable",
    }  # fmt: skip


def test_what_only_some_have_is_empty_for_the_others() -> None:
    fields = {"name": "x", "type": "t", "status": "ready", "description": "", "default": False}
    shown = LlmProviderOut.model_validate(fields).model_dump(mode="json")
    nothing = {"assistant": None, "connection": None, "host": None, "model": None, "note": None, "title": ""}
    assert shown == {**fields, **nothing, "chosen": False}
    assistant = AssistantOut(title="The bot", description="Helps")
    assert LlmProviderOut.model_validate({**fields, "assistant": assistant}).assistant == assistant


def test_a_state_of_ones_own_is_refused() -> None:
    with pytest.raises(ValidationError):
        LlmProviderOut.model_validate(
            {"name": "x", "type": "t", "status": "asleep", "description": "", "default": False}
        )
