"""A fake LOFT API: a real HTTP server with the documented routes over invented data, failing where its script says."""

from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from tests.fakes.upstream import FakeUpstream, Reply, Request, json_reply

KEY = "loft-key-0123456789"
CUSTOMERS: list[dict[str, Any]] = [
    {
        "id": "C-1",
        "name": "Rosa Peña",
        "email": "Rosa@shop.example",
        "phone": "+34 611 22 33 44",
        "vip": True,
    },
    {"id": "C-2", "name": "Jon Ibarra", "email": None, "phone": "622334455"},
    {"id": "C-3", "name": "Mar Ibarra", "email": "mar@shop.example", "phone": "622 33 44 55"},
]
ORDERS: list[dict[str, Any]] = [
    {
        "id": 7001,
        "customer_id": "C-1",
        "status": "shipped",
        "total": 129.9,
        "created_at": "2026-11-01T10:00:00Z",
    },
    {
        "id": 7002,
        "customer_id": "C-1",
        "status": "open",
        "total": "15.5",
        "created_at": "2026-11-09T10:00:00Z",
    },
]
LINES = {"7001": [{"product_id": 5, "name": "Lamp", "quantity": 1, "price": 129.9}]}
PRODUCTS: list[dict[str, Any]] = [
    {"id": n, "name": f"Lamp {n}", "price": 10 + n, "stock": n} for n in range(30)
]
NOT_FOUND = json_reply({"error": {"code": "not_found", "message": "no such thing"}}, 404)


class FakeLoft(FakeUpstream):
    """Replies are taken from `script` in order, then it answers as its documentation says."""

    def _reply_to(self, request: Request) -> Reply:
        if self.script:
            return self.script.popleft()
        if request.headers.get("authorization") != f"Bearer {KEY}":
            return json_reply({"error": {"code": "unauthorized"}}, 401)
        url = urlsplit(request.path)
        query = {name: values[0] for name, values in parse_qs(url.query).items()}
        match [unquote(part) for part in url.path.removeprefix("/api/").split("/")]:
            case ["customers"]:
                return json_reply(_customers(query))
            case ["customers", customer, "orders"]:
                return _orders_of(customer, int(query["limit"]))
            case ["orders", order]:
                return _order(order)
            case ["products"]:
                return json_reply([each for each in PRODUCTS if query["q"].lower() in each["name"].lower()])
        return json_reply({"detail": "Not Found"}, 404)


def _customers(query: dict[str, str]) -> list[dict[str, Any]]:
    def digits(text: object) -> str:
        return "".join(sign for sign in str(text) if sign.isdigit())[-9:]

    if "phone" in query:
        return [each for each in CUSTOMERS if digits(each["phone"]) == digits(query["phone"])]
    return [each for each in CUSTOMERS if str(each["email"]).lower() == query["email"].lower()]


def _orders_of(customer: str, limit: int) -> Reply:
    if customer not in [each["id"] for each in CUSTOMERS]:
        return NOT_FOUND
    return json_reply([each for each in ORDERS if each["customer_id"] == customer][:limit])


def _order(order: str) -> Reply:
    found = next((each for each in ORDERS if str(each["id"]) == order), None)
    return json_reply({**found, "lines": LINES.get(order, [])}) if found else NOT_FOUND
