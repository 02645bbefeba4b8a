"""Wrong input is named once, however it is cut, and real audio of any level never is."""

import json

import numpy as np
import pytest
from numpy.typing import NDArray

from app.services.audio.input_checks import InputChecks
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
