"""A client of the speech socket for tests: holds every event to the schema and to the count of `seq`."""

import asyncio
import base64
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import numpy as np
import soxr
from numpy.typing import NDArray
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from app.schemas.stt import server_event
from tests.conftest import SAMPLES, read_wav

Event = dict[str, Any]
PATIENCE_S = 20.0


class Client:
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
        """Events up to and with the next one of this type."""
        first = len(self.events)
        while (await self.event())["type"] != kind:
            pass
        return self.events[first:]

    async def stop(self) -> list[Event]:
        """Stop; the events up to `stopped`."""
        await self.send("stop")
        return await self.until("stopped")

    async def until_closed(self) -> int:
        """Take what still comes; the close code."""
        try:
            while True:
                await self.event()
        except ConnectionClosed:
            return self.connection.close_code or 0

    async def answers(self) -> None:
        """Assert that the socket lives: a ping is answered."""
        ping_id = f"alive after {len(self.events)}?"
        await self.send("ping", id=ping_id)
        while (await self.until("pong"))[-1]["id"] != ping_id:
            pass


@asynccontextmanager
async def speech_client(url: str, path: str = "/ws/stt", **options: Any) -> AsyncIterator[Client]:
    """Open a socket of a server."""
    options = {"proxy": None, "compression": None, "ping_interval": None, "close_timeout": 1} | options
    async with connect(url.replace("http", "ws", 1) + path, **options) as connection:
        yield Client(connection)


def texts(events: list[Event], kind: str = "final") -> list[str]:
    return [event["text"] for event in events if event["type"] == kind]


def kinds(events: list[Event]) -> list[str]:
    return [event["type"] for event in events]


def spoken(rate_hz: int = 16_000, name: str = "en_weather_madrid_48k") -> NDArray[np.int16]:
    """A recorded sentence at a rate of one's choice."""
    samples, recorded_hz = read_wav(SAMPLES / f"{name}.wav")
    if recorded_hz == rate_hz:
        return samples
    scaled = soxr.resample(samples.astype(np.float32), recorded_hz, rate_hz, quality="HQ")
    rounded: NDArray[np.int16] = np.clip(np.rint(scaled), -32768, 32767).astype(np.int16)
    return rounded


def silence(seconds: float, rate_hz: int = 16_000) -> NDArray[np.int16]:
    return np.zeros(int(seconds * rate_hz), np.int16)


def sentence(silence_s: float = 1.5, rate_hz: int = 16_000) -> bytes:
    """A sentence and the silence that ends it, as PCM16."""
    return np.concatenate((spoken(rate_hz), silence(silence_s, rate_hz))).tobytes()


def without_pauses(seconds: float) -> NDArray[np.int16]:
    """Speech that never pauses: the loud stretches of a sentence, over and over, at 16 kHz."""
    speech = spoken()
    blocks = speech[: len(speech) // 512 * 512].reshape(-1, 512)
    loud = blocks[np.abs(blocks.astype(np.int32)).mean(axis=1) > 400].ravel()
    return np.resize(loud, int(seconds * 16_000))


async def eventually(holds: Callable[[], bool], within_s: float = 5.0) -> None:
    """Wait until something holds on the server's side."""
    async with asyncio.timeout(within_s):
        while not holds():  # noqa: ASYNC110  # the server runs in another thread
            await asyncio.sleep(0.005)


async def gathered(*jobs: Awaitable[Any]) -> list[Any]:
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(_coroutine(job)) for job in jobs]
    return [task.result() for task in tasks]


async def _coroutine(job: Awaitable[Any]) -> Any:
    return await job
