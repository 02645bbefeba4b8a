"""PCM16 as it arrives: base64, byte order, and samples split between two binary frames."""

import binascii

import numpy as np
import pybase64
from numpy.typing import NDArray

from app.core.errors import InvalidBase64, OddLength

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

    def __init__(self) -> None:
        self._odd = b""

    def push(self, data: bytes) -> bytes:
        """`data` behind the byte carried so far, without the odd byte at its end: always an even length."""
        if self._odd:
            data = self._odd + data
            self._odd = b""
        if len(data) % 2:
            self._odd = data[-1:]
            data = data[:-1]
        return data
