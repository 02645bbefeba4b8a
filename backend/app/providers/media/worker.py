"""The decoder process: reads one recording from standard input, writes 16 kHz PCM16 to standard output.

It is a script that imports nothing of the server. It gets no path, no key and no environment, may open no file and no
socket while it decodes, and ends with the recording.
"""

import io
import json
import os
import struct
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, BinaryIO

RATE_HZ = 16_000
BLOCK_SAMPLES = RATE_HZ
"""One second in one message."""
MAX_CHANNELS = 8
BLOCK_BYTES = 1 + 2 * BLOCK_SAMPLES * MAX_CHANNELS
"""The longest message. Audio is the number of channels in one byte, then the samples of each channel in turn."""

HEAD = struct.Struct("!cI")
"""Kind of the message, and the number of bytes that follow."""
ABOUT, PCM, DONE, REFUSED, TOO_LONG = b"A", b"P", b"D", b"R", b"L"

MEMORY_BYTES = 768 << 20
"""Address space. An idle worker has 120 MB, mostly of libraries."""
START_CPU_S = 10.0
CPU_PER_AUDIO_S = 0.05
"""Processor time that a second of audio may take. Usual codecs take 0.001 s."""
RATES_HZ = range(1000, 768_001)
NICE = 5


class DecodingRefused(Exception):
    """The recording cannot be decoded; the message is safe to show to its sender."""


def limit(cpu_s: float) -> None:
    """Limit this process to what decoding needs, where the system can enforce that."""
    try:
        import resource
    except ImportError:  # not on Windows
        return
    free = os.dup(0)
    os.close(free)
    wanted = {
        "RLIMIT_CPU": int(cpu_s) + 1,
        "RLIMIT_AS": MEMORY_BYTES,
        "RLIMIT_NOFILE": free,  # open files stay usable; no other file and no socket can be opened
        "RLIMIT_FSIZE": 0,
        "RLIMIT_CORE": 0,
    }
    for name, value in wanted.items():
        kind = getattr(resource, name, None)
        if kind is None:
            continue
        hard = resource.getrlimit(kind)[1]
        least = value if hard == resource.RLIM_INFINITY else min(value, hard)
        try:
            resource.setrlimit(kind, (least, least))
        except (OSError, ValueError):
            continue  # some systems have a limit that they cannot set
    os.nice(NICE)


@dataclass(frozen=True)
class Job:
    """What to decode."""

    demuxer: str
    longest_s: float
    """The longest allowed recording."""
    begin: int = 0
    """The recording's first byte in the file."""
    patches: list[tuple[int, str]] = field(default_factory=list)
    """Places in the file, and the bytes (in hexadecimal digits) that are read there instead."""


class PatchedFile(io.RawIOBase):
    """A file from one of its bytes on, with other bytes at some places."""

    def __init__(self, file: BinaryIO, begin: int, patches: list[tuple[int, bytes]]) -> None:
        super().__init__()
        self._file = file
        self._begin = begin
        self._patches = patches
        self.seek(0)

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = 0, /) -> int:
        return self._file.seek(offset + self._begin if whence == 0 else offset, whence) - self._begin

    def tell(self) -> int:
        return self._file.tell() - self._begin

    def read(self, size: int = -1, /) -> bytes:
        at = self._file.tell()
        data = self._file.read(size)
        for place, right in self._patches:
            first, last = max(place, at), min(place + len(right), at + len(data))
            if first < last:
                data = data[: first - at] + right[first - place : last - place] + data[last - at :]
        return data


def list_codecs() -> str:
    """Every audio codec, and no other: the pictures of a video are never decoded."""
    from av.codec.codec import Codec, UnknownCodecError, codecs_available

    names = []
    for name in sorted(codecs_available):
        try:
            codec = Codec(name, "r")
        except UnknownCodecError:
            continue  # it only encodes
        if codec.type == "audio":
            names.append(name)
    return ",".join(names)


def decode_pcm(file: BinaryIO, container: str, report: Any) -> Iterator[list[memoryview]]:
    """The recording as PCM16, channel by channel. `report` gets what the file says about itself, before the audio.

    Raises:
        DecodingRefused: it holds no audio, or none that can be decoded.
    """
    import av

    options = {
        "protocol_whitelist": "none",
        "format_whitelist": _names(container),
        "codec_whitelist": list_codecs(),
    }
    with av.open(file, "r", format=container, options=options, metadata_errors="ignore") as opened:
        if not opened.streams.audio:
            raise DecodingRefused("the file holds no sound")
        stream = opened.streams.audio[0]
        stream.codec_context.thread_count = 1
        report({"duration_s": opened.duration / 1_000_000 if opened.duration else None})
        yield from _resampled(_frames(opened, stream))


def _names(container: str) -> str:
    import av

    return f"{av.ContainerFormat(container, 'r').name},{container}"


def _frames(opened: Any, stream: Any) -> Iterator[Any]:
    """Every frame that can be decoded. A damaged packet loses what it holds, not the rest of the recording."""
    from av.error import EOFError as EndOfFile
    from av.error import FFmpegError
    from av.error import MemoryError as NoMemory

    damaged = decoded = 0
    packets = opened.demux(stream)
    while True:
        try:
            packet = next(packets, None)
            if packet is None:
                break
            for frame in packet.decode():
                if frame.samples:
                    decoded += 1
                    yield frame
        except EndOfFile:
            break
        except NoMemory:
            raise
        except FFmpegError:
            damaged += 1
            if damaged > 1000 + decoded:
                break
    if not decoded:
        raise DecodingRefused("the file holds no sound that can be decoded")


def _resampled(frames: Iterator[Any]) -> Iterator[list[memoryview]]:
    import av

    resampler: av.AudioResampler | None = None
    shape: object = None
    for frame in frames:
        now = (frame.format.name, frame.layout.name, frame.layout.nb_channels, frame.sample_rate)
        if frame.sample_rate not in RATES_HZ:
            raise DecodingRefused(f"the sample rate {frame.sample_rate} Hz is not usual")
        if now != shape:
            if resampler is not None:
                yield from _pcm(resampler.resample(None))
            resampler, shape = av.AudioResampler(format="s16p", layout=frame.layout, rate=RATE_HZ), now
        assert resampler is not None
        frame.pts = None  # gaps between timestamps are not filled: a wrong one could claim a year of silence
        yield from _pcm(resampler.resample(frame))
    if resampler is not None:
        yield from _pcm(resampler.resample(None))


def _pcm(frames: list[Any]) -> Iterator[list[memoryview]]:
    for frame in frames:
        planes = frame.planes[:MAX_CHANNELS]
        yield [memoryview(plane)[: 2 * frame.samples] for plane in planes]


class BlockWriter:
    """Sends audio in blocks of a second; a block has one number of channels."""

    def __init__(self, send: Callable[[bytes, bytes], None]) -> None:
        self._send = send
        self._channels: list[bytearray] = []
        self.samples = 0
        """Samples that were taken so far."""

    def push(self, piece: list[memoryview]) -> None:
        if len(piece) != len(self._channels):
            self.flush()
            self._channels = [bytearray() for _ in piece]
        for channel, part in zip(self._channels, piece, strict=True):
            channel += part
        self.samples += len(piece[0]) // 2
        while len(self._channels[0]) >= 2 * BLOCK_SAMPLES:
            self._send_block(2 * BLOCK_SAMPLES)

    def flush(self) -> None:
        """Send the rest."""
        if self._channels and self._channels[0]:
            self._send_block(len(self._channels[0]))

    def _send_block(self, size_bytes: int) -> None:
        parts = [bytes(channel[:size_bytes]) for channel in self._channels]
        for channel in self._channels:
            del channel[:size_bytes]
        self._send(PCM, bytes([len(parts)]) + b"".join(parts))


def main() -> None:
    """Decode standard input. The argument is JSON: see `Job`."""
    job = Job(**json.loads(sys.argv[1]))
    out = os.fdopen(1, "wb", buffering=0)

    def send(kind: bytes, body: bytes = b"") -> None:
        message = memoryview(HEAD.pack(kind, len(body)) + body)
        while message:
            message = message[out.write(message) :]

    def refuse(reason: str) -> None:
        send(REFUSED, reason.encode())

    import av
    import av.logging

    av.logging.set_level(av.logging.PANIC)
    _warm_up()
    limit(START_CPU_S + CPU_PER_AUDIO_S * job.longest_s)
    try:
        _decode(job, send)
    except DecodingRefused as refusal:
        refuse(str(refusal))
    except (av.FFmpegError, ValueError, UnicodeError, OverflowError, EOFError):
        refuse("the file is damaged, or not what its first bytes say")
    except MemoryError:
        refuse("decoding the file takes more memory than a recording needs")
    except BrokenPipeError:
        pass  # the server does not read any more
    os._exit(0)  # nothing is left to flush, and cleanup in a library could only fail


def _warm_up() -> None:
    """Decode a little silence, so that every module is loaded while files can still be opened."""
    sound = bytes(640)
    form = struct.pack("<4sIHHIIHH", b"fmt ", 16, 1, 1, 8000, 16_000, 2, 16)
    wav = struct.pack("<4sI4s", b"RIFF", 36 + len(sound), b"WAVE") + form + struct.pack("<4sI", b"data", 640)
    for _ in decode_pcm(io.BytesIO(wav + sound), "wav", json.dumps):
        pass


def _decode(job: Job, send: Callable[[bytes, bytes], None]) -> None:
    blocks = BlockWriter(send)
    with os.fdopen(0, "rb", buffering=0) as raw:
        patches = [(place, bytes.fromhex(right)) for place, right in job.patches]
        file: Any = PatchedFile(raw, job.begin, patches)
        for piece in decode_pcm(file, job.demuxer, lambda about: send(ABOUT, json.dumps(about).encode())):
            blocks.push(piece)
            if blocks.samples > RATE_HZ * job.longest_s:
                send(TOO_LONG, b"")
                return
            if time.process_time() > START_CPU_S + CPU_PER_AUDIO_S * blocks.samples / RATE_HZ:
                raise DecodingRefused("decoding the file takes more time than a recording needs")
    blocks.flush()
    send(DONE, b"")


if __name__ == "__main__":
    main()
