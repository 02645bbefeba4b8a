"""One dictation over the speech socket: audio goes out while events come in."""

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus, InvalidURI

from app.client.errors import Refused, ServerError, Unreachable, from_close, from_status
from app.client.events import Event
from app.client.pacing import Chunks, chunk_stream

FRAME_BYTES = 32_768
"""Longest binary frame sent; far below any server's limit."""
KEEP_ALIVE_S = 5.0
"""A source that is silent this long (a pipe that waits) is covered by a ping, or the server would close."""


@asynccontextmanager
async def speech_socket(url: str, headers: dict[str, str], proxy: bool) -> AsyncIterator[ClientConnection]:
    """An open socket.

    No keep-alive pings and no compression: a server that takes no more audio for a while is not dead, and
    speech does not deflate.
    """
    try:
        connection = await connect(
            url,
            additional_headers=headers,
            compression=None,
            ping_interval=None,
            max_size=None,
            close_timeout=1,
            proxy=True if proxy else None,
        )
    except InvalidStatus as error:
        raise from_status(error.response.status_code, _refusal(error, url)) from error
    except (OSError, TimeoutError, InvalidHandshake, InvalidURI, EOFError) as error:
        raise Unreachable(f"no server answers at {url}; start one with `prompter serve`") from error
    async with connection:
        yield connection


def _refusal(error: InvalidStatus, url: str) -> str:
    try:
        return str(json.loads(error.response.body or b"")["error"]["message"])
    except (ValueError, KeyError, TypeError):
        return f"the server at {url} refused the connection with status {error.response.status_code}"


async def exchange(
    socket: ClientConnection, start: dict[str, Any], chunks: Chunks
) -> AsyncGenerator[Event, None]:
    """Start a dictation, send the chunks, give every event until `stopped`.

    Closing the generator ends the dictation without waiting for its finals.

    Raises:
        Refused: `start` was not accepted.
        ServerFailed, ConnectionLost: the socket closed before `stopped`.
    """
    failures: list[Exception] = []
    sender = asyncio.create_task(_send(socket, start, chunks, failures))
    try:
        async for event in _events(socket):
            yield event
            if event.type == "stopped":
                return
    except ServerError:
        if failures:  # the source of the audio is what really failed
            raise failures[0] from None
        raise
    finally:
        sender.cancel()
        await asyncio.wait([sender])


async def _events(socket: ClientConnection) -> AsyncIterator[Event]:
    ready = False
    last_error: dict[str, Any] = {}
    try:
        async for message in socket:
            data = json.loads(message)
            if data.get("type") == "error":
                if not ready and not data.get("fatal"):
                    raise Refused(data.get("message", ""), data.get("code", ""))
                last_error = data if data.get("fatal") else last_error
            ready = ready or data.get("type") == "ready"
            if data.get("type") != "pong":
                yield Event.from_wire(data)
    except ConnectionClosed:
        pass  # told below, together with a clean close
    reason = str(last_error.get("message") or socket.close_reason or "")
    raise from_close(socket.close_code or 1006, reason, str(last_error.get("code", "")))


async def _send(
    socket: ClientConnection, start: dict[str, Any], chunks: Chunks, failures: list[Exception]
) -> None:
    try:
        await socket.send(json.dumps(start))
        async for chunk in _with_pings(socket, chunks):
            for at in range(0, len(chunk), FRAME_BYTES):
                await socket.send(chunk[at : at + FRAME_BYTES])
        await socket.send('{"type":"stop"}')
    except ConnectionClosed:
        pass  # the receiving side tells why
    except Exception as error:  # noqa: BLE001  # a source may fail in any way; the caller's task raises it
        failures.append(error)
        await socket.close(1001)


async def _with_pings(socket: ClientConnection, chunks: Chunks) -> AsyncIterator[bytes]:
    source = chunk_stream(chunks)
    while True:
        pending = asyncio.ensure_future(anext(source, None))
        try:
            while not (await asyncio.wait({pending}, timeout=KEEP_ALIVE_S))[0]:
                await socket.send('{"type":"ping"}')
        finally:
            pending.cancel()
        chunk = pending.result()
        if chunk is None:
            return
        yield chunk
