"""The header of a GGUF file, as far as it says how long the file must be: a shorter one is still being copied.

Source of the format: "GGUF" in the documents of the ggml project.
"""

import struct
from functools import lru_cache
from pathlib import Path

_MAGIC = b"GGUF"
_HEADER_BYTES = 64 << 20
"""What is read of a file; vocabularies of today's largest models take a tenth of it."""
_VERSIONS = (2, 3)
_SIZES = {0: 1, 1: 1, 2: 2, 3: 2, 4: 4, 5: 4, 6: 4, 7: 1, 10: 8, 11: 8, 12: 8}
"""Bytes of each kind of value that has a fixed size."""
_UINT32, _STRING, _ARRAY = 4, 8, 9
_ALIGNMENT_KEY = b"general.alignment"
_DEFAULT_ALIGNMENT = 32


class _Reader:
    """Reads values one after the other; beyond the end it raises struct.error."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self.at = 0

    def number(self, form: str) -> int:
        (value,) = struct.unpack_from(f"<{form}", self._data, self.at)
        self.at += struct.calcsize(f"<{form}")
        return int(value)

    def string(self) -> bytes:
        length = self.number("Q")
        value = self._data[self.at : self.at + length]
        self.at += length
        return value

    def skip(self, kind: int) -> None:
        """Pass over a value of a kind of the format."""
        if kind == _STRING:
            self.string()
        elif kind == _ARRAY:
            inner, count = self.number("I"), self.number("Q")
            if inner in _SIZES:
                self.at += _SIZES[inner] * count
            else:
                for _ in range(count):
                    self.skip(inner)
        elif kind in _SIZES:
            self.at += _SIZES[kind]
        else:
            raise ValueError(f"no kind of value is {kind}")


def is_whole_gguf(path: Path) -> bool:
    """Return whether the file begins as GGUF and reaches into its last tensor.

    A file of a form that is not known here counts as whole: llama.cpp decides.

    Raises:
        OSError
    """
    found = path.stat()
    return _is_whole(path, found.st_size, found.st_mtime_ns)


@lru_cache(maxsize=256)
def _is_whole(path: Path, size_bytes: int, mtime_ns: int) -> bool:  # noqa: ARG001  # a key
    with path.open("rb") as file:
        data = file.read(_HEADER_BYTES)
    if not data.startswith(_MAGIC):
        return False
    try:
        return size_bytes > _find_last_tensor(data)
    except struct.error:
        return size_bytes > len(data)  # a header that is longer than what was read
    except ValueError:
        return True


def _find_last_tensor(data: bytes) -> int:
    """Return where the tensor that lies last begins (bytes from the start of the file); 0 for another version.

    Without tensors it is the last byte of the header.

    Raises:
        struct.error: the header goes on beyond `data`.
        ValueError: it has a kind of value that is not known.
    """
    reader = _Reader(data)
    reader.at = len(_MAGIC)
    if reader.number("I") not in _VERSIONS:
        return 0
    tensors, pairs = reader.number("Q"), reader.number("Q")
    alignment = _DEFAULT_ALIGNMENT
    for _ in range(pairs):
        key, kind = reader.string(), reader.number("I")
        if key == _ALIGNMENT_KEY and kind == _UINT32:
            alignment = reader.number("I") or _DEFAULT_ALIGNMENT
        else:
            reader.skip(kind)
    if not tensors:
        return reader.at - 1  # nothing follows the header
    last = 0
    for _ in range(tensors):
        reader.string()
        for _ in range(reader.number("I")):
            reader.number("Q")
        reader.number("I")
        last = max(last, reader.number("Q"))
    return -(-reader.at // alignment) * alignment + last
