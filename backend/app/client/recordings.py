"""Reads recordings as PCM16 mono chunks: plain WAV as it is, all other formats decoded by PyAV to 16 kHz."""

import io
import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain, groupby
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, cast

from app.client.errors import AudioError
from app.utils.chunked_audio import find_audio

if TYPE_CHECKING:
    from av import AudioFrame

    from app.utils.channels import Samples

PCM, EXTENSIBLE = 1, 0xFFFE
UNKNOWN_LENGTH_BYTES = 0x7FFF_0000
"""From here on a length means "unknown": recorders that write to a pipe put 0, or a value near 2 or 4 GiB."""


class Readable(Protocol):
    """A file, or a pipe that cannot seek."""

    def read(self, size: int = -1, /) -> bytes: ...


@dataclass(frozen=True, slots=True)
class WavHeader:
    """The format of a WAV file."""

    encoding: int
    channels: int
    sample_rate: int
    bits: int
    data_bytes: int | None
    """Bytes of audio that follow; None where the recorder did not know."""

    @property
    def is_pcm16_mono(self) -> bool:
        return self.encoding in (PCM, EXTENSIBLE) and self.channels == 1 and self.bits == 16


def read_wav_header(stream: Readable) -> WavHeader | None:
    """Read up to the first sample; None, with some bytes read, where it is no WAV file."""
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


DECODED_RATE_HZ = 16_000
MIN_RATE_HZ, MAX_RATE_HZ = 8000, 48_000
CHUNK_MS = 100
BLOCK_CHUNKS = 20
"""How many chunks of a WAV file are read at once."""
_CONTAINERS = (b"RIFF", b"OggS", b"fLaC", b"ID3", b"\x1aE\xdf\xa3")


@dataclass(frozen=True, slots=True)
class AudioSource:
    """One recording; it can be read once."""

    chunks: Iterator[bytes]
    """PCM16 mono, about 100 ms each; reading may block."""
    sample_rate: int
    audio_ms: int | None
    """Length of the recording, None where the file does not say it."""


def open_recording(path: str | Path) -> AudioSource:
    """Open a recording of any format that PyAV reads (wav, mp3, flac, ogg, webm, m4a …).

    Raises:
        AudioError: the file is missing, or is no audio.
    """
    path = Path(path)
    try:
        with path.open("rb") as file:
            header = read_wav_header(file)
            audio = find_audio(file) if header else None
    except OSError as error:
        raise _unreadable(path, error) from error
    if header and audio and _can_be_sent(header):
        return AudioSource(
            _read_file(path, audio.start, audio.size_bytes // 2 * 2, header.sample_rate),
            header.sample_rate,
            _duration_ms(audio.size_bytes, header.sample_rate),
        )
    return AudioSource(_cut_into_chunks(_decode(str(path), str(path))), DECODED_RATE_HZ, _probe_ms(path))


def open_pipe(stream: Readable, raw_rate: int) -> AudioSource:
    """Open the audio of a pipe: a WAV file or another container, else raw PCM16 mono at `raw_rate` Hz."""
    replay = _ReplayPipe(stream)
    head = replay.read(12)
    replay.rewind()
    if not head.startswith(_CONTAINERS) and head[4:8] != b"ftyp":
        return AudioSource(_read_stream(replay, None, raw_rate), raw_rate, None)
    header = read_wav_header(replay) if head[:4] == b"RIFF" else None
    if header and _can_be_sent(header):
        return AudioSource(
            _read_stream(replay, header.data_bytes, header.sample_rate), header.sample_rate, None
        )
    replay.rewind()
    return AudioSource(_cut_into_chunks(_decode(replay, "standard input")), DECODED_RATE_HZ, None)


class _ReplayPipe(io.RawIOBase):
    """A pipe whose first 64 KiB can be read again."""

    def __init__(self, stream: Readable) -> None:
        super().__init__()
        self._stream = stream
        self._kept = b""
        self._position = 0

    def read(self, size: int = -1) -> bytes:
        kept = (
            self._kept[self._position :] if size < 0 else self._kept[self._position : self._position + size]
        )
        fresh = self._stream.read(size - len(kept)) if size != len(kept) else b""
        if self._position + len(kept) + len(fresh) <= 1 << 16:
            self._kept = self._kept[: self._position] + kept + fresh
        self._position += len(kept) + len(fresh)
        return kept + fresh

    def rewind(self) -> None:
        self._position = 0

    def readable(self) -> bool:
        return True


def _can_be_sent(header: WavHeader) -> bool:
    return header.is_pcm16_mono and MIN_RATE_HZ <= header.sample_rate <= MAX_RATE_HZ


def _duration_ms(size_bytes: int, sample_rate: int) -> int:
    return size_bytes * 1000 // (2 * sample_rate)


def _chunk_size_bytes(sample_rate: int) -> int:
    return 2 * (sample_rate * CHUNK_MS // 1000)


def _read_file(path: Path, offset: int, left: int, sample_rate: int) -> Iterator[bytes]:
    """The file is open only while a block of it is read: a caller may stop at any chunk, and closes nothing.

    Raises:
        AudioError: the file cannot be read any more.
    """
    size = _chunk_size_bytes(sample_rate)
    while left > 0:
        try:
            with path.open("rb") as file:
                file.seek(offset)
                block = file.read(min(size * BLOCK_CHUNKS, left))
        except OSError as error:
            raise _unreadable(path, error) from error
        if not block:
            return
        offset += len(block)
        left -= len(block)
        yield from (block[at : at + size] for at in range(0, len(block), size))


def _unreadable(path: Path, error: OSError) -> AudioError:
    return AudioError(f"cannot read {str(path)!r}: {(error.strerror or 'no such file').lower()}")


def _read_stream(stream: Readable, data_bytes: int | None, sample_rate: int) -> Iterator[bytes]:
    size = _chunk_size_bytes(sample_rate)
    left = data_bytes
    while chunk := stream.read(size if left is None else min(size, left)):
        left = None if left is None else left - len(chunk)
        yield chunk


def _cut_into_chunks(pieces: Iterable[bytes]) -> Iterator[bytes]:
    size = _chunk_size_bytes(DECODED_RATE_HZ)
    waiting = bytearray()
    for piece in pieces:
        waiting += piece
        while len(waiting) >= size:
            yield bytes(waiting[:size])
            del waiting[:size]
    if waiting:
        yield bytes(waiting)


def _decode(file: str | _ReplayPipe, name: str) -> Iterator[bytes]:
    import av  # heavy, and not needed for plain WAV

    try:
        with av.open(file, "r", metadata_errors="ignore") as container:
            if not container.streams.audio:
                raise AudioError(f"{name!r} holds no sound")
            yield from _mix(container.decode(container.streams.audio[0]))
    except av.FFmpegError as error:
        raise AudioError(f"{name!r} is no audio; expected wav, mp3, flac, ogg, webm or m4a") from error


def _mix(frames: "Iterator[AudioFrame]") -> Iterator[bytes]:
    """Resample, and mix the channels; a recording may change their number on its way."""
    import av

    from app.utils.channels import ChannelMixer

    for layout, run in groupby(frames, key=lambda frame: frame.layout):
        resampler = av.AudioResampler(format="s16p", layout=layout, rate=DECODED_RATE_HZ)
        mixer = ChannelMixer(layout.nb_channels, DECODED_RATE_HZ)
        for frame in chain(run, [None]):
            for part in resampler.resample(frame):
                yield mixer.push(cast("Samples", part.to_ndarray())).tobytes()
        yield mixer.flush().tobytes()


def _probe_ms(path: Path) -> int | None:
    import av

    try:
        with av.open(str(path), "r", metadata_errors="ignore") as container:
            return container.duration // 1000 if container.duration else None
    except av.FFmpegError:
        return None  # decoding reports what is wrong
