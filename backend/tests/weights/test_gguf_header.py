"""How long a GGUF file must be by its own header: on files that are cut off at every place."""

from pathlib import Path

import numpy as np
import pytest

from app.weights.gguf_header import is_whole_gguf
from tests.support.gguf import Value, write_gguf

METADATA: dict[str, Value] = {
    "general.architecture": "llama",
    "count": 7,
    "share": 0.5,
    "flag": True,
    "tokens": ["a", "bc", ""],
    "kinds": [1, 2, 3],
}
TENSORS = {"first": np.ones((4, 8), np.float32), "second": np.ones((3, 8), np.float32)}


@pytest.fixture
def whole(tmp_path: Path) -> bytes:
    path = tmp_path / "whole.gguf"
    write_gguf(path, METADATA, TENSORS)
    return path.read_bytes()


def test_a_file_is_whole_from_its_last_tensor_on(tmp_path: Path, whole: bytes) -> None:
    last = whole.rindex(TENSORS["second"].tobytes())
    part = tmp_path / "part.gguf"
    for size in range(1, len(whole) + 1, 7):
        part.write_bytes(whole[:size])
        assert is_whole_gguf(part) is (size > last), size
        part.unlink()


def test_a_file_that_grows_is_looked_at_again(tmp_path: Path, whole: bytes) -> None:
    path = tmp_path / "new.gguf"
    for size, expected in ((100, False), (len(whole) // 2, False), (len(whole), True)):
        path.write_bytes(whole[:size])
        assert is_whole_gguf(path) is expected


def test_a_file_without_tensors_is_whole_with_its_header(tmp_path: Path) -> None:
    """Such a model cannot be loaded: llama.cpp says why, and the file must be found for that."""
    path = tmp_path / "empty.gguf"
    write_gguf(path, METADATA, {})
    assert is_whole_gguf(path)
    path.write_bytes(path.read_bytes()[:-40])
    assert not is_whole_gguf(path)


def test_an_alignment_of_its_own_counts(tmp_path: Path) -> None:
    path = tmp_path / "one.gguf"
    write_gguf(path, METADATA | {"general.alignment": 32}, TENSORS)
    assert is_whole_gguf(path)


@pytest.mark.parametrize(
    "content",
    [b"GGUF and more", b"GGUF\x09\0\0\0", b"GGUF\x03\0\0\0" + bytes(8) + b"\1" + bytes(15) + b"\x63\0\0\0"],
    ids=["text", "version", "kind"],
)
def test_a_form_that_is_not_known_is_left_to_llama_cpp(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "odd.gguf"
    path.write_bytes(content)
    assert is_whole_gguf(path)


def test_what_does_not_begin_as_gguf_is_none(tmp_path: Path) -> None:
    path = tmp_path / "pointer.gguf"
    for content in (b"", b"GG", b"version https://git-lfs.github.com/spec/v1"):
        path.write_bytes(content)
        assert not is_whole_gguf(path)
    with pytest.raises(FileNotFoundError):
        is_whole_gguf(tmp_path / "absent.gguf")
