"""The container is told by the first bytes alone, and never one that could reach beyond its file."""

import io
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.providers.media.formats import sniff
from tests.conftest import SAMPLES, read_wav
from tests.support.recordings import FORMS, encode

DEMUXERS = {"webm": "matroska", "ogg": "ogg", "flac": "flac", "mp3": "mp3", "aac": "aac"}
ID3 = b"ID3\x04\x00\x00\x00\x00\x00\x0a" + bytes(10)


def of(data: bytes) -> str | None:
    found = sniff(io.BytesIO(data))
    return found.demuxer if found else None


@pytest.mark.parametrize("form", FORMS)
def test_what_encoders_write_is_known(form: str) -> None:
    samples, rate_hz = read_wav(SAMPLES / "en_reverse_list_16k.wav")
    wanted = DEMUXERS.get(form) or ("wav" if form.endswith("wav") else "mov")
    assert of(encode(samples, rate_hz, form)) == wanted


@pytest.mark.parametrize(
    ("data", "container"),
    [
        (ID3 + b"\xff\xfb\x90\x64", "mp3"),
        (ID3 + b"fLaC", "flac"),
        (ID3 + b"\xff\xf1\x50\x80", "aac"),
        (b"\xff\xfb\x90\x64", "mp3"),
        (b"\xff\xf1\x50\x80", "aac"),
        (b"RF64\xff\xff\xff\xffWAVE", "wav"),
        (b"\x00\x00\x00\x18ftypqt  ", "mov"),
        (b"\x00\x00\x00\x18ftyp3gp5", "mov"),
        (b"#!AMR-WB\n", "amr"),
        (b"\x02dss" + bytes(60), "dss"),
    ],
)
def test_heads(data: bytes, container: str) -> None:
    assert of(data) == container


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"R",
        b"#EXTM3U\nhttp://127.0.0.1/secret\n",
        b"ffconcat version 1.0\nfile '/etc/passwd'\n",
        b"<?xml version='1.0'?><MPD></MPD>",
        b"PK\x03\x04" + bytes(60),
        b"RIFF\x00\x00\x00\x00WEBPVP8 ",
        b"\x00" * 64,
        b"%PDF-1.7",
        b"v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\n",
    ],
)
def test_all_else_is_refused(data: bytes) -> None:
    assert of(data) is None


SAID, RATE_HZ = read_wav(SAMPLES / "en_reverse_list_16k.wav")
MP3 = encode(SAID, RATE_HZ, "mp3")
AAC = encode(SAID, RATE_HZ, "aac")
JUNK = random.Random(5).randbytes(70_000)
"""More than libav skips by itself."""


@pytest.mark.parametrize(
    "before", [bytes(1), bytes(5000), b"junk", JUNK, b"\xff\xfb\x90\x64" * 3, b"\xff\xe0" * 500]
)
@pytest.mark.parametrize(("audio", "demuxer"), [(MP3, "mp3"), (AAC, "aac")], ids=["mp3", "aac"])
def test_bytes_before_the_first_frame_are_skipped(before: bytes, audio: bytes, demuxer: str) -> None:
    audio = audio[audio.index(b"\xff") :]
    found = sniff(io.BytesIO(before + audio))
    assert found is not None
    if found.begin:  # else the head looks like a frame, and the demuxer skips it
        assert (found.demuxer, found.begin) == (demuxer, len(before))


def test_a_tag_of_a_wrong_length_hides_no_frames() -> None:
    tag = b"ID3\x04\x00\x00\x00\x7f\x7f\x7f"
    found = sniff(io.BytesIO(tag + bytes(300) + MP3[MP3.index(b"\xff") :]))
    assert found is not None
    assert (found.demuxer, found.begin) == ("mp3", 310)


def test_other_containers_behind_a_tag_begin_behind_it() -> None:
    for form in ("wav", "ogg", "flac", "aiff"):
        found = sniff(io.BytesIO(ID3 + encode(SAID, RATE_HZ, form)))
        assert found is not None
        assert (found.demuxer, found.begin) == (form, len(ID3))


def test_random_bytes_are_no_frames() -> None:
    assert of(bytes(4) + random.Random(7).randbytes(1 << 20)) is None


@given(st.binary(max_size=64))
def test_any_bytes_have_an_answer(data: bytes) -> None:
    found = of(data)
    assert found is None or found.isalnum()
