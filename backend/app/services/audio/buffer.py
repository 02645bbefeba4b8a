"""A session's recent audio by sample number: pre-roll and utterances are sliced from it."""

from collections import deque

import numpy as np

from app.providers.base import Samples

_PIECE_SAMPLES = 4096
"""Pieces are joined up to this length, so that tiny chunks do not make a long list."""


class AudioBuffer:
    """Samples by number, counted from the session's first; old samples are discarded."""

    def __init__(self) -> None:
        self._pieces: deque[tuple[int, Samples]] = deque()
        self.end = 0
        """Number of the next sample."""

    def append(self, samples: Samples) -> None:
        if not len(samples):
            return
        first = self.end
        self.end += len(samples)
        if self._pieces and self.end - self._pieces[-1][0] <= _PIECE_SAMPLES:
            first, last = self._pieces.pop()
            samples = np.concatenate((last, samples))
        self._pieces.append((first, samples))

    def slice(self, start: int, stop: int) -> Samples:
        """Samples `start` to `stop` (exclusive); none of them may have been discarded."""
        parts = [
            piece[max(start - first, 0) : stop - first]
            for first, piece in self._pieces
            if first < stop and first + len(piece) > start
        ]
        return np.concatenate(parts) if parts else np.empty(0, np.int16)

    def discard_before(self, sample: int) -> None:
        """Discard the pieces that end at or before `sample`."""
        while self._pieces and self._pieces[0][0] + len(self._pieces[0][1]) <= sample:
            self._pieces.popleft()
