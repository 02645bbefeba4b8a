"""A real shop behind an HTTP API: LOFT_API_URL and LOFT_API_KEY; its failures are told, never taken for answers."""

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
from app.toolsets.loft.shop import MOST, same_email, same_id, same_phone

T = TypeVar("T")
_TRIES = 3
_ANSWER_BYTES = 1 << 20
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_NO_GUESS = "say that it cannot be looked up now, and do not guess"
_CUSTOMERS, _ORDERS = TypeAdapter(list[Customer]), TypeAdapter(list[Order])
_ORDER, _PRODUCTS = TypeAdapter(OrderDetails), TypeAdapter(list[Product])
logger = logging.getLogger(__name__)


class HttpShop:
    """Asks the shop; everything is a GET, so that trying again changes nothing."""

    source: Source = "the shop"

    def __init__(self, settings: Settings, *, resolver: Resolver = resolve_host) -> None:
        self._own = settings.loft
        self._client = UpstreamClient(settings.llm.connect_timeout_s, resolver)

    async def customers_by_phone(self, phone: str) -> list[Customer]:
        found = await self._get(_CUSTOMERS, "/customers", {"phone": phone}) or []
        return _those([each for each in found if same_phone(each.phone or "", phone)], found)

    async def customers_by_email(self, email: str) -> list[Customer]:
        found = await self._get(_CUSTOMERS, "/customers", {"email": email}) or []
        return _those([each for each in found if same_email(each.email or "", email)], found)

    async def orders_of(self, customer_id: str, limit: int) -> list[Order] | None:
        path = f"/customers/{quote(customer_id, safe='')}/orders"
        found = await self._get(_ORDERS, path, {"limit": limit}, may_miss=True)
        if found is None:
            return None
        of_them = [each for each in found if same_id(each.customer_id, customer_id)]
        return sorted(_those(of_them, found), key=_created, reverse=True)[:limit]

    async def order(self, order_id: str) -> OrderDetails | None:
        found = await self._get(_ORDER, f"/orders/{quote(order_id, safe='')}", {}, may_miss=True)
        if found is None:
            return None
        return next(iter(_those([found] if same_id(found.id, order_id) else [], [found])), None)

    async def products(self, words: str, limit: int) -> list[Product]:
        return (await self._get(_PRODUCTS, "/products", {"q": words, "limit": limit}) or [])[:limit]

    async def aclose(self) -> None:
        await self._client.aclose()

    async def _get(
        self, shape: TypeAdapter[T], path: str, query: Mapping[str, Any], *, may_miss: bool = False
    ) -> T | None:
        """What stands there; None where the shop itself says that there is no such thing."""
        endpoint = self._endpoint()
        address = f"{path}?{urlencode(query)}" if query else path
        try:
            with upstream_errors(endpoint.base.host), anyio.fail_after(self._own.timeout_s):
                async with self._client.request(
                    "GET", endpoint, address, timeout_s=self._own.timeout_s, tries=_TRIES
                ) as reply:
                    status, body = reply.status, await _body(reply)
        except UpstreamTimeout as error:
            raise ToolFailed(
                f"the shop did not answer within {self._own.timeout_s:g} s; {_NO_GUESS}"
            ) from error
        except PrompterError as error:
            logger.warning("the LOFT API cannot be asked: %s", error.code)
            raise ToolFailed(f"the shop cannot be reached; {_NO_GUESS}") from error
        if status == 404 and may_miss and _says_not_found(body):
            return None
        _check(status)
        return _read(shape, body)

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


def _created(order: Order) -> float:
    """To sort by; a time without a zone is taken for one of UTC."""
    moment = order.created_at
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return (aware - _EPOCH).total_seconds()


async def _body(reply: Reply) -> bytes:
    """All of it; one byte over the limit where it is longer."""
    return await reply.read_body(_ANSWER_BYTES + 1)


def _check(status: int) -> None:
    """Raises:
    ToolFailed: the status is no success.
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


def _read(shape: TypeAdapter[T], body: bytes) -> T:
    """Raises:
    ToolFailed: it is too long, no JSON, or not what was asked for.
    """
    if len(body) > _ANSWER_BYTES:
        raise ToolFailed(f"the shop's answer is over {_ANSWER_BYTES} bytes; ask for less")
    try:
        return shape.validate_python(parse_json(body))
    except ValidationError as error:
        # Where, not what: values are the shop's.
        places = {
            ".".join(map(str, each["loc"])): each["type"] for each in error.errors(include_url=False)[:5]
        }
        logger.warning("the LOFT API's answer is not what it is documented to be: %s", places)
    except ValueError:
        logger.warning("the LOFT API's answer is no JSON")
    raise ToolFailed(f"the shop's answer cannot be read; {_NO_GUESS}")


def _says_not_found(body: bytes) -> bool:
    """Whether a 404 is an answer, and not that of a server that knows nothing of orders."""
    try:
        said = parse_json(body)
    except ValueError:
        return False
    if not isinstance(said, dict):
        return False
    error = said.get("error")
    told = error.get("code") if isinstance(error, dict) else error
    return "not_found" in (said.get("code"), told)


def _those(asked_for: list[T], sent: list[T]) -> list[T]:
    """What the shop sent, where it is what was asked for; a shop that ignores the question tells of strangers.

    Raises:
        ToolFailed: it tells of others.
    """
    if len(asked_for) < len(sent):
        logger.warning("the LOFT API answered with something else than it was asked for")
        raise ToolFailed(f"the shop answered with something else than was asked for; {_NO_GUESS}")
    return asked_for[:MOST]
