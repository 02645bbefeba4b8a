"""The recent past of a session's audio, by sample number: pre-roll and cuts are taken from it."""

from collections import deque

import numpy as np

from app.providers.base import Samples

_PIECE_SAMPLES = 4096
"""Pieces are joined up to this length, so that a client's tiny chunks do not make a long list of them."""


class AudioBuffer:
    """Samples by their number from the session's first; what is no longer needed is let go."""

    def __init__(self) -> None:
        self._pieces: deque[tuple[int, Samples]] = deque()
        self.end = 0
        """Number of the sample that comes next."""

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
        """Samples `start` to `stop` (exclusive); both must lie in what is still kept."""
        parts = [
            piece[max(start - first, 0) : stop - first]
            for first, piece in self._pieces
            if first < stop and first + len(piece) > start
        ]
        return np.concatenate(parts) if parts else np.empty(0, np.int16)

    def forget_before(self, sample: int) -> None:
        """Let go of whole pieces that end at or before `sample`."""
        while self._pieces and self._pieces[0][0] + len(self._pieces[0][1]) <= sample:
            self._pieces.popleft()
