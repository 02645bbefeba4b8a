"""Tar files of a backup's folders: written while the folders are in use, and unpacked to a private folder. Blocks."""

import os
import re
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

from app.utils.private_files import write_private


@contextmanager
def write_tar(target: Path) -> Iterator[tarfile.TarFile]:
    """Write a new file that its owner alone can read; on disk when the block ends.

    Raises:
        OSError: it exists already, or cannot be written.
    """
    with os.fdopen(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        with tarfile.open(fileobj=file, mode="w|") as tar:
            yield tar
        file.flush()
        os.fsync(file.fileno())


def unpack_tar(source: Path, folder: Path, names: re.Pattern[str]) -> None:
    """Unpack the files whose whole names match, and no others, below a folder.

    Raises:
        OSError: a file cannot be read or written.
        tarfile.TarError: it is no tar file, or is damaged.
    """
    with tarfile.open(source) as tar:
        for member in tar:
            if member.isfile() and names.fullmatch(member.name) and (content := tar.extractfile(member)):
                path = folder / PurePosixPath(member.name)
                path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
                write_private(path, content.read())
