"""What a shop is to the tools: the one seam that the real shop and the demo one both fill."""

from typing import Protocol

from app.toolsets.loft.models import Customer, Order, OrderDetails, Product, Source

MOST = 20
"""Orders or products that a model is told at once."""
MOST_CUSTOMERS = 5


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
