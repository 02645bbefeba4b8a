"""A fake model that calls a shop's tools, or the search, as a question needs, and answers with their results."""

import json
import re
from typing import Any

from tests.fakes.chat_upstream import FakeChatUpstream, get_text, make_answer
from tests.fakes.upstream import Reply, Request

MODEL = "shop"
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
    told = [_read(get_text(message)) for message in messages[last + 1 :] if message["role"] == "tool"]
    if not body.get("tools"):
        return _said(body, "Pedidos de la tienda")
    if not told:
        question = get_text(messages[last])
        for pattern, tool, argument in _ASKED:
            if found := pattern.search(question):
                return _call(body, tool, {argument: found.group()})
        return _said(body, "¿Qué pedido, cliente o producto busca?")
    if customers := told[-1].get("customers"):
        return _call(body, "get_orders_by_customer", {"customer_id": customers[0]["id"]})
    return _said(body, _sentence(told[-1]))


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


def _call(body: dict[str, Any], tool: str, arguments: dict[str, Any]) -> Reply:
    assert tool in [each["function"]["name"] for each in body["tools"]]
    function = {"name": tool, "arguments": json.dumps(arguments)}
    call = {"id": "call_0", "type": "function", "function": function}
    return make_answer(
        body, [{"tool_calls": [{"index": 0, **call}]}], "tool_calls", content=None, tool_calls=[call]
    )
