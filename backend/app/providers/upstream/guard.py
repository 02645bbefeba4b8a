"""The guard at connect time: a host is resolved once, all its addresses checked, a checked one used."""

import ssl
from collections.abc import Awaitable, Callable, Iterable
from ipaddress import ip_address
from socket import SOCK_STREAM
from typing import Any

import anyio
import httpcore2

from app.core.errors import BaseUrlNotAllowed
from app.providers.upstream.addresses import Address, Reach, may_reach

Resolver = Callable[[str, int], Awaitable[list[Address]]]
"""Gives the addresses of a host; raises OSError when there are none."""


async def resolve(host: str, port: int) -> list[Address]:
    """The addresses that the system knows for a host."""
    found = await anyio.getaddrinfo(host, port, type=SOCK_STREAM)
    return [ip_address(entry[4][0]) for entry in found]


class GuardedBackend(httpcore2.AsyncNetworkBackend):
    """Opens connections: resolves a host once, checks every address, connects to the very one it checked.

    TLS names and the Host header stay those of the URL, since the pool above knows nothing of the address.
    """

    def __init__(self, reach: Reach, resolver: Resolver = resolve) -> None:
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
