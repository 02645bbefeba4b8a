"""A language model with a few fixed answers, so that screenshots do not change from run to run."""

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

NAME = "gemma-3-12b"
NAMES = (NAME, "qwen3-8b")
HASH_MAP = """A **hash map** keeps pairs of keys and values, and finds a value from its key in one step on average.

1. A *hash function* turns the key into a number.
2. The number, modulo the size of the table, names a **bucket**.
3. Keys that meet in one bucket are told apart by comparing them.

```python
class HashMap:
    def __init__(self, size: int = 8) -> None:
        self.buckets: list[list[tuple[str, int]]] = [[] for _ in range(size)]

    def put(self, key: str, value: int) -> None:
        bucket = self.buckets[hash(key) % len(self.buckets)]
        bucket[:] = [pair for pair in bucket if pair[0] != key] + [(key, value)]
```

| Operation | On average | At worst |
|-----------|-----------:|---------:|
| `get`     | O(1)       | O(n)     |
| `put`     | O(1)       | O(n)     |
| in order  | O(n log n) | O(n log n) |

> Grow the table when it is three quarters full, and the averages hold.

More in the [notes of CPython](https://github.com/python/cpython/blob/main/Objects/dictnotes.txt)."""
ORDER = """El pedido **ORD001** salió del almacén ayer y está en reparto.

- Transportista: Correos Exprés
- Entrega prevista: mañana, entre las 9 y las 14 h

¿Quieres que te avise cuando llegue?"""
LOOKED_UP = """El pedido **ORD001** está **enviado** y suma 380,80 €. Son datos de demostración.

¿Consulto algo más?"""
REFUSED = "No lo he consultado, porque no lo has permitido. ¿Hago otra cosa?"
WALK = """Three days by the sea, with two nights in the same inn:

**Day 1.** The cliff path from the harbour to the lighthouse, 11 km. Start early: there is no shade after noon.

**Day 2.** Along the beach to the river mouth, 14 km, mostly flat. Lunch at the ferry house.

**Day 3.** Inland through the pine woods"""
WALK_ES = """Tres días junto al mar, con dos noches en la misma posada:

**Día 1.** El camino del acantilado, del puerto al faro, 11 km. Salid temprano: después del mediodía no hay sombra.

**Día 2.** Por la playa hasta la desembocadura, 14 km, casi todo llano. Comida en la casa del barquero.

**Día 3.** Tierra adentro, por el pinar"""
FAILS = "Show me what happens when a model fails"
SLOW = {
    "en": "Plan three days of walking near the sea for two people.",
    "es": "Organiza tres días de caminatas cerca del mar para dos personas.",
}
SILENT = {"en": "What would you do on a rainy Sunday?", "es": "¿Qué harías un domingo de lluvia?"}
"""Their answers have no words while the screenshots are taken."""
ANSWERS = {
    "hash map": HASH_MAP,
    "ORD001": ORDER,
    "walking": WALK,
    "caminatas": WALK_ES,
    "Sunday": "",
    "domingo": "",
}
ASKS_FOR_TITLE = "Name this conversation"
TITLES = {
    "hash map": "How a hash map works",
    "ORD001": "Estado del pedido ORD001",
    "walking": "Three days by the sea",
    "caminatas": "Tres días junto al mar",
    "Sunday": "A rainy Sunday",
    "domingo": "Un domingo de lluvia",
}
OTHER_TITLE = "Turn this list into tasks"
_SLOW_S = 30


@contextmanager
def run_model() -> Iterator[str]:
    """Run a service with OpenAI's API; yields its address, which ends in /v1."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/v1"
    finally:
        server.shutdown()
        server.server_close()


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self._send_json(200, {"object": "list", "data": [{"id": name, "object": "model"} for name in NAMES]})

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        question = str(body["messages"][-1]["content"])
        if FAILS in question:
            return self._send_json(
                503, {"error": {"message": "the model is being loaded", "type": "server_error"}}
            )
        if body.get("tools"):
            return self._answer_with_tool(body["messages"])
        known, other = (TITLES, OTHER_TITLE) if ASKS_FOR_TITLE in question else (ANSWERS, "Gladly.")
        text = next((answer for words, answer in known.items() if words in question), other)
        self._start_stream()
        self._send_text(text)
        if question in (*SLOW.values(), *SILENT.values()):
            time.sleep(_SLOW_S)  # the screenshot is taken meanwhile
        return self._end_stream(text)

    def _answer_with_tool(self, messages: list[dict[str, str]]) -> None:
        """Answer as an assistant's model: look the order up first."""
        self._start_stream()
        if messages[-1]["role"] == "tool":
            text = REFUSED if '"error"' in messages[-1]["content"] else LOOKED_UP
            self._send_text(text)
            return self._end_stream(text)
        self._send_text("Lo consulto. ")
        function = {"name": "get_order_details", "arguments": '{"order_id": "ORD001"}'}
        call: dict[str, object] = {"index": 0, "id": "call_0", "type": "function", "function": function}
        self._send_chunk({"choices": [{"index": 0, "delta": {"tool_calls": [call]}}]})
        return self._end_stream("", "tool_calls")

    def _start_stream(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.end_headers()

    def _send_text(self, text: str) -> None:
        for start in range(0, len(text), 16):
            self._send_chunk({"choices": [{"index": 0, "delta": {"content": text[start : start + 16]}}]})

    def _end_stream(self, text: str, reason: str = "stop") -> None:
        usage = {
            "prompt_tokens": 24,
            "completion_tokens": len(text) // 4,
            "total_tokens": 24 + len(text) // 4,
        }
        end: dict[str, object] = {
            "choices": [{"index": 0, "delta": {}, "finish_reason": reason}],
            "usage": usage,
        }
        with suppress(BrokenPipeError):  # Stop was pressed
            self._send_chunk(end)
            self.wfile.write(b"data: [DONE]\n\n")

    def _send_chunk(self, chunk: dict[str, object]) -> None:
        about = {"id": "c", "object": "chat.completion.chunk", "created": 0, "model": NAME}
        self.wfile.write(f"data: {json.dumps({**about, **chunk})}\n\n".encode())

    def _send_json(self, status: int, body: dict[str, object]) -> None:
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # the base class's name
        """Log nothing."""
