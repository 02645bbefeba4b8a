"""The demo data fit together, and nobody's address or telephone number is among them."""

from datetime import datetime
from decimal import Decimal

from app.toolsets.loft.demo_seed import CUSTOMERS, ORDERS, PRODUCTS


def test_ids_are_unique() -> None:
    for table in (PRODUCTS, CUSTOMERS, ORDERS):
        ids = [row[0] for row in table]
        assert len(set(ids)) == len(ids)


def test_orders_name_customers_and_products_that_exist() -> None:
    customers = {id_ for id_, *_ in CUSTOMERS}
    products = {id_ for id_, *_ in PRODUCTS}
    for _, customer, status, time, lines in ORDERS:
        assert customer in customers
        assert status
        assert datetime.fromisoformat(time).tzinfo is not None
        assert lines
        assert {product for product, _ in lines} <= products
        assert all(quantity > 0 for _, quantity in lines)


def test_one_customer_has_no_orders() -> None:
    """An assistant can be asked for orders where there are none."""
    ordering = {customer for _, customer, *_ in ORDERS}
    assert [id_ for id_, *_ in CUSTOMERS if id_ not in ordering] == [CUSTOMERS[-1][0]]


def test_prices_are_amounts_and_stock_is_no_debt() -> None:
    for _, name, price, stock in PRODUCTS:
        assert name
        assert Decimal(price) == round(Decimal(price), 2) > 0
        assert stock >= 0
    assert 0 in [stock for *_, stock in PRODUCTS], "one product is sold out, so that an assistant can say so"


def test_people_are_invented() -> None:
    """Addresses are in a domain that is reserved for examples; the numbers begin with zeros after the prefix."""
    for _, name, email, phone in CUSTOMERS:
        assert name.endswith(" Demo")
        assert email.endswith("@loft-demo.example")
        assert phone.startswith("+3460000")
