"""The five tools of a shop: what they accept as a number, an address or an id, and what they say of nothing."""

from pathlib import Path

import pytest

from app.core.config import LoftSettings, Settings
from app.toolsets.base import ToolContext, ToolFailed
from app.toolsets.loft import demo_shop
from app.toolsets.loft.models import NothingFound, OrderFound, ProductsFound
from app.toolsets.loft.toolset import LoftToolset


@pytest.fixture
def toolset(tmp_path: Path) -> LoftToolset:
    settings = Settings(_env_file=None, data_dir=tmp_path)
    demo_shop.create_demo_shop(demo_shop.get_demo_path(settings))
    return LoftToolset(settings)


@pytest.mark.parametrize("written", ["ORD001", " ord 001", "#ORD001"])
async def test_an_id_as_people_write_it(toolset: LoftToolset, context: ToolContext, written: str) -> None:
    found = await toolset.get_order_details(context, written)
    assert isinstance(found, OrderFound)
    assert (found.order.id, found.source) == ("ORD001", "demo data")


@pytest.mark.parametrize("wrong", ["", "../customers", "ORD001?x=1", "a" * 65, "-1"])
async def test_what_is_no_id_does_not_reach_the_shop(
    toolset: LoftToolset, context: ToolContext, wrong: str
) -> None:
    with pytest.raises(ToolFailed, match="that is no order id"):
        await toolset.get_order_details(context, wrong)


async def test_what_is_no_number_or_address(toolset: LoftToolset, context: ToolContext) -> None:
    with pytest.raises(ToolFailed, match="6 to 15 digits"):
        await toolset.get_customer_by_phone(context, "12345")
    with pytest.raises(ToolFailed, match="no email address"):
        await toolset.get_customer_by_email(context, "ana")
    with pytest.raises(ToolFailed, match="1 to 100 characters"):
        await toolset.search_products(context, "  ")


async def test_nothing_is_an_answer_with_its_reason(toolset: LoftToolset, context: ToolContext) -> None:
    nobody = await toolset.get_orders_by_customer(context, "CUS999")
    assert nobody == NothingFound(source="demo data", reason="no customer has this id")


async def test_a_search_says_whether_there_is_more(toolset: LoftToolset, context: ToolContext) -> None:
    found = await toolset.search_products(context, "sillas de comedor")
    assert isinstance(found, ProductsFound)
    assert [(each.name, found.more) for each in found.products] == [("Silla de comedor Haya", False)]


def test_the_shop_that_answers_is_in_the_description(tmp_path: Path) -> None:
    demo = LoftToolset(Settings(_env_file=None, data_dir=tmp_path))
    real = LoftToolset(Settings(_env_file=None, loft=LoftSettings(api_url="https://shop.example/api")))
    assert "demo data" in demo.description
    assert "LOFT_API_URL" in real.description
    assert {tool.timeout_s for tool in demo.tools()} == {None}
    assert {tool.timeout_s for tool in real.tools()} == {LoftSettings().timeout_s + 2}
    assert len(real.tools()) == 5
