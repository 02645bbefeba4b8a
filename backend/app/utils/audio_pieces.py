"""Audio on disk in pieces of one size, so that its beginning can be deleted while its end grows. Blocks; OSError.

A piece is a file of plain PCM16, named by the position of its first byte.
"""

import os
from collections.abc import Iterator
from pathlib import Path

from app.utils.changing_folders import list_folder, measure_file

PIECE_BYTES = 1_000_000
"""A piece is deleted as a whole: about half a minute at 16 kHz."""
PLAIN = ".pcm"


def name_piece(first: int) -> str:
    """The file of the piece that begins at this byte."""
    return f"{first:012d}{PLAIN}"


def list_pieces(folder: Path) -> Iterator[tuple[int, Path]]:
    """Each piece with the position of its first byte, in order."""
    for piece in list_folder(folder):
        if piece.suffix == PLAIN and piece.stem.isdigit():
            yield int(piece.stem), piece


def write_pieces(folder: Path, position: int, audio: bytes) -> None:
    """Add audio that begins at this position."""
    while audio:
        first = position // PIECE_BYTES * PIECE_BYTES
        part = audio[: first + PIECE_BYTES - position]
        flags = os.O_WRONLY | os.O_CREAT
        with os.fdopen(os.open(folder / name_piece(first), flags, 0o600), "r+b") as file:
            file.seek(position - first)
            file.write(part)
        position, audio = position + len(part), audio[len(part) :]


def delete_pieces(folder: Path, until: int) -> None:
    """Delete the pieces that end at this position or before."""
    for first, piece in list_pieces(folder):
        if first + PIECE_BYTES <= until:
            piece.unlink(missing_ok=True)


def measure_pieces(folder: Path) -> int:
    """The position behind the last byte; 0 where there is none."""
    return max([first + measure_file(piece) for first, piece in list_pieces(folder)], default=0)
