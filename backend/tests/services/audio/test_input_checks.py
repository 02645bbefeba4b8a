"""Wrong input is named once, however it is cut, and real audio of any level never is."""

import json

import numpy as np
import pytest
from numpy.typing import NDArray

from app.services.audio.input_checks import InputChecks, PaceCheck
from tests.conftest import SAMPLES, SPEECH, read_wav
from tests.support.noises import NOISES, at_level
from tests.support.speech_client import load_speech

SPEECH_16K = np.tile(load_speech(), 3)
FLOATS = (SPEECH_16K / 32768 + 1e-4).astype("<f4").tobytes()
TEXT = json.dumps({"type": "audio", "format": "pcm16", "data": "QUJD" * 40_000}).encode()


def find_codes(samples: NDArray[np.int16], rate_hz: int = 16_000, step: int = 1600) -> list[str]:
    checks = InputChecks(rate_hz)
    return [hint.code for at in range(0, len(samples), step) for hint in checks.push(samples[at : at + step])]


def as_pcm(data: bytes) -> NDArray[np.int16]:
    return np.frombuffer(data[: len(data) // 2 * 2], "<i2").astype(np.int16)


WRONG = {
    "floats": (as_pcm(FLOATS), "not_pcm16"),
    "quiet floats": (as_pcm((SPEECH_16K / 32768 / 300 + 1e-6).astype("<f4").tobytes()), "not_pcm16"),
    "floats, the halves the other way round": (as_pcm(FLOATS)[1:].copy(), "not_pcm16"),
    "text": (as_pcm(TEXT), "not_pcm16"),
    "zeros": (np.zeros(200_000, np.int16), "no_signal"),
    "clipped": (np.clip(SPEECH_16K.astype(np.int32) * 60, -32768, 32767).astype(np.int16), "clipping"),
}


@pytest.mark.parametrize("name", WRONG)
@pytest.mark.parametrize("step", [7, 1600, 10**9])
def test_wrong_input_is_named_once(name: str, step: int) -> None:
    samples, code = WRONG[name]
    assert find_codes(samples if step > 7 else samples[:90_000], step=step) == [code]


def test_zeros_after_sound_are_a_pause() -> None:
    assert find_codes(np.concatenate((load_speech(), np.zeros(300_000, np.int16)))) == []


@pytest.mark.parametrize("gain", [0.003, 0.1, 1.0])
def test_real_speech_gives_no_hint(gain: float) -> None:
    """The one clip of digital silence aside."""
    folder = SPEECH / "clips" if SPEECH.is_dir() else SAMPLES
    for path in sorted(folder.glob("*.wav")):
        audio, rate_hz = read_wav(path)
        if np.abs(audio).max() > 1:
            quiet = np.rint(audio * gain).astype(np.int16)
            assert find_codes(quiet, rate_hz) in ([], ["no_signal"] if gain < 0.1 else []), path.stem


@pytest.mark.parametrize("dbfs", [-15, -40, -75])
@pytest.mark.parametrize("name", NOISES)
def test_noise_gives_no_hint(name: str, dbfs: float) -> None:
    noise = at_level(NOISES[name](np.random.default_rng(3), 10), dbfs) * 32767
    assert find_codes(np.clip(noise, -32768, 32767).astype(np.int16)) in (
        [],
        ["no_signal"] if dbfs < -70 else [],
    )


def find_pace_codes(declared_hz: int, arriving_hz: float, seconds: float, jitter_s: float = 0.0) -> list[str]:
    """Chunks of 100 ms as a microphone of `arriving_hz` sends them, each up to `jitter_s` late."""
    check, dice, chunk = PaceCheck(declared_hz), np.random.default_rng(1), int(arriving_hz / 10)
    times = [number / 10 + dice.uniform(0, jitter_s) for number in range(int(seconds * 10))]
    hints = [check.push(chunk, now) for now in np.maximum.accumulate(times)]
    return [hint.message.split(",")[0].split()[4] for hint in hints if hint]


@pytest.mark.parametrize(
    ("declared", "arriving"),
    [
        (16_000, 48_000),
        (48_000, 16_000),
        (16_000, 44_100),
        (44_100, 48_000),
        (48_000, 44_100),
        (16_000, 8000),
    ],
)
@pytest.mark.parametrize("jitter_s", [0.0, 0.08])
def test_a_rate_that_is_not_the_declared_one_is_named_once(
    declared: int, arriving: int, jitter_s: float
) -> None:
    assert find_pace_codes(declared, arriving, 60, jitter_s) == [str(arriving)]


@pytest.mark.parametrize("declared", [8000, 16_000, 44_100, 48_000])
def test_a_microphone_at_its_rate_is_not_named_even_if_its_clock_is_a_little_wrong(declared: int) -> None:
    for drift in (0.98, 1.0, 1.02):
        assert find_pace_codes(declared, declared * drift, 60, 0.1) == []


def test_what_comes_as_fast_as_it_can_or_too_short_is_not_named() -> None:
    assert find_pace_codes(16_000, 16_000 * 9.3, 60) == []
    assert find_pace_codes(16_000, 48_000, 11) == []


def test_pauses_of_a_sender_are_no_other_rate() -> None:
    """A client that sends only while somebody speaks: one half of the time, in stretches of any length."""
    check, dice, now, hints = PaceCheck(16_000), np.random.default_rng(2), 0.0, []
    for _ in range(200):
        for _ in range(int(dice.integers(5, 60))):
            now += 0.1
            hints.append(check.push(1600, now))
        now += float(dice.uniform(0.3, 6))
    assert not any(hints)
