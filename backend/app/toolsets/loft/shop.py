"""What a shop is to the tools: the one seam that the real shop and the demo one both fill."""

import re
from typing import Protocol

from app.toolsets.loft.models import Customer, Order, OrderDetails, Product, Source

MOST = 20
"""Orders, products or customers that a model is told at once."""
_NATIONAL_DIGITS = 9
"""Of a Spanish number; whether the country's code stands before them does not matter."""


class Shop(Protocol):
    """Looks things up. Everything raises ToolFailed where the shop cannot be asked: that is not "not found"."""

    source: Source

    async def customers_by_phone(self, phone: str) -> list[Customer]:
        """Those with this number: digits, with or without `+` and the country's code."""
        ...

    async def customers_by_email(self, email: str) -> list[Customer]: ...

    async def orders_of(self, customer_id: str, limit: int) -> list[Order] | None:
        """The newest first; None where there is no such customer."""
        ...

    async def order(self, order_id: str) -> OrderDetails | None: ...

    async def products(self, words: str, limit: int) -> list[Product]:
        """Those in whose name all the words stand."""
        ...

    async def aclose(self) -> None: ...


def plain_phone(phone: str) -> str:
    """The digits of a number, and `+` where it begins with one or with `00`."""
    digits = re.sub(r"\D", "", phone)
    if phone.strip().startswith("+"):
        return f"+{digits}"
    return f"+{digits[2:]}" if digits.startswith("00") else digits


def same_phone(one: str, other: str) -> bool:
    """Whether two ways of writing are one number."""
    first, second = plain_phone(one), plain_phone(other)
    if first.startswith("+") and second.startswith("+"):
        return first == second
    return bool(first) and first[-_NATIONAL_DIGITS:] == second[-_NATIONAL_DIGITS:]


def same_email(one: str, other: str) -> bool:
    return one.strip().casefold() == other.strip().casefold()


def same_id(one: str, other: str) -> bool:
    return one.casefold() == other.casefold()
