"""The toolset `calculator`: exact sums, which models only guess at."""

from collections.abc import Sequence

from pydantic import BaseModel

from app.core.config import Settings
from app.toolsets.arithmetic import NotAnExpression, work_out
from app.toolsets.base import Tool, ToolContext, ToolFailed


class Value(BaseModel):
    result: str
    exact: bool
    """Otherwise it is rounded to 15 digits."""


class CalculatorToolset:
    """Works out expressions; runs nothing."""

    name = "calculator"
    description = "works out sums, percentages, powers and roots in exact decimals"

    def __init__(self, settings: Settings) -> None:
        """Nothing of the settings is needed."""

    def tools(self) -> Sequence[Tool]:
        return (Tool(self.calculate),)

    def calculate(self, context: ToolContext, expression: str) -> Value:  # noqa: ARG002  # every tool has it
        """Work out an expression with + - * / // ^ mod and parentheses.

        `15%` is 0.15. Functions: sqrt, abs, round(x, places), floor, ceil, min, max, sum, ln, log10, exp; pi and e.

        Args:
            expression: Such as "(749 + 2 * 45.90) * 21%". Decimals have a point; thousands have no sign.
        """
        try:
            result, exact = work_out(expression)
        except NotAnExpression as error:
            raise ToolFailed(f"that cannot be worked out: {error}") from error
        return Value(result=result, exact=exact)

    async def aclose(self) -> None:
        """Nothing to close."""
