"""HTTP that connects only to checked addresses: no redirects, no cookies, no proxies of the environment."""

import ssl
from collections.abc import AsyncIterable, Awaitable, Callable, Iterable
from ipaddress import ip_address
from socket import SOCK_STREAM
from typing import Any

import anyio
import anyio.to_thread
import httpcore2
import httpx2

from app.core.errors import BaseUrlNotAllowed
from app.providers.upstream.addresses import Address, Reach, may_reach

Resolver = Callable[[str, int], Awaitable[list[Address]]]
"""Gives the addresses of a host; raises OSError when there are none."""


async def resolve_host(host: str, port: int) -> list[Address]:
    """The addresses that the system knows for a host."""
    found = await anyio.getaddrinfo(host, port, type=SOCK_STREAM)
    return [ip_address(entry[4][0]) for entry in found]


class GuardedBackend(httpcore2.AsyncNetworkBackend):
    """Opens connections: resolves a host once, checks every address, connects to the very one it checked.

    TLS names and the Host header stay those of the URL, since the pool above knows nothing of the address.
    """

    def __init__(self, reach: Reach, resolver: Resolver = resolve_host) -> None:
        self._reach = reach
        self._resolver = resolver
        self._wire = httpcore2.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore2.SOCKET_OPTION] | None = None,
    ) -> httpcore2.AsyncNetworkStream:
        """Raises BaseUrlNotAllowed when any address of the host may not be reached."""
        started_s = anyio.current_time()
        addresses = await self._allowed(host, port, timeout)
        for index, address in enumerate(addresses):
            left_s = None if timeout is None else max(0.05, timeout - (anyio.current_time() - started_s))
            share_s = None if left_s is None else left_s / (len(addresses) - index)
            try:
                wire = await self._wire.connect_tcp(
                    str(address), port, share_s, local_address, socket_options
                )
                return TimedStream(wire)
            except (httpcore2.ConnectError, httpcore2.ConnectTimeout):
                if index == len(addresses) - 1:
                    raise
        raise httpcore2.ConnectError("the host has no address")

    async def _allowed(self, host: str, port: int, timeout_s: float | None) -> list[Address]:
        try:
            with anyio.fail_after(timeout_s):
                addresses = list(dict.fromkeys(await self._resolver(host.strip("[]"), port)))
        except TimeoutError as error:
            raise httpcore2.ConnectTimeout("the name was not resolved in time") from error
        except (OSError, UnicodeError) as error:
            raise httpcore2.ConnectError("the name cannot be resolved") from error
        if not all(may_reach(address, self._reach) for address in addresses):
            # The address itself is not told: the answer must not map the network for whoever asks.
            raise BaseUrlNotAllowed(
                f"base_url host {host!r} leads to an address that may not be reached from here"
            )
        return addresses

    async def connect_unix_socket(
        self,
        path: str,  # noqa: ARG002  # the backend's signature
        timeout: float | None = None,  # noqa: ARG002
        socket_options: Iterable[httpcore2.SOCKET_OPTION] | None = None,  # noqa: ARG002
    ) -> httpcore2.AsyncNetworkStream:
        raise httpcore2.ConnectError("an upstream is never a file")

    async def sleep(self, seconds: float) -> None:
        await anyio.sleep(seconds)


class TimedStream(httpcore2.AsyncNetworkStream):
    """A connection whose reads all end at one moment, where one is set."""

    def __init__(self, wire: httpcore2.AsyncNetworkStream) -> None:
        self._wire = wire
        self.deadline_s: float | None = None

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        if self.deadline_s is not None:
            timeout = max(0.0, self.deadline_s - anyio.current_time())
        return await self._wire.read(max_bytes, timeout)

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:
        await self._wire.write(buffer, timeout)

    async def aclose(self) -> None:
        await self._wire.aclose()

    async def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore2.AsyncNetworkStream:
        return TimedStream(await self._wire.start_tls(ssl_context, server_hostname, timeout))

    def get_extra_info(self, info: str) -> Any:
        return self._wire.get_extra_info(info)


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
        resolver: Resolver = resolve_host,
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

    def limit_wait(self, wait_s: float) -> None:
        """From now on the time until this is called again is limited, whatever comes in between.

        A time limit of the wire itself, since a cancel scope around every piece of a stream costs a third of
        what the piece costs altogether.
        """
        self._wire.deadline_s = anyio.current_time() + wait_s

    async def read_part(self) -> bytes | None:
        """The next piece of the body, None at its end."""
        return await anext(self._parts, None)

    async def read_body(self, limit_bytes: int) -> bytes:
        """The rest of the body, cut off at the limit: an upstream does not decide our memory."""
        body = bytearray()
        while len(body) < limit_bytes and (part := await self.read_part()) is not None:
            body += part
        return bytes(body[:limit_bytes])

    async def drain(self) -> None:
        """Read the end of a body that has said all, so that its connection can serve the next request."""
        with anyio.move_on_after(_DRAINING_S):
            while await self.read_part() is not None:
                pass

    async def aclose(self) -> None:
        """Give the connection back, or close it where the body was not read to its end; also if cancelled."""
        self._wire.deadline_s = None  # the connection may serve another request
        with anyio.move_on_after(_CLOSING_S, shield=True):
            await self._parts.aclose()
            await self._response.aclose()
