"""Copies an SQLite database while a server uses it."""

import os
import sqlite3
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path

from app.core.errors import StorageUnavailable

PAGES = 2000
"""Pages (4 KiB) copied in one step; the server can write between two steps."""

Progress = Callable[[int, int], None]
"""Called with the number of pages copied, and the number of all pages."""


def back_up(source: Path, target: Path, progress: Progress | None = None) -> int:
    """Copy the database at `source`, which may be in use, to a new file; return the size of the copy (bytes).

    The copy is one state of the database, and only its user can read it. It gets its name when it is complete.

    Raises:
        StorageUnavailable: there is no database, `target` exists already, or it cannot be written.
    """
    if not source.is_file():
        raise StorageUnavailable(
            f"there is no database at {str(source)!r}: a server creates it at its first start"
        )
    if target.exists():
        raise StorageUnavailable(f"{str(target)!r} exists already: choose another name, or remove it first")
    partial = target.with_name(f"{target.name}.partial")
    try:
        with suppress(FileNotFoundError):
            partial.unlink()
        os.close(os.open(partial, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
        _copy(source, partial, progress)
        _publish(partial, target)
    except (OSError, sqlite3.Error) as error:
        with suppress(OSError):
            partial.unlink()
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise StorageUnavailable(f"the backup {str(target)!r} could not be written: {reason}") from error
    return target.stat().st_size


def _copy(source: Path, target: Path, progress: Progress | None) -> None:
    """Run SQLite's online backup in one read transaction, so that no writer makes it begin again."""

    def step(_status: int, remaining: int, total: int) -> None:
        if progress is not None:
            progress(total - remaining, total)

    with (
        closing(sqlite3.connect(f"{source.absolute().as_uri()}?mode=ro", uri=True, timeout=5)) as read,
        closing(sqlite3.connect(target)) as written,
    ):
        read.isolation_level = None
        read.execute("BEGIN")
        read.execute("SELECT count(*) FROM sqlite_master").fetchone()
        read.backup(written, pages=PAGES, progress=step)
        # One file without a log beside it, so that copying the file copies everything.
        written.execute("PRAGMA journal_mode=DELETE")


def _publish(partial: Path, target: Path) -> None:
    """Give the complete copy its name, unless a file of that name has appeared meanwhile."""
    with partial.open("rb+") as file:
        os.fsync(file.fileno())
    try:
        os.link(partial, target)
    except FileExistsError:
        raise
    except OSError:  # a file system without hard links
        partial.rename(target)
    else:
        partial.unlink()
