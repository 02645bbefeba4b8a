"""A writer of GGUF, version 3, the file format that llama.cpp reads.

The format: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md. Only what tests need: numbers, flags, texts and
lists of them as metadata, tensors of 32-bit floats.
"""

import struct
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

Value = bool | int | float | str | Sequence[int] | Sequence[float] | Sequence[str]

_MAGIC = b"GGUF"
_VERSION = 3
_ALIGNMENT = 32
_TENSOR_F32 = 0
_UINT32, _INT32, _FLOAT32, _BOOL, _STRING, _ARRAY = 4, 5, 6, 7, 8, 9
"""Numbers of the kinds of metadata."""


def write_gguf(path: Path, metadata: Mapping[str, Value], tensors: Mapping[str, NDArray[np.float32]]) -> None:
    """Write a model. Tensors have the shape of numpy (slowest first); the format wants the fastest first."""
    head = bytearray(_MAGIC + struct.pack("<IQQ", _VERSION, len(tensors), len(metadata)))
    for key, value in metadata.items():
        head += _text(key) + _kind_and_value(value)
    data = bytearray()
    for name, tensor in tensors.items():
        head += _text(name) + struct.pack("<I", tensor.ndim)
        head += struct.pack(f"<{tensor.ndim}QIQ", *reversed(tensor.shape), _TENSOR_F32, len(data))
        data += tensor.astype("<f4").tobytes()
        data += _padding(len(data))
    path.write_bytes(head + _padding(len(head)) + data)


def _kind_and_value(value: Value) -> bytes:
    kind = _kind(value)
    if isinstance(value, str) or not isinstance(value, Sequence):
        return struct.pack("<I", kind) + _packed(kind, value)
    # Lists of whole numbers are signed: llama.cpp reads the kinds of tokens as such.
    inner = _kind(value[0])
    inner = _INT32 if inner == _UINT32 else inner
    items = b"".join(_packed(inner, item) for item in value)
    return struct.pack("<IIQ", kind, inner, len(value)) + items


def _kind(value: Value) -> int:
    match value:
        case bool():
            return _BOOL
        case int():
            return _UINT32
        case float():
            return _FLOAT32
        case str():
            return _STRING
    return _ARRAY


def _packed(kind: int, value: object) -> bytes:
    if isinstance(value, str):
        return _text(value)
    return struct.pack({_UINT32: "<I", _INT32: "<i", _FLOAT32: "<f", _BOOL: "<?"}[kind], value)


def _text(value: str) -> bytes:
    encoded = value.encode()
    return struct.pack("<Q", len(encoded)) + encoded


def _padding(length: int) -> bytes:
    return bytes(-length % _ALIGNMENT)
