"""A TCP proxy between a client and its server, whose connections a test can cut."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from urllib.parse import urlsplit


class Proxy:
    """Passes connections on; `cut` breaks all of them, and `down` refuses new ones.

    With `cut_after_bytes`, each new connection is cut after this many bytes from the server.
    """

    def __init__(self) -> None:
        self.url = ""
        self.opened = 0
        self.down = False
        self.bytes_up = 0
        self.cut_after_bytes: int | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    def accept(self, target: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.get_running_loop().create_task(self.serve(target, reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def aclose(self) -> None:
        """Cut all connections, including those that are being opened."""
        self.cut()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def cut(self) -> None:
        """Abort all connections without a close; data on the way is lost."""
        for writer in self._writers:
            writer.transport.abort()
        self._writers.clear()

    async def serve(self, target: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.down:
            writer.transport.abort()
            return
        self.opened += 1
        address = urlsplit(target)
        try:
            there, out = await asyncio.open_connection(address.hostname, address.port)
        except asyncio.CancelledError:
            writer.transport.abort()
            raise
        self._writers |= {writer, out}
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._pass_on(reader, out, up=True))
                group.create_task(self._pass_on(there, writer, up=False, most_bytes=self.cut_after_bytes))
        finally:
            self._writers -= {writer, out}
            writer.transport.abort()
            out.transport.abort()

    async def _pass_on(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        *,
        up: bool,
        most_bytes: int | None = None,
    ) -> None:
        left = most_bytes
        with suppress(OSError):
            while data := await reader.read(4096):
                self.bytes_up += len(data) if up else 0
                writer.write(data[:left])
                await writer.drain()
                if left is not None and (left := left - len(data)) <= 0:
                    break
        with suppress(OSError):
            writer.close()


@asynccontextmanager
async def run_proxy(url: str) -> AsyncIterator[Proxy]:
    """Run a proxy in front of the server at `url`; clients connect to `Proxy.url`."""
    found = Proxy()
    server = await asyncio.start_server(lambda *streams: found.accept(url, *streams), "127.0.0.1", 0)
    found.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield found
    finally:
        server.close()
        await found.aclose()
