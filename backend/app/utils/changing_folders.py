"""Reads folders that somebody else changes meanwhile: what is gone when it is looked at was never there.

`Path.glob` does not promise that: on Python 3.11 it raises where a folder vanishes between two looks.
"""

import shutil
import stat
from pathlib import Path


def list_folder(folder: Path) -> list[Path]:
    """Return what a folder holds, by name; nothing where there is no such folder.

    Raises:
        OSError: it is there and cannot be read.
    """
    try:
        return sorted(folder.iterdir())
    except (FileNotFoundError, NotADirectoryError):
        return []


def list_readable(folder: Path) -> list[Path]:
    """As `list_folder`, and nothing where it cannot be read: one such folder hides no others, as with `Path.glob`."""
    try:
        return list_folder(folder)
    except OSError:
        return []


def measure_file(path: Path) -> int:
    """Return the bytes of a file; 0 where there is none."""
    try:
        found = path.stat()
    except OSError:
        return 0
    return found.st_size if stat.S_ISREG(found.st_mode) else 0


def read_mtime_ns(path: Path) -> int:
    """Return when a path was changed; 0 where it is not there."""
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return 0


def remove_folder(folder: Path) -> None:
    """Delete a folder and what it holds, whoever else deletes of it; nothing where there is none.

    Raises:
        OSError: it cannot be deleted.
    """
    while folder.exists():
        try:
            shutil.rmtree(folder)
        except FileNotFoundError:
            continue  # `rmtree` ends at the first entry that is gone
