"""The speech detector: what it calls speech, and that neither cuts nor other sessions change its decisions."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soxr
from numpy.typing import NDArray

from app.providers.base import SAMPLE_RATE_HZ
from app.providers.vad import CONTEXT_SAMPLES, FRAME_SAMPLES, SileroVad
from tests.conftest import SAMPLES, read_wav
from tests.support.command import make_environment


@pytest.fixture(scope="module")
def spoken() -> NDArray[np.float32]:
    """The frames of a sentence."""
    audio, rate_hz = read_wav(SAMPLES / "en_weather_madrid_48k.wav")
    samples = soxr.resample(audio.astype(np.float32) / 32768, rate_hz, SAMPLE_RATE_HZ)
    windows = np.lib.stride_tricks.sliding_window_view(samples, CONTEXT_SAMPLES + FRAME_SAMPLES)
    return np.ascontiguousarray(windows[::FRAME_SAMPLES], np.float32)


def test_silero_tells_speech_from_silence(spoken: NDArray[np.float32]) -> None:
    found = SileroVad().probabilities(spoken)
    assert found.shape == (len(spoken),)
    assert (found > 0.5).mean() > 0.4
    assert SileroVad().probabilities(np.zeros_like(spoken)).max() < 0.1


@pytest.mark.parametrize("step", [1, 7])
def test_silero_decides_the_same_however_many_frames_it_gets_at_a_time(
    spoken: NDArray[np.float32], step: int
) -> None:
    vad = SileroVad()
    parts = [vad.probabilities(spoken[at : at + step]) for at in range(0, len(spoken), step)]
    assert np.allclose(np.concatenate(parts), SileroVad().probabilities(spoken), atol=1e-4)


def test_silero_detectors_share_no_state(spoken: NDArray[np.float32]) -> None:
    expected = SileroVad().probabilities(spoken)
    one, other = SileroVad(), SileroVad()
    other.probabilities(np.zeros_like(spoken))
    assert np.array_equal(one.probabilities(spoken), expected)
    assert not np.array_equal(one.probabilities(spoken), expected), "the state goes on"


def test_the_runtime_of_the_detector_tells_nobody_and_keeps_no_identifier(tmp_path: Path) -> None:
    code = "from app.providers.vad import _model; _model()"
    environment = {**make_environment(HOME=str(tmp_path)), "XDG_CACHE_HOME": str(tmp_path)}
    environment.pop("ORT_DISABLE_TELEMETRY", None)
    subprocess.run([sys.executable, "-c", code], env=environment, check=True, timeout=300)
    assert not [path for path in tmp_path.rglob("*") if "onnxruntime" in path.name]
