"""WAV and AIFF: where the samples of a file are, also where its sizes were never written; and samples as a WAV file."""

import io
import struct
import wave
from dataclasses import dataclass
from typing import BinaryIO

MAX_CHUNKS = 1000
_UNKNOWN = 0xFFFF_FFFF


@dataclass(frozen=True, slots=True)
class ChunkedAudio:
    """Where the samples of a file are, and which bytes of the file would have to be different to say so."""

    start: int
    """Number of the first byte of audio (in AIFF of its chunk's body)."""
    size_bytes: int
    """Bytes of audio that are there."""
    patches: tuple[tuple[int, bytes], ...] = ()
    """Position and right bytes of each wrong size field; empty where the sizes are right, or unknown and marked so."""


def make_wav(pcm: bytes, rate_hz: int) -> bytes:
    """Return mono PCM16 as a WAV file in memory."""
    file = io.BytesIO()
    with wave.open(file, "wb") as writer:
        writer.setnchannels(1)
        writer.setsampwidth(2)
        writer.setframerate(rate_hz)
        writer.writeframes(pcm)
    return file.getvalue()


def find_audio(file: BinaryIO) -> ChunkedAudio | None:
    """Find the samples of a RIFF, RF64 or AIFF file; None where it is none, or has no samples. Moves its position.

    A recorder that was killed, or that wrote to a pipe, leaves the size of its first write, 0, or a size that no file
    has. A size is believed where it ends at the end of the file, or in front of another chunk.
    """
    file.seek(0)
    head = file.read(12)
    length = file.seek(0, 2)
    if head[:4] in (b"RIFF", b"RF64", b"BW64") and head[8:] == b"WAVE":
        return _find_data(file, length)
    if head[:4] == b"FORM" and head[8:] in (b"AIFF", b"AIFC"):
        return _find_sound(file, length)
    return None


def _find_data(file: BinaryIO, length: int) -> ChunkedAudio | None:
    """The chunk `data` of a WAV file. RF64 has its size in the chunk `ds64`, in 64 bits."""
    long_size_at = 0
    at = 12
    for _ in range(MAX_CHUNKS):
        name, size = _read_head(file, at, "<")
        if name == b"data":
            break
        if not name:
            return None
        if name == b"ds64" and size >= 16:
            long_size_at = at + 16
        at += 8 + size + size % 2
    else:
        return None
    start = at + 8
    if long_size_at and size == _UNKNOWN:
        file.seek(long_size_at)
        (size,) = struct.unpack("<Q", file.read(8))
    if _is_believed(file, start + size + size % 2, length, "<"):
        return ChunkedAudio(start, size)
    rest = length - start
    if long_size_at:
        return ChunkedAudio(start, rest, ((long_size_at, struct.pack("<Q", rest)),))
    if size == 0 or size >= rest:
        return ChunkedAudio(start, rest)  # every reader takes that for "until the end"
    return ChunkedAudio(start, rest, ((at + 4, struct.pack("<I", _UNKNOWN)),))


def _find_sound(file: BinaryIO, length: int) -> ChunkedAudio | None:
    """The chunk `SSND` of an AIFF file."""
    at = 12
    for _ in range(MAX_CHUNKS):
        name, size = _read_head(file, at, ">")
        if name == b"SSND":
            break
        if not name:
            return None
        at += 8 + size + size % 2
    else:
        return None
    start = at + 8
    if size and _is_believed(file, start + size + size % 2, length, ">"):
        return ChunkedAudio(start, size)
    rest = min(length - start, _UNKNOWN)
    patches = (
        (4, struct.pack(">I", min(length - 8, _UNKNOWN))),
        (at + 4, struct.pack(">I", rest)),
    )
    return ChunkedAudio(start, rest, patches)


def _read_head(file: BinaryIO, at: int, order: str) -> tuple[bytes, int]:
    """Name and size of the chunk at this place; no name where there is none."""
    file.seek(at)
    head = file.read(8)
    if len(head) < 8:
        return b"", 0
    name, size = struct.unpack(f"{order}4sI", head)
    return name, size


def _is_believed(file: BinaryIO, end: int, length: int, order: str) -> bool:
    """Whether chunks follow from `end` to the end of the file, without a rest."""
    for _ in range(MAX_CHUNKS):
        if end in (length, length + 1):  # the last pad byte is often missing
            return True
        name, size = _read_head(file, end, order)
        if not name or not all(0x20 <= byte < 0x7F for byte in name):
            return False
        end += 8 + size + size % 2
    return False
