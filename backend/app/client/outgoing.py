"""The audio that one dictation sends: cut into numbered frames, which are kept until the server acknowledges them."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator

from app.client.pacing import Chunks, chunk_stream

FRAME_BYTES = 32_768
"""Longest binary frame that is sent; any server's limit is far higher."""
MAX_KEPT_BYTES = 4 << 20
"""Audio that may wait for acknowledgement: 43 s at 48 kHz, two minutes at 16 kHz. Then the source is not read."""


class OutgoingAudio:
    """Frames 1, 2, 3 … of a source. The source is read once; frames can be sent again after a lost connection."""

    def __init__(self, chunks: Chunks, *, keep: bool) -> None:
        self._source = chunk_stream(chunks)
        self._keep = keep
        self._reading: asyncio.Task[bytes | None] | None = None
        self._uncut = memoryview(b"")
        self._kept: deque[tuple[int, int, bytes]] = deque()
        """Number, position behind its last byte, and bytes of each frame that may have to be sent again."""
        self._kept_bytes = 0
        self._room = asyncio.Event()
        self._unread = 0
        """Bytes of the source that need not be sent."""
        self._seq = 0
        self._end = 0
        """Position behind the last frame, from the first byte of the source."""
        self._session_start = 0
        """Position at which the times of the present session begin."""
        self.is_at_end = False
        """Whether the source has no more audio."""

    def acknowledge(self, seq: int, safe: int | None = None) -> None:
        """Drop the frames up to `seq`: the server has them.

        `safe`: only as far as this many bytes of the session's audio, which a crash of the server does not lose. Where
        its disk stalls or is full for so long that too much waits, what the server has received counts as safe.
        """
        until = self._end if safe is None else self._session_start + safe
        while self._kept and self._kept[0][0] <= seq:
            if self._kept[0][1] > until and self._kept_bytes <= MAX_KEPT_BYTES:
                break
            self._kept_bytes -= len(self._kept.popleft()[2])
        self._room.set()

    def go_on(self, until: int, start: int) -> None:
        """Number the frames anew, for a server that has the source up to this byte, or needs it no more.

        `start`: the byte at which the times of its session begin.
        """
        self._session_start = start
        if not self._end:
            self._unread = self._end = until
        kept = [(end, frame) for _, end, frame in self._kept if end > until]
        self._kept = deque(
            (seq, end, frame[max(len(frame) - (end - until), 0) :])
            for seq, (end, frame) in enumerate(kept, 1)
        )
        self._kept_bytes = sum(len(frame) for _, _, frame in self._kept)
        self._seq = len(self._kept)
        self._room.set()

    def has_from(self, position: int) -> bool:
        """Whether all of the source from this byte on can be sent again."""
        first = self._kept[0][1] - len(self._kept[0][2]) if self._kept else self._end
        return first <= position

    async def frames(self) -> AsyncIterator[bytes]:
        """Yield the frames that are not acknowledged, then new ones; a new iteration can begin at any time."""
        for _, _, kept in list(self._kept):
            yield kept
        while True:
            while self._kept_bytes > MAX_KEPT_BYTES:
                self._room.clear()
                await self._room.wait()
            frame = await self._read_frame()
            if frame is None:
                return
            self._seq += 1
            self._end += len(frame)
            if self._keep:
                self._kept.append((self._seq, self._end, frame))
                self._kept_bytes += len(frame)
            yield frame

    async def aclose(self) -> None:
        """Stop reading the source."""
        if self._reading is not None:
            self._reading.cancel()
            await asyncio.wait([self._reading])
            if not self._reading.cancelled():
                self._reading.exception()  # marks it as retrieved

    async def _read_frame(self) -> bytes | None:
        """Return the next frame, None at the end. An interrupted read goes on, and its audio is in the next frame."""
        while not self._uncut:
            if self.is_at_end:
                return None
            self._reading = self._reading or asyncio.ensure_future(anext(self._source, None))
            await asyncio.wait([self._reading])
            reading, self._reading = self._reading, None
            chunk = reading.result()
            self.is_at_end = chunk is None
            self._uncut = memoryview(chunk or b"")[self._unread :]
            self._unread -= len(chunk or b"") - len(self._uncut)
        frame, self._uncut = bytes(self._uncut[:FRAME_BYTES]), self._uncut[FRAME_BYTES:]
        return frame
