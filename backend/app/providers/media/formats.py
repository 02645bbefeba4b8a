"""Recognizes a recording's container by its first bytes: its name and content type may be wrong."""

from dataclasses import dataclass
from typing import BinaryIO

from app.utils.chunked_audio import find_audio

KNOWN = "wav, mp3, m4a/mp4/3gp, aac, ogg, webm/matroska, flac, amr, aiff, caf, wma or avi"

_HEAD_BYTES = 1024
_ID3_BYTES = 10
_MAX_TAGS = 10
_SEARCH_BYTES = 1 << 20
"""How far into a file the first frame of MPEG audio is searched."""
_CHAIN = 4
"""Frames in a row that make sure that bytes in the middle of a file are MPEG audio."""

_MP4_BOXES = (b"ftyp", b"styp", b"moov", b"mdat", b"wide", b"free", b"skip", b"pnot")
_MAGIC = (
    (b"OggS", "ogg"),
    (b"fLaC", "flac"),
    (b"\x1aE\xdf\xa3", "matroska"),
    (b"#!AMR", "amr"),
    (b"caff", "caf"),
    (b"riff\x2e\x91\xcf\x11", "w64"),
    (b"\x30\x26\xb2\x75\x8e\x66\xcf\x11", "asf"),
    (b".snd", "au"),
    (b"wvpk", "wv"),
    (b"TTA1", "tta"),
    (b"MAC ", "ape"),
    (b"tBaK", "tak"),
    (b"MP+", "mpc"),
    (b"MPCK", "mpc8"),
    (b".RMF", "rm"),
    (b".ra\xfd", "rm"),
    (b"Creative Voice File", "voc"),
    (b"NIST_1A", "nistsphere"),
    (b"\x02dss", "dss"),
    (b"\x03dss", "dss"),
    (b"FLV\x01", "flv"),
    (b"\x00\x00\x01\xba", "mpeg"),
)
_FORMS = {
    (b"RIFF", b"WAVE"): "wav",
    (b"RIFX", b"WAVE"): "wav",
    (b"RF64", b"WAVE"): "wav",
    (b"BW64", b"WAVE"): "wav",
    (b"RIFF", b"AVI "): "avi",
    (b"RIFF", b"QLCM"): "qcp",
    (b"FORM", b"AIFF"): "aiff",
    (b"FORM", b"AIFC"): "aiff",
}


@dataclass(frozen=True, slots=True)
class Container:
    """How a recording is read."""

    demuxer: str
    """libav's name."""
    begin: int = 0
    """Number of its first byte in the file: what is before it is skipped."""
    patches: tuple[tuple[int, bytes], ...] = ()
    """Places in the file, and what is read there instead."""


def sniff(file: BinaryIO) -> Container | None:
    """The container of this file; None where it is none of the known. Moves the file's position.

    Demuxers that open other files or addresses (playlists, lists of segments) are never returned.
    """
    begin = _skip_tags(file)
    head = _read(file, begin, _HEAD_BYTES)
    demuxer = _match(head)
    if demuxer in ("wav", "aiff") and begin == 0 and (audio := find_audio(file)):
        return Container(demuxer, patches=audio.patches)
    if demuxer is not None:
        # MPEG audio keeps its tag, which may say where the first frame is.
        return Container(demuxer, 0 if demuxer in ("mp3", "aac") else begin)
    for start in dict.fromkeys((begin, 0)):  # the tag's length may be wrong
        if found := _search_frames(_read(file, start, _SEARCH_BYTES)):
            return Container(found[0], start + found[1])
    return Container("mp3") if begin else None


def _read(file: BinaryIO, at: int, size: int) -> bytes:
    file.seek(at)
    return file.read(size)


def _skip_tags(file: BinaryIO) -> int:
    """Where the audio begins: behind the ID3 tags."""
    at = 0
    for _ in range(_MAX_TAGS):
        head = _read(file, at, _ID3_BYTES)
        if head[:3] != b"ID3" or len(head) < _ID3_BYTES:
            break
        at += _ID3_BYTES + _synchsafe(head[6:10])
    return at


def _synchsafe(size: bytes) -> int:
    """The length of an ID3v2 tag: seven bits in each byte."""
    value = 0
    for byte in size:
        value = value << 7 | byte & 0x7F
    return value


def _match(head: bytes) -> str | None:
    """The demuxer for a file that begins with these bytes."""
    for magic, name in _MAGIC:
        if head.startswith(magic):
            return name
    if found := _FORMS.get((head[:4], head[8:12])):
        return found
    if head[4:8] in _MP4_BOXES:
        return "mov"
    if len(head) > 5 and head[:2] == b"\x0b\x77":
        return "ac3" if head[5] >> 3 <= 10 else "eac3"
    if len(head) > 376 and head[0] == head[188] == head[376] == 0x47:
        return "mpegts"
    if len(head) > 1 and head[0] == 0xFF:
        if head[1] & 0xF6 == 0xF0:
            return "aac"
        if head[1] & 0xE0 == 0xE0 and head[1] & 0x06 and head[1] & 0x18 != 0x08:
            return "mp3"
    return None


# -- MPEG audio behind other bytes


def _search_frames(data: bytes) -> tuple[str, int] | None:
    """Demuxer and place of the first MPEG audio: frames that follow one another exactly."""
    at = data.find(0xFF)
    while 0 <= at < len(data) - 8:
        for name, measure in (("mp3", _mp3_frame_bytes), ("aac", _adts_frame_bytes)):
            kind, place, frames = b"", at, 0
            while frames < _CHAIN and (size := measure(data[place : place + 8])):
                if frames and _kind_of(data, place) != kind:
                    break
                kind, place, frames = _kind_of(data, place), place + size, frames + 1
            if frames == _CHAIN:
                return name, at
        at = data.find(0xFF, at + 1)
    return None


def _kind_of(data: bytes, at: int) -> bytes:
    """What stays the same from frame to frame: version, layer and sampling rate."""
    return bytes((data[at + 1] & 0xFE, data[at + 2] & 0x0C))


_MPEG1_KBPS = {
    3: (0, 32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448),
    2: (0, 32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384),
    1: (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
}
_MPEG2_KBPS = {
    3: (0, 32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256),
    2: (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
    1: (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}
_RATES_HZ = (44_100, 48_000, 32_000)


def _mp3_frame_bytes(head: bytes) -> int:
    """The length of an MPEG audio frame (layers I to III) with this header; 0 where it is none."""
    if len(head) < 4 or head[0] != 0xFF or head[1] & 0xE0 != 0xE0:
        return 0
    version, layer = head[1] >> 3 & 3, head[1] >> 1 & 3
    kbps_index, rate_index, padding = head[2] >> 4, head[2] >> 2 & 3, head[2] >> 1 & 1
    if version == 1 or layer == 0 or kbps_index in (0, 15) or rate_index == 3:
        return 0
    rate_hz = _RATES_HZ[rate_index] >> {3: 0, 2: 1, 0: 2}[version]
    bits = 1000 * (_MPEG1_KBPS if version == 3 else _MPEG2_KBPS)[layer][kbps_index]
    if layer == 3:
        return (12 * bits // rate_hz + padding) * 4
    return (72 if layer == 1 and version != 3 else 144) * bits // rate_hz + padding


def _adts_frame_bytes(head: bytes) -> int:
    """The length of an AAC frame with this ADTS header; 0 where it is none."""
    if len(head) < 7 or head[0] != 0xFF or head[1] & 0xF6 != 0xF0 or head[2] >> 2 & 15 > 12:
        return 0
    size = (head[3] & 3) << 11 | head[4] << 3 | head[5] >> 5
    return size if size > 7 else 0
