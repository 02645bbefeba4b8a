"""Work that waits for a dictation's engine: utterances in order, counted in audio, with back-pressure."""

import time
from collections import deque
from dataclasses import dataclass

import anyio
import numpy as np

from app.services.audio.segmenter import SegmentEvent, UtteranceAudio


@dataclass(frozen=True, slots=True)
class FlushMark:
    """A `flush` of the client: all work before it is finalised first."""

    id: str | int | None


@dataclass(frozen=True, slots=True)
class StopMark:
    """The end of the dictation."""


Work = SegmentEvent | FlushMark | StopMark

_MERGE_SAMPLES = 16_000
"""Waiting audio is joined into pieces of at most a second, so that partials keep coming."""


class WorkQueue:
    """Waiting work of one dictation, between the task that takes its audio and the task that recognises it."""

    def __init__(self) -> None:
        self._work: deque[tuple[Work, float]] = deque()
        self._arrived = anyio.Event()
        self._progress = anyio.Event()
        self.is_closed = False
        self.pending_samples = 0
        """Audio not yet handed to the engine."""
        self.pending_flushes = 0
        self.waited_s = 0.0
        """How long the piece of work that was taken last had waited."""

    def close(self) -> list[Work]:
        """Take no more work; return what still waits."""
        self.is_closed = True
        left = [work for work, _ in self._work]
        self._work.clear()
        return left

    def put(self, work: Work) -> None:
        """Add a piece of work; never waits."""
        self._work.append((work, time.monotonic()))
        if isinstance(work, UtteranceAudio):
            self.pending_samples += len(work.samples)
        elif isinstance(work, FlushMark):
            self.pending_flushes += 1
        self._arrived.set()

    async def get(self) -> Work:
        """Wait for the next piece of work; audio that waits is joined."""
        while not self._work:
            self._arrived = anyio.Event()
            await self._arrived.wait()
        work, since = self._work.popleft()
        self.waited_s = time.monotonic() - since
        if isinstance(work, UtteranceAudio):
            work = self._join(work)
            self.pending_samples -= len(work.samples)
        elif isinstance(work, FlushMark):
            self.pending_flushes -= 1
        self._progress.set()
        return work

    async def wait_below(self, samples: int, flushes: int) -> None:
        """Wait until less than `samples` of audio and fewer than `flushes` marks are pending."""
        while self.pending_samples >= samples or self.pending_flushes >= flushes:
            self._progress = anyio.Event()
            await self._progress.wait()

    def _join(self, first: UtteranceAudio) -> UtteranceAudio:
        parts, length = [first.samples], len(first.samples)
        while self._work and isinstance(following := self._work[0][0], UtteranceAudio):
            if length + len(following.samples) > _MERGE_SAMPLES:
                break
            parts.append(following.samples)
            length += len(following.samples)
            self._work.popleft()
        return first if len(parts) == 1 else UtteranceAudio(np.concatenate(parts))
