"""Sounds that hold no speech: noise, hum, tones and chords, to lay under speech or to stand alone."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from whisper_samples.synth import RATE_HZ, Audio

_BANK_SIZE = 1 << 20


class Sounds:
    """A bank of noises made once; a slice of it costs nothing."""

    def __init__(self, dice: np.random.Generator) -> None:
        self._dice = dice
        spectrum = np.fft.rfft(dice.standard_normal(_BANK_SIZE))
        # Bins below 20 Hz are held, or they would take all the energy of brown noise.
        frequency = np.maximum(np.fft.rfftfreq(_BANK_SIZE, 1 / RATE_HZ), 20)
        self._banks = [_unit(np.fft.irfft(spectrum * frequency**-slope)) for slope in (0.0, 0.5, 1.0)]
        seconds = np.arange(_BANK_SIZE) / RATE_HZ
        for mains_hz in (50, 60):
            hum = sum(np.sin(2 * np.pi * mains_hz * k * seconds + k) / k for k in range(1, 9))
            self._banks.append(_unit(np.asarray(hum)))

    def noise(self, count: int) -> Audio:
        """Noise or hum of RMS 1."""
        bank = self._banks[self._dice.integers(len(self._banks))]
        start = int(self._dice.integers(_BANK_SIZE - count))
        return bank[start : start + count]

    def music(self, count: int) -> Audio:
        """Chords that change and swell, of about RMS 1."""
        dice = self._dice
        seconds = np.arange(count) / RATE_HZ
        out = np.zeros(count)
        beat_s = dice.uniform(0.2, 1.0)
        for _ in range(int(dice.integers(1, 5))):
            notes_hz = 110 * 2 ** (dice.integers(0, 37, size=int(count / RATE_HZ / beat_s) + 1) / 12)
            pitch_hz = notes_hz[(seconds / beat_s).astype(int)]
            phase = 2 * np.pi * np.cumsum(pitch_hz) / RATE_HZ
            fade = np.exp(-(seconds % beat_s) * dice.uniform(0.5, 6))
            out += fade * sum(np.sin(k * phase) / k ** dice.uniform(1, 2) for k in range(1, 5))
        return _unit(out)


def _unit(x: npt.NDArray[np.float64]) -> Audio:
    return np.asarray(x / (np.sqrt(np.mean(x**2)) + 1e-9), dtype=np.float32)
