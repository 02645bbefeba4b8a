"""Work that waits for a session's engine: utterances in order, counted in audio, with back-pressure."""

import time
from collections import deque
from dataclasses import dataclass

import anyio
import numpy as np

from app.services.audio.segmenter import SegmentEvent, UtteranceAudio


@dataclass(frozen=True, slots=True)
class FlushMark:
    """A `flush` of the client: everything before it is to be final."""

    id: str | int | None


@dataclass(frozen=True, slots=True)
class StopMark:
    """The end of the dictation."""


Work = SegmentEvent | FlushMark | StopMark

_MERGE_SAMPLES = 16_000
"""Waiting audio is handed on in pieces of at most a second, so that partials keep coming."""


class WorkQueue:
    """One session's waiting work, between the task that hears and the task that recognises."""

    def __init__(self) -> None:
        self._work: deque[tuple[Work, float]] = deque()
        self._arrived = anyio.Event()
        self._taken = anyio.Event()
        self.closed = False
        self.waiting_samples = 0
        """Audio not yet handed to the engine."""
        self.waiting_flushes = 0
        self.waited_s = 0.0
        """How long the work taken last had stood in line."""

    def close(self) -> list[Work]:
        """What still waits; nothing is taken in any more."""
        self.closed = True
        left = [work for work, _ in self._work]
        self._work.clear()
        return left

    def put(self, work: Work) -> None:
        self._work.append((work, time.monotonic()))
        if isinstance(work, UtteranceAudio):
            self.waiting_samples += len(work.samples)
        elif isinstance(work, FlushMark):
            self.waiting_flushes += 1
        self._arrived.set()

    async def get(self) -> Work:
        """The next piece of work; audio that waits is joined."""
        while not self._work:
            self._arrived = anyio.Event()
            await self._arrived.wait()
        work, since = self._work.popleft()
        self.waited_s = time.monotonic() - since
        if isinstance(work, UtteranceAudio):
            work = self._join(work)
            self.waiting_samples -= len(work.samples)
        elif isinstance(work, FlushMark):
            self.waiting_flushes -= 1
        self._taken.set()
        return work

    async def below(self, samples: int, flushes: int) -> None:
        """Wait until less than `samples` of audio and `flushes` marks stand in line."""
        while self.waiting_samples >= samples or self.waiting_flushes >= flushes:
            self._taken = anyio.Event()
            await self._taken.wait()

    def _join(self, first: UtteranceAudio) -> UtteranceAudio:
        parts, length = [first.samples], len(first.samples)
        while self._work and isinstance(following := self._work[0][0], UtteranceAudio):
            if length + len(following.samples) > _MERGE_SAMPLES:
                break
            parts.append(following.samples)
            length += len(following.samples)
            self._work.popleft()
        return first if len(parts) == 1 else UtteranceAudio(np.concatenate(parts))
