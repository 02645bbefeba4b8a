"""The header of a WAV file or stream, read without seeking, so that a pipe will do."""

import struct
from dataclasses import dataclass
from typing import Protocol

PCM, EXTENSIBLE = 1, 0xFFFE
UNKNOWN_LENGTH_BYTES = 0x7FFF_0000
"""Recorders that write to a pipe cannot know the length and put 0 or something near 2 or 4 GiB."""


class Readable(Protocol):
    """A file, or a pipe that cannot seek."""

    def read(self, size: int = -1, /) -> bytes: ...


@dataclass(frozen=True, slots=True)
class WavHeader:
    encoding: int
    channels: int
    sample_rate: int
    bits: int
    data_bytes: int | None
    """Bytes of audio that follow; None when the recorder did not know."""

    @property
    def is_pcm16_mono(self) -> bool:
        return self.encoding in (PCM, EXTENSIBLE) and self.channels == 1 and self.bits == 16


def read_wav_header(stream: Readable) -> WavHeader | None:
    """Read up to the first sample; None when this is not a WAV file (some bytes have been read then)."""
    head = stream.read(12)
    if len(head) < 12 or head[:4] != b"RIFF" or head[8:] != b"WAVE":
        return None
    encoding = channels = sample_rate = bits = 0
    while len(chunk_head := stream.read(8)) == 8:
        name, size = struct.unpack("<4sI", chunk_head)
        if name == b"data":
            known = 0 < size < UNKNOWN_LENGTH_BYTES
            return WavHeader(encoding, channels, sample_rate, bits, size if known else None)
        body = stream.read(size + size % 2)
        if name == b"fmt " and len(body) >= 16:
            encoding, channels, sample_rate, _, _, bits = struct.unpack("<HHIIHH", body[:16])
            if encoding == EXTENSIBLE and len(body) >= 26:
                encoding = struct.unpack("<H", body[24:26])[0]
    return None
