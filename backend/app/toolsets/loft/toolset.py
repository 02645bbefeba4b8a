"""The five tools of a shop's assistant. All of them only read."""

import re
from collections.abc import Sequence

from app.core.config import Settings
from app.providers.upstream.transport import Resolver, resolve_host
from app.toolsets.base import Tool, ToolContext, ToolFailed
from app.toolsets.loft.demo_shop import DemoShop
from app.toolsets.loft.http_shop import HttpShop
from app.toolsets.loft.models import CustomersFound, NothingFound, OrderFound, OrdersFound, ProductsFound
from app.toolsets.loft.shop import MOST, Shop, normalize_phone

_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
_EMAIL = re.compile(r"[^@\s]{1,64}@[^@\s]{1,190}")
_LEAST_DIGITS, _MOST_DIGITS = 6, 15
_MOST_WORDS = 100


class LoftToolset:
    """Asks the shop in the settings, else the demo shop. The shop has no users: every caller may read all of it."""

    name = "loft"

    def __init__(self, settings: Settings, *, resolver: Resolver = resolve_host) -> None:
        real = bool(settings.loft.api_url.strip())
        self._shop: Shop = HttpShop(settings, resolver=resolver) if real else DemoShop(settings)
        data = "of the shop at LOFT_API_URL" if real else "of a shop with demo data"
        # The shop's own limit ends a call first, with a clearer message.
        self._call_s = settings.loft.timeout_s + 2 if real else None
        self.description = f"looks up customers, orders and products {data}"

    def tools(self) -> Sequence[Tool]:
        functions = (
            self.get_customer_by_phone,
            self.get_customer_by_email,
            self.get_orders_by_customer,
            self.get_order_details,
            self.search_products,
        )
        return tuple(Tool(function, timeout_s=self._call_s) for function in functions)

    async def get_customer_by_phone(
        self,
        context: ToolContext,  # noqa: ARG002  # every tool has it
        phone: str,
    ) -> CustomersFound | NothingFound:
        """Look up the customers with this phone number.

        Args:
            phone: The number, with or without the country's code, such as +34600000001 or 600 000 001.
        """
        number = normalize_phone(phone)
        if not _LEAST_DIGITS <= len(number.removeprefix("+")) <= _MOST_DIGITS:
            raise ToolFailed(
                f"that is no phone number: expected {_LEAST_DIGITS} to {_MOST_DIGITS} digits; ask for it again"
            )
        if found := await self._shop.customers_by_phone(number):
            return CustomersFound(source=self._shop.source, customers=found)
        return self._nothing_found("customer has this phone number")

    async def get_customer_by_email(
        self,
        context: ToolContext,  # noqa: ARG002
        email: str,
    ) -> CustomersFound | NothingFound:
        """Look up the customers with this email address.

        Args:
            email: The whole address, such as ana@example.com.
        """
        address = email.strip()
        if not _EMAIL.fullmatch(address):
            raise ToolFailed(
                "that is no email address: expected one such as ana@example.com; ask for it again"
            )
        if found := await self._shop.customers_by_email(address):
            return CustomersFound(source=self._shop.source, customers=found)
        return self._nothing_found("customer has this email address")

    async def get_orders_by_customer(
        self,
        context: ToolContext,  # noqa: ARG002
        customer_id: str,
    ) -> OrdersFound | NothingFound:
        """List a customer's orders, the newest first.

        Args:
            customer_id: The customer's id, as the look-up by phone or email gives it.
        """
        found = await self._shop.orders_of(_parse_id(customer_id, "customer"), MOST + 1)
        if found is None:
            return self._nothing_found("customer has this id")
        return OrdersFound(source=self._shop.source, orders=found[:MOST], more=len(found) > MOST)

    async def get_order_details(
        self,
        context: ToolContext,  # noqa: ARG002
        order_id: str,
    ) -> OrderFound | NothingFound:
        """Look up one order: its status, total, date and lines.

        Args:
            order_id: The order's id, such as ORD001.
        """
        if found := await self._shop.order(_parse_id(order_id, "order")):
            return OrderFound(source=self._shop.source, order=found)
        return self._nothing_found("order has this id")

    async def search_products(
        self,
        context: ToolContext,  # noqa: ARG002
        query: str,
    ) -> ProductsFound | NothingFound:
        """Search the catalogue by words of a product's name; tells price and stock.

        Args:
            query: One word or a few, such as "sofá" or "lámpara de pie".
        """
        words = " ".join(query.split())
        if not words or len(words) > _MOST_WORDS:
            raise ToolFailed(f"expected 1 to {_MOST_WORDS} characters to search for")
        if found := await self._shop.products(words, MOST + 1):
            return ProductsFound(source=self._shop.source, products=found[:MOST], more=len(found) > MOST)
        return self._nothing_found("product has these words in its name")

    async def aclose(self) -> None:
        await self._shop.aclose()

    def _nothing_found(self, what: str) -> NothingFound:
        return NothingFound(source=self._shop.source, reason=f"no {what}")


def _parse_id(text: str, what: str) -> str:
    """The id in a text: a dictated one has spaces (`ord 001`), and a model may add a `#`.

    Raises:
        ToolFailed: it cannot be an id. This also keeps paths out of the shop's addresses.
    """
    found = "".join(text.split()).removeprefix("#")
    if not _ID.fullmatch(found):
        raise ToolFailed(
            f"that is no {what} id: expected letters, digits, '-' and '_', at most 64; ask for it again"
        )
    return found
