"""A client of the Realtime socket for tests: it holds every event to the types of OpenAI's own package."""

import asyncio
import base64
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, get_args

from openai.types.realtime.realtime_server_event import RealtimeServerEvent
from pydantic import BaseModel
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from tests.support.speech_client import PATIENCE_S

Event = dict[str, Any]
TRANSCRIPTION = "conversation.item.input_audio_transcription"
PATH = "/v1/realtime?intent=transcription"


def _list_models() -> dict[str, type[BaseModel]]:
    found = {}
    union = get_args(RealtimeServerEvent)[0]
    for model in get_args(union):
        if isinstance(model, type) and issubclass(model, BaseModel):
            found[get_args(model.model_fields["type"].annotation)[0]] = model
    return found


EVENT_MODELS = _list_models()
"""By the type of the event."""


def check_event(event: Event) -> None:
    """Check that OpenAI's package knows the event and all that it requires."""
    model = EVENT_MODELS[event["type"]]
    extension = event.get("session", {}).get("audio", {}).get("input", {}).get("format", {})
    if extension.get("rate", 24_000) == 24_000:  # other rates are ours
        model.model_validate(event)


class RealtimeClient:
    """One socket. `events` holds all that came, in order."""

    def __init__(self, connection: ClientConnection) -> None:
        self.connection = connection
        self.events: list[Event] = []

    async def send(self, kind: str, **fields: Any) -> None:
        await self.connection.send(json.dumps({"type": kind, **fields}))

    async def update(self, **given: Any) -> Event:
        """Change `audio.input`; the session in force."""
        await self.send("session.update", session={"type": "transcription", "audio": {"input": given}})
        session: Event = (await self.until("session.updated"))[-1]["session"]
        return session

    async def append(self, pcm: bytes, chunk_bytes: int = 4800) -> None:
        for at in range(0, len(pcm), chunk_bytes):
            data = base64.b64encode(pcm[at : at + chunk_bytes]).decode()
            await self.send("input_audio_buffer.append", audio=data)

    async def commit(self) -> Event:
        """Commit, and wait for what the item has come to: `completed` or `failed`."""
        await self.send("input_audio_buffer.commit")
        return await self.transcribed()

    async def transcribed(self) -> Event:
        """The next end of an item."""
        while not (event := await self.event())["type"].startswith(
            (f"{TRANSCRIPTION}.c", f"{TRANSCRIPTION}.f")
        ):
            assert event["type"] != "error", event
        return event

    async def event(self) -> Event:
        async with asyncio.timeout(PATIENCE_S):
            event: Event = json.loads(await self.connection.recv())
        check_event(event)
        assert event["event_id"] not in {before["event_id"] for before in self.events}
        self.events.append(event)
        return event

    async def until(self, kind: str) -> list[Event]:
        """Wait for the next event of this type; the events up to it."""
        first = len(self.events)
        while (await self.event())["type"] != kind:
            pass
        return self.events[first:]

    async def until_closed(self) -> tuple[int, str]:
        """Read until the socket closes; code and reason."""
        try:
            while True:
                await self.event()
        except ConnectionClosed:
            return self.connection.close_code or 0, self.connection.close_reason or ""

    @property
    def kinds(self) -> list[str]:
        return [event["type"] for event in self.events]

    def told(self, item_id: str) -> str:
        """The deltas of an item, joined."""
        return "".join(
            event["delta"]
            for event in self.events
            if event["type"] == f"{TRANSCRIPTION}.delta" and event["item_id"] == item_id
        )


@asynccontextmanager
async def connect_realtime_client(
    url: str, path: str = PATH, **options: Any
) -> AsyncIterator[RealtimeClient]:
    """Open a socket, and read `session.created`."""
    options = {"proxy": None, "compression": None, "ping_interval": None, "close_timeout": 1} | options
    async with connect(url.replace("http", "ws", 1) + path, **options) as connection:
        client = RealtimeClient(connection)
        assert (await client.event())["type"] == "session.created"
        yield client
