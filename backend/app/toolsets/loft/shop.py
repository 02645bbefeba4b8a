"""The protocol of shops, which the real shop and the demo shop implement, and how their values compare."""

import re
from typing import Protocol

from app.toolsets.loft.models import Customer, Order, OrderDetails, Product, Source

MOST = 20
"""Most orders, products or customers in one result."""
_NATIONAL_DIGITS = 9
"""Digits of a Spanish telephone number without the country code."""


class Shop(Protocol):
    """Looks things up. Every method raises `ToolFailed` if the shop cannot be asked, which differs from "not found"."""

    source: Source

    async def customers_by_phone(self, phone: str) -> list[Customer]:
        """The customers with this number: digits, with or without `+` and the country code."""
        ...

    async def customers_by_email(self, email: str) -> list[Customer]: ...

    async def orders_of(self, customer_id: str, limit: int) -> list[Order] | None:
        """The newest orders first; None if there is no such customer."""
        ...

    async def order(self, order_id: str) -> OrderDetails | None: ...

    async def products(self, words: str, limit: int) -> list[Product]:
        """The products whose name has all the words."""
        ...

    async def aclose(self) -> None: ...


def normalize_phone(phone: str) -> str:
    """The digits of a number, with `+` first if it starts with `+` or `00`."""
    digits = re.sub(r"\D", "", phone)
    if phone.strip().startswith("+"):
        return f"+{digits}"
    return f"+{digits[2:]}" if digits.startswith("00") else digits


def is_same_phone(one: str, other: str) -> bool:
    """Whether two spellings are the same number."""
    first, second = normalize_phone(one), normalize_phone(other)
    if first.startswith("+") and second.startswith("+"):
        return first == second
    return bool(first) and first[-_NATIONAL_DIGITS:] == second[-_NATIONAL_DIGITS:]


def is_same_email(one: str, other: str) -> bool:
    return one.strip().casefold() == other.strip().casefold()


def is_same_id(one: str, other: str) -> bool:
    return one.casefold() == other.casefold()
