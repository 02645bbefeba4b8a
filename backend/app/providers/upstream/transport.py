"""HTTP that connects to checked addresses alone: no redirects, no cookies, no proxies from the environment."""

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

_MAX_CONNECTIONS = 100
_CLOSE_TIMEOUT_S = 0.5
_DRAIN_TIMEOUT_S = 0.05

Resolver = Callable[[str, int], Awaitable[list[Address]]]
"""Looks up the addresses of a host and port; raises OSError when there are none."""


async def resolve_host(host: str, port: int) -> list[Address]:
    """Look up the addresses of a host with the system's resolver."""
    found = await anyio.getaddrinfo(host, port, type=SOCK_STREAM)
    return [ip_address(entry[4][0]) for entry in found]


class UnknownHost(httpcore2.ConnectError):
    """The name of a host cannot be resolved."""


class GuardedBackend(httpcore2.AsyncNetworkBackend):
    """Opens connections: looks a host up once, checks every address, and connects to an address that it checked.

    The TLS name and the Host header stay those of the URL: the pool does not see the address.
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
        """Connect to the first address of the host that answers.

        Raises:
            BaseUrlNotAllowed: an address of the host is not allowed.
        """
        start_s = anyio.current_time()
        addresses = await self._resolve_allowed(host, port, timeout)
        for index, address in enumerate(addresses):
            left_s = None if timeout is None else max(0.05, timeout - (anyio.current_time() - start_s))
            share_s = None if left_s is None else left_s / (len(addresses) - index)
            try:
                wire = await self._wire.connect_tcp(
                    str(address), port, share_s, local_address, socket_options
                )
                return TimedStream(wire)
            except (httpcore2.ConnectError, httpcore2.ConnectTimeout):
                if index == len(addresses) - 1:
                    raise
        raise UnknownHost("the host has no address")

    async def _resolve_allowed(self, host: str, port: int, timeout_s: float | None) -> list[Address]:
        try:
            with anyio.fail_after(timeout_s):
                addresses = list(dict.fromkeys(await self._resolver(host.strip("[]"), port)))
        except TimeoutError as error:
            raise httpcore2.ConnectTimeout("the name was not resolved in time") from error
        except (OSError, UnicodeError) as error:
            raise UnknownHost("the name cannot be resolved") from error
        if not all(may_reach(address, self._reach) for address in addresses):
            # The message does not name the address: a client must not map the network by asking.
            raise BaseUrlNotAllowed(
                "the host of base_url leads to an address that may not be reached from here"
            )
        return addresses

    async def connect_unix_socket(
        self,
        path: str,  # noqa: ARG002  # the backend's signature
        timeout: float | None = None,  # noqa: ARG002
        socket_options: Iterable[httpcore2.SOCKET_OPTION] | None = None,  # noqa: ARG002
    ) -> httpcore2.AsyncNetworkStream:
        raise httpcore2.ConnectError("an upstream is never a Unix socket")

    async def sleep(self, seconds: float) -> None:
        await anyio.sleep(seconds)


class TimedStream(httpcore2.AsyncNetworkStream):
    """A connection whose reads all end at `deadline_s`, where it is set."""

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


class GuardedTransport:
    """A pool of connections to the addresses that one reach allows.

    This is no `httpx2.AsyncClient`, which follows redirects, keeps cookies, reads proxies from the environment and
    logs URLs. Reaches never share a pool: a connection that only the operator may open must not serve a request.
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
        """Send a request once and return the reply, its body unread; the caller sets a time limit and closes it."""
        pool = await self._open_pool()
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

    async def _open_pool(self) -> httpcore2.AsyncConnectionPool:
        async with self._opening:
            if self._pool is None:
                # Reading the certificates takes tens of milliseconds, so it happens once and off the event loop.
                context = self._ssl_context or await anyio.to_thread.run_sync(httpx2.create_ssl_context)
                self._pool = httpcore2.AsyncConnectionPool(
                    ssl_context=context,
                    max_connections=_MAX_CONNECTIONS,
                    max_keepalive_connections=10,
                    keepalive_expiry=15.0,
                    network_backend=self._backend,
                )
        return self._pool


class Reply:
    """An upstream's answer: status and headers at once, the body in pieces. The caller closes it."""

    def __init__(self, response: httpcore2.Response) -> None:
        self.status = response.status
        self.headers = httpx2.Headers(response.headers)
        self._response = response
        self._parts = response.aiter_stream()
        wire = response.extensions["network_stream"]
        assert isinstance(wire, TimedStream)
        self._wire = wire

    def limit_wait(self, wait_s: float) -> None:
        """Set the deadline of all following reads to `wait_s` seconds from now, until the next call.

        The limit is the connection's: a cancel scope around each piece would add a third to the cost of a piece.
        """
        self._wire.deadline_s = anyio.current_time() + wait_s

    async def read_part(self) -> bytes | None:
        """Return the next piece of the body, None at its end."""
        return await anext(self._parts, None)

    async def read_body(self, limit_bytes: int) -> bytes:
        """Return the rest of the body, cut off at `limit_bytes`."""
        body = bytearray()
        while len(body) < limit_bytes and (part := await self.read_part()) is not None:
            body += part
        return bytes(body[:limit_bytes])

    async def drain(self) -> None:
        """Read a body to its end for a moment, so that its connection can serve the next request."""
        with anyio.move_on_after(_DRAIN_TIMEOUT_S):
            while await self.read_part() is not None:
                pass

    async def aclose(self) -> None:
        """Return the connection to the pool, or close it if the body is unread; a cancelled caller waits for it too."""
        self._wire.deadline_s = None  # the connection may serve another request
        with anyio.move_on_after(_CLOSE_TIMEOUT_S, shield=True):
            await self._parts.aclose()
            await self._response.aclose()
