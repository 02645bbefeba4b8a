"""The contract of toolsets: which functions can be tools, and what a toolset of functions keeps of them."""

import re
from typing import Any

import pytest

from app.toolsets.base import FunctionToolset, Tool, ToolContext, UnusableTool


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("def tool(query): ...", "`context: ToolContext` as its first argument"),
        ("def tool(context, *words): ...", "'words' needs a name in the call"),
        ("def tool(context, **words): ...", "'words' needs a name in the call"),
        ("def tool(context, query, /): ...", "'query' needs a name in the call"),
        ("def año(context): ...", "letters without accents"),
        ("async def tool(context):\n    yield 1", "returns its result with `return`"),
        ("tool = lambda context: 1", "letters without accents"),
    ],
)
def test_a_function_that_no_model_can_call(source: str, words: str) -> None:
    """Told where it is written, and not when somebody asks."""
    made: dict[str, Any] = {}
    exec(source, made)
    (function,) = [value for name, value in made.items() if callable(value)]
    with pytest.raises(UnusableTool, match=re.escape(words)):
        Tool(function)


def look_up(context: ToolContext, word: str) -> str:
    """Look up a word."""
    return word


def test_a_decorated_function_stays_what_it_is() -> None:
    toolset = FunctionToolset("words", "looks up words")
    assert toolset.tool(look_up) is look_up
    assert toolset.tools() == (Tool(look_up, writes=False, timeout_s=None),)


def test_what_a_function_does_is_said_beside_it() -> None:
    toolset = FunctionToolset("words", "looks up words")

    @toolset.tool(writes=True, timeout_s=5)
    async def add(context: ToolContext, word: str) -> None:
        """Add a word."""

    (tool,) = toolset.tools()
    assert (tool.name, tool.writes, tool.timeout_s) == ("add", True, 5)


async def test_a_toolset_of_functions_has_nothing_to_close() -> None:
    toolset = FunctionToolset("words", "looks up words")
    toolset.tool(look_up)
    await toolset.aclose()
    assert [tool.name for tool in toolset.tools()] == ["look_up"]
