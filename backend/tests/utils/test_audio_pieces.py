"""Pieces of audio on disk: in whatever parts it comes, it lies there once, and its beginning can go."""

from pathlib import Path

from app.utils.audio_pieces import (
    PIECE_BYTES,
    delete_pieces,
    list_pieces,
    measure_pieces,
    name_piece,
    write_pieces,
)


def test_pieces_begin_at_whole_multiples_and_are_private(tmp_path: Path) -> None:
    audio = bytes(range(256)) * (2 * PIECE_BYTES // 256 + 1)
    write_pieces(tmp_path, 0, audio[:1000])
    write_pieces(tmp_path, 1000, audio[1000:])
    found = list(list_pieces(tmp_path))
    assert [(first, path.name) for first, path in found] == [
        (n * PIECE_BYTES, name_piece(n * PIECE_BYTES)) for n in range(3)
    ]
    assert b"".join(path.read_bytes() for _, path in found) == audio
    assert {path.stat().st_mode & 0o777 for _, path in found} == {0o600}
    assert measure_pieces(tmp_path) == len(audio)
    delete_pieces(tmp_path, 2 * PIECE_BYTES - 1)
    assert [first for first, _ in list_pieces(tmp_path)] == [PIECE_BYTES, 2 * PIECE_BYTES]
    assert measure_pieces(tmp_path) == len(audio)


def test_other_files_are_none(tmp_path: Path) -> None:
    (tmp_path / "lock").write_bytes(b"x")
    (tmp_path / "draft.pcm").write_bytes(b"x")
    assert list(list_pieces(tmp_path)) == []
    assert measure_pieces(tmp_path) == 0
