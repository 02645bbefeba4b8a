"""Whatever the channels of a recording do to each other, the voice in them comes out of their mix."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from app.utils.channels import ChannelMixer
from tests.conftest import SAMPLES, read_wav

VOICE, RATE_HZ = read_wav(next(iter(sorted(SAMPLES.glob("en_weather_madrid_48k.wav")))))
VOICE = (VOICE[: 2 * RATE_HZ] // 4).astype(np.int16)
GAINS = st.sampled_from([-1.0, -0.6, -0.3, 0.0, 0.3, 0.6, 1.0])

Samples = NDArray[np.int16]


def mix(channels: Sequence[NDArray[Any]], block: int = 480) -> Samples:
    samples = np.stack([np.clip(np.rint(one), -32768, 32767).astype(np.int16) for one in channels])
    mixer = ChannelMixer(len(channels), RATE_HZ)
    pieces = [mixer.push(samples[:, at : at + block]) for at in range(0, samples.shape[1], block)]
    return np.concatenate([*pieces, mixer.flush()])


def energy(samples: NDArray[Any]) -> float:
    return float((samples.astype(np.float64) ** 2).sum())


def fit(mixed: Samples, voice: NDArray[Any] = VOICE) -> tuple[float, float]:
    """The factor that makes the voice most like the mix, and how far below it the rest is (dB)."""
    factor = float((mixed.astype(np.float64) * voice).sum()) / energy(voice)
    return factor, 10 * np.log10(energy(factor * voice) / max(energy(mixed - factor * voice), 1e-9))


@pytest.mark.parametrize("gain", [1.0, -1.0, 0.0], ids=["equal", "inverted", "silent"])
@pytest.mark.parametrize("voice_first", [True, False])
def test_the_voice_comes_out_as_it_is(gain: float, voice_first: bool) -> None:
    channels = [VOICE, gain * VOICE]
    factor, error_db = fit(mix(channels if voice_first else channels[::-1]))
    assert abs(factor) == pytest.approx(1, abs=1e-3)
    assert error_db > 40


@pytest.mark.parametrize("gain", [-1.0, -0.5, -0.2])
def test_an_inverted_channel_is_found_under_noise_hum_and_an_offset(gain: float) -> None:
    random = np.random.default_rng(3)
    hum = 2000 * np.sin(2 * np.pi * 50 * np.arange(len(VOICE)) / RATE_HZ) + 3000
    channels = [by * VOICE + hum + random.normal(0, 60, len(VOICE)) for by in (1.0, gain)]
    factor, _ = fit(mix(channels))
    assert abs(factor) > 0.7


@pytest.mark.parametrize("seed", range(3))
def test_a_channel_of_noise_alone_adds_less_of_it_than_an_average(seed: int) -> None:
    rms = np.sqrt(energy(VOICE) / len(VOICE))
    noise = np.random.default_rng(seed).normal(0, rms / 10, len(VOICE))
    _, error_db = fit(mix([noise, VOICE]))
    _, average_db = fit(np.rint((noise + VOICE) / 2).astype(np.int16))
    assert error_db > average_db + 3


def test_a_voice_of_its_own_in_each_channel_is_heard() -> None:
    other = np.roll(VOICE[::-1], 4321)
    mixed = mix([VOICE, other])
    for voice in (VOICE, other):
        assert abs(fit(mixed, voice)[0]) > 0.35


@settings(max_examples=40, deadline=None)
@given(gains=st.lists(GAINS, min_size=2, max_size=6).filter(lambda gains: any(gains)))
def test_any_polarities_keep_the_voice_and_never_get_louder(gains: list[float]) -> None:
    mixed = mix([gain * VOICE for gain in gains])
    loudest = max(map(abs, gains)) ** 2 * energy(VOICE)
    assert 0.2 * loudest < energy(mixed) < 1.01 * loudest


@settings(max_examples=20, deadline=None)
@given(block=st.integers(1, 5000))
def test_the_same_samples_give_the_same_mix_however_they_are_cut(block: int) -> None:
    part = VOICE[RATE_HZ // 2 : RATE_HZ // 2 + RATE_HZ // 5]
    channels: list[NDArray[Any]] = [part, -0.7 * part + np.random.default_rng(1).normal(0, 100, len(part))]
    assert np.array_equal(mix(channels, block), mix(channels, len(part)))


def test_a_single_channel_is_passed_on() -> None:
    assert mix([VOICE]) is not VOICE
    assert np.array_equal(mix([VOICE]), VOICE)
