"""HTTP that connects only where it may: without redirects, cookies, or proxies from the environment."""

import ssl
from collections.abc import AsyncIterable

import anyio
import anyio.to_thread
import httpcore2
import httpx2

from app.providers.upstream.addresses import Reach
from app.providers.upstream.guard import GuardedBackend, Resolver, TimedStream, resolve

_CONNECTIONS = 100
_CLOSING_S = 0.5
_DRAINING_S = 0.05


class GuardedTransport:
    """A pool of connections with one reach.

    Not an `httpx2.AsyncClient`: what follows redirects, keeps cookies, reads proxies from the environment or
    logs URLs is simply not there. Pools are never shared between reaches, or a connection that the operator
    may open would be lent to a request that may not.
    """

    def __init__(
        self,
        reach: Reach,
        *,
        connect_timeout_s: float,
        resolver: Resolver = resolve,
        ssl_context: ssl.SSLContext | None = None,
    ) -> None:
        self._backend = GuardedBackend(reach, resolver)
        self._timeouts = {
            "connect": connect_timeout_s,
            "pool": connect_timeout_s,
            "read": None,
            "write": None,
        }
        self._ssl_context = ssl_context
        self._pool: httpcore2.AsyncConnectionPool | None = None
        self._opening = anyio.Lock()

    async def send(self, request: httpx2.Request) -> "Reply":
        """Send once and give the reply with its body unread; the caller closes it and sets a time limit."""
        pool = await self._opened()
        assert isinstance(request.stream, AsyncIterable)
        url = request.url
        response = await pool.handle_async_request(
            httpcore2.Request(
                method=request.method,
                url=httpcore2.URL(
                    scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path
                ),
                headers=request.headers.raw,
                content=request.stream,
                extensions={"timeout": self._timeouts},
            )
        )
        return Reply(response)

    async def aclose(self) -> None:
        if self._pool is not None:
            await self._pool.aclose()

    async def _opened(self) -> httpcore2.AsyncConnectionPool:
        async with self._opening:
            if self._pool is None:
                # Reading the certificates takes tens of milliseconds: once, and not on the event loop.
                context = self._ssl_context or await anyio.to_thread.run_sync(httpx2.create_ssl_context)
                self._pool = httpcore2.AsyncConnectionPool(
                    ssl_context=context,
                    max_connections=_CONNECTIONS,
                    max_keepalive_connections=10,
                    keepalive_expiry=15.0,
                    network_backend=self._backend,
                )
        return self._pool


class Reply:
    """An upstream's answer: status and headers at once, the body in pieces. Whoever got it closes it."""

    def __init__(self, response: httpcore2.Response) -> None:
        self.status = response.status
        self.headers = httpx2.Headers(response.headers)
        self._response = response
        self._parts = response.aiter_stream()
        wire = response.extensions["network_stream"]
        assert isinstance(wire, TimedStream)
        self._wire = wire

    def expect_within(self, wait_s: float) -> None:
        """From now on the time until this is called again is limited, whatever comes in between.

        A time limit of the wire itself, since a cancel scope around every piece of a stream costs a third of
        what the piece costs altogether.
        """
        self._wire.deadline_s = anyio.current_time() + wait_s

    async def part(self) -> bytes | None:
        """The next piece of the body, None at its end."""
        return await anext(self._parts, None)

    async def body(self, limit_bytes: int) -> bytes:
        """The rest of the body, cut off at the limit: an upstream does not decide our memory."""
        body = bytearray()
        while len(body) < limit_bytes and (part := await self.part()) is not None:
            body += part
        return bytes(body[:limit_bytes])

    async def drain(self) -> None:
        """Read the end of a body that has said all, so that its connection can serve the next request."""
        with anyio.move_on_after(_DRAINING_S):
            while await self.part() is not None:
                pass

    async def aclose(self) -> None:
        """Give the connection back, or close it where the body was not read to its end; also if cancelled."""
        self._wire.deadline_s = None  # the connection may serve another request
        with anyio.move_on_after(_CLOSING_S, shield=True):
            await self._parts.aclose()
            await self._response.aclose()
