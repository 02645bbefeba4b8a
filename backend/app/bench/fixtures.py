"""Servers to compare with: the fastest possible upstream, and the smallest possible speech socket."""

import asyncio
import itertools
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

import orjson
import pybase64
from fastapi import FastAPI, WebSocket
from starlette.websockets import WebSocketDisconnect

PACES_S = {"burst": 0.0, "paced": 0.01}
"""Model name -> time between two chunks (s)."""

Message = MutableMapping[str, Any]


def _event(delta: dict[str, str], reason: str | None = None) -> bytes:
    choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": reason}
    head = {"id": "chatcmpl-bench", "object": "chat.completion.chunk", "created": 1, "model": "bench"}
    return b"data: " + orjson.dumps(head | {"choices": [choice]}) + b"\n\n"


_FIRST = _event({"role": "assistant", "content": ""})
_PIECE = _event({"content": " submarine"})
_LAST = _event({}, "stop") + b"data: [DONE]\n\n"


async def fast_upstream(
    scope: Message, receive: Callable[[], Awaitable[Message]], send: Callable[[Message], Awaitable[None]]
) -> None:
    """Answer every path: a chat request with a stream, anything else with the list of models."""
    if scope["type"] != "http":
        return
    body = b""
    while (message := await receive()).get("more_body") or message.get("body"):
        body += message.get("body", b"")
        if not message.get("more_body"):
            break
    asked = orjson.loads(body) if body else {}
    kind = b"text/event-stream" if asked else b"application/json"
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", kind)]})
    if not asked:
        models = orjson.dumps({"object": "list", "data": [{"id": name} for name in PACES_S]})
        await send({"type": "http.response.body", "body": models})
        return
    pace_s = PACES_S[asked["model"]]
    loop = asyncio.get_running_loop()
    began_s = loop.time()
    pieces = itertools.repeat(_PIECE, asked["max_tokens"])
    for place, piece in enumerate(itertools.chain([_FIRST], pieces)):
        if pace_s and (wait_s := began_s + place * pace_s - loop.time()) > 0:
            await asyncio.sleep(wait_s)
        await send({"type": "http.response.body", "body": piece, "more_body": True})
    await send({"type": "http.response.body", "body": _LAST})


bare_endpoint = FastAPI()


@bare_endpoint.get("/health/ready")
async def ready() -> dict[str, str]:
    """Answer as the real server does once it listens."""
    return {"status": "ready"}


@bare_endpoint.websocket("/ws/stt")
async def answer_chunks(websocket: WebSocket) -> None:
    """Decode each chunk, count its bytes, answer with one text frame."""
    await websocket.accept()
    count = 0
    try:
        while True:
            message = orjson.loads(await websocket.receive_text())
            if message["type"] == "audio":
                count += len(pybase64.b64decode(message["data"], validate=True))
            await websocket.send_text(orjson.dumps({"type": "partial", "text": str(count)}).decode())
    except WebSocketDisconnect:
        return
