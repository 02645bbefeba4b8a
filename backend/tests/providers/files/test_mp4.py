"""Recordings of cameras and telephones: where, when and with what they were made is gone, and what is played stays."""

import io
import struct

import av
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core.errors import FileNotReadable
from app.providers.files import mp4
from app.providers.files.mp4 import blank_metadata
from tests.support.files import PLACE, make_recording


def read_packets(data: bytes) -> list[tuple[int, int | None, bytes]]:
    with av.open(io.BytesIO(data), "r") as container:
        return [(packet.stream.index, packet.pts, bytes(packet)) for packet in container.demux()]


def read_claims(data: bytes) -> set[str]:
    """What the file and its tracks say about themselves, besides the kind of file."""
    with av.open(io.BytesIO(data), "r") as container:
        claims = {**container.metadata}
        for stream in container.streams:
            claims |= stream.metadata
    return {name for name in claims if "brand" not in name and name not in ("minor_version", "language")}


@pytest.mark.parametrize("format_", ["mp4", "mov", "3gp"])
def test_place_time_and_camera_are_gone_and_all_that_is_played_stays(format_: str) -> None:
    recording = make_recording(format_)
    assert {"location", "creation_time"} <= read_claims(recording)
    blank = blank_metadata(recording)
    assert len(blank) == len(recording)
    assert read_claims(blank) <= {"vendor_id"}
    assert (b"Secret" in blank, PLACE.encode() in blank) == (False, False)
    assert read_packets(blank) == read_packets(recording)
    assert blank_metadata(blank) == blank


def test_how_a_picture_is_turned_stays() -> None:
    recording = bytearray(make_recording("mp4"))
    matrix = recording.index(b"tkhd") + 4 + 40
    turned = struct.pack(">9i", 0, 1 << 16, 0, -(1 << 16), 0, 0, 48 << 16, 0, 1 << 30)
    recording[matrix : matrix + 36] = turned
    assert blank_metadata(bytes(recording))[matrix : matrix + 36] == turned


def test_tracks_that_are_neither_picture_nor_sound_are_emptied() -> None:
    """Cameras write where they are, moment by moment, into tracks of data and of text."""
    recording = make_recording("mp4")
    pictures = [body for index, _, body in read_packets(recording) if index == 0 and body]
    sounds = [body for index, _, body in read_packets(recording) if index == 1 and body]
    blank = blank_metadata(recording.replace(b"vide", b"meta", 1))
    assert all(body in recording and body not in blank for body in pictures)
    assert [body for _, _, body in read_packets(blank) if body] == sounds


def test_what_stands_behind_the_boxes_and_in_unknown_ones_is_gone() -> None:
    recording = make_recording("mp4")
    more = struct.pack(">I4s", 20, b"sefd") + b"SecretPlace!" + struct.pack(">I4s", 14, b"free") + b"Secret"
    blank = blank_metadata(recording + more + b"\x00\x00\x00\x02Secret")
    assert b"Secret" not in blank
    assert read_packets(blank) == read_packets(recording)


def test_a_recording_of_countless_boxes_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mp4, "MOST_BOXES", 100)
    with pytest.raises(FileNotReadable, match="more than 100 parts"):
        blank_metadata(struct.pack(">I4s", 8, b"free") * 101)


RECORDING = make_recording("mp4")
INDEX = RECORDING.index(b"moov") - 4


@given(
    at=st.integers(INDEX, len(RECORDING) - 4),
    value=st.one_of(st.integers(0, 40), st.integers(0, (1 << 32) - 1)),
    end=st.integers(INDEX, len(RECORDING)),
)
def test_damaged_ones_keep_their_length_and_end_soon(at: int, value: int, end: int) -> None:
    damaged = (RECORDING[:at] + struct.pack(">I", value) + RECORDING[at + 4 :])[:end]
    assert len(blank_metadata(damaged)) == len(damaged)
