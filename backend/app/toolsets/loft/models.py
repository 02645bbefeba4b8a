"""What a shop knows, as a model reads it and as the shop's API sends it."""

from datetime import datetime
from decimal import Decimal
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

_CENTS = Decimal("0.01")


def _in_cents(amount: Decimal) -> Decimal:
    """`129.9` is `129.90`, and what a sum of floats leaves behind is rounded away."""
    exponent = amount.as_tuple().exponent
    assert isinstance(exponent, int)  # neither infinity nor NaN comes through
    return amount if -4 <= exponent <= -2 else amount.quantize(_CENTS)


Id = Annotated[str, Field(min_length=1, max_length=64)]
Words = Annotated[str, Field(max_length=500)]
Money = Annotated[Decimal, Field(ge=-(10**12), le=10**12), AfterValidator(_in_cents)]
"""In the shop's currency."""
Source = Literal["the shop", "demo data"]


class _Record(BaseModel):
    """What a shop sends may have more fields; numbers are as good as texts for an id."""

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


# -- what the tools answer


class NotFound(BaseModel):
    """An answer too: there is none, and nobody has to guess."""

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
    """The newest first; none is an answer as well."""
    more: bool
    """Whether there are further ones."""


class OrderFound(_Found):
    order: OrderDetails


class ProductsFound(_Found):
    products: list[Product]
    more: bool
