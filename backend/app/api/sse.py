"""An answer of server-sent events that ends with its client: closes its source, keeps quiet lines open."""

from collections.abc import AsyncGenerator, Coroutine
from contextlib import aclosing
from time import monotonic
from typing import Any, TypeVar

import anyio
import anyio.lowlevel
import orjson
from fastapi import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from app.core.errors import PrompterError

T = TypeVar("T")

_KEEP_ALIVE_S = 15.0
_TICKS = 15
_AT_A_TIME = 32
_COMMENT = b": keep-alive\n\n"
HEADERS = {"Cache-Control": "no-cache", "X-Accel-Buffering": "no"}


def event(name: str, data: Any) -> bytes:
    """One event on the wire."""
    return b"event: %s\ndata: %s\n\n" % (name.encode("ascii"), orjson.dumps(data))


class EventStream(Response):
    """Sends events as they come. The source is closed in every case, also when the client leaves in mid-wait:
    a plain generator response leaves it suspended until it is collected.

    A client that does not read for `slow_reader_s` seconds is let go of: its source costs somebody's tokens.
    """

    media_type = "text/event-stream"

    def __init__(
        self,
        events: AsyncGenerator[bytes, None],
        *,
        slow_reader_s: float,
        keep_alive_s: float = _KEEP_ALIVE_S,
    ) -> None:
        super().__init__(headers=HEADERS)
        del self.headers["content-length"]
        self._events = events
        self._slow_reader_s = slow_reader_s
        self._keep_alive_s = keep_alive_s
        self._since_s = 0.0
        self._sending = False

    async def __call__(self, _scope: Scope, receive: Receive, send: Send) -> None:
        async with aclosing(self._events) as events:
            await send(
                {"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers}
            )
            async with anyio.create_task_group() as group:
                group.start_soon(_watch_client, receive, group.cancel_scope)
                group.start_soon(self._watch_clock, send, group.cancel_scope)
                sent = 0
                async for piece in events:
                    await self._send(send, piece)
                    sent += 1
                    if sent % _AT_A_TIME == 0:
                        # A source that never waits would hold the loop: nobody would see that the client has left.
                        await anyio.lowlevel.checkpoint()
                group.cancel_scope.cancel()
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _send(self, send: Send, body: bytes) -> None:
        self._since_s, self._sending = monotonic(), True
        await send({"type": "http.response.body", "body": body, "more_body": True})
        self._sending = False

    async def _watch_clock(self, send: Send, scope: anyio.CancelScope) -> None:
        self._since_s = monotonic()
        while True:
            await anyio.sleep(min(self._keep_alive_s, self._slow_reader_s) / _TICKS)
            quiet_s = monotonic() - self._since_s
            if self._sending and quiet_s > self._slow_reader_s:
                scope.cancel()
            elif not self._sending and quiet_s > self._keep_alive_s:
                with anyio.move_on_after(self._slow_reader_s) as patience:
                    await self._send(send, _COMMENT)
                if patience.cancelled_caught:
                    scope.cancel()


async def unless_gone(request: Request, work: Coroutine[Any, Any, T]) -> T:
    """The result of `work`, which is cancelled when the client leaves first.

    Raises:
        HTTPException: the client has left (499); nobody reads it.
    """
    results: list[T] = []
    failure: PrompterError | None = None
    async with anyio.create_task_group() as group:
        group.start_soon(_watch_client, request.receive, group.cancel_scope)
        try:
            results.append(await work)
        except PrompterError as error:
            failure = error  # raised below: a task group would wrap it
        group.cancel_scope.cancel()
    if failure is not None:
        raise failure
    if not results:
        raise HTTPException(499, "the client has left")
    return results[0]


async def _watch_client(receive: Receive, scope: anyio.CancelScope) -> None:
    """Cancel the scope when the client leaves."""
    while (await receive())["type"] != "http.disconnect":
        pass
    scope.cancel()
