"""The least that a speech socket can do: decode each message and answer it with one text frame."""

import orjson
import pybase64
from fastapi import FastAPI, WebSocket
from starlette.websockets import WebSocketDisconnect

app = FastAPI()


@app.get("/health/ready")
async def ready() -> dict[str, str]:
    """Answers as the real server does, once it listens."""
    return {"status": "ready"}


@app.websocket("/ws/stt")
async def bare(websocket: WebSocket) -> None:
    """Decode, count, answer."""
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
