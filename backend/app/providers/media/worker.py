"""The decoder process: reads one recording from standard input, writes 16 kHz mono PCM16 to standard output.

It is a script that imports nothing of the server. It gets no path, no key and no environment, may open no file and no
socket while it decodes, and ends with the recording.
"""

import io
import json
import os
import struct
import sys
import time
from collections.abc import Iterator
from typing import Any, BinaryIO

RATE_HZ = 16_000
BLOCK_BYTES = 2 * RATE_HZ
"""One second in one message."""

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

CODECS = (
    "aac,aac_latm,alac,flac,mp3,mp3float,mp2,mp2float,mp1,mp1float,opus,libopus,vorbis,speex,libspeex,"
    "pcm_u8,pcm_s8,pcm_s16le,pcm_s16be,pcm_s24le,pcm_s24be,pcm_s32le,pcm_s32be,pcm_f32le,pcm_f32be,pcm_f64le,"
    "pcm_f64be,pcm_alaw,pcm_mulaw,adpcm_ms,adpcm_ima_wav,adpcm_ima_qt,gsm_ms,amrnb,amrwb,ac3,eac3"
)
"""Audio codecs alone: the pictures of a video are never decoded."""


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


def decode_pcm(file: BinaryIO, container: str, report: Any) -> Iterator[memoryview]:
    """The audio of the recording as PCM16. `report` gets what the file says about itself, before the audio.

    Raises:
        DecodingRefused: it holds no audio, or none that can be decoded.
    """
    import av

    options = {"protocol_whitelist": "none", "format_whitelist": _names(container), "codec_whitelist": CODECS}
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


def _resampled(frames: Iterator[Any]) -> Iterator[memoryview]:
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
            resampler, shape = av.AudioResampler(format="s16", layout="mono", rate=RATE_HZ), now
        assert resampler is not None
        frame.pts = None  # gaps between timestamps are not filled: a wrong one could claim a year of silence
        yield from _pcm(resampler.resample(frame))
    if resampler is not None:
        yield from _pcm(resampler.resample(None))


def _pcm(frames: list[Any]) -> Iterator[memoryview]:
    for frame in frames:
        yield memoryview(frame.planes[0])[: 2 * frame.samples]


def main() -> None:
    """Decode standard input. Arguments: the container, the longest allowed recording (s)."""
    container, longest_s = sys.argv[1], float(sys.argv[2])
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
    limit(START_CPU_S + CPU_PER_AUDIO_S * longest_s)
    try:
        _decode(container, longest_s, send)
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


def _decode(container: str, longest_s: float, send: Any) -> None:
    waiting = bytearray()
    written = 0
    with os.fdopen(0, "rb", buffering=0) as file:
        file.seek(0)
        for piece in decode_pcm(file, container, lambda about: send(ABOUT, json.dumps(about).encode())):
            waiting += piece
            while len(waiting) >= BLOCK_BYTES:
                send(PCM, bytes(waiting[:BLOCK_BYTES]))
                del waiting[:BLOCK_BYTES]
                written += BLOCK_BYTES
                if written > 2 * RATE_HZ * longest_s:
                    send(TOO_LONG)
                    return
            if time.process_time() > START_CPU_S + CPU_PER_AUDIO_S * written / (2 * RATE_HZ):
                raise DecodingRefused("decoding the file takes more time than a recording needs")
    send(PCM, bytes(waiting))
    send(DONE)


if __name__ == "__main__":
    main()
