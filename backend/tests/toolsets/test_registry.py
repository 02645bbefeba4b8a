"""Toolsets by name: the built-in ones, those of other packages, and what every tool has to have."""

import inspect
import sys
from pathlib import Path

import pytest
from pydantic import TypeAdapter

from app.core.config import Settings
from app.toolsets.base import ToolContext, Toolset
from app.toolsets.registry import BUILT_IN_TOOLSETS, list_toolset_registrations

PLUGIN = '''
"""A toolset of another package."""
from app.toolsets.base import FunctionToolset, ToolContext

def toolset(settings):
    made = FunctionToolset("dice", "rolls dice")

    @made.tool
    def roll(context: ToolContext, sides: int = 6) -> int:
        """Roll a die."""
        return sides

    return made
'''


ENTRY_POINTS = """
[prompter.toolsets]
dice = prompter_dice:toolset
calculator = prompter_dice:toolset
broken = prompter_dice:missing
"""


@pytest.fixture(params=BUILT_IN_TOOLSETS)
def toolset(request: pytest.FixtureRequest, settings: Settings) -> Toolset:
    made: Toolset = list_toolset_registrations()[request.param].load()(settings)
    return made


async def test_every_toolset_says_what_it_is(toolset: Toolset, context: ToolContext) -> None:
    assert toolset.name in BUILT_IN_TOOLSETS
    assert toolset.description
    assert "\n" not in toolset.description
    names = [tool.name for tool in toolset.tools()]
    assert len(names) == len(set(names)) > 0
    await toolset.aclose()


def test_every_tool_can_be_described_to_a_model(toolset: Toolset) -> None:
    """A sentence, a meaning for each argument, and types that have a JSON schema."""
    for tool in toolset.tools():
        doc = inspect.getdoc(tool.function) or ""
        assert doc.partition("\n")[0].endswith(".")
        signature = inspect.signature(tool.function)
        arguments = list(signature.parameters.values())
        assert (arguments[0].name, arguments[0].annotation) == ("context", ToolContext)
        for argument in arguments[1:]:
            assert f"    {argument.name}: " in doc, f"{tool.name} does not tell what {argument.name} is"
            assert TypeAdapter(argument.annotation).json_schema()
        assert TypeAdapter(signature.return_annotation).json_schema(mode="serialization")
        assert not tool.writes


def test_names_of_tools_are_nobody_elses(settings: Settings) -> None:
    """An assistant may have all of them."""
    names = [
        tool.name for each in list_toolset_registrations().values() for tool in each.load()(settings).tools()
    ]
    assert sorted(names) == sorted(set(names))
    assert {
        "get_customer_by_phone",
        "get_customer_by_email",
        "get_orders_by_customer",
        "get_order_details",
        "search_products",
    } <= set(names)


def test_other_packages_bring_toolsets(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, settings: Settings
) -> None:
    """A Python file with typed functions; it cannot take the name of a built-in one."""
    info = tmp_path / "prompter_dice-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: prompter-dice\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(ENTRY_POINTS)
    (tmp_path / "prompter_dice.py").write_text(PLUGIN)
    monkeypatch.syspath_prepend(str(tmp_path))
    found = list_toolset_registrations()
    assert (found["dice"].origin, found["calculator"].origin) == ("prompter-dice", "built-in")
    made = found["dice"].load()(settings)
    assert [tool.name for tool in made.tools()] == ["roll"]
    assert "broken" in found
    with pytest.raises(AttributeError):
        found["broken"].load()
    monkeypatch.delitem(sys.modules, "prompter_dice", raising=False)


def test_naming_them_imports_none(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [each for each in sys.modules if each.startswith("app.toolsets.loft")]:
        monkeypatch.delitem(sys.modules, name)
    list_toolset_registrations()
    assert not any(each.startswith("app.toolsets.loft") for each in sys.modules)
