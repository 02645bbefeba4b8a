"""Speech detectors: what they call speech, and that neither cuts nor other sessions change their decisions."""

import numpy as np
import pytest
import soxr
from numpy.typing import NDArray

from app.providers.base import SAMPLE_RATE_HZ, Samples
from app.providers.vad import FRAME_SAMPLES, WEBRTC_FRAME_SAMPLES, SileroVad, WebRtcVad
from tests.conftest import SAMPLES, read_wav


@pytest.fixture(scope="module")
def spoken() -> Samples:
    """A sentence, in whole frames of both detectors."""
    audio, rate_hz = read_wav(SAMPLES / "en_weather_madrid_48k.wav")
    samples = soxr.resample(audio.astype(np.float32), rate_hz, SAMPLE_RATE_HZ).astype(np.int16)
    step = FRAME_SAMPLES * WEBRTC_FRAME_SAMPLES // 32
    return np.ascontiguousarray(samples[: len(samples) // step * step])


def silence(samples: Samples) -> Samples:
    return np.zeros(len(samples), np.int16)


def probabilities(vad: SileroVad, samples: Samples, frames: int) -> NDArray[np.float32]:
    step = frames * FRAME_SAMPLES
    return np.concatenate([vad.probabilities(samples[at : at + step]) for at in range(0, len(samples), step)])


def test_silero_tells_speech_from_silence(spoken: Samples) -> None:
    found = SileroVad().probabilities(spoken)
    assert found.shape == (len(spoken) // FRAME_SAMPLES,)
    assert (found > 0.5).mean() > 0.4
    assert SileroVad().probabilities(silence(spoken)).max() < 0.1


@pytest.mark.parametrize("frames", [1, 7])
def test_silero_decides_the_same_however_many_frames_it_gets_at_a_time(spoken: Samples, frames: int) -> None:
    whole = SileroVad().probabilities(spoken)
    assert np.allclose(probabilities(SileroVad(), spoken, frames), whole, atol=1e-4)


def test_silero_detectors_share_no_state_and_reset_forgets(spoken: Samples) -> None:
    expected = SileroVad().probabilities(spoken)
    one, other = SileroVad(), SileroVad()
    other.probabilities(silence(spoken))
    assert np.array_equal(one.probabilities(spoken), expected)
    assert not np.array_equal(one.probabilities(spoken), expected), "the state goes on"
    one.reset()
    assert np.array_equal(one.probabilities(spoken), expected)


def test_webrtc_finds_silence_and_misses_no_quiet_speech(spoken: Samples) -> None:
    assert not any(WebRtcVad().voiced(silence(spoken)))
    voiced = WebRtcVad().voiced(spoken)
    assert len(voiced) == len(spoken) // WEBRTC_FRAME_SAMPLES
    assert 0.4 < np.mean(voiced) <= 1
    quiet = (spoken / 60).astype(np.int16)
    assert np.abs(quiet).max() < 600
    assert np.mean(WebRtcVad().voiced(quiet)) > 0.4


@pytest.mark.parametrize("step", [1, 159, 1000])
def test_webrtc_decides_the_same_however_the_audio_is_cut(spoken: Samples, step: int) -> None:
    part = spoken[: 50 * WEBRTC_FRAME_SAMPLES]
    vad = WebRtcVad()
    found = [decision for at in range(0, len(part), step) for decision in vad.voiced(part[at : at + step])]
    assert found == WebRtcVad().voiced(part)
