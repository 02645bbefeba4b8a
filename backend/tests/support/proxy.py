"""A TCP proxy between a client and its server, whose connections a test can cut."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from urllib.parse import urlsplit


class Proxy:
    """Passes connections on; `cut` breaks all of them, and `down` refuses new ones. After `freeze` those that are open
    pass nothing on, either way, until `thaw`: so a line looks that is lost without a word.

    With `cut_after_bytes`, each new connection is cut after this many bytes from the server.
    """

    def __init__(self) -> None:
        self.url = ""
        self.opened = 0
        self.down = False
        self.bytes_up = 0
        self.cut_after_bytes: int | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        self._flow = asyncio.Event()
        self._flow.set()
        self._frozen: list[asyncio.Event] = []
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

    def freeze(self) -> None:
        """Pass nothing on of the connections that are open; new ones are not concerned."""
        self._frozen.append(self._flow)
        self._flow.clear()
        self._flow = asyncio.Event()
        self._flow.set()

    def thaw(self) -> None:
        """Pass on what has gathered."""
        while self._frozen:
            self._frozen.pop().set()

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
        flow, most_bytes = self._flow, self.cut_after_bytes
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._pass_on(reader, out, flow, up=True))
                group.create_task(self._pass_on(there, writer, flow, up=False, most_bytes=most_bytes))
        finally:
            self._writers -= {writer, out}
            writer.transport.abort()
            out.transport.abort()

    async def _pass_on(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        flow: asyncio.Event,
        *,
        up: bool,
        most_bytes: int | None = None,
    ) -> None:
        left = most_bytes
        with suppress(OSError):
            while data := await reader.read(4096):
                await flow.wait()
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
