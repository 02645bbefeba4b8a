"""A recording in which nothing was heard: which of its audio is decoded once more, without the gate."""

import math
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence

import numpy as np

from app.core.discard_reasons import DiscardReason
from app.providers.base import SAMPLE_RATE_HZ, Samples
from app.services.audio.pcm import SILENCE_DBFS, measure_dbfs
from app.services.transcription.packing import PackedWindow, Piece
from app.services.transcription.result import DiscardedAudio

MOST_WINDOWS = 4
"""The loudest ones: two minutes, which most recordings without speech are shorter than."""
STEP_SAMPLES = SAMPLE_RATE_HZ
LEAST_DBFS = -80.0
"""Below this level there is nothing in 16-bit samples to be understood."""
QUIET_DBFS = -60.0
"""A recording that is nowhere louder was recorded too quietly."""


class LevelTrack:
    """The level of each second of a recording."""

    def __init__(self) -> None:
        self._levels: list[float] = []
        self._rest = np.empty(0, np.int16)
        self._samples = 0

    def push(self, block: Samples) -> None:
        self._samples += len(block)
        rest = np.concatenate((self._rest, block))
        whole = len(rest) // STEP_SAMPLES * STEP_SAMPLES
        self._levels += [measure_dbfs(step) for step in rest[:whole].reshape(-1, STEP_SAMPLES)]
        self._rest = rest[whole:]

    @property
    def levels(self) -> list[float]:
        """dB below full scale; the last one may be of less than a second."""
        return self._levels + ([measure_dbfs(self._rest)] if len(self._rest) else [])

    def choose_windows(self, longest_samples: int) -> list[tuple[int, int]]:
        """First and last sample (exclusive) of the loudest windows, in order; none without audible sound."""
        steps = max(longest_samples // STEP_SAMPLES, 1)
        levels = self.levels
        windows = [
            (max(levels[first : first + steps]), first * STEP_SAMPLES)
            for first in range(0, len(levels), steps)
        ]
        audible = [window for window in windows if window[0] > LEAST_DBFS]
        loudest = sorted(audible, key=lambda window: (-window[0], window[1]))[:MOST_WINDOWS]
        return sorted((start, min(start + steps * STEP_SAMPLES, self._samples)) for _, start in loudest)

    def describe(self) -> DiscardedAudio:
        """The whole recording as audio that came to nothing."""
        levels = self.levels
        loudest = max(levels, default=SILENCE_DBFS)
        power = float(np.mean([10 ** (level / 10) for level in levels])) if levels else 0.0
        return DiscardedAudio(
            reason=DiscardReason.TOO_QUIET if loudest < QUIET_DBFS else DiscardReason.NO_SPEECH,
            start_ms=0,
            end_ms=self._samples * 1000 // SAMPLE_RATE_HZ,
            dbfs=round(max(10 * math.log10(power), SILENCE_DBFS), 1) if power else SILENCE_DBFS,
        )


async def cut_windows(
    read: Callable[[], Awaitable[Samples | None]], windows: Sequence[tuple[int, int]]
) -> AsyncGenerator[PackedWindow, None]:
    """The windows of a recording that is read block by block; it is read no further than the last one."""
    at = 0
    pending = np.empty(0, np.int16)
    for start, stop in windows:
        while True:
            skipped = min(max(start - at, 0), len(pending))
            at, pending = at + skipped, pending[skipped:]
            if at + len(pending) >= stop or (block := await read()) is None:
                break
            pending = np.concatenate((pending, block))
        if at < start or not len(pending):
            return
        samples = pending[: stop - at]
        piece = Piece(start=at, onset=at, speech_end=at + len(samples), samples=samples)
        yield PackedWindow([piece])
        at, pending = at + len(samples), pending[len(samples) :]
