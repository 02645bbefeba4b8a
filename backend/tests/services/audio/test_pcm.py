"""PCM16 on the wire: base64, byte order, and samples that two frames share."""

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core.errors import InvalidBase64, OddLength
from app.services.audio.pcm import OddByteCarry, decode_base64, to_samples


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
