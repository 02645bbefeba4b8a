"""The demo shop: what is in it, that it says what it is, and what happens where it is not there."""

import sqlite3
from contextlib import closing
from decimal import Decimal

import pytest

from app.core.config import Settings
from app.toolsets.base import ToolContext, ToolFailed
from app.toolsets.loft import demo_shop
from app.toolsets.loft.demo_seed import CUSTOMERS, ORDERS, PRODUCTS
from app.toolsets.loft.models import CustomersFound, NothingFound, OrderFound, OrdersFound, ProductsFound
from app.toolsets.loft.shop import is_same_phone, normalize_phone
from app.toolsets.loft.toolset import LoftToolset


@pytest.fixture
def tools(settings: Settings) -> LoftToolset:
    demo_shop.create_demo_shop(demo_shop.get_demo_path(settings))
    return LoftToolset(settings)


@pytest.mark.parametrize("order_id", ["ORD001", "ord001", " ord 001", "#ORD001"])
async def test_the_order_of_the_recording(tools: LoftToolset, context: ToolContext, order_id: str) -> None:
    """samples/es_estado_pedido_16k.wav asks for it; dictated, an id has spaces."""
    found = await tools.get_order_details(context, order_id)
    assert isinstance(found, OrderFound)
    assert (found.order.id, found.order.customer_id, found.order.status) == ("ORD001", "CUS001", "enviado")
    assert found.order.total == Decimal("380.80")
    assert [(each.name, each.quantity) for each in found.order.lines] == [
        ("Sillón de lectura Olmo", 1),
        ("Lámpara de mesa Faro", 2),
    ]


async def test_every_order_adds_up(tools: LoftToolset, context: ToolContext) -> None:
    for order_id, *_ in ORDERS:
        found = await tools.get_order_details(context, order_id)
        assert isinstance(found, OrderFound)
        assert found.order.lines
        assert sum(each.price * each.quantity for each in found.order.lines) == found.order.total


@pytest.mark.parametrize("phone", ["+34600000001", "600 00 00 01", "0034-600-000-001", "34600000001"])
async def test_a_customer_by_phone(tools: LoftToolset, context: ToolContext, phone: str) -> None:
    found = await tools.get_customer_by_phone(context, phone)
    assert isinstance(found, CustomersFound)
    assert [each.id for each in found.customers] == ["CUS001"]


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("+34600000001", "600000001", True),
        ("+34600000001", "+33600000001", False),
        ("00 34 600 000 001", "+34 600-000-001", True),
        ("600000001", "00000001", False),
        ("", "", False),
    ],
)
def test_when_two_numbers_are_one(one: str, other: str, same: bool) -> None:
    assert is_same_phone(one, other) is same
    assert is_same_phone(other, one) is same
    assert normalize_phone(one).removeprefix("+").isdigit() or not one


async def test_a_customer_by_email(tools: LoftToolset, context: ToolContext) -> None:
    found = await tools.get_customer_by_email(context, " Maria.Nunez@LOFT-demo.example")
    assert isinstance(found, CustomersFound)
    assert found.customers[0].name == "María Núñez Demo"


async def test_orders_of_a_customer(tools: LoftToolset, context: ToolContext) -> None:
    found = await tools.get_orders_by_customer(context, "cus001")
    assert isinstance(found, OrdersFound)
    assert [each.id for each in found.orders] == ["ORD012", "ORD001", "ORD004"]
    nothing_bought = await tools.get_orders_by_customer(context, "CUS010")
    assert isinstance(nothing_bought, OrdersFound)
    assert nothing_bought.orders == []


@pytest.mark.parametrize(
    ("query", "ids"),
    [
        ("sofá", ["PRD001", "PRD002"]),
        ("SOFAS", ["PRD001", "PRD002"]),
        ("lampara de pie", ["PRD015"]),
        ("colchones", ["PRD011"]),
        ("mesas", ["PRD006", "PRD007", "PRD016"]),
        ("sillas", ["PRD004", "PRD005"]),
    ],
)
async def test_products(tools: LoftToolset, context: ToolContext, query: str, ids: list[str]) -> None:
    found = await tools.search_products(context, query)
    assert isinstance(found, ProductsFound)
    assert [each.id for each in found.products] == ids


@pytest.mark.parametrize("query", ["yate", "%", "' OR 1=1 --", "_", "sofá yate"])
async def test_no_product(tools: LoftToolset, context: ToolContext, query: str) -> None:
    assert isinstance(await tools.search_products(context, query), NothingFound)


async def test_what_is_not_there_is_an_answer(tools: LoftToolset, context: ToolContext) -> None:
    for answer in (
        await tools.get_customer_by_phone(context, "699999999"),
        await tools.get_customer_by_email(context, "nadie@loft-demo.example"),
        await tools.get_orders_by_customer(context, "CUS999"),
        await tools.get_order_details(context, "ORD999"),
    ):
        assert isinstance(answer, NothingFound)
        assert (answer.found, answer.source) == (False, "demo data")


async def test_every_answer_says_that_it_is_invented(tools: LoftToolset, context: ToolContext) -> None:
    answers = [
        await tools.get_customer_by_phone(context, "+34600000003"),
        await tools.get_orders_by_customer(context, "CUS003"),
        await tools.get_order_details(context, "ORD003"),
        await tools.search_products(context, "alfombra"),
    ]
    assert {answer.model_dump()["source"] for answer in answers} == {"demo data"}
    assert "demo data" in tools.description


def test_nobody_in_it_can_be_reached() -> None:
    """RFC 2606 keeps `.example` free; the numbers are of no series that is given out in earnest."""
    assert all(email.endswith("@loft-demo.example") for _, _, email, _ in CUSTOMERS)
    assert all(name.endswith(" Demo") for _, name, _, _ in CUSTOMERS)
    assert all(phone.startswith("+346000000") for _, _, _, phone in CUSTOMERS)
    assert len({product for product, *_ in PRODUCTS}) == len(PRODUCTS)


async def test_without_a_shop(settings: Settings, context: ToolContext) -> None:
    """It is not "not found", it says what to do, and the file may come while the server runs."""
    tools = LoftToolset(settings)
    with pytest.raises(ToolFailed, match=r"prompter demo-data loft; .* do not guess"):
        await tools.get_order_details(context, "ORD001")
    assert not demo_shop.get_demo_path(settings).exists()
    demo_shop.create_demo_shop(demo_shop.get_demo_path(settings))
    assert isinstance(await tools.get_order_details(context, "ORD001"), OrderFound)


async def test_a_file_that_is_no_shop(settings: Settings, context: ToolContext) -> None:
    path = demo_shop.get_demo_path(settings)
    path.parent.mkdir(parents=True)
    path.write_text("x" * 5000)
    with pytest.raises(ToolFailed, match="demo-data loft --force"):
        await LoftToolset(settings).get_order_details(context, "ORD001")


async def test_the_tools_cannot_write(tools: LoftToolset, settings: Settings, context: ToolContext) -> None:
    before = demo_shop.get_demo_path(settings).read_bytes()
    await tools.search_products(context, "'; DROP TABLE products; --")
    with pytest.raises(ToolFailed):
        demo_shop.DemoShop(settings)._rows("DELETE FROM products", ())
    assert demo_shop.get_demo_path(settings).read_bytes() == before
    assert not any(tool.writes for tool in tools.tools())


def test_the_file_itself_says_what_it_is(settings: Settings) -> None:
    path = demo_shop.get_demo_path(settings)
    demo_shop.create_demo_shop(path)
    assert "demo" in path.name
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("SELECT text FROM about").fetchone() == ("demo data: nobody in it exists",)
