"""A language model that knows a handful of answers by heart: pictures must not change from one run to the next."""

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

NAME = "gemma-3-12b"
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
FAILS = "Show me what happens when a model fails"
SLOW = "Plan three days of walking near the sea for two people."
ANSWERS = {"hash map": HASH_MAP, "ORD001": ORDER, "walking": WALK}
_SLOW_S = 30


@contextmanager
def teller() -> Iterator[str]:
    """The address (ending in /v1) of a service that answers as OpenAI's does."""
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
        self._say(200, {"object": "list", "data": [{"id": NAME, "object": "model"}]})

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        asked = str(body["messages"][-1]["content"])
        if FAILS in asked:
            return self._say(503, {"error": {"message": "the model is being loaded", "type": "server_error"}})
        if body.get("tools"):
            return self._act(body["messages"])
        text = next((answer for words, answer in ANSWERS.items() if words in asked), "Gladly.")
        self._begin()
        self._say_in_pieces(text)
        if asked == SLOW:
            time.sleep(_SLOW_S)  # the picture is taken meanwhile
        return self._end(text)

    def _act(self, messages: list[dict[str, str]]) -> None:
        """As an assistant's model: the order is looked up first."""
        self._begin()
        if messages[-1]["role"] == "tool":
            text = REFUSED if '"error"' in messages[-1]["content"] else LOOKED_UP
            self._say_in_pieces(text)
            return self._end(text)
        self._say_in_pieces("Lo consulto. ")
        function = {"name": "get_order_details", "arguments": '{"order_id": "ORD001"}'}
        call: dict[str, object] = {"index": 0, "id": "call_0", "type": "function", "function": function}
        self._event({"choices": [{"index": 0, "delta": {"tool_calls": [call]}}]})
        return self._end("", "tool_calls")

    def _begin(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.end_headers()

    def _say_in_pieces(self, text: str) -> None:
        for start in range(0, len(text), 16):
            self._event({"choices": [{"index": 0, "delta": {"content": text[start : start + 16]}}]})

    def _end(self, text: str, reason: str = "stop") -> None:
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
            self._event(end)
            self.wfile.write(b"data: [DONE]\n\n")

    def _event(self, chunk: dict[str, object]) -> None:
        about = {"id": "c", "object": "chat.completion.chunk", "created": 0, "model": NAME}
        self.wfile.write(f"data: {json.dumps({**about, **chunk})}\n\n".encode())

    def _say(self, status: int, body: dict[str, object]) -> None:
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # the base class's name
        """Nothing: the pictures are what is looked at."""
