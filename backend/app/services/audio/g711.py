"""G.711, the telephone's codecs: a byte of mu-law or A-law to a sample, by table (ITU-T G.711)."""

from typing import Literal

import numpy as np
from numpy.typing import NDArray

G711_RATE_HZ = 8000

Law = Literal["mu", "a"]


def _expand_mu_law() -> NDArray[np.int16]:
    code = ~np.arange(256, dtype=np.uint8)
    mantissa, exponent = (code & 0x0F).astype(np.int32), (code >> 4 & 0x07).astype(np.int32)
    level = ((mantissa << 3) + 0x84 << exponent) - 0x84
    return np.where(code & 0x80, -level, level).astype("<i2")


def _expand_a_law() -> NDArray[np.int16]:
    code = np.arange(256, dtype=np.uint8) ^ 0x55
    mantissa, exponent = (code & 0x0F).astype(np.int32), (code >> 4 & 0x07).astype(np.int32)
    step = (mantissa << 4) + 8
    level = np.where(exponent > 0, step + 0x100 << np.maximum(exponent - 1, 0), step)
    return np.where(code & 0x80, level, -level).astype("<i2")


_TABLES: dict[Law, NDArray[np.int16]] = {"mu": _expand_mu_law(), "a": _expand_a_law()}


def decode_g711(data: bytes, law: Law) -> bytes:
    """The PCM16 bytes, little-endian, of G.711 bytes; any length is whole samples."""
    return _TABLES[law][np.frombuffer(data, np.uint8)].tobytes()
