"""The speech gate: how likely each frame of a session is speech, listened to at two levels at once."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from app.providers.base import Samples
from app.providers.vad import CONTEXT_SAMPLES, FRAME_SAMPLES, SileroVad, frame_audio

GAIN = 100
"""40 dB, for the second detector. Silero misses speech at some levels, and which ones depends on band and noise:
telephone speech at -20 dBFS, noisy speech at -50, all speech at -75. Of two detectors that are so far apart one nearly
always hears it. Neither takes noise for speech, not even noise that the gain clips, as long as it hears the noise from
its beginning; at 44 dB and more the second begins to."""

SURE = 0.5
"""Probability of the first detector from which the second is not asked."""

STEADY_FRAMES = 64
"""A level that stays the same for two seconds is no speech: the detectors, whose state has settled, sleep …"""
STEADY_DB = 2.0
"""… until it leaves this range, for as long as SMOOTH_FRAMES …"""
SMOOTH_FRAMES = 3
ONSET_DB = 4.0
"""… or rises by this much in one frame."""

QUIETEST_DBFS = -120.0


class HeardFrames(NamedTuple):
    """Speech probability and level (dBFS) of each frame."""

    probabilities: NDArray[np.float32]
    levels_dbfs: list[float]


class SpeechGate:
    """Frames in, probabilities and levels out, however the audio is cut; the state belongs to one session."""

    def __init__(self) -> None:
        self._plain = SileroVad()
        self._amplified = SileroVad()
        self._context = np.zeros(CONTEXT_SAMPLES, np.float32)
        self._steadiness = _Steadiness()

    def hear(self, samples: Samples) -> HeardFrames:
        """Judge whole frames of 16 kHz audio."""
        frames = frame_audio(samples, self._context)
        self._context = frames[-1, FRAME_SAMPLES:].copy()
        levels = _measure_levels(frames[:, CONTEXT_SAMPLES:])
        found = np.zeros(len(frames), np.float32)
        awake = np.flatnonzero([not self._steadiness.push(level) for level in levels])
        if len(awake):
            found[awake] = self._plain.probabilities(_select(frames, awake))
            unsure = awake[found[awake] < SURE]
            if len(unsure):
                louder = np.clip(_select(frames, unsure) * np.float32(GAIN), -1, 1)
                found[unsure] = np.maximum(found[unsure], self._amplified.probabilities(louder))
        return HeardFrames(found, levels)


class _Steadiness:
    """Tells for each frame whether the level has been the same for long."""

    def __init__(self) -> None:
        self._reference_dbfs = 0.0
        self._recent: list[float] = []
        self._frames = 0

    def push(self, level_dbfs: float) -> bool:
        self._recent = [*self._recent[1 - SMOOTH_FRAMES :], level_dbfs]
        smooth = sum(self._recent) / len(self._recent)
        is_same = abs(smooth - self._reference_dbfs) <= STEADY_DB
        if is_same and level_dbfs - self._reference_dbfs <= ONSET_DB:
            self._frames += 1
        else:
            self._reference_dbfs, self._frames = smooth, 0
        return self._frames > STEADY_FRAMES


def _measure_levels(audio: NDArray[np.float32]) -> list[float]:
    power = np.einsum("ij,ij->i", audio, audio, dtype=np.float64) / audio.shape[1]
    levels: list[float] = (10 * np.log10(power + 10 ** (QUIETEST_DBFS / 10))).tolist()
    return levels


def _select(frames: NDArray[np.float32], places: NDArray[np.intp]) -> NDArray[np.float32]:
    return frames if len(places) == len(frames) else frames[places]
