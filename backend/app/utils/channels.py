"""Mixes the channels of a recording or a microphone to one, so that none cancels another: by correlation and energy.

`frontend/src/features/dictation/audio/channel-mixer.ts` does the same for the page.
"""

import numpy as np
from numpy.typing import NDArray

FRAME_S = 0.01
"""What is weighed at once."""
MEMORY_S = 0.3
"""How long a sound counts: its weight falls to 37 %."""
MEMORY_PER_FRAME = float(np.exp(-FRAME_S / MEMORY_S))
LAG_S = 0.0005
"""Channels are weighed by the change of their sum over this time against the same time before: from about 200 to
1500 Hz. Hum and a constant offset, which inputs share whatever their polarity, count little, and so does hiss."""
TURNED = 0.2
"""A channel is turned below minus this correlation with the channels before it, and turned back above it."""

Samples = NDArray[np.int16]


class ChannelMixer:
    """Mixes blocks of any length; the same samples give the same mix, however they are cut."""

    def __init__(self, channels: int, sample_rate: int) -> None:
        self._frame = max(1, round(sample_rate * FRAME_S))
        lag = max(1, round(sample_rate * LAG_S))
        self._change = np.repeat([1.0, -1.0], lag)
        self._pending: NDArray[np.int16] = np.zeros((channels, 0), np.int16)
        self._tail = np.zeros((channels, 2 * lag - 1))
        self._products = np.zeros((channels, channels))
        self._signs = np.ones(channels)
        self._weights: NDArray[np.float64] | None = None

    def push(self, block: Samples) -> Samples:
        """Mix a block of shape (channels, samples): what is returned are the samples whose frame is complete."""
        if len(block) == 1:
            only: Samples = block[0]
            return only
        pending = np.concatenate([self._pending, block], axis=1)
        whole = pending.shape[1] // self._frame * self._frame
        self._pending = pending[:, whole:]
        return self._mix(pending[:, :whole])

    def flush(self) -> Samples:
        """Mix the rest."""
        rest, self._pending = self._pending, self._pending[:, :0]
        return self._mix(rest)

    def _mix(self, block: Samples) -> Samples:
        cuts = range(0, block.shape[1], self._frame)
        mixed = [self._mix_frame(block[:, at : at + self._frame].astype(np.float64)) for at in cuts]
        return np.concatenate(mixed) if mixed else np.zeros(0, np.int16)

    def _mix_frame(self, frame: NDArray[np.float64]) -> Samples:
        size = frame.shape[1]
        heard = np.concatenate([self._tail, frame], axis=1)
        changes = np.stack([np.convolve(channel, self._change, "valid") for channel in heard])
        self._tail = heard[:, size:]
        self._products = MEMORY_PER_FRAME * self._products + changes @ changes.T
        after = self._choose_weights()
        before = after if self._weights is None else self._weights
        self._weights = after if self._products.any() else None
        ramp = np.arange(1, size + 1) / size
        weights = before[:, None] + (after - before)[:, None] * ramp
        mixed: Samples = np.rint((weights * frame).sum(axis=0)).astype(np.int16)
        return mixed

    def _choose_weights(self) -> NDArray[np.float64]:
        """Louder channels weigh more; one that runs against those before it is turned. The sizes sum to 1."""
        sizes = np.sqrt(np.diagonal(self._products))
        if not sizes.any():
            return np.full(len(sizes), 1 / len(sizes))
        weights = np.zeros(len(sizes))
        for channel, size in enumerate(sizes):
            along = self._correlate(weights, channel)
            if abs(along) > TURNED:
                self._signs[channel] = np.sign(along)
            weights[channel] = self._signs[channel] * size / sizes.sum()
        return weights

    def _correlate(self, weights: NDArray[np.float64], channel: int) -> float:
        """Correlation of a channel with the mix of those before it, -1 to 1."""
        variance = max(0.0, weights @ self._products @ weights)
        scale = np.sqrt(variance * self._products[channel, channel])
        return float(weights @ self._products[:, channel] / scale) if scale > 0 else 0.0
