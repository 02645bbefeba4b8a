"""A shop's records: amounts in cents, ids that are numbers, and fields that nobody knows."""

from decimal import Decimal
from typing import Any

import pytest
from pydantic import ValidationError

from app.toolsets.loft.models import Order, Product


def product(**fields: Any) -> Product:
    return Product.model_validate({"id": "PRD001", "name": "Sofá", "price": "749.00", "stock": 6} | fields)


@pytest.mark.parametrize(
    ("sent", "shown"),
    [(129.9, "129.90"), ("129.9", "129.90"), (0.1 + 0.2, "0.30"), ("1.2345", "1.2345"), (5, "5.00")],
)
def test_an_amount_has_cents(sent: Any, shown: str) -> None:
    assert str(product(price=sent).price) == shown


def test_an_id_may_be_a_number_and_other_fields_are_ignored() -> None:
    found = product(id=7, colour="blue")
    assert found.id == "7"
    assert found.model_dump() == {"id": "7", "name": "Sofá", "price": Decimal("749.00"), "stock": 6}


@pytest.mark.parametrize("wrong", [{"price": "NaN"}, {"price": "Infinity"}, {"id": ""}, {"stock": "many"}])
def test_what_is_no_record_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        product(**wrong)


def test_a_record_does_not_change() -> None:
    order = Order.model_validate(
        {"id": "1", "customer_id": 2, "status": "sent", "total": "3", "created_at": "2026-11-12T10:24:00Z"}
    )
    with pytest.raises(ValidationError):
        order.status = "lost"  # type: ignore[misc]  # what the test is about
