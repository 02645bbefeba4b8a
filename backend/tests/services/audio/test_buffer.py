"""The buffer of recent audio: any slice of what is kept, by sample number."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from app.services.audio.buffer import AudioBuffer


@given(st.lists(st.integers(0, 9000), max_size=20), st.data())
def test_a_slice_is_the_same_however_the_audio_came(lengths: list[int], data: st.DataObject) -> None:
    audio = np.arange(sum(lengths)).astype(np.int16)
    buffer, at = AudioBuffer(), 0
    for length in lengths:
        buffer.append(audio[at : at + length])
        at += length
    assert buffer.end == len(audio)
    start = data.draw(st.integers(0, len(audio)))
    stop = data.draw(st.integers(start, len(audio)))
    assert np.array_equal(buffer.slice(start, stop), audio[start:stop])


def test_discarded_audio_is_gone_and_the_rest_keeps_its_numbers() -> None:
    buffer = AudioBuffer()
    for first in range(0, 100_000, 5000):
        buffer.append(np.full(5000, first // 5000, np.int16))
    buffer.discard_before(60_000)
    assert buffer.slice(0, 50_000).size == 0
    assert set(buffer.slice(60_000, 65_000)) == {12}
    assert buffer.end == 100_000
