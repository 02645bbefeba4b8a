"""A TCP proxy that a test can cut: the network between a client and its server."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from urllib.parse import urlsplit


class Network:
    """Connections that pass through; `cut` breaks all of them off, `down` refuses new ones meanwhile."""

    def __init__(self) -> None:
        self.url = ""
        self.opened = 0
        self.down = False
        self.bytes_up = 0
        self._writers: set[asyncio.StreamWriter] = set()

    def cut(self) -> None:
        """As a network does it: no goodbye, and what is on the way is lost."""
        for writer in self._writers:
            writer.transport.abort()
        self._writers.clear()

    async def serve(self, target: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.down:
            writer.transport.abort()
            return
        self.opened += 1
        address = urlsplit(target)
        there, out = await asyncio.open_connection(address.hostname, address.port)
        self._writers |= {writer, out}
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._pass_on(reader, out, up=True))
                group.create_task(self._pass_on(there, writer, up=False))
        finally:
            self._writers -= {writer, out}
            writer.transport.abort()
            out.transport.abort()

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, up: bool) -> None:
        with suppress(OSError):
            while data := await reader.read(4096):
                self.bytes_up += len(data) if up else 0
                writer.write(data)
                await writer.drain()
        with suppress(OSError):
            writer.close()


@asynccontextmanager
async def network(url: str) -> AsyncIterator[Network]:
    """A network in front of the server at `url`; talk to `Network.url`."""
    found = Network()
    server = await asyncio.start_server(lambda *streams: found.serve(url, *streams), "127.0.0.1", 0)
    found.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield found
    finally:
        server.close()
        found.cut()
