"""PCM16 on the wire and its resampling: base64, byte order, shared samples, any cut, nothing lost at the end."""

import base64

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.core.errors import InvalidBase64, OddLength
from app.services.audio.pcm import MonoConverter, OddByteCarry, Resampler, decode_base64, to_samples


@given(st.binary(max_size=400).filter(lambda data: len(data) % 2 == 0))
def test_base64_gives_the_bytes_back(pcm: bytes) -> None:
    assert bytes(decode_base64(base64.b64encode(pcm).decode())) == pcm


@pytest.mark.parametrize("data", ["A", "AA=", "AA AA", "AAA*", "é"])
def test_what_is_no_base64_is_refused(data: str) -> None:
    with pytest.raises(InvalidBase64):
        decode_base64(data)


def test_half_a_sample_is_refused() -> None:
    with pytest.raises(OddLength, match="3 bytes"):
        decode_base64("AAAA")


def test_samples_are_little_endian() -> None:
    assert to_samples(b"\x01\x00\xff\xff\x00\x80").tolist() == [1, -1, -32768]


@given(st.lists(st.binary(max_size=9), max_size=12))
def test_frames_cut_anywhere_are_joined_to_whole_samples(frames: list[bytes]) -> None:
    carry = OddByteCarry()
    pieces = [carry.push(frame) for frame in frames]
    assert all(len(piece) % 2 == 0 for piece in pieces)
    whole = b"".join(frames)
    assert b"".join(pieces) == whole[: len(whole) // 2 * 2]


RATES = [8000, 11_025, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000, 12_345]


def tone(hz: float, rate_hz: int, seconds: float, level: float = 0.5) -> np.ndarray:
    return (level * 32767 * np.sin(2 * np.pi * hz * np.arange(int(rate_hz * seconds)) / rate_hz)).astype(
        np.int16
    )


@given(
    rate=st.sampled_from(RATES), seed=st.integers(0, 1000), cuts=st.lists(st.integers(1, 5000), max_size=30)
)
@settings(max_examples=60)
def test_the_output_does_not_depend_on_the_chunks(rate: int, seed: int, cuts: list[int]) -> None:
    """Any cut gives the same samples, bit by bit, as the whole in one piece."""
    audio = np.random.default_rng(seed).integers(-32768, 32768, rate, dtype=np.int16)
    whole = Resampler(rate)
    expected = np.concatenate([whole.push(audio), whole.drain()])
    pieces = np.split(audio, sorted({min(cut, rate) for cut in np.cumsum(cuts)}))
    resampler = Resampler(rate)

    result = np.concatenate([*(resampler.push(piece) for piece in pieces), resampler.drain()])

    assert np.array_equal(result, expected)


@pytest.mark.parametrize("rate", RATES)
def test_no_sample_is_lost(rate: int) -> None:
    """The output lasts as long as the input, to half a sample."""
    resampler = Resampler(rate)
    audio = np.ones(rate * 3 + 17, np.int16)

    length = len(resampler.push(audio)) + len(resampler.drain())

    assert abs(length - len(audio) * 16_000 / rate) <= 0.5


@pytest.mark.parametrize("rate", [44_100, 48_000])
def test_holds_back_at_most_40_ms(rate: int) -> None:
    """While audio comes, at most 40 ms of it are inside the resampler."""
    resampler = Resampler(rate)
    chunk = np.zeros(rate // 50, np.int16)
    given_ms = got = 0
    worst_ms = 0.0
    for _ in range(200):
        got += len(resampler.push(chunk))
        given_ms += 20
        worst_ms = max(worst_ms, given_ms - got / 16)

    assert worst_ms <= 40


@pytest.mark.parametrize("rate", [24_000, 32_000, 44_100, 48_000])
def test_tones_above_8_khz_vanish(rate: int) -> None:
    """What 16 kHz cannot carry is at least 60 dB down, and not folded back."""
    resampler = Resampler(rate)
    result = resampler.push(tone(10_000, rate, 2))[1600:]

    level_db = 20 * np.log10(max(np.abs(result.astype(float)).max(), 1e-9) / (0.5 * 32767))

    assert level_db <= -60


@pytest.mark.parametrize("rate", RATES)
def test_a_voice_tone_keeps_its_level(rate: int) -> None:
    """A tone in the voice band passes unchanged in level."""
    resampler = Resampler(rate)
    result = resampler.push(tone(1000, rate, 2))[3200:-3200].astype(float)

    assert np.sqrt((result**2).mean()) == pytest.approx(0.5 * 32767 / np.sqrt(2), rel=0.01)


def test_after_draining_a_new_stream_begins() -> None:
    """What follows a flush is resampled as if it were the first."""
    audio = tone(440, 44_100, 0.5)
    fresh = Resampler(44_100)
    used = Resampler(44_100)
    used.push(tone(300, 44_100, 1))
    used.drain()

    assert np.array_equal(used.push(audio), fresh.push(audio))


@given(st.binary(max_size=200), st.lists(st.integers(1, 40)), st.sampled_from([1, 2, 4]), st.integers(1, 3))
def test_other_formats_are_the_same_however_they_are_cut(
    data: bytes, cuts: list[int], width: int, channels: int
) -> None:
    whole = MonoConverter(16_000, width, channels).push(data)
    assert len(whole) == 2 * (len(data) // (width * channels))
    cut, at, pieces = MonoConverter(16_000, width, channels), 0, b""
    for length in (*cuts, len(data)):
        pieces += cut.push(data[at : at + length])
        at += length
    assert pieces == whole


def test_other_formats_keep_their_level() -> None:
    assert (
        MonoConverter(8000, 1, 1).push(bytes([0, 128, 255])) == np.array([-32768, 0, 32512], "<i2").tobytes()
    )
    stereo = np.array([1000, 3000, -1000, -3000], "<i2").tobytes()
    assert MonoConverter(8000, 2, 2).push(stereo) == np.array([2000, -2000], "<i2").tobytes()
