"""Samples to a file of audio while they come: WAV and raw samples by hand, the others by PyAV."""

import struct
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Literal, Protocol

import numpy as np

if TYPE_CHECKING:
    from av.container import OutputContainer

SpokenFormat = Literal["mp3", "opus", "aac", "flac", "wav", "pcm"]
SPOKEN_RATE_HZ = 24_000
"""The rate of everything that is spoken: OpenAI's."""
_UNKNOWN_BYTES = 0xFFFF_FFFF
"""The length in a header that is sent before the audio is known; players read to the end."""


@dataclass(frozen=True, slots=True)
class _Form:
    """One format as PyAV knows it."""

    container: str
    codec: str
    options: dict[str, str]
    bit_rate: int = 0


_FORMS: dict[str, _Form] = {
    # A header with the length would need a seek to the beginning.
    "mp3": _Form("mp3", "libmp3lame", {"write_xing": "0", "id3v2_version": "0"}, 64_000),
    # Pages of 0.2 s: a player begins that early.
    "opus": _Form("ogg", "libopus", {"page_duration": "200000"}, 32_000),
    "aac": _Form("adts", "aac", {}, 64_000),
    "flac": _Form("flac", "flac", {}),
}
MEDIA_TYPES: dict[SpokenFormat, str] = {
    "mp3": "audio/mpeg",
    "opus": "audio/ogg",
    "aac": "audio/aac",
    "flac": "audio/flac",
    "wav": "audio/wav",
    "pcm": "audio/pcm",
}


class AudioEncoder(Protocol):
    """Takes mono PCM16, gives the bytes of the file that are complete. Blocks for milliseconds."""

    def push(self, pcm: bytes) -> bytes: ...

    def finish(self) -> bytes: ...


def make_encoder(form: SpokenFormat, rate_hz: int = SPOKEN_RATE_HZ) -> AudioEncoder:
    """The encoder of one file."""
    makers: dict[str, Callable[[int], AudioEncoder]] = {"wav": _WavEncoder, "pcm": _RawEncoder}
    return makers[form](rate_hz) if form in makers else _AvEncoder(_FORMS[form], rate_hz)


class _RawEncoder:
    def __init__(self, rate_hz: int) -> None:
        pass

    def push(self, pcm: bytes) -> bytes:
        return pcm

    def finish(self) -> bytes:
        return b""


class _WavEncoder:
    def __init__(self, rate_hz: int) -> None:
        self._head = make_wav_head(rate_hz)

    def push(self, pcm: bytes) -> bytes:
        head, self._head = self._head, b""
        return head + pcm

    def finish(self) -> bytes:
        return self.push(b"")


def make_wav_head(rate_hz: int, size_bytes: int | None = None) -> bytes:
    """What stands before mono PCM16 in a WAV file: 44 bytes. Without `size_bytes` the length is unknown."""
    form = struct.pack("<4sIHHIIHH", b"fmt ", 16, 1, 1, rate_hz, 2 * rate_hz, 2, 16)
    whole, data = (_UNKNOWN_BYTES, _UNKNOWN_BYTES) if size_bytes is None else (size_bytes + 36, size_bytes)
    return struct.pack("<4sI4s", b"RIFF", whole, b"WAVE") + form + struct.pack("<4sI", b"data", data)


class _Sink:
    """What PyAV writes to: it cannot seek, as a connection cannot."""

    def __init__(self) -> None:
        self._written = bytearray()

    def write(self, data: bytes) -> int:
        self._written += data
        return len(data)

    def take(self) -> bytes:
        taken = bytes(self._written)
        self._written.clear()
        return taken


class _AvEncoder:
    def __init__(self, form: _Form, rate_hz: int) -> None:
        import av  # heavy, and not needed until somebody wants to hear something

        self._av = av
        self._sink = _Sink()
        self._file: OutputContainer = av.open(self._sink, "w", format=form.container, options=form.options)
        stream = self._file.add_stream(form.codec, rate=rate_hz)
        assert isinstance(stream, av.AudioStream)
        stream.codec_context.layout = "mono"
        stream.codec_context.time_base = Fraction(1, rate_hz)
        if form.bit_rate:
            stream.codec_context.bit_rate = form.bit_rate
        self._stream = stream
        self._rate_hz = rate_hz
        self._at = 0

    def push(self, pcm: bytes) -> bytes:
        samples = np.frombuffer(pcm, "<i2").reshape(1, -1)
        if samples.size:
            frame = self._av.AudioFrame.from_ndarray(samples, "s16", "mono")
            frame.sample_rate, frame.pts = self._rate_hz, self._at
            self._at += samples.size
            self._file.mux(self._stream.encode(frame))
        return self._sink.take()

    def finish(self) -> bytes:
        self._file.mux(self._stream.encode(None))
        self._file.close()
        return self._sink.take()
