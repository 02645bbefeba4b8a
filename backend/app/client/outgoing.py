"""The audio of one dictation on its way out: cut into frames, numbered, kept until the server has it."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator

from app.client.pacing import Chunks, chunk_stream

FRAME_BYTES = 32_768
"""Longest binary frame sent; far below any server's limit."""
KEPT_BYTES = 4 << 20
"""Audio that may be on its way: 43 s at 48 kHz, two minutes at 16 kHz. More is not read from its source."""


class Outgoing:
    """Frames 1, 2, 3 … of a source, which is read once, however often they are sent."""

    def __init__(self, chunks: Chunks, *, keep: bool) -> None:
        self._source = chunk_stream(chunks)
        self._keep = keep
        self._reading: asyncio.Task[bytes | None] | None = None
        self._uncut = memoryview(b"")
        self._kept: deque[tuple[int, bytes]] = deque()
        self._kept_bytes = 0
        self._room = asyncio.Event()
        self._seq = 0
        self.ended = False
        """Whether the source has no more."""

    def arrived(self, seq: int) -> None:
        """The server has all frames up to this one."""
        while self._kept and self._kept[0][0] <= seq:
            self._kept_bytes -= len(self._kept.popleft()[1])
        self._room.set()

    async def frames(self) -> AsyncIterator[bytes]:
        """Every frame that has not arrived, then new ones as they come; may be begun again at any time."""
        for _, kept in list(self._kept):
            yield kept
        while True:
            while self._kept_bytes > KEPT_BYTES:
                self._room.clear()
                await self._room.wait()
            frame = await self._next()
            if frame is None:
                return
            self._seq += 1
            if self._keep:
                self._kept.append((self._seq, frame))
                self._kept_bytes += len(frame)
            yield frame

    async def aclose(self) -> None:
        """Read no more of the source."""
        if self._reading is not None:
            self._reading.cancel()
            await asyncio.wait([self._reading])
            if not self._reading.cancelled():
                self._reading.exception()  # nobody asks for it any more

    async def _next(self) -> bytes | None:
        """A read that is interrupted goes on in the background: what it brings is the next frame all the same."""
        while not self._uncut:
            if self.ended:
                return None
            self._reading = self._reading or asyncio.ensure_future(anext(self._source, None))
            await asyncio.wait([self._reading])
            reading, self._reading = self._reading, None
            chunk = reading.result()
            self.ended = chunk is None
            self._uncut = memoryview(chunk or b"")
        frame, self._uncut = bytes(self._uncut[:FRAME_BYTES]), self._uncut[FRAME_BYTES:]
        return frame
