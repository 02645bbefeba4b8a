"""A real shop over HTTP: what it answers, what it does not have, and every way in which it fails."""

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import anyio
import pytest

from app.core.config import Settings
from app.toolsets.base import ToolContext, ToolFailed
from app.toolsets.loft.models import CustomersFound, NothingFound, OrderFound, OrdersFound, ProductsFound
from app.toolsets.loft.toolset import LoftToolset
from tests.fakes.loft_api import CUSTOMERS, KEY, NOT_FOUND, ORDERS, FakeLoft
from tests.fakes.upstream import Reply, dropped_reply, json_reply, silent_reply

NO_GUESS = "do not guess"


@pytest.fixture
async def shop() -> AsyncIterator[FakeLoft]:
    async with FakeLoft().serve() as served:
        yield served


@pytest.fixture
async def tools(shop: FakeLoft) -> AsyncIterator[LoftToolset]:
    async with tools_for(shop) as made:
        yield made


@asynccontextmanager
async def tools_for(shop: FakeLoft, key: str = KEY, timeout_s: float = 5.0) -> AsyncIterator[LoftToolset]:
    loft = {"api_url": f"{shop.origin}/api/", "api_key": key, "timeout_s": timeout_s}
    made = LoftToolset(Settings.model_validate({"loft": loft}))
    try:
        yield made
    finally:
        await made.aclose()


async def test_a_customer_by_phone(shop: FakeLoft, tools: LoftToolset, context: ToolContext) -> None:
    """Asked once, with the key, the number as digits; what the shop adds is not told."""
    found = await tools.get_customer_by_phone(context, " 611 22-33 44")
    assert isinstance(found, CustomersFound)
    assert [each.model_dump() for each in found.customers] == [
        {key: value for key, value in CUSTOMERS[0].items() if key != "vip"}
    ]
    assert found.source == "the shop"
    (asked,) = shop.requests
    assert (asked.method, asked.path) == ("GET", "/api/customers?phone=611223344")
    assert asked.headers["authorization"] == f"Bearer {KEY}"


async def test_several_customers_share_a_phone(tools: LoftToolset, context: ToolContext) -> None:
    found = await tools.get_customer_by_phone(context, "0034 622 334 455")
    assert isinstance(found, CustomersFound)
    assert [each.id for each in found.customers] == ["C-2", "C-3"]


async def test_a_customer_by_email(shop: FakeLoft, tools: LoftToolset, context: ToolContext) -> None:
    found = await tools.get_customer_by_email(context, " rosa@SHOP.example ")
    assert isinstance(found, CustomersFound)
    assert found.customers[0].name == "Rosa Peña"
    assert shop.requests[0].path == "/api/customers?email=rosa%40SHOP.example"


async def test_orders_newest_first(tools: LoftToolset, context: ToolContext) -> None:
    """Numbers are as good as texts, and money has cents."""
    found = await tools.get_orders_by_customer(context, "C-1")
    assert isinstance(found, OrdersFound)
    assert [(each.id, str(each.total)) for each in found.orders] == [("7002", "15.50"), ("7001", "129.90")]
    assert not found.more
    none_yet = await tools.get_orders_by_customer(context, "C-2")
    assert isinstance(none_yet, OrdersFound)
    assert none_yet.orders == []


async def test_an_order(tools: LoftToolset, context: ToolContext) -> None:
    found = await tools.get_order_details(context, "# 70 01")
    assert isinstance(found, OrderFound)
    assert (found.order.status, found.order.lines[0].product_id) == ("shipped", "5")


async def test_products_no_more_than_a_model_can_read(tools: LoftToolset, context: ToolContext) -> None:
    found = await tools.search_products(context, "lamp")
    assert isinstance(found, ProductsFound)
    assert (len(found.products), found.more) == (20, True)


async def test_what_is_not_there_is_an_answer(tools: LoftToolset, context: ToolContext) -> None:
    answers = [
        await tools.get_customer_by_phone(context, "699999999"),
        await tools.get_customer_by_email(context, "nobody@shop.example"),
        await tools.get_orders_by_customer(context, "C-9"),
        await tools.get_order_details(context, "9999"),
        await tools.search_products(context, "yacht"),
    ]
    for answer in answers:
        assert isinstance(answer, NothingFound)
        assert answer.found is False
        assert answer.reason.startswith("no ")


@pytest.mark.parametrize(
    "order_id", ["../customers", "7001/../..", "7001?x=1", "%2e%2e", "", "a" * 65, "7001#", "ñ", "-1"]
)
async def test_no_id_leads_elsewhere(
    shop: FakeLoft, tools: LoftToolset, context: ToolContext, order_id: str
) -> None:
    """A model writes the id, and whoever speaks to it tells it what to write."""
    with pytest.raises(ToolFailed, match="no order id"):
        await tools.get_order_details(context, order_id)
    with pytest.raises(ToolFailed, match="no customer id"):
        await tools.get_orders_by_customer(context, order_id)
    assert shop.requests == []


@pytest.mark.parametrize("phone", ["", "12", "call me", "1" * 16])
async def test_what_is_no_phone(shop: FakeLoft, tools: LoftToolset, context: ToolContext, phone: str) -> None:
    with pytest.raises(ToolFailed, match="no phone number"):
        await tools.get_customer_by_phone(context, phone)
    assert shop.requests == []


@pytest.mark.parametrize("email", ["", "rosa", "rosa@", "a b@c", "rosa@x" + "y" * 200])
async def test_what_is_no_email(shop: FakeLoft, tools: LoftToolset, context: ToolContext, email: str) -> None:
    with pytest.raises(ToolFailed, match="no email address"):
        await tools.get_customer_by_email(context, email)
    assert shop.requests == []


async def test_text_cannot_add_a_parameter(shop: FakeLoft, tools: LoftToolset, context: ToolContext) -> None:
    await tools.search_products(context, "lamp&limit=9999#x")
    assert shop.requests[0].path == "/api/products?q=lamp%26limit%3D9999%23x&limit=21"


SECRET = "secret-of-the-shop"


@pytest.mark.parametrize(
    ("reply", "told"),
    [
        (json_reply({"error": SECRET}, 401), "did not accept its key"),
        (json_reply({"error": SECRET}, 403), "did not accept its key"),
        (json_reply({"detail": "Not Found"}, 404), "does not know this route"),
        (Reply([b"<html>no such page</html>"], 404), "does not know this route"),
        (json_reply({"error": SECRET}, 400), r"failed \(status 400\)"),
        (json_reply({"error": SECRET}, 302, Location="http://127.0.0.1/"), r"failed \(status 302\)"),
        (Reply([f"not json {SECRET}".encode()]), "cannot be read"),
        (Reply([b""]), "cannot be read"),
        (json_reply({"order": SECRET}), "cannot be read"),
        (json_reply([]), "cannot be read"),
        (json_reply({**ORDERS[0], "total": "1e99"}), "cannot be read"),
        (json_reply({**ORDERS[0], "total": "NaN"}), "cannot be read"),
        (json_reply({**ORDERS[0], "status": "x" * 501}), "cannot be read"),
        (json_reply({**ORDERS[0], "created_at": "yesterday"}), "cannot be read"),
        (json_reply({**ORDERS[0], "id": 7002}), "something else than was asked for"),
        (Reply([b'{"x": "' + b"y" * (1 << 20) + b'"}']), "over 1048576 bytes"),
        (json_reply(ORDERS[0], Content_Encoding="gzip"), "cannot be reached"),
    ],
)
async def test_failures_are_told_and_not_taken_for_answers(
    shop: FakeLoft,
    tools: LoftToolset,
    context: ToolContext,
    caplog: pytest.LogCaptureFixture,
    reply: Reply,
    told: str,
) -> None:
    """In our own words: neither the shop's nor its key, its address or a person's name, here or in the log."""
    shop.script.append(reply)
    with caplog.at_level(logging.DEBUG, "app"), pytest.raises(ToolFailed, match=told) as failed:
        await tools.get_order_details(context, "7001")
    for words in (str(failed.value), caplog.text):
        assert not any(private in words for private in (SECRET, KEY, shop.origin, "127.0.0.1"))
    assert str(failed.value)[0].islower()


@pytest.mark.parametrize(
    "reply", [json_reply({}, 500), json_reply({}, 503), json_reply({}, 429), dropped_reply()]
)
async def test_it_tries_again(shop: FakeLoft, tools: LoftToolset, context: ToolContext, reply: Reply) -> None:
    shop.script.extend([reply, reply])
    assert isinstance(await tools.get_order_details(context, "7001"), OrderFound)
    assert len(shop.requests) == 3


@pytest.mark.parametrize(
    ("reply", "told"),
    [
        (json_reply({}, 500), r"failed \(status 500\)"),
        (json_reply({}, 429), "asked too often"),
        (dropped_reply(), "cannot be reached"),
    ],
)
async def test_but_not_for_ever(
    shop: FakeLoft, tools: LoftToolset, context: ToolContext, reply: Reply, told: str
) -> None:
    shop.script.extend([reply] * 9)
    with pytest.raises(ToolFailed, match=told):
        await tools.get_order_details(context, "7001")
    assert len(shop.requests) == 3


@pytest.mark.parametrize(
    "reply",
    [silent_reply(), Reply([b'{"id":'], ending="hang"), json_reply({}, 429, Retry_After="4")],
    ids=["silent", "stops in the middle", "asks to wait"],
)
async def test_a_slow_shop(shop: FakeLoft, context: ToolContext, reply: Reply) -> None:
    """One limit for all tries and the whole body."""
    shop.script.append(reply)
    async with tools_for(shop, timeout_s=0.3) as tools:
        with anyio.fail_after(30), pytest.raises(ToolFailed, match=r"within 0.3 s; .* do not guess"):
            await tools.get_order_details(context, "7001")


async def test_a_shop_that_is_gone(context: ToolContext) -> None:
    async with FakeLoft().serve() as shop:
        pass
    async with tools_for(shop) as tools:
        with pytest.raises(ToolFailed, match="cannot be reached"):
            await tools.search_products(context, "lamp")


async def test_leaving_frees_the_shop(shop: FakeLoft, tools: LoftToolset, context: ToolContext) -> None:
    shop.script.append(Reply([b"{"], ending="hang"))
    async with anyio.create_task_group() as group:
        group.start_soon(tools.get_order_details, context, "7001")
        await shop.asked.wait()
        group.cancel_scope.cancel()
    with anyio.fail_after(30):
        await shop.left.wait()


@pytest.mark.parametrize(
    ("call", "sent"),
    [
        (("get_customer_by_phone", "611223344"), CUSTOMERS),
        (("get_customer_by_email", "rosa@shop.example"), CUSTOMERS),
        (("get_orders_by_customer", "C-2"), ORDERS),
    ],
)
async def test_a_shop_that_ignores_the_question(
    shop: FakeLoft, tools: LoftToolset, context: ToolContext, call: tuple[str, str], sent: list[Any]
) -> None:
    """Some services give everything where they do not know a parameter: then somebody else's orders would be told."""
    shop.script.append(json_reply(sent))
    name, argument = call
    with pytest.raises(ToolFailed, match="something else than was asked for"):
        await getattr(tools, name)(context, argument)


@pytest.mark.parametrize(
    "reply", [json_reply({"error": "not_found"}, 404), json_reply({"code": "not_found"}, 404), NOT_FOUND]
)
async def test_ways_to_say_not_found(
    shop: FakeLoft, tools: LoftToolset, context: ToolContext, reply: Reply
) -> None:
    shop.script.append(reply)
    assert isinstance(await tools.get_order_details(context, "7001"), NothingFound)


async def test_a_list_is_never_not_found(shop: FakeLoft, tools: LoftToolset, context: ToolContext) -> None:
    """That a search finds nothing is an empty list."""
    shop.script.append(NOT_FOUND)
    with pytest.raises(ToolFailed, match="does not know this route"):
        await tools.search_products(context, "lamp")


@pytest.mark.parametrize("url", ["ftp://shop.example", "shop.example", "http://user:pw@shop.example"])
async def test_an_address_that_is_none(context: ToolContext, url: str) -> None:
    tools = LoftToolset(Settings.model_validate({"loft": {"api_url": url}}))
    with pytest.raises(ToolFailed, match="LOFT_API_URL is no http address"):
        await tools.search_products(context, "lamp")
    assert "demo" not in tools.description


async def test_a_key_that_is_none(shop: FakeLoft, context: ToolContext) -> None:
    async with tools_for(shop, key="clave\nñ") as tools:
        with pytest.raises(ToolFailed, match="LOFT_API_KEY holds a character"):
            await tools.search_products(context, "lamp")
    assert shop.requests == []


async def test_the_settings_of_other_programs(monkeypatch: pytest.MonkeyPatch, shop: FakeLoft) -> None:
    monkeypatch.setenv("LOFT_API_URL", shop.origin)
    monkeypatch.setenv("LOFT_API_KEY", KEY)
    loft = Settings(_env_file=None).loft
    assert (loft.api_url, loft.api_key.get_secret_value()) == (shop.origin, KEY)
    assert KEY not in repr(loft)


async def test_times_with_and_without_a_zone_are_ordered(
    shop: FakeLoft, tools: LoftToolset, context: ToolContext
) -> None:
    """A shop's own time is as ISO 8601 as any."""
    days = ["2026-11-02T10:00:00", "2026-11-09T10:00:00+01:00", "2026-11-05", "0001-01-01T00:00:00+14:00"]
    shop.script.append(
        json_reply([{**ORDERS[0], "id": f"O-{n}", "created_at": day} for n, day in enumerate(days)])
    )
    found = await tools.get_orders_by_customer(context, "C-1")
    assert isinstance(found, OrdersFound)
    assert [each.id for each in found.orders] == ["O-1", "O-2", "O-0", "O-3"]
