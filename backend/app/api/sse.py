"""Server-sent events: their format, and a response that closes its source when its client leaves."""

from collections.abc import AsyncGenerator, Callable, Coroutine
from contextlib import aclosing, asynccontextmanager
from time import monotonic
from typing import Any, Protocol, TypeVar

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
"""How often per shortest time limit the clock is read."""
_MOST_IN_A_ROW = 32
"""Events sent before other tasks get a turn."""
_COMMENT = b": keep-alive\n\n"
HEADERS = {"Cache-Control": "no-cache", "X-Accel-Buffering": "no"}


def encode_event(name: str, data: Any, *, event_id: str = "") -> bytes:
    """One event in the format of server-sent events."""
    head = b"id: %s\n" % event_id.encode() if event_id else b""
    body = orjson.dumps(data, default=str)  # PostgreSQL's driver has a UUID class of its own
    return b"%sevent: %s\ndata: %s\n\n" % (head, name.encode("ascii"), body)


class EventStream(Response):
    """Sends events as they arrive, and others or comments while none do. Closes the source in every case.

    A plain generator response leaves its source suspended when the client leaves, until it is garbage-collected. A
    client that reads nothing for `slow_reader_s` is disconnected, because its source may cost tokens.

    `while_quiet` is asked every `check_s` for an event to send while the source gives none. With `encode_failure` the
    response begins with its first event: a failure before that is raised, so that it has its HTTP status, and a later
    one is the event that `encode_failure` makes of it.
    """

    media_type = "text/event-stream"

    def __init__(
        self,
        events: AsyncGenerator[bytes, None],
        *,
        slow_reader_s: float,
        keep_alive_s: float = _KEEP_ALIVE_S,
        while_quiet: Callable[[], bytes | None] = lambda: None,
        check_s: float = _KEEP_ALIVE_S,
        encode_failure: Callable[[PrompterError], bytes] | None = None,
        media_type: str | None = None,
    ) -> None:
        """`media_type` is of a stream that is no list of events: it needs a `keep_alive_s` of math.inf."""
        super().__init__(headers=HEADERS, media_type=media_type)
        del self.headers["content-length"]
        self._events = events
        self._slow_reader_s = slow_reader_s
        self._keep_alive_s = keep_alive_s
        self._while_quiet = while_quiet
        self._check_s = check_s
        self._encode_failure = encode_failure
        self._is_beginning = False
        self._has_begun = anyio.Event()
        self._since_s = 0.0
        self._sending = False

    async def __call__(self, _scope: Scope, receive: Receive, send: Send) -> None:
        failure: PrompterError | None = None
        async with aclosing(self._events) as events:
            if self._encode_failure is None:
                await self._begin(send)
            async with anyio.create_task_group() as group:
                group.start_soon(watch_client, receive, group.cancel_scope)
                group.start_soon(self._watch_clock, send, group.cancel_scope)
                try:
                    await self._send_all(send, events)
                except PrompterError as error:
                    if self._encode_failure is None:
                        raise
                    if self._is_beginning:
                        await self._send(send, self._encode_failure(error))
                    else:
                        failure = error  # raised below: a task group would wrap it
                group.cancel_scope.cancel()
        if failure is not None:
            raise failure
        if not self._has_begun.is_set():
            raise HTTPException(499, "the client has left")
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _send_all(self, send: Send, events: AsyncGenerator[bytes, None]) -> None:
        sent = 0
        async for piece in events:
            await self._send(send, piece)
            sent += 1
            if sent % _MOST_IN_A_ROW == 0:
                # A source that never waits would block the event loop, and hide that the client has left.
                await anyio.lowlevel.checkpoint()

    async def _begin(self, send: Send) -> None:
        """Send the head; the source and the clock may both come first."""
        if self._is_beginning:
            await self._has_begun.wait()
            return
        self._is_beginning = True
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        self._has_begun.set()

    async def _send(self, send: Send, body: bytes) -> None:
        if not self._has_begun.is_set():
            await self._begin(send)
        self._since_s, self._sending = monotonic(), True
        await send({"type": "http.response.body", "body": body, "more_body": True})
        self._sending = False

    async def _watch_clock(self, send: Send, scope: anyio.CancelScope) -> None:
        self._since_s = monotonic()
        while True:
            await anyio.sleep(min(self._check_s, self._keep_alive_s / _TICKS, self._slow_reader_s / _TICKS))
            quiet_s = monotonic() - self._since_s
            if self._sending:
                if quiet_s > self._slow_reader_s:
                    scope.cancel()
                continue
            piece = self._while_quiet()
            if piece is None and self._has_begun.is_set() and quiet_s > self._keep_alive_s:
                piece = _COMMENT
            if piece is not None:
                with anyio.move_on_after(self._slow_reader_s) as scope_of_piece:
                    await self._send(send, piece)
                if scope_of_piece.cancelled_caught:
                    scope.cancel()


async def cancel_on_disconnect(request: Request, work: Coroutine[Any, Any, T]) -> T:
    """The result of `work`, which is cancelled if the client leaves first.

    Raises:
        HTTPException: the client has left (499, which nobody reads).
    """
    results: list[T] = []
    failure: PrompterError | None = None
    async with anyio.create_task_group() as group:
        group.start_soon(watch_client, request.receive, group.cancel_scope)
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


class Openable(Protocol):
    """An answer that is opened, sent and closed."""

    async def open(self) -> None:
        """Wait for its beginning; raises a PrompterError."""
        ...

    async def aclose(self) -> None:
        """End its work."""
        ...


Answer = TypeVar("Answer", bound=Openable)


@asynccontextmanager
async def hold_answer(
    request: Request, answer: Answer, *, opens: bool = True
) -> AsyncGenerator[Answer, None]:
    """Hold an answer while it is sent, and close it in every case. It is opened first where it `opens`, so that a
    failure still has a status.
    """
    try:
        if opens:
            await cancel_on_disconnect(request, answer.open())
        yield answer
    finally:
        await answer.aclose()


async def watch_client(receive: Receive, scope: anyio.CancelScope) -> None:
    """Cancel the scope when the client leaves."""
    while (await receive())["type"] != "http.disconnect":
        pass
    scope.cancel()
