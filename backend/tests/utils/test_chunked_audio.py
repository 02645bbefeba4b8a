"""Where the samples of WAV and AIFF files are, whatever their sizes say."""

import io
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.utils import chunked_audio
from app.utils.chunked_audio import ChunkedAudio, find_audio

SOUND = bytes(range(1, 201)) * 10
FORM = struct.pack("<4sIHHIIHH", b"fmt ", 16, 1, 1, 16_000, 32_000, 2, 16)
NOTES = struct.pack("<4sI", b"LIST", 5) + b"INFOx" + b"\0"


def make_wav(claimed: int, behind: bytes = b"", before: bytes = b"") -> bytes:
    chunks = FORM + before + struct.pack("<4sI", b"data", claimed) + SOUND + behind
    return struct.pack("<4sI4s", b"RIFF", 4 + len(chunks), b"WAVE") + chunks


def find(data: bytes) -> ChunkedAudio:
    found = find_audio(io.BytesIO(data))
    assert found is not None
    return found


@pytest.mark.parametrize("behind", [b"", NOTES, NOTES + NOTES, NOTES[:-1]])
def test_a_size_that_fits_is_believed(behind: bytes) -> None:
    assert find(make_wav(len(SOUND), behind, before=NOTES)) == ChunkedAudio(44 + len(NOTES), len(SOUND))


@pytest.mark.parametrize("claimed", [0, len(SOUND) + 1000, 0xFFFF_FFFF])
def test_a_size_that_readers_take_for_unknown_needs_no_patch(claimed: int) -> None:
    assert find(make_wav(claimed)) == ChunkedAudio(44, len(SOUND))


@pytest.mark.parametrize("claimed", [2, 100, len(SOUND) - 2, len(SOUND) - 8])
def test_a_size_in_the_middle_of_the_samples_is_patched(claimed: int) -> None:
    assert find(make_wav(claimed)) == ChunkedAudio(44, len(SOUND), ((40, b"\xff" * 4),))


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"RIFF",
        b"RIFF\0\0\0\0AVI ",
        make_wav(4)[:36],
        b"FORM\0\0\0\0AIFF",
        b"RIFF\0\0\0\0WAVE" + bytes(8000),
    ],
)
def test_no_samples(data: bytes) -> None:
    assert find_audio(io.BytesIO(data)) is None


@given(
    st.binary(max_size=200), st.sampled_from([b"RIFF\0\0\0\0WAVE", b"RF64\0\0\0\0WAVE", b"FORM\0\0\0\0AIFC"])
)
def test_any_bytes_have_an_answer(data: bytes, head: bytes) -> None:
    found = find_audio(io.BytesIO(head + data))
    assert found is None or found.start + found.size_bytes <= 12 + len(data) + 1


def test_what_is_made_is_found() -> None:
    wav = chunked_audio.make_wav(b"\x01\x02" * 10, 8000)
    found = find_audio(io.BytesIO(wav))
    assert found == ChunkedAudio(len(wav) - 20, 20)
