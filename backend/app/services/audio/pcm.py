"""PCM16 as it arrives becomes 16 kHz samples: base64, samples split between frames, and resampling from any rate."""

import binascii
import math
from collections.abc import Callable

import numpy as np
import pybase64
import soxr
from numpy.typing import NDArray

from app.core.errors import InvalidBase64, InvalidSampleRate, OddLength, UnsupportedFormat
from app.providers.base import SAMPLE_RATE_HZ, Samples

RATES_HZ = range(8000, 48_001)
"""The sample rates that a client may send."""

_LITTLE_ENDIAN_INT16 = np.dtype("<i2")


def decode_base64(data: str) -> bytes:
    """The PCM16 bytes of one JSON chunk.

    Raises:
        InvalidBase64: `data` is not standard base64 with its padding.
        OddLength: it holds half a sample.
    """
    try:
        pcm = pybase64.b64decode_as_bytearray(data, validate=True)
    except (binascii.Error, ValueError):
        raise InvalidBase64(
            "`data` is not valid base64; expected the standard alphabet with padding"
        ) from None
    if len(pcm) % 2:
        raise OddLength(f"`data` holds {len(pcm)} bytes; 16-bit samples need an even number")
    return pcm  # type: ignore[return-value]  # read like bytes; the copy would cost as much as the decoding


def to_samples(pcm: bytes) -> NDArray[np.int16]:
    """View little-endian PCM16 bytes as samples; `len(pcm)` is even."""
    return np.frombuffer(pcm, dtype=_LITTLE_ENDIAN_INT16).astype(np.int16, copy=False)


class OddByteCarry:
    """Joins a sample that two binary frames share: the odd byte waits for its other half."""

    def __init__(self, odd: bytes = b"") -> None:
        self._odd = odd

    @property
    def odd(self) -> bytes:
        """The byte that waits, if any."""
        return self._odd

    def push(self, data: bytes) -> bytes:
        """`data` behind the byte carried so far, without the odd byte at its end: always an even length."""
        if self._odd:
            data = self._odd + data
            self._odd = b""
        if len(data) % 2:
            self._odd = data[-1:]
            data = data[:-1]
        return data


class MonoConverter:
    """PCM of other widths and channels as mono PCM16. A sample that two chunks share waits for its other half."""

    def __init__(self, rate_hz: int, width: int, channels: int) -> None:
        """`width` in bytes: 1 is unsigned, as in WAV files.

        Raises:
            InvalidSampleRate, UnsupportedFormat
        """
        if rate_hz not in RATES_HZ:
            raise InvalidSampleRate("a sample rate is an integer from 8000 to 48000 (Hz)")
        if width not in _READERS or not 1 <= channels <= MAX_CHANNELS:
            raise UnsupportedFormat(
                f"samples have 1, 2 or 4 bytes and 1 to {MAX_CHANNELS} channels; 2 bytes and 1 channel are best"
            )
        self.rate_hz = rate_hz
        self.format = (rate_hz, width, channels)
        self._width = width
        self._channels = channels
        self._rest = b""

    def push(self, data: bytes) -> bytes:
        """The mono PCM16 of the samples that are whole; all channels count alike."""
        data = self._rest + data
        whole = len(data) - len(data) % (self._width * self._channels)
        data, self._rest = data[:whole], data[whole:]
        if (self._width, self._channels) == (2, 1):
            return data
        samples = _READERS[self._width](data)
        if self._channels > 1:
            samples = (
                samples.reshape(-1, self._channels).astype(np.int32).mean(axis=1).round().astype(np.int16)
            )
        return samples.astype(_LITTLE_ENDIAN_INT16, copy=False).tobytes()


MAX_CHANNELS = 8

_READERS: dict[int, Callable[[bytes], NDArray[np.int16]]] = {
    1: lambda data: (np.frombuffer(data, np.uint8).astype(np.int16) - 128) << 8,
    2: to_samples,
    4: lambda data: (np.frombuffer(data, "<i4") >> 16).astype(np.int16),
}
"""By the bytes of a sample."""

_FULL_SCALE = 32767.0


class Resampler:
    """Resamples one session's audio to 16 kHz.

    soxr HQ on float32: aliases below -130 dB; at 44.1 and 48 kHz it holds back less than 40 ms. Its int16 mode
    dithers, which would make the result depend on the cut; float32 in and out, rounded here, is exact.
    """

    def __init__(self, rate_hz: int) -> None:
        self._rate_hz = rate_hz
        self._stream = self._new_stream()

    def push(self, samples: NDArray[np.int16]) -> Samples:
        """Take samples at the client's rate; return the output that they complete, shape (n,), n may be 0."""
        if self._stream is None:
            return samples
        return _to_int16(self._stream.resample_chunk(samples.astype(np.float32)))

    def drain(self) -> Samples:
        """Return the output that is still held back; the next `push` begins a new stream."""
        if self._stream is None:
            return np.empty(0, np.int16)
        rest = self._stream.resample_chunk(np.empty(0, np.float32), last=True)
        self._stream = self._new_stream()
        return _to_int16(rest)

    def _new_stream(self) -> "soxr.ResampleStream | None":
        if self._rate_hz == SAMPLE_RATE_HZ:
            return None
        return soxr.ResampleStream(self._rate_hz, SAMPLE_RATE_HZ, 1, dtype="float32", quality="HQ")


def _to_int16(samples: NDArray[np.float32]) -> Samples:
    return np.clip(np.rint(samples), -_FULL_SCALE - 1, _FULL_SCALE).astype(np.int16)


SILENCE_DBFS = -100.0
"""The level of silence, which has none."""


def measure_dbfs(samples: Samples) -> float:
    """The mean level (dB below full scale), from SILENCE_DBFS to 0."""
    if not len(samples):
        return SILENCE_DBFS
    power = float(np.square(samples, dtype=np.float64).mean()) / 32768**2
    return round(max(10 * math.log10(power), SILENCE_DBFS), 1) if power else SILENCE_DBFS
