"""The toolset `calculator`: exact values, rounded ones, and expressions that a model has to write otherwise."""

import pytest

from app.core.config import Settings
from app.toolsets.base import ToolContext, ToolFailed
from app.toolsets.calculator import CalculatedValue, CalculatorToolset


def test_a_value_says_whether_it_is_exact(settings: Settings, context: ToolContext) -> None:
    toolset = CalculatorToolset(settings)
    assert toolset.calculate(context, "749 * 21%") == CalculatedValue(result="157.29", exact=True)
    assert toolset.calculate(context, "1 / 3") == CalculatedValue(result="0.333333333333333", exact=False)


def test_what_is_no_expression_is_said_to_the_model(settings: Settings, context: ToolContext) -> None:
    with pytest.raises(ToolFailed, match=r"^that cannot be worked out: it divides by zero$"):
        CalculatorToolset(settings).calculate(context, "1 / 0")


async def test_its_only_tool_reads(settings: Settings) -> None:
    toolset = CalculatorToolset(settings)
    (tool,) = toolset.tools()
    assert (tool.name, tool.writes) == ("calculate", False)
    await toolset.aclose()
