"""Recognizes a recording's container by its first bytes: its name and content type may be wrong."""

from typing import BinaryIO

KNOWN = "wav, mp3, m4a/mp4, aac, ogg, webm/matroska or flac"

_HEAD_BYTES = 12
_ID3_BYTES = 10
_MP4_BOXES = (b"ftyp", b"moov", b"mdat", b"wide")


def sniff(file: BinaryIO) -> str | None:
    """The libav demuxer for this file; None where it is none of KNOWN. Moves the file's position.

    Demuxers that open other files or addresses (playlists, lists of segments) are never returned.
    """
    at = 0
    file.seek(0)
    head = file.read(_HEAD_BYTES)
    tagged = head[:3] == b"ID3" and len(head) >= _ID3_BYTES
    if tagged:
        at = _ID3_BYTES + _synchsafe(head[6:10])
        file.seek(at)
        head = file.read(_HEAD_BYTES)
    found = _of(head)
    if tagged:
        # Only these containers have such a tag; the demuxer skips garbage after it.
        return found if found in ("flac", "aac") else "mp3"
    return found


def _of(head: bytes) -> str | None:
    if head[:4] in (b"RIFF", b"RF64") and head[8:12] == b"WAVE":
        return "wav"
    if head[:4] == b"OggS":
        return "ogg"
    if head[:4] == b"fLaC":
        return "flac"
    if head[:4] == b"\x1aE\xdf\xa3":
        return "matroska"
    if head[4:8] in _MP4_BOXES:
        return "mov"
    if len(head) > 1 and head[0] == 0xFF:
        if head[1] & 0xF6 == 0xF0:
            return "aac"
        if head[1] & 0xE0 == 0xE0 and head[1] & 0x06 and head[1] & 0x18 != 0x08:
            return "mp3"
    return None


def _synchsafe(size: bytes) -> int:
    """The length of an ID3v2 tag: seven bits in each byte."""
    value = 0
    for byte in size:
        value = value << 7 | byte & 0x7F
    return value
