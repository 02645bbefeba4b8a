"""A fake speech server that does what a test scripts, for what a real server does not do on demand."""

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from websockets.asyncio.server import ServerConnection, serve


@asynccontextmanager
async def run_fake_speech_server(answer: Callable[[ServerConnection], Awaitable[None]]) -> AsyncIterator[str]:
    """Serve `answer` on a free port; yields the base URL."""
    async with serve(answer, "127.0.0.1", 0, ping_interval=None) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        yield f"http://127.0.0.1:{port}"


def make_message(kind: str, **fields: object) -> str:
    """One message of the server."""
    return json.dumps({"type": kind, "session_id": None, "seq": 1, **fields})
