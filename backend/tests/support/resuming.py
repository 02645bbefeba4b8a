"""A client that loses its socket wherever a test wants it to, and resumes by the rules of the protocol."""

import asyncio
import base64
import json
import random
from typing import Any

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from app.schemas.stt import server_event

Event = dict[str, Any]
PATIENCE_S = 20.0

OPENED: list[ClientConnection] = []
"""Every socket of a test; `close_all` ends what the test has left."""


async def close_all() -> None:
    while OPENED:
        await OPENED.pop().close()


class ResumingClient:
    """One dictation over any number of sockets. `events` holds what an application would see: each event once."""

    def __init__(self, url: str) -> None:
        self._address = url.replace("http", "ws", 1) + "/ws/stt"
        self.connection: ClientConnection | None = None
        self.events: list[Event] = []
        self.token = ""
        self.cuts = 0

    @property
    def last_seq(self) -> int:
        return int(self.events[-1]["seq"]) if self.events else 0

    async def open(self) -> ClientConnection:
        self.connection = await connect(
            self._address, proxy=None, compression=None, ping_interval=None, close_timeout=1
        )
        OPENED.append(self.connection)
        return self.connection

    async def event(self, connection: ClientConnection) -> Event:
        async with asyncio.timeout(PATIENCE_S):
            event: Event = json.loads(await connection.recv())
        server_event.validate_python(event, strict=True)
        if event["type"] != "resumed":
            assert event["seq"] == self.last_seq + 1, f"{event['seq']} after {self.last_seq}"
            self.events.append(event)
        return event

    async def start(self, **config: Any) -> Event:
        connection = await self.open()
        await connection.send(json.dumps({"type": "start", "session_id": "s1", "config": config}))
        ready = await self.event(connection)
        assert ready["type"] == "ready"
        self.token = ready["resume_token"]
        return ready

    async def resume(self) -> Event:
        """Resume on a new socket; the `resumed` event."""
        connection = await self.open()
        await connection.send(
            json.dumps(
                {
                    "type": "resume",
                    "session_id": "s1",
                    "resume_token": self.token,
                    "last_event_seq": self.last_seq,
                }
            )
        )
        event = await self.event(connection)
        assert event["type"] == "resumed", event
        assert event["seq"] == self.last_seq
        return event

    async def dictate(self, chunks: list[bytes], cuts: random.Random, chance: float, rate_hz: int) -> None:
        """Send all chunks and stop; before any of them the socket may be lost, or in the middle of it."""
        resumed: Event = {"next_audio_seq": 1, "stopping": False}
        while True:
            try:
                if await self._go_on(chunks, resumed, cuts, chance, rate_hz):
                    return
            except (ConnectionClosed, OSError):
                pass
            self.cuts += 1
            resumed = await self.resume()

    async def _go_on(
        self, chunks: list[bytes], resumed: Event, cuts: random.Random, chance: float, rate_hz: int
    ) -> bool:
        """From where the server is to `stopped`; False where the socket was cut."""
        connection = self.connection
        assert connection is not None
        for seq in range(resumed["next_audio_seq"], len(chunks) + 1):
            if cuts.random() < chance:
                await self._hear_a_little(connection, cuts)
                _cut(connection, chunks[seq - 1], cuts)
                return False
            if seq % 2:
                await connection.send(chunks[seq - 1])
            else:
                data = base64.b64encode(chunks[seq - 1]).decode()
                message = {"format": "pcm16", "sample_rate": rate_hz, "data": data, "seq": seq}
                await connection.send(json.dumps({"type": "audio", **message}))
        if not resumed["stopping"]:
            await connection.send('{"type":"stop"}')
        if cuts.random() < chance:
            _cut(connection, b"", cuts)
            return False
        while (await self.event(connection))["type"] != "stopped":
            pass
        return True

    async def _hear_a_little(self, connection: ClientConnection, cuts: random.Random) -> None:
        """Take some of the events that have come: the rest is missed."""
        for _ in range(cuts.randrange(3)):
            try:
                async with asyncio.timeout(0.02):
                    message = await connection.recv()
            except TimeoutError:
                return
            event = json.loads(message)
            assert event["seq"] == self.last_seq + 1
            self.events.append(event)


def _cut(connection: ClientConnection, chunk: bytes, cuts: random.Random) -> None:
    """Break the connection off, perhaps with half a message on the way."""
    if chunk and cuts.random() < 0.5:
        whole = len(chunk) + 8
        header = bytes((0x82, 0x80 | 126)) + len(chunk).to_bytes(2, "big") + bytes(4)
        connection.transport.write((header + chunk)[: cuts.randrange(1, whole)])
    connection.transport.abort()
