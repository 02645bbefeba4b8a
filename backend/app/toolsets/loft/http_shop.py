"""A real shop behind an HTTP API (LOFT_API_URL, LOFT_API_KEY): its failures are never taken for answers."""

import logging
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, TypeVar
from urllib.parse import quote, urlencode

import anyio
from pydantic import TypeAdapter, ValidationError

from app.core.config import Settings
from app.core.errors import BaseUrlNotAllowed, PrompterError, UpstreamTimeout
from app.providers.upstream.addresses import Reach, parse_base_url
from app.providers.upstream.client import Endpoint, UpstreamClient
from app.providers.upstream.codec import parse_json
from app.providers.upstream.errors import upstream_errors
from app.providers.upstream.transport import Reply, Resolver, resolve_host
from app.toolsets.base import ToolFailed
from app.toolsets.loft.models import Customer, Order, OrderDetails, Product, Source
from app.toolsets.loft.shop import MOST, is_same_email, is_same_id, is_same_phone

T = TypeVar("T")
_TRIES = 3
_ANSWER_BYTES = 1 << 20
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_NO_GUESS = "say that it cannot be looked up now, and do not guess"
_CUSTOMERS, _ORDERS = TypeAdapter(list[Customer]), TypeAdapter(list[Order])
_ORDER, _PRODUCTS = TypeAdapter(OrderDetails), TypeAdapter(list[Product])
logger = logging.getLogger(__name__)


class HttpShop:
    """Asks the shop with GET requests only, which are safe to repeat."""

    source: Source = "the shop"

    def __init__(self, settings: Settings, *, resolver: Resolver = resolve_host) -> None:
        self._own = settings.loft
        self._client = UpstreamClient(settings.llm.connect_timeout_s, resolver)

    async def customers_by_phone(self, phone: str) -> list[Customer]:
        found = await self._get(_CUSTOMERS, "/customers", {"phone": phone}) or []
        return _check_matches([each for each in found if is_same_phone(each.phone or "", phone)], found)

    async def customers_by_email(self, email: str) -> list[Customer]:
        found = await self._get(_CUSTOMERS, "/customers", {"email": email}) or []
        return _check_matches([each for each in found if is_same_email(each.email or "", email)], found)

    async def orders_of(self, customer_id: str, limit: int) -> list[Order] | None:
        path = f"/customers/{quote(customer_id, safe='')}/orders"
        found = await self._get(_ORDERS, path, {"limit": limit}, may_miss=True)
        if found is None:
            return None
        of_them = [each for each in found if is_same_id(each.customer_id, customer_id)]
        return sorted(_check_matches(of_them, found), key=_sort_key, reverse=True)[:limit]

    async def order(self, order_id: str) -> OrderDetails | None:
        found = await self._get(_ORDER, f"/orders/{quote(order_id, safe='')}", {}, may_miss=True)
        if found is None:
            return None
        return next(iter(_check_matches([found] if is_same_id(found.id, order_id) else [], [found])), None)

    async def products(self, words: str, limit: int) -> list[Product]:
        return (await self._get(_PRODUCTS, "/products", {"q": words, "limit": limit}) or [])[:limit]

    async def aclose(self) -> None:
        await self._client.aclose()

    async def _get(
        self, shape: TypeAdapter[T], path: str, query: Mapping[str, Any], *, may_miss: bool = False
    ) -> T | None:
        """The parsed answer; None if the shop itself says that there is no such thing."""
        endpoint = self._endpoint()
        address = f"{path}?{urlencode(query)}" if query else path
        try:
            with upstream_errors(endpoint.base.host), anyio.fail_after(self._own.timeout_s):
                async with self._client.request(
                    "GET", endpoint, address, timeout_s=self._own.timeout_s, tries=_TRIES
                ) as reply:
                    status, body = reply.status, await _read_body(reply)
        except UpstreamTimeout as error:
            raise ToolFailed(
                f"the shop did not answer within {self._own.timeout_s:g} s; {_NO_GUESS}"
            ) from error
        except PrompterError as error:
            logger.warning("the LOFT API cannot be asked: %s", error.code)
            raise ToolFailed(f"the shop cannot be reached; {_NO_GUESS}") from error
        if status == 404 and may_miss and _says_not_found(body):
            return None
        _check_status(status)
        return _parse(shape, body)

    def _endpoint(self) -> Endpoint:
        key = self._own.api_key.get_secret_value().strip()
        if not (key.isascii() and key.isprintable()):
            raise ToolFailed(
                "LOFT_API_KEY holds a character that no key has; whoever runs the server can fix it"
            )
        try:
            base = parse_base_url(self._own.api_url)
        except BaseUrlNotAllowed as error:
            raise ToolFailed("LOFT_API_URL is no http address; whoever runs the server can fix it") from error
        return Endpoint(base, key, Reach.OPERATOR)


def _sort_key(order: Order) -> float:
    """The time of an order in seconds. A time without a zone counts as UTC."""
    moment = order.created_at
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return (aware - _EPOCH).total_seconds()


async def _read_body(reply: Reply) -> bytes:
    """The whole body, or one byte over the limit if it is longer."""
    return await reply.read_body(_ANSWER_BYTES + 1)


def _check_status(status: int) -> None:
    """Check that the status is a success.

    Raises:
        ToolFailed: it is not.
    """
    if 200 <= status < 300:
        return
    logger.warning("the LOFT API answered with status %d", status)
    if status in (401, 403):
        raise ToolFailed(f"the shop did not accept its key (status {status}, LOFT_API_KEY); {_NO_GUESS}")
    if status == 404:
        raise ToolFailed(f"the shop does not know this route (status 404, LOFT_API_URL); {_NO_GUESS}")
    if status == 429:
        raise ToolFailed(f"the shop is asked too often (status 429); {_NO_GUESS}")
    raise ToolFailed(f"the shop failed (status {status}); {_NO_GUESS}")


def _parse(shape: TypeAdapter[T], body: bytes) -> T:
    """Parse a body.

    Raises:
        ToolFailed: it is too long, not JSON, or not of the documented form.
    """
    if len(body) > _ANSWER_BYTES:
        raise ToolFailed(f"the shop's answer is over {_ANSWER_BYTES} bytes; ask for less")
    try:
        return shape.validate_python(parse_json(body))
    except ValidationError as error:
        # The log gets the places and not the values, which belong to the shop.
        places = {
            ".".join(map(str, each["loc"])): each["type"] for each in error.errors(include_url=False)[:5]
        }
        logger.warning("the LOFT API's answer is not what it is documented to be: %s", places)
    except ValueError:
        logger.warning("the LOFT API's answer is no JSON")
    raise ToolFailed(f"the shop's answer cannot be read; {_NO_GUESS}")


def _says_not_found(body: bytes) -> bool:
    """Whether the shop itself sent this 404, and not a server that knows no such route."""
    try:
        answer = parse_json(body)
    except ValueError:
        return False
    if not isinstance(answer, dict):
        return False
    error = answer.get("error")
    code = error.get("code") if isinstance(error, dict) else error
    return "not_found" in (answer.get("code"), code)


def _check_matches(matching: list[T], sent: list[T]) -> list[T]:
    """The matching records, if all that the shop sent match. A shop that ignores a filter sends other people's data.

    Raises:
        ToolFailed: some records do not match.
    """
    if len(matching) < len(sent):
        logger.warning("the LOFT API answered with something else than it was asked for")
        raise ToolFailed(f"the shop answered with something else than was asked for; {_NO_GUESS}")
    return matching[:MOST]
