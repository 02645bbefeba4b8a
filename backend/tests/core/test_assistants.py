"""Definitions of assistants as settings and files write them: lists as text, bounds, and names that can be."""

from typing import Any

import pytest
from pydantic import ValidationError

from app.core.assistants import AssistantDefinition, AssistantLimits, AssistantSettings


@pytest.mark.parametrize(
    ("written", "toolsets"),
    [("time, calculator,,time", ["time", "calculator"]), ("", []), (["time", "time"], ["time"])],
)
def test_toolsets_may_be_a_comma_separated_text(written: Any, toolsets: list[str]) -> None:
    assert AssistantDefinition(toolsets=written).toolsets == toolsets


@pytest.mark.parametrize(
    ("written", "approval"),
    [
        ("write=ask, now = off,", {"write": "ask", "now": "off"}),
        ({"write": "allow"}, {"write": "allow"}),
        ("", {}),
    ],
)
def test_approval_may_be_a_comma_separated_text(written: Any, approval: dict[str, str]) -> None:
    assert AssistantDefinition(approval=written).approval == approval


@pytest.mark.parametrize(
    "fields",
    [
        {"approval": "write"},
        {"approval": "write=maybe"},
        {"toolsets": 3},
        {"titel": "misspelt"},
        {"limits": {"rounds": 0}},
        {"limits": {"seconds": 3601}},
        {"instructions": "x" * 100_001},
    ],
)
def test_what_is_no_definition_is_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        AssistantDefinition(**fields)


@pytest.mark.parametrize("name", ["", "two words", "año", "a/b", "x" * 65])
def test_a_name_that_cannot_be(name: str) -> None:
    with pytest.raises(ValidationError, match="no assistant can be called"):
        AssistantSettings(named={name: AssistantDefinition()})


def test_a_name_that_can_be() -> None:
    assert set(AssistantSettings(named={"loft-chat_2": AssistantDefinition()}).named) == {"loft-chat_2"}


def test_a_definition_does_not_change() -> None:
    with pytest.raises(ValidationError):
        AssistantLimits().rounds = 9  # type: ignore[misc]  # what the test is about
