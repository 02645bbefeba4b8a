"""Recordings in the containers that browsers, phones and SDKs send, made from samples."""

import io
import tempfile
from fractions import Fraction
from typing import BinaryIO, cast

import av
import numpy as np
from numpy.typing import NDArray

from app.providers.base import Samples
from app.providers.media.decoder import RecordingDecoder

FORMS: dict[str, tuple[str, str, str, dict[str, str]]] = {
    "webm": ("webm", "libopus", "flt", {}),
    "ogg": ("ogg", "libopus", "flt", {}),
    "mp4": ("mp4", "aac", "fltp", {}),
    "m4a": ("ipod", "aac", "fltp", {}),
    "fragmented.mp4": ("mp4", "aac", "fltp", {"movflags": "frag_keyframe+empty_moov"}),
    "aac": ("adts", "aac", "fltp", {}),
    "mp3": ("mp3", "libmp3lame", "fltp", {}),
    "wav": ("wav", "pcm_s16le", "s16", {}),
    "float.wav": ("wav", "pcm_f32le", "flt", {}),
    "flac": ("flac", "flac", "s16", {}),
}
"""Name -> container, codec, sample format, options of the container."""

RARE_FORMS: dict[str, tuple[str, str, str, dict[str, str]]] = {
    "amr": ("amr", "libopencore_amrnb", "s16", {}),
    "3gp": ("3gp", "libopencore_amrnb", "s16", {}),
    "caf": ("caf", "pcm_s16be", "s16", {}),
    "alac.caf": ("caf", "alac", "s16p", {}),
    "alac.m4a": ("ipod", "alac", "s16p", {}),
    "aiff": ("aiff", "pcm_s16be", "s16", {}),
    "w64": ("w64", "pcm_s16le", "s16", {}),
    "rf64.wav": ("wav", "pcm_s16le", "s16", {"rf64": "always"}),
    "au": ("au", "pcm_s16be", "s16", {}),
    "wma": ("asf", "wmav2", "fltp", {}),
    "avi": ("avi", "libmp3lame", "fltp", {}),
    "mkv": ("matroska", "pcm_s16le", "s16", {}),
    "ts": ("mpegts", "mp2", "s16", {}),
    "mpg": ("mpeg", "mp2", "s16", {}),
    "flv": ("flv", "libmp3lame", "fltp", {}),
    "mov": ("mov", "pcm_s16le", "s16", {}),
    "wv": ("wv", "wavpack", "s16p", {}),
    "tta": ("tta", "tta", "s16", {}),
    "ac3": ("ac3", "ac3", "fltp", {}),
    "eac3": ("eac3", "eac3", "fltp", {}),
    "voc": ("voc", "pcm_u8", "u8", {}),
    "mp2": ("mp2", "mp2", "s16", {}),
    "telephone.wav": ("wav", "pcm_mulaw", "s16", {}),
    "adpcm.wav": ("wav", "adpcm_ima_wav", "s16p", {}),
    "g726.wav": ("wav", "g726", "s16", {}),
}
"""What phones, dictation machines, television and editors write."""
RATES_HZ = {"amr": 8000, "3gp": 8000, "telephone.wav": 8000, "g726.wav": 8000, "flv": 44_100}
"""Those that cannot have 48 kHz."""


def encode(
    samples: NDArray[np.int16], rate_hz: int, form: str, *, out_hz: int = 0, layout: str = "mono"
) -> bytes:
    """A recording of `samples` (mono, at `rate_hz`) in one of FORMS or RARE_FORMS; at 48 kHz, where the form can be."""
    container, codec, sample_format, options = (FORMS | RARE_FORMS)[form]
    out_hz = out_hz or RATES_HZ.get(form, 48_000)
    into = io.BytesIO()
    with av.open(into, "w", format=container, options=options) as output:
        stream = output.add_stream(codec, rate=out_hz)
        assert isinstance(stream, av.AudioStream)
        stream.codec_context.layout = layout
        stream.codec_context.format = sample_format
        stream.codec_context.time_base = Fraction(1, out_hz)
        if codec.startswith("wma"):
            stream.codec_context.bit_rate = 64_000  # it has no default
        resampler = av.AudioResampler(
            sample_format, layout, out_hz, frame_size=stream.codec_context.frame_size or 1024
        )
        frame = av.AudioFrame.from_ndarray(samples.reshape(1, -1), "s16", "mono")
        frame.sample_rate = rate_hz
        frame.pts = 0
        for part in (*resampler.resample(frame), *resampler.resample(None)):
            output.mux(stream.encode(part))
        output.mux(stream.encode(None))
    return into.getvalue()


def make_video(seconds: int = 1) -> bytes:
    """An mp4 that has pictures and no sound."""
    into = io.BytesIO()
    with av.open(into, "w", format="mp4") as output:
        stream = output.add_stream("mpeg4", rate=10)
        assert isinstance(stream, av.VideoStream)
        stream.width = stream.height = 32
        for _ in range(10 * seconds):
            frame = av.VideoFrame.from_ndarray(np.zeros((32, 32, 3), np.uint8), "rgb24")
            output.mux(stream.encode(frame))
        output.mux(stream.encode(None))
    return into.getvalue()


def make_silent_flac(seconds: int, rate_hz: int = 8000) -> bytes:
    """Hours of silence in little: blocks of 65535 equal samples."""
    into = io.BytesIO()
    with av.open(into, "w", format="flac") as output:
        stream = output.add_stream("flac", rate=rate_hz, options={"frame_size": "65535"})
        assert isinstance(stream, av.AudioStream)
        stream.codec_context.layout = "mono"
        stream.codec_context.format = "s16"
        block = np.zeros((1, 65_535), np.int16)
        for at in range(0, seconds * rate_hz, 65_535):
            frame = av.AudioFrame.from_ndarray(block, "s16", "mono")
            frame.sample_rate, frame.pts = rate_hz, at
            output.mux(stream.encode(frame))
        output.mux(stream.encode(None))
    return into.getvalue()


def measure_similarity(one: NDArray[np.int16], other: NDArray[np.int16]) -> float:
    """Correlation of the loudness of two recordings over time (10 ms steps), however a codec shifted or phased them."""
    length = min(len(one), len(other)) // 160 * 160
    loud = [np.abs(each[:length].astype(np.float64)).reshape(-1, 160).mean(axis=1) for each in (one, other)]
    return float(np.corrcoef(loud[0], loud[1])[0, 1])


async def decode_recording(data: bytes, longest_s: float = 600.0) -> Samples:
    """All audio of a recording, decoded in a process of its own."""
    with tempfile.SpooledTemporaryFile(max_size=1 << 20) as file:
        file.write(data)
        async with RecordingDecoder(cast("BinaryIO", file), longest_s) as decoder:
            blocks = []
            while (block := await decoder.block()) is not None:
                blocks.append(block)
            return np.concatenate(blocks)
