"""The speech gate: speech of every level and band is heard, noise of every level is not, and cuts leave no trace."""

import json

import numpy as np
import pytest
import soxr
from numpy.typing import NDArray

from app.providers.base import Samples
from app.services.audio.endpointing import FRAME_SAMPLES
from app.services.audio.speech_gate import STEADY_FRAMES, SpeechGate
from tests.conftest import SPEECH, read_wav
from tests.support.noises import NOISES, at_level, to_telephone
from tests.support.speech_client import load_speech

SENTENCE = load_speech().astype(np.float64) / 32768


def to_frames(audio: NDArray[np.float64]) -> Samples:
    """PCM16 in whole frames."""
    whole = audio[: len(audio) // FRAME_SAMPLES * FRAME_SAMPLES]
    return np.clip(np.rint(whole * 32767), -32768, 32767).astype(np.int16)


def find_voiced(audio: NDArray[np.float64]) -> NDArray[np.bool_]:
    return SpeechGate().hear(to_frames(audio)).probabilities >= 0.5


@pytest.mark.parametrize("dbfs", [-20, -35, -50, -65, -75])
def test_speech_is_heard_at_every_level(dbfs: float) -> None:
    assert find_voiced(at_level(SENTENCE, dbfs)).mean() > 0.4


@pytest.mark.parametrize("dbfs", [-15, -20, -50])
def test_speech_over_a_telephone_line_is_heard_at_every_level(dbfs: float) -> None:
    """One detector alone hears two thirds of these frames at -20 dBFS."""
    if not SPEECH.is_dir():
        pytest.skip("the real recordings are not beside this checkout")
    heard = whole = 0
    for row in map(json.loads, (SPEECH / "manifest.jsonl").read_text(encoding="utf-8").splitlines()):
        if row["kind"] != "speech" or row["duration_s"] > 6:
            continue
        pcm, rate_hz = read_wav(SPEECH / row["file"])
        audio = np.asarray(soxr.resample(pcm.astype(np.float64) / 32768, rate_hz, 16_000))
        spoken = find_voiced(at_level(audio, -40))
        heard += int((find_voiced(at_level(to_telephone(audio), dbfs)) & spoken).sum())
        whole += int(spoken.sum())
    assert heard >= 0.77 * whole


@pytest.mark.parametrize("dbfs", [-20, -35, -50, -65])
@pytest.mark.parametrize("name", NOISES)
def test_noise_is_no_speech_at_any_level(name: str, dbfs: float) -> None:
    noise = NOISES[name](np.random.default_rng(5), 20)
    assert find_voiced(at_level(noise, dbfs)).mean() < 0.01


def test_the_level_is_that_of_the_input() -> None:
    heard = SpeechGate().hear(to_frames(at_level(NOISES["white"](np.random.default_rng(1), 1), -40)))
    assert np.allclose(heard.levels_dbfs, -40, atol=2)


@pytest.mark.parametrize("frames", [1, 3, 17])
def test_the_cut_does_not_change_the_probabilities(frames: int) -> None:
    speech = to_frames(SENTENCE)
    whole = SpeechGate().hear(speech)
    gate, step = SpeechGate(), frames * FRAME_SAMPLES
    parts = [gate.hear(speech[at : at + step]) for at in range(0, len(speech), step)]
    assert np.allclose(np.concatenate([part.probabilities for part in parts]), whole.probabilities, atol=1e-4)
    assert [level for part in parts for level in part.levels_dbfs] == whole.levels_dbfs


@pytest.mark.parametrize("dbfs", [-120, -60, -30])
def test_a_steady_noise_of_any_length_leaves_the_same_trace(dbfs: float) -> None:
    """The detectors sleep in it, and speech wakes them."""
    noise = to_frames(at_level(NOISES["white"](np.random.default_rng(2), 40), dbfs))
    speech = to_frames(at_level(SENTENCE, dbfs + 30))
    results = []
    for seconds in (10, 40):
        gate = SpeechGate()
        gate.hear(speech)
        quiet = gate.hear(noise[: seconds * 16_000 // FRAME_SAMPLES * FRAME_SAMPLES]).probabilities
        assert not quiet[2 * STEADY_FRAMES :].any()
        results.append(gate.hear(speech).probabilities >= 0.5)
    assert results[0].mean() > 0.4
    assert (results[0] == results[1]).mean() > 0.95
