"""The audio of a microphone on its way: recorded as it comes, with a server or without, and sent from the disk."""

import asyncio
from collections.abc import AsyncIterable, AsyncIterator, Callable

import anyio.to_thread

from app.client.unsent import MOST_S, Recording

FRAME_MS = 50
"""Every frame has this length, so that a number tells a position also to a later process."""
WARN_S = 60.0
"""A limit is told when it bites so soon (s)."""


RELIEF_S = 75.0
"""One that was told is taken back when there is so much time again (s)."""


class RecordedAudio:
    """Frames 1, 2, 3 … of a recording, for one dictation after another. Each is read from the disk when it is sent.

    `others_s` is how much other unsent speech there is: together it has a bound.
    """

    def __init__(self, recording: Recording, *, others_s: float = 0.0) -> None:
        self.recording = recording
        self._room_s = MOST_S - others_s
        self._frame_bytes = recording.to_bytes(FRAME_MS)
        self._first = 0
        """Position at which the first frame begins."""
        self._session_start = 0
        """Position at which the times of the present session begin."""
        self._acknowledged = 0
        self._grown = asyncio.Event()
        self.failure: Exception | None = None
        """Why no more is recorded, where that is a fault."""
        self.on_limit: Callable[[str | None], None] = lambda _: None
        """Told which bound of this machine is near: `recording`, `full`, `local_disk`; None: none any more."""
        self.on_away: Callable[[bool], None] = lambda _: None
        """Told after each try whether the server is away."""
        self._told: str | None = None

    # -- recording

    @property
    def is_at_end(self) -> bool:
        """Whether the recording is over."""
        return self.recording.progress.is_over

    async def record(self, chunks: AsyncIterable[bytes]) -> None:
        """Record what comes until it ends, or until there is no room for more unsent speech."""
        try:
            async for chunk in chunks:
                await anyio.to_thread.run_sync(self.recording.append, chunk)
                self._wake()
                if self._check_room():
                    break
        except Exception as error:
            self.failure = error
            raise
        finally:
            self.close()

    def close(self) -> None:
        """Nothing more is recorded."""
        if not self.is_at_end:
            self.recording.note(is_over=True)
        self._wake()

    def _check_room(self) -> bool:
        """Tell which bound is near; return whether there is no room for more."""
        recording = self.recording
        left_s = self._room_s - recording.to_s(recording.left_bytes)
        free_s = recording.measure_free_s()
        name = None
        if left_s <= 0:
            name = "full"
        elif left_s <= (RELIEF_S if self._told == "recording" else WARN_S):
            name = "recording"
        elif free_s is not None and free_s <= (RELIEF_S if self._told == "local_disk" else WARN_S):
            name = "local_disk"
        if name != self._told:
            self._told = name
            self.on_limit(name)
        return name == "full"

    # -- sending

    async def frames(self) -> AsyncIterator[bytes]:
        """Yield the frames that the server does not have, then new ones; a new iteration can begin at any time."""
        position = self._first + self._acknowledged * self._frame_bytes
        while True:
            self._grown.clear()
            left = self.recording.end - position
            if left < self._frame_bytes and not self.is_at_end:
                await self._grown.wait()
                continue
            if left <= 0:
                return
            frame = await anyio.to_thread.run_sync(self._read, position, min(left, self._frame_bytes))
            position += len(frame)
            yield frame

    def acknowledge(self, seq: int, safe: int | None = None) -> None:  # noqa: ARG002  # what has no text stays on disk
        """The server has the frames up to `seq`."""
        self._acknowledged = max(self._acknowledged, seq)

    def go_on(self, until: int, start: int) -> None:
        """Number the frames anew, for a server that has the recording up to this byte, or needs it no more.

        `start`: the byte at which the times of its session begin.
        """
        self._first, self._session_start = min(until, self.recording.end), start
        self._acknowledged = 0

    def has_from(self, position: int) -> bool:
        """Whether all of the recording from this byte on can be sent again."""
        return position >= self.recording.progress.settled

    def settle(self, end_ms: int) -> None:
        """The audio of the session up to this time has its text."""
        end = min(self._session_start + self.recording.to_bytes(end_ms), self.recording.end)
        self.recording.note(settled=max(self.recording.progress.settled, end))

    def note_dictation(self, dictation_id: str, origin: int) -> None:
        """The server has the audio from this byte on as this dictation."""
        progress = self.recording.progress
        if (progress.dictation_id, progress.origin) != (dictation_id, origin):
            self.recording.note(dictation_id=dictation_id, origin=origin)

    @property
    def told_ms(self) -> int:
        """How much of the recording has its text (ms)."""
        return self.recording.to_ms(self.recording.progress.settled)

    @property
    def origin_ms(self) -> int:
        """Where in the recording the dictation begins (ms)."""
        return self.recording.to_ms(self.recording.progress.origin)

    async def aclose(self) -> None:
        """Nothing is held: whoever records goes on."""

    def _read(self, position: int, size: int) -> bytes:
        frame = b""
        while len(frame) < size:
            part = self.recording.read(position + len(frame), size - len(frame))
            if not part:
                break
            frame += part
        return frame

    def _wake(self) -> None:
        self._grown.set()
