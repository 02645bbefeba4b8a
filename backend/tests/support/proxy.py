"""A TCP proxy between a client and its server, whose connections a test can cut."""

import asyncio
import re
import socket
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from urllib.parse import urlsplit

_REQUEST = re.compile(rb"([A-Z]+ \S+) HTTP/1\.1\r\n")


class Proxy:
    """Passes connections on; `cut` breaks all of them, and `down` refuses new ones. After `freeze` those that are open
    pass nothing on, either way, until `thaw`: so a line looks that is lost without a word. `hold_answers` lets a
    request through and keeps its answer, until `release_answers`.

    With `cut_after_bytes`, each new connection is cut after this many bytes from the server.
    """

    def __init__(self) -> None:
        self.url = ""
        self.opened = 0
        self.down = False
        self.bytes_up = self.bytes_down = 0
        self.cut_after_bytes: int | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        self._flow = asyncio.Event()
        self._flow.set()
        self._frozen: list[asyncio.Event] = []
        self._speaks = asyncio.Event()
        self._speaks.set()
        self._held = ""
        self.requests: list[str] = []
        """Method and path of each request, in order of arrival."""
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

    def hold_answers(self, to: str) -> None:
        """Keep what the server answers to this request ("POST /x"), which reaches it.

        Other answers pass: a browser has six connections, and what a page loads by itself would take all of them.
        """
        self._held = to
        self._speaks.clear()

    def release_answers(self) -> None:
        """Pass on what the server says; what was held on connections that are cut is lost."""
        self._speaks.set()

    def cut(self, *, reset: bool = False) -> None:
        """Abort all connections without a close; data on the way is lost. `reset` tells both sides by a TCP reset."""
        for writer in self._writers:
            if reset:
                linger = struct.pack("ii", 1, 0)
                writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
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
        except OSError:  # the server is away
            writer.transport.abort()
            return
        self._writers |= {writer, out}
        flow, most_bytes = self._flow, self.cut_after_bytes
        asked: list[str] = []
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._pass_on(reader, out, flow, asked, up=True))
                group.create_task(self._pass_on(there, writer, flow, asked, up=False, most_bytes=most_bytes))
        finally:
            self._writers -= {writer, out}
            writer.transport.abort()
            out.transport.abort()

    async def _pass_on(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        flow: asyncio.Event,
        asked: list[str],
        *,
        up: bool,
        most_bytes: int | None = None,
    ) -> None:
        left = most_bytes
        with suppress(OSError):
            while data := await reader.read(4096):
                if up and (request := _REQUEST.match(data)):
                    asked.append(request[1].decode())
                    self.requests.append(asked[-1])
                await flow.wait()
                if not up and self._held in asked[-1:]:
                    await self._speaks.wait()
                self.bytes_up += len(data) if up else 0
                self.bytes_down += 0 if up else len(data)
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
