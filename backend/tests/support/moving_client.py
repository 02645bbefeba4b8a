"""A client whose dictation moves between servers: it resumes wherever it is told to, and keeps its audio until then."""

import asyncio
import json
from collections.abc import Sequence
from typing import Any

from websockets.asyncio.client import ClientConnection, connect

from app.schemas.speech_socket import server_event
from tests.support.speech_client import OPEN_SOCKETS, PATIENCE_S, Event

CHUNK_BYTES = 3200
"""Of 100 ms."""
LAST = frozenset({"final", "utterance_discarded"})


def cut_evenly(pcm: bytes) -> list[bytes]:
    """The binary frames of 100 ms that a microphone gives."""
    return [pcm[at : at + CHUNK_BYTES] for at in range(0, len(pcm), CHUNK_BYTES)]


class MovingClient:
    """One dictation over any number of sockets and servers. `events` has each event once, as an application sees it."""

    def __init__(self, chunks: Sequence[bytes], label: str = "s1") -> None:
        self.chunks = chunks
        self.label = label
        self.events: list[Event] = []
        self.connection: ClientConnection | None = None
        self.sent = self.acked = 0
        """Numbers of the last audio messages that were sent, and acknowledged."""
        self.token = ""
        self.last_seq = 0
        self.told_ms = 0
        """Where the last utterance ends whose last event has come."""

    @property
    def finals(self) -> list[tuple[int, str]]:
        return [(event["utterance_id"], event["text"]) for event in self.events if event["type"] == "final"]

    async def open(self, url: str, headers: dict[str, str] | None = None) -> ClientConnection:
        address = url.replace("http", "ws", 1) + "/ws/stt"
        options: dict[str, Any] = {"proxy": None, "compression": None, "ping_interval": None}
        self.connection = await connect(address, close_timeout=1, additional_headers=headers, **options)
        OPEN_SOCKETS.append(self.connection)
        return self.connection

    async def start(self, url: str, headers: dict[str, str] | None = None, **config: Any) -> Event:
        """Begin at this server; `ready`."""
        connection = await self.open(url, headers)
        config = {"events": ["ack", "utterance_discarded"]} | config
        await connection.send(json.dumps({"type": "start", "session_id": self.label, "config": config}))
        while (ready := await self.event())["type"] != "ready":
            assert ready["type"] != "error", ready
        self.token = ready["resume_token"]
        return ready

    async def move(self, url: str, headers: dict[str, str] | None = None) -> Event:
        """Go on at this server; `resumed`. Audio that the server before had acknowledged is not asked for again."""
        answer = await self.ask_to_resume(url, headers)
        assert answer["type"] == "resumed", answer
        assert answer["seq"] == self.last_seq
        assert answer["next_audio_seq"] > self.acked
        self.sent = answer["next_audio_seq"] - 1
        return answer

    async def ask_to_resume(self, url: str, headers: dict[str, str] | None = None) -> Event:
        """The first answer to `resume` at this server."""
        connection = await self.open(url, headers)
        message = {"session_id": self.label, "resume_token": self.token, "last_event_seq": self.last_seq}
        await connection.send(json.dumps({"type": "resume", **message, "told_ms": self.told_ms}))
        return await self.event()

    def skip(self, sent: int) -> None:
        """The server has so many of the audio messages from the session before."""
        self.sent = sent

    async def send(self, until: int | None = None) -> None:
        """Send the audio messages up to this number; all where none is given."""
        assert self.connection is not None
        until = len(self.chunks) if until is None else until
        while self.sent < until:
            await self.connection.send(self.chunks[self.sent])
            self.sent += 1

    async def event(self) -> Event:
        """The next event."""
        assert self.connection is not None
        async with asyncio.timeout(PATIENCE_S):
            event: Event = json.loads(await self.connection.recv())
        server_event.validate_python(event, strict=True)
        if event["type"] == "resumed" or (event["type"] == "error" and event["code"] == "resume_refused"):
            return event
        assert event["seq"] > self.last_seq, f"{event} came twice"
        self.last_seq = event["seq"]
        self.events.append(event)
        if event["type"] in LAST:
            self.told_ms = event["end_ms"]
        if event["type"] == "ready":
            self.told_ms = 0
        if event["type"] == "ack":
            self.acked = event["audio_seq"]
        return event

    async def until(self, kind: str) -> Event:
        """Wait for the next event of this type."""
        while (event := await self.event())["type"] != kind:
            pass
        return event

    async def stop(self) -> Event:
        """Stop; `stopped`."""
        assert self.connection is not None
        await self.connection.send('{"type":"stop"}')
        return await self.until("stopped")

    def check_order(self) -> None:
        """Each utterance has one last event, in order, and its texts count up."""
        last = [event["utterance_id"] for event in self.events if event["type"] in LAST]
        assert last == list(range(1, len(last) + 1)), last
        revisions: dict[int, int] = {}
        for event in self.events:
            if event["type"] in ("partial", "final"):
                assert event["revision"] > revisions.get(event["utterance_id"], 0), event
                revisions[event["utterance_id"]] = event["revision"]
