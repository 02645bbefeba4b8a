"""G.711 to samples: the values that the standard names."""

import numpy as np
import pytest

from app.services.audio.g711 import Law, decode_g711


def samples(data: bytes, law: Law) -> list[int]:
    return [int(each) for each in np.frombuffer(decode_g711(data, law), "<i2")]


@pytest.mark.parametrize(
    ("law", "codes", "values"),
    [
        ("mu", [0xFF, 0x7F, 0x80, 0x00, 0xF0, 0x70], [0, 0, 32124, -32124, 120, -120]),
        ("a", [0xD5, 0x55, 0xAA, 0x2A, 0xC5, 0x45], [8, -8, 32256, -32256, 264, -264]),
    ],
)
def test_the_values_of_the_standard(law: Law, codes: list[int], values: list[int]) -> None:
    assert samples(bytes(codes), law) == values


@pytest.mark.parametrize("law", ["mu", "a"])
def test_both_signs_are_mirrored_and_levels_rise(law: Law) -> None:
    every = np.array(samples(bytes(range(256)), law))
    assert sorted(every) == sorted(-every)
    assert len(set(np.abs(every))) >= 127
    assert decode_g711(b"", law) == b""
