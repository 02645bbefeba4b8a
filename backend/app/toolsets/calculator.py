"""The toolset `calculator`: exact arithmetic, which models only guess."""

from collections.abc import Sequence

from pydantic import BaseModel

from app.core.config import Settings
from app.toolsets.arithmetic import NotAnExpression, evaluate
from app.toolsets.base import Tool, ToolContext, ToolFailed


class CalculatedValue(BaseModel):
    result: str
    exact: bool
    """False if the result is rounded to 15 digits."""


class CalculatorToolset:
    """Evaluates expressions without running code."""

    name = "calculator"
    description = "works out sums, percentages, powers and roots in exact decimals"

    def __init__(self, settings: Settings) -> None:
        """Needs no settings."""

    def tools(self) -> Sequence[Tool]:
        return (Tool(self.calculate),)

    def calculate(self, context: ToolContext, expression: str) -> CalculatedValue:  # noqa: ARG002  # every tool has it
        """Work out an expression with + - * / // ^ mod and parentheses.

        `15%` is 0.15. Functions: sqrt, abs, round(x, places), floor, ceil, min, max, sum, ln, log10, exp; pi and e.

        Args:
            expression: Such as "(749 + 2 * 45.90) * 21%". Decimals have a point; thousands have no sign.
        """
        try:
            result, exact = evaluate(expression)
        except NotAnExpression as error:
            raise ToolFailed(f"that cannot be worked out: {error}") from error
        return CalculatedValue(result=result, exact=exact)

    async def aclose(self) -> None:
        """Nothing to close."""
