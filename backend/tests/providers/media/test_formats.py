"""The container is told by the first bytes alone, and never one that could reach beyond its file."""

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.providers.media.formats import sniff
from tests.conftest import SAMPLES, read_wav
from tests.support.recordings import FORMS, encode

DEMUXERS = {"webm": "matroska", "ogg": "ogg", "flac": "flac", "mp3": "mp3", "aac": "aac"}
ID3 = b"ID3\x04\x00\x00\x00\x00\x00\x0a" + bytes(10)


def of(data: bytes) -> str | None:
    return sniff(io.BytesIO(data))


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
        b"RIFF\x00\x00\x00\x00AVI LIST",
        b"\x00" * 64,
        b"%PDF-1.7",
        b"v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\n",
    ],
)
def test_all_else_is_refused(data: bytes) -> None:
    assert of(data) is None


@given(st.binary(max_size=64))
def test_any_bytes_have_an_answer(data: bytes) -> None:
    assert of(data) in {None, "wav", "ogg", "flac", "matroska", "mov", "mp3", "aac"}
