"""A fake model that calls a shop's tools, or the search, as a question needs, and answers with their results.

It calls a tool of the client too, with what it found, where the request demands a call or the question names the tool.
"""

import json
import re
from typing import Any

from tests.fakes.chat_upstream import FakeChatUpstream, get_text, make_answer
from tests.fakes.upstream import Reply, Request

MODEL = "shop"
OWN_TOOLS = frozenset({
    "get_order_details", "get_customer_by_phone", "get_customer_by_email", "get_orders_by_customer",
    "search_products", "search_conversations", "calculate",
})  # fmt: skip
_FENCED = re.compile(r"<tool_output[^>]*>\n(.*)\n</tool_output>", re.S)
_ASKED = (
    (re.compile(r"ORD\d+", re.I), "get_order_details", "order_id"),
    (re.compile(r"\+?\d[\d ]{7,}\d"), "get_customer_by_phone", "phone"),
    (re.compile(r"\S+@\S+\w"), "get_customer_by_email", "email"),
    (re.compile(r"(?<=precio de la )\w+"), "search_products", "query"),
    (re.compile(r"(?<=dije de )\w+"), "search_conversations", "query"),
)


class ShopModel(FakeChatUpstream):
    """Keeps no state between requests, so that it serves any number of conversations at once."""

    def _reply_to(self, request: Request) -> Reply:
        if request.method == "GET":
            return super()._reply_to(request)
        self.left.clear()
        return answer_round(request.json)


def answer_round(body: dict[str, Any]) -> Reply:
    """One round."""
    messages = body["messages"]
    last = max(n for n, message in enumerate(messages) if message["role"] == "user")
    own, clients = _list_results(messages[last + 1 :])
    told = [_read(text) for text in own]
    question = get_text(messages[last])
    if not body.get("tools"):
        return _said(body, "Pedidos de la tienda")
    if clients:
        return _said(body, f"Hecho: {clients[-1]}.")
    if not told:
        for pattern, tool, argument in _ASKED:
            if (found := pattern.search(question)) and _describe(body, tool):
                return _call(body, tool, {argument: found.group()})
    if told and (customers := told[-1].get("customers")):
        return _call(body, "get_orders_by_customer", {"customer_id": customers[0]["id"]})
    if described := _find_clients_tool(body, question):
        return _call(body, described["name"], _fill(described, told))
    if not told:
        return _said(body, "¿Qué pedido, cliente o producto busca?")
    return _said(body, _sentence(told[-1]))


def _list_results(messages: list[dict[str, Any]]) -> tuple[list[str], list[str]]:
    """What the server's tools returned, and what the client's did."""
    names = {
        call["id"]: call["function"]["name"] for each in messages for call in each.get("tool_calls") or ()
    }
    own: list[str] = []
    clients: list[str] = []
    for message in messages:
        if message["role"] == "tool":
            is_own = names[message["tool_call_id"]] in OWN_TOOLS
            (own if is_own else clients).append(get_text(message))
    return own, clients


def _find_clients_tool(body: dict[str, Any], question: str) -> dict[str, Any] | None:
    """The client's tool to call now."""
    brought = [each["function"] for each in body["tools"] if each["function"]["name"] not in OWN_TOOLS]
    is_demanded = body.get("tool_choice") not in (None, "auto", "none")
    named = [each for each in brought if is_demanded or each["name"] in question]
    return named[0] if named else None


def _fill(described: dict[str, Any], told: list[dict[str, Any]]) -> dict[str, Any]:
    """Arguments for a tool of the client: fields of the order that was found, by the names of the arguments."""
    order = told[-1]["order"] if told else {}
    known = {"order_id": order.get("id"), "status": order.get("status"), "total": str(order.get("total"))}
    return {name: known.get(name, "UTC") for name in described["parameters"].get("properties", {})}


def _sentence(told: dict[str, Any]) -> str:
    if "error" in told:
        return f"Ahora no puedo consultarlo: {told['error']}."
    if not told["found"]:
        return "No existe."
    if "places" in told:
        return f"Dijo: {'; '.join(each['text'] for each in told['places'])}."
    demo = " (datos de demostración)" if told["source"] == "demo data" else ""
    if "order" in told:
        order = told["order"]
        return f"El pedido {order['id']} está {order['status']} y suma {order['total']}{demo}."
    if "orders" in told:
        return (
            f"Tiene {len(told['orders'])} pedidos: {', '.join(each['id'] for each in told['orders'])}{demo}."
        )
    return "; ".join(f"{each['name']}: {each['price']}" for each in told["products"]) + f"{demo}."


def _read(text: str) -> dict[str, Any]:
    fenced = _FENCED.fullmatch(text)
    assert fenced, f"a tool's output came without its marks: {text[:80]!r}"
    told = json.loads(fenced.group(1))
    assert isinstance(told, dict)
    return told


def _said(body: dict[str, Any], text: str) -> Reply:
    words = re.findall(r"\S+\s*", text)
    return make_answer(body, [{"content": word} for word in words], content=text)


def _describe(body: dict[str, Any], tool: str) -> dict[str, Any] | None:
    return next((each["function"] for each in body["tools"] if each["function"]["name"] == tool), None)


def _call(body: dict[str, Any], tool: str, arguments: dict[str, Any]) -> Reply:
    assert _describe(body, tool)
    function = {"name": tool, "arguments": json.dumps(arguments)}
    call = {"id": "call_0", "type": "function", "function": function}
    return make_answer(
        body, [{"tool_calls": [{"index": 0, **call}]}], "tool_calls", content=None, tool_calls=[call]
    )
