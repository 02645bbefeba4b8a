"""The tools that a definition takes from its toolsets, and which of them ask."""

from typing import Any

import pytest

from app.core.assistants import AssistantDefinition
from app.core.config import Settings
from app.core.errors import ProviderNotReady
from app.services.assistants.toolsets import Toolsets


@pytest.mark.parametrize(
    ("definition", "words"),
    [
        ({"toolsets": ["tmie"]}, "needs the toolset 'tmie', which is not there; known are calculator"),
        ({"toolsets": ["time"], "approval": {"calculate": "off"}}, "`approval` names 'calculate'"),
    ],
)
async def test_tools_that_are_not_there_are_named(definition: dict[str, Any], words: str) -> None:
    toolsets = Toolsets(Settings(_env_file=None))
    with pytest.raises(ProviderNotReady, match="assistant 'helper'") as raised:
        await toolsets.list_tools("helper", AssistantDefinition(**definition))
    assert words in raised.value.message


async def test_approval_of_each_tool() -> None:
    toolsets = Toolsets(Settings(_env_file=None))
    definition = AssistantDefinition(
        toolsets=["calculator", "time"], approval={"calculate": "ask", "current_time": "off"}
    )
    found = {tool.name: approval for _, tool, approval in await toolsets.list_tools("helper", definition)}
    assert found["calculate"] == "ask"
    assert "current_time" not in found
    assert found["days_between"] == "allow"
