"""Clients of the speech socket for tests: they check every event, and one resumes after each cut."""

import asyncio
import base64
import json
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import numpy as np
import soxr
from numpy.typing import NDArray
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from app.schemas.speech_socket import server_event
from tests.conftest import SAMPLES, read_wav

Event = dict[str, Any]
PATIENCE_S = 20.0


class SpeechClient:
    """One socket. `events` holds all that came, in order."""

    def __init__(self, connection: ClientConnection) -> None:
        self.connection = connection
        self.events: list[Event] = []

    async def send(self, kind: str, **fields: Any) -> None:
        await self.connection.send(json.dumps({"type": kind, **fields}))

    async def start(self, session_id: str | None = "s1", **config: Any) -> Event:
        """Start, and wait for `ready`."""
        await self.send("start", session_id=session_id, config=config)
        return (await self.until("ready"))[-1]

    async def audio(self, pcm: bytes, rate_hz: int = 16_000) -> None:
        data = base64.b64encode(pcm).decode()
        await self.send("audio", format="pcm16", sample_rate=rate_hz, data=data)

    async def event(self) -> Event:
        """The next event."""
        async with asyncio.timeout(PATIENCE_S):
            event: Event = json.loads(await self.connection.recv())
        server_event.validate_python(event, strict=True)
        assert event["seq"] == len(self.events) + 1
        self.events.append(event)
        return event

    async def until(self, kind: str) -> list[Event]:
        """Wait for the next event of this type; the events up to it."""
        first = len(self.events)
        while (await self.event())["type"] != kind:
            pass
        return self.events[first:]

    async def stop(self) -> list[Event]:
        """Stop; the events up to `stopped`."""
        await self.send("stop")
        return await self.until("stopped")

    async def until_closed(self) -> int:
        """Read until the socket closes; the close code."""
        try:
            while True:
                await self.event()
        except ConnectionClosed:
            return self.connection.close_code or 0

    async def check_alive(self) -> None:
        """Check that the socket is alive: a ping is answered."""
        ping_id = f"alive after {len(self.events)}?"
        await self.send("ping", id=ping_id)
        while (await self.until("pong"))[-1]["id"] != ping_id:
            pass


@asynccontextmanager
async def connect_speech_client(
    url: str, path: str = "/ws/stt", **options: Any
) -> AsyncIterator[SpeechClient]:
    """Open a socket of a server."""
    options = {"proxy": None, "compression": None, "ping_interval": None, "close_timeout": 1} | options
    async with connect(url.replace("http", "ws", 1) + path, **options) as connection:
        yield SpeechClient(connection)


def list_texts(events: list[Event], kind: str = "final") -> list[str]:
    return [event["text"] for event in events if event["type"] == kind]


def list_types(events: list[Event]) -> list[str]:
    return [event["type"] for event in events]


def load_speech(rate_hz: int = 16_000, name: str = "en_weather_madrid_48k") -> NDArray[np.int16]:
    """A recorded sentence at any sample rate."""
    samples, recorded_hz = read_wav(SAMPLES / f"{name}.wav")
    if recorded_hz == rate_hz:
        return samples
    scaled = soxr.resample(samples.astype(np.float32), recorded_hz, rate_hz, quality="HQ")
    rounded: NDArray[np.int16] = np.clip(np.rint(scaled), -32768, 32767).astype(np.int16)
    return rounded


def make_silence(seconds: float, rate_hz: int = 16_000) -> NDArray[np.int16]:
    return np.zeros(int(seconds * rate_hz), np.int16)


def make_sentence(silence_s: float = 1.5, rate_hz: int = 16_000) -> bytes:
    """A sentence and the silence that ends it, as PCM16."""
    return np.concatenate((load_speech(rate_hz), make_silence(silence_s, rate_hz))).tobytes()


def make_speech_without_pauses(seconds: float) -> NDArray[np.int16]:
    """Speech without pauses: the loud parts of a sentence, repeated, at 16 kHz."""
    speech = load_speech()
    blocks = speech[: len(speech) // 512 * 512].reshape(-1, 512)
    loud = blocks[np.abs(blocks.astype(np.int32)).mean(axis=1) > 400].ravel()
    return np.resize(loud, int(seconds * 16_000))


async def wait_until(holds: Callable[[], object], within_s: float = PATIENCE_S) -> None:
    """Wait until a condition holds that has no event of its own."""
    async with asyncio.timeout(within_s):
        while not holds():  # noqa: ASYNC110  # the server runs in another thread
            await asyncio.sleep(0.005)


async def gather(*jobs: Awaitable[Any]) -> list[Any]:
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(_coroutine(job)) for job in jobs]
    return [task.result() for task in tasks]


async def _coroutine(job: Awaitable[Any]) -> Any:
    return await job


OPEN_SOCKETS: list[ClientConnection] = []
"""Every socket of a test; `close_sockets` ends what the test has left."""


async def close_sockets() -> None:
    while OPEN_SOCKETS:
        await OPEN_SOCKETS.pop().close()


class ResumingClient:
    """One dictation over any number of sockets; `events` holds each event once, as an application sees them."""

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
        OPEN_SOCKETS.append(self.connection)
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
        """Send all chunks and stop; the socket may be cut before any chunk or in the middle of it."""
        resumed: Event = {"next_audio_seq": 1, "stopping": False}
        while True:
            try:
                if await self._continue(chunks, resumed, cuts, chance, rate_hz):
                    return
            except (ConnectionClosed, OSError):
                pass
            self.cuts += 1
            resumed = await self.resume()

    async def _continue(
        self, chunks: list[bytes], resumed: Event, cuts: random.Random, chance: float, rate_hz: int
    ) -> bool:
        """Continue from the server's position to `stopped`; False if the socket was cut."""
        connection = self.connection
        assert connection is not None
        for seq in range(resumed["next_audio_seq"], len(chunks) + 1):
            if cuts.random() < chance:
                await self._read_some_events(connection, cuts)
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

    async def _read_some_events(self, connection: ClientConnection, cuts: random.Random) -> None:
        """Read some of the events that have arrived; the rest is missed."""
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
    """Break the connection, perhaps in the middle of a message."""
    if chunk and cuts.random() < 0.5:
        whole = len(chunk) + 8
        header = bytes((0x82, 0x80 | 126)) + len(chunk).to_bytes(2, "big") + bytes(4)
        connection.transport.write((header + chunk)[: cuts.randrange(1, whole)])
    connection.transport.abort()
