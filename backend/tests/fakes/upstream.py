"""Fake upstream services: a real HTTP server on a free port that answers as its script says."""

import asyncio
import io
import json
import socket
import ssl
import wave
import zlib
from collections import deque
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Literal, Self

import numpy as np

Ending = Literal["complete", "cut", "hang"]
"""How a reply ends: complete, with the connection dropped, or never."""


@dataclass(frozen=True)
class Reply:
    """One scripted answer."""

    pieces: Sequence[bytes] = ()
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    ending: Ending = "complete"
    pause_s: float = 0.0
    """Between two pieces."""
    wait_s: float = 0.0
    """Before the status line."""
    silent: bool = False
    """Not even the status line is sent."""
    content_length: int | None = None
    """The declared length of the body, which is then not chunked; the body may be shorter."""


@dataclass(frozen=True)
class Request:
    """One request that the upstream received."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class FakeUpstream:
    """Sends the replies of `script` in order, then `Hello world` to every request."""

    def __init__(self) -> None:
        self.script: deque[Reply] = deque()
        self.models = json_reply({"object": "list", "data": [{"id": "tiny", "object": "model"}]})
        self.requests: list[Request] = []
        self.connections = 0
        self.keeps_connections = False
        """Whether a connection serves request after request."""
        self.asked = asyncio.Event()
        """Set when a request has arrived."""
        self.left = asyncio.Event()
        """Set when the client has closed a connection before its reply ended."""
        self.origin = ""

    @property
    def base_url(self) -> str:
        return f"{self.origin}/v1"

    @asynccontextmanager
    async def serve(
        self, tls: ssl.SSLContext | None = None, listener: socket.socket | None = None
    ) -> AsyncIterator[Self]:
        """Serve until the block ends, on a free port or on a listener that outlives it."""
        sock = listener.dup() if listener else socket.create_server(("127.0.0.1", 0))
        server = await asyncio.start_server(self._connection, sock=sock, ssl=tls)
        self.origin = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        self._tasks: set[asyncio.Task[None]] = set()
        try:
            yield self
        finally:
            server.close()
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)

    def _connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        task = asyncio.get_running_loop().create_task(self._serve(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                request = await _read(reader)
                self.requests.append(request)
                self.asked.set()
                await self._write(self._reply_to(request), reader, writer)
                if not self.keeps_connections:
                    break
        except (ConnectionError, asyncio.IncompleteReadError):
            self.left.set()
        finally:
            writer.close()

    def _reply_to(self, request: Request) -> Reply:
        if request.method == "GET":
            return self.models
        return self.script.popleft() if self.script else chat_reply("Hello", " world")

    async def _write(self, reply: Reply, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        gone = asyncio.ensure_future(reader.read())
        try:
            if not reply.silent:
                await asyncio.sleep(reply.wait_s)
                writer.write(_head(reply, "keep-alive" if self.keeps_connections else "close"))
            for piece in reply.pieces:
                plain = reply.content_length is not None
                writer.write(piece if plain else b"%x\r\n%s\r\n" % (len(piece), piece))
                await writer.drain()
                await asyncio.wait([gone], timeout=reply.pause_s)
                if gone.done():
                    self.left.set()
                    return
            if reply.ending == "hang":
                await gone
                self.left.set()
            elif reply.ending == "complete" and not reply.silent:
                gone.cancel()  # the next bytes are another request
                if reply.content_length is None:
                    writer.write(b"0\r\n\r\n")
                await writer.drain()
        finally:
            gone.cancel()
            await asyncio.gather(gone, return_exceptions=True)


def chat_reply(
    *texts: str,
    finish_reason: str | None = "stop",
    usage: dict[str, int] | None = None,
    done: bool = True,
    ending: Ending = "complete",
    pause_s: float = 0.0,
) -> Reply:
    """A streamed answer."""
    pieces = [_chunk({"choices": [{"index": 0, "delta": {"role": "assistant", "content": ""}}]})]
    pieces += [_chunk({"choices": [{"index": 0, "delta": {"content": text}}]}) for text in texts]
    if finish_reason:
        pieces.append(_chunk({"choices": [{"index": 0, "delta": {}, "finish_reason": finish_reason}]}))
    if usage:
        pieces.append(_chunk({"choices": [], "usage": usage}))
    if done:
        pieces.append(b"data: [DONE]\n\n")
    return Reply(pieces, headers={"Content-Type": "text/event-stream"}, ending=ending, pause_s=pause_s)


def json_reply(body: Any, status: int = 200, **headers: str) -> Reply:
    """A whole JSON answer."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Reply([json.dumps(body).encode()], status, {"Content-Type": "application/json", **named})


def error_reply(status: int, message: str, **headers: str) -> Reply:
    """An error in OpenAI's shape."""
    return json_reply(
        {"error": {"message": message, "type": "error", "param": None, "code": None}}, status, **headers
    )


def sse_reply(*events: object, done: bool = True, ending: Ending = "complete", pause_s: float = 0.0) -> Reply:
    """A stream of these events: bytes are sent untouched, anything else as `data:` lines."""
    pieces = [event if isinstance(event, bytes) else sse_event(event) for event in events]
    if done:
        pieces.append(b"data: [DONE]\n\n")
    return Reply(pieces, headers={"Content-Type": "text/event-stream"}, ending=ending, pause_s=pause_s)


def sse_event(body: object) -> bytes:
    """One event."""
    return b"data: %s\n\n" % json.dumps(body).encode()


def dropped_reply() -> Reply:
    """The connection ends without an answer."""
    return Reply(silent=True, ending="cut")


def silent_reply() -> Reply:
    """The connection stays open without an answer."""
    return Reply(silent=True, ending="hang")


def _chunk(data: dict[str, Any]) -> bytes:
    head = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "tiny"}
    return f"data: {json.dumps(head | data)}\n\n".encode()


def _head(reply: Reply, connection: str) -> bytes:
    length = reply.content_length
    framing = {"Transfer-Encoding": "chunked"} if length is None else {"Content-Length": str(length)}
    headers = {**framing, "Connection": connection, **reply.headers}
    lines = [f"HTTP/1.1 {reply.status} Scripted", *(f"{name}: {value}" for name, value in headers.items())]
    return "\r\n".join([*lines, "", ""]).encode()


async def _read(reader: asyncio.StreamReader) -> Request:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    method, path, _ = head[0].split(" ")
    headers = {
        name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:] if line)
    }
    body = await reader.readexactly(int(headers.get("content-length", 0)))
    return Request(method, path, headers, body)


AUDIBLE = 500
"""Least sample value that counts as speech."""


class FakeTranscriber(FakeUpstream):
    """Answers `/v1/audio/transcriptions` with the checksum of the audio, or with nothing for silence."""

    def _reply_to(self, request: Request) -> Reply:
        if request.method == "GET":
            return self.models
        with wave.open(io.BytesIO(request.body[request.body.index(b"RIFF") :])) as file:
            pcm = file.readframes(file.getnframes())
            seconds = file.getnframes() / file.getframerate()
        samples = np.frombuffer(pcm, np.int16)
        text = f"heard {zlib.crc32(pcm):08x}" if np.abs(samples).max(initial=0) > AUDIBLE else ""
        half = seconds / 2
        words = [
            {"word": word, "start": half * place, "end": half * (place + 1)}
            for place, word in enumerate(text.split())
        ]
        return json_reply({"text": text, "language": "english", "duration": seconds, "words": words})
