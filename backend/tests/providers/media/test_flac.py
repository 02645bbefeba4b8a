"""FLAC of what is kept: every sample comes back, at every rate and every length."""

import io

import av
import numpy as np
import pytest

from app.providers.media.flac import FlacCodec, FlacFile


def noise(samples: int) -> bytes:
    return np.random.default_rng(samples).integers(-32768, 32768, samples).astype("<i2").tobytes()


@pytest.mark.parametrize("rate_hz", [8000, 11_025, 16_000, 44_100, 47_999, 48_000])
@pytest.mark.parametrize("samples", [1, 15, 4608, 50_001])
def test_no_sample_is_lost(rate_hz: int, samples: int) -> None:
    codec, pcm = FlacCodec(), noise(samples)
    assert codec.decode(codec.encode(pcm, rate_hz)) == pcm


def test_what_is_damaged_is_an_error_and_no_silence() -> None:
    with pytest.raises(OSError, match="damaged"):
        FlacCodec().decode(b"fLaC and then nothing that anybody knows")


def test_a_file_says_its_length_before_its_samples() -> None:
    pcm = noise(40_000)
    file = FlacFile(16_000, 40_000)
    whole = b"".join(file.push(pcm[at : at + 7000]) for at in range(0, len(pcm), 7000)) + file.finish()
    with av.open(io.BytesIO(whole), "r") as read:
        assert read.duration == 2_500_000
    assert FlacCodec().decode(whole) == pcm
