"""Customers, orders and products, as the shop's API sends them and as a model reads them."""

from datetime import datetime
from decimal import Decimal
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

_CENTS = Decimal("0.01")


def _round_to_cents(amount: Decimal) -> Decimal:
    """Write `129.9` as `129.90`, and round away the error of a sum of floats."""
    exponent = amount.as_tuple().exponent
    assert isinstance(exponent, int)  # the field accepts neither infinity nor NaN
    return amount if -4 <= exponent <= -2 else amount.quantize(_CENTS)


Id = Annotated[str, Field(min_length=1, max_length=64)]
Words = Annotated[str, Field(max_length=500)]
Money = Annotated[Decimal, Field(ge=-(10**12), le=10**12), AfterValidator(_round_to_cents)]
"""An amount in the shop's currency."""
Source = Literal["the shop", "demo data"]


class _Record(BaseModel):
    """A record of a shop: additional fields are ignored, and a number is accepted as an id."""

    model_config = ConfigDict(frozen=True, extra="ignore", coerce_numbers_to_str=True)


class Customer(_Record):
    id: Id
    name: Words
    email: Words | None = None
    phone: Words | None = None


class Order(_Record):
    id: Id
    customer_id: Id
    status: Words
    total: Money
    created_at: datetime


class OrderLine(_Record):
    product_id: Id
    name: Words
    quantity: int = Field(ge=0, le=10**9)
    price: Money


class OrderDetails(Order):
    lines: list[OrderLine] = Field([], max_length=100)


class Product(_Record):
    id: Id
    name: Words
    price: Money
    stock: int = Field(ge=-(10**9), le=10**9)


# -- results of the tools


class NothingFound(BaseModel):
    """There is no such record; a model that is told so has no reason to guess."""

    found: Literal[False] = False
    source: Source
    reason: str


class _Found(BaseModel):
    found: Literal[True] = True
    source: Source


class CustomersFound(_Found):
    customers: list[Customer]


class OrdersFound(_Found):
    orders: list[Order]
    """The newest first; may be empty."""
    more: bool
    """Whether there are more orders."""


class OrderFound(_Found):
    order: OrderDetails


class ProductsFound(_Found):
    products: list[Product]
    more: bool
