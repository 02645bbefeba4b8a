"""Sounds without speech, made by seed, and damage to speech. Audio is float, 16 kHz, full scale 1."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

RATE_HZ = 16_000

Audio = NDArray[np.float64]


def at_level(audio: Audio, dbfs: float) -> Audio:
    """The audio with this root mean square."""
    return np.asarray(audio * 10 ** (dbfs / 20) / np.sqrt(np.square(audio).mean()))


def to_telephone(audio: Audio) -> Audio:
    """300 to 3400 Hz in mu-law."""
    spectrum, hz = np.fft.rfft(audio), np.fft.rfftfreq(len(audio), 1 / RATE_HZ)
    spectrum[(hz < 300) | (hz > 3400)] = 0
    band = np.fft.irfft(spectrum, len(audio))
    peak = np.abs(band).max()
    coded = np.round(np.sign(band) * np.log1p(255 * np.abs(band) / peak) / np.log(256) * 127) / 127
    return np.asarray(np.sign(coded) * (np.exp(np.abs(coded) * np.log(256)) - 1) / 255 * peak)


def make_coloured(power: float) -> Callable[[np.random.Generator, int], Audio]:
    """Noise whose amplitude falls with frequency to this power: 0 is white, 0.5 pink, 1 brown."""

    def make(rng: np.random.Generator, seconds: int) -> Audio:
        hz = np.maximum(np.fft.rfftfreq(RATE_HZ * seconds, 1 / RATE_HZ), 1)
        spectrum = np.fft.rfft(rng.standard_normal(RATE_HZ * seconds)) / hz**power
        spectrum[hz < 30] = 0
        return np.fft.irfft(spectrum)

    return make


def make_hum(rng: np.random.Generator, seconds: int) -> Audio:
    """50 Hz with its harmonics."""
    t = np.arange(RATE_HZ * seconds) / RATE_HZ
    tones = np.array([np.sin(2 * np.pi * 50 * k * t + k) / k for k in range(1, 9)]).sum(axis=0)
    return np.asarray(tones + 0.01 * rng.standard_normal(len(t)))


def make_breathing(rng: np.random.Generator, seconds: int) -> Audio:
    """A breath every 3.5 s, in front of the microphone."""
    t = np.arange(RATE_HZ * seconds) / RATE_HZ
    envelope = np.clip(np.sin(2 * np.pi * t / 3.5), 0, 1) ** 2 + 0.002
    return np.asarray(make_coloured(0.7)(rng, seconds) * envelope)


def make_keys(rng: np.random.Generator, seconds: int) -> Audio:
    """A keyboard: two clicks for each key."""
    audio = 1e-4 * rng.standard_normal(RATE_HZ * seconds)
    click = np.exp(-np.arange(200) / 32)
    at = 0.3
    while at < seconds - 0.2:
        for delay_s, loudness in ((0, 1), (0.07, 0.3)):
            first = int((at + delay_s) * RATE_HZ)
            audio[first : first + 200] += loudness * rng.uniform(0.3, 1) * click * rng.standard_normal(200)
        at += rng.uniform(0.08, 0.4)
    return audio


NOISES: dict[str, Callable[[np.random.Generator, int], Audio]] = {
    "white": make_coloured(0),
    "pink": make_coloured(0.5),
    "brown": make_coloured(1),
    "hum": make_hum,
    "breathing": make_breathing,
    "keys": make_keys,
}
