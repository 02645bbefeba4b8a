"""Copies an SQLite database while a server uses it, restores such a copy, and checks a file for damage."""

import logging
import os
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from datetime import datetime
from pathlib import Path

from sqlalchemy.exc import DBAPIError

from app.core.errors import StorageUnavailable
from app.storage import migrate
from app.storage.common import utc_now
from app.storage.data_folder import DATABASE_FILE, list_database_files, lock_folder
from app.storage.database import RESTORE_REMEDY, explain, is_damage, translate_errors
from app.storage.key_file import CONNECTIONS_KEY_FILE
from app.utils.private_files import write_private

logger = logging.getLogger(__name__)

PAGES = 2000
"""Pages (4 KiB) copied in one step; the server can write between two steps."""

CHECK_S = 20.0
"""The longest check at a start (s), so that a very large database does not keep the server away."""

LOCK_S = 5.0
"""How long a lock of another process is waited for (s)."""

NOTE_FILE = "last-backup"
"""In the data folder: when `prompter db backup` made the last backup."""

Progress = Callable[[int, int], None]
"""Called with the number of pages copied, and the number of all pages."""


def back_up(source: Path, target: Path, progress: Progress | None = None) -> int:
    """Copy the database at `source`, which may be in use, to a new file; return the size of the copy (bytes).

    The copy is one state of the database, and only its user can read it. It gets its name when it is complete.

    Raises:
        StorageUnavailable: there is no database or it is damaged, `target` exists already, or it cannot be written.
    """
    if not source.is_file():
        raise StorageUnavailable(
            f"there is no database at {str(source)!r}: a server creates it at its first start"
        )
    if target.exists():
        raise StorageUnavailable(f"{str(target)!r} exists already: choose another name, or remove it first")
    try:
        with _copy_beside(source, target, progress) as partial:
            if fault := _find_fault(partial):
                raise _make_damaged(source, fault)
            _flush(partial)
            _publish(partial, target)
    except (OSError, sqlite3.Error, DBAPIError) as error:
        if is_damage(error):
            raise _make_damaged(source, "is damaged") from error
        raise StorageUnavailable(
            f"the backup {str(target)!r} could not be written: {_explain(error)}"
        ) from error
    return target.stat().st_size


def note_backup(folder: Path, at: datetime | None = None) -> None:
    """Note in a data folder when its database was backed up last; not where the folder cannot be written."""
    with suppress(OSError):
        (folder / NOTE_FILE).write_text(f"{at or utc_now():%Y-%m-%dT%H:%M:%S%z}\n", encoding="ascii")


def read_backup_time(folder: Path) -> datetime | None:
    """Return when the database of a data folder was backed up last; None where that is not known."""
    try:
        found = datetime.fromisoformat((folder / NOTE_FILE).read_text(encoding="ascii").strip())
    except (OSError, ValueError):
        return None
    return found if found.tzinfo is not None else None


def restore(backup: Path, folder: Path, at: datetime | None = None) -> tuple[int, Path | None]:
    """Make a backup the database of a folder that no server uses; the size (bytes), and the former file's new name.

    The backup is copied and checked before anything changes. The former database and its log are kept together under
    another name. The restored one has no log: SQLite would write an old log into it.

    Raises:
        StorageUnavailable: a server uses the folder, or the backup cannot be read, is damaged or of a newer version.
    """
    file = folder / DATABASE_FILE
    if not backup.is_file():
        raise StorageUnavailable(
            f"there is no file {str(backup)!r}: name one that `prompter db backup` wrote"
        )
    if file.exists() and backup.samefile(file):
        raise StorageUnavailable(f"{str(backup)!r} is the database itself; name a backup of it")
    with lock_folder(folder, for_restore=True):
        try:
            with _copy_beside(backup, file) as partial:
                if fault := _find_fault(partial, "integrity_check"):
                    raise StorageUnavailable(f"the backup {str(backup)!r} {fault}: take another one")
                _flush(partial)
                with _set_aside(file, at or utc_now()) as kept:
                    _publish(partial, file)
        except (OSError, sqlite3.Error, DBAPIError) as error:
            if is_damage(error):
                raise StorageUnavailable(
                    f"the backup {str(backup)!r} is damaged: take another one"
                ) from error
            raise StorageUnavailable(
                f"the backup {str(backup)!r} cannot be restored: {_explain(error)}; the database is as it was"
            ) from error
    return file.stat().st_size, kept


def back_up_keys(folder: Path, target: Path) -> Path | None:
    """Copy the key file of connected models beside a backup; return its name, None where there is no key file.

    Raises:
        StorageUnavailable: the copy exists already, or cannot be written.
    """
    source, copy = folder / CONNECTIONS_KEY_FILE, target.with_name(f"{target.name}.keys")
    if not source.is_file():
        return None
    try:
        write_private(copy, source.read_bytes())
    except OSError as error:
        raise StorageUnavailable(
            f"the key file {str(copy)!r} could not be written: {_explain(error)}"
        ) from error
    return copy


def restore_keys(backup: Path, folder: Path, at: datetime | None = None) -> Path | None:
    """Make the key file that lies beside a backup the one of a folder; None where there is none, or it is the same.

    The former one is kept under another name.

    Raises:
        StorageUnavailable: a key file cannot be read or written.
    """
    copy, file = backup.with_name(f"{backup.name}.keys"), folder / CONNECTIONS_KEY_FILE
    if not copy.is_file():
        return None
    try:
        data = copy.read_bytes()
        if file.exists() and file.read_bytes() == data:
            return None
        draft = file.with_name(f".{file.name}.restored")
        draft.unlink(missing_ok=True)
        write_private(draft, data)
        if file.exists():
            file.rename(file.with_name(f"{file.name}.before-{at or utc_now():%Y%m%d-%H%M%S}"))
        draft.rename(file)
    except OSError as error:
        raise StorageUnavailable(
            f"the key file {str(file)!r} could not be written: {_explain(error)}"
        ) from error
    return copy


def refuse_damaged(folder: Path) -> None:
    """Check the database that a server has not closed: it may have been copied without its log, or over it.

    A log that is left also follows a crash, which damages nothing. Without one nothing is read.

    Raises:
        StorageUnavailable: the file is damaged, or cannot be checked.
    """
    file = folder / DATABASE_FILE
    log = file.with_name(f"{file.name}-wal")
    if not (log.exists() and log.stat().st_size):
        return
    with translate_errors("read"), closing(_open_to_read(file)) as connection:
        if damage := _find_damage(connection, "quick_check", within_s=CHECK_S):
            logger.error("the database is damaged: %s", damage)
            raise StorageUnavailable(f"the database {str(file)!r} is damaged: {RESTORE_REMEDY}")


def _find_damage(connection: sqlite3.Connection, check: str, *, within_s: float | None = None) -> str | None:
    """The first damage that a check of SQLite finds; None if there is none, or none was found in this time.

    Raises:
        sqlite3.Error: the file cannot be checked: it is locked, cannot be opened or the disk fails. It may be whole.
    """
    if within_s is not None:
        ends_s = time.monotonic() + within_s
        connection.set_progress_handler(lambda: time.monotonic() > ends_s, 100_000)
    try:
        (found,) = connection.execute(f"PRAGMA {check}(1)").fetchone()
    except sqlite3.DatabaseError as error:
        if getattr(error, "sqlite_errorname", "") == "SQLITE_INTERRUPT":
            logger.warning("the database is too large for a check of %.0f s; it was not checked", within_s)
            return None
        if is_damage(error):
            return str(error)
        raise
    return None if found == "ok" else str(found)


@contextmanager
def _copy_beside(source: Path, target: Path, progress: Progress | None = None) -> Iterator[Path]:
    """Copy a database to a private file beside `target`; what has not been published when the block ends is removed."""
    partial = target.with_name(f"{target.name}.partial")
    try:
        with suppress(FileNotFoundError):
            partial.unlink()
        os.close(os.open(partial, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
        _copy(source, partial, progress)
        yield partial
    finally:
        with suppress(OSError):
            partial.unlink()


def _make_damaged(source: Path, fault: str) -> StorageUnavailable:
    return StorageUnavailable(
        f"the database {str(source)!r} {fault}, no backup was written: {RESTORE_REMEDY}"
    )


def _find_fault(copy: Path, check: str = "quick_check") -> str | None:
    """What is wrong with the copy of a database, in words that follow its name; None if it is whole."""
    with closing(_open_to_read(copy)) as connection:
        if _find_damage(connection, check):
            return "is damaged"
        schema = migrate.read_file_schema(connection)
    if schema.current is None or schema.missing:
        return "is no whole database of PROMPTer"
    return None if schema.is_known else "was written by a newer version"


@contextmanager
def _set_aside(file: Path, at: datetime) -> Iterator[Path | None]:
    """Give the database and what SQLite keeps beside it another name, the file first; the old one if the block fails.

    If the process ends in between, the next start finds the other name without a file, and refuses it.

    Raises:
        StorageUnavailable: the block failed, and the old name could not be given back.
    """
    kept = file.with_name(f"{file.name}.before-{at:%Y%m%d-%H%M%S}")
    names = zip(list_database_files(file), list_database_files(kept), strict=True)
    found = [(file.with_name(old), file.with_name(new)) for old, new in names if file.with_name(old).exists()]
    moved = []
    try:
        for old, new in found:
            if new.exists():
                raise FileExistsError(17, f"{new.name} exists already")
            old.rename(new)
            moved.append((old, new))
        yield kept if found else None
    except BaseException as error:
        try:
            for old, new in reversed(moved):
                new.replace(old)
        except OSError:
            raise StorageUnavailable(
                f"the restore failed, and the former database is now {str(kept)!r}: restore that file"
            ) from error
        raise


def _open_to_read(file: Path) -> sqlite3.Connection:
    return sqlite3.connect(f"{file.absolute().as_uri()}?mode=ro", uri=True, timeout=LOCK_S)


def _explain(error: OSError | sqlite3.Error | DBAPIError) -> str:
    if isinstance(error, OSError):
        return error.strerror or str(error)
    return "{}; {}".format(*explain(error))


def _copy(source: Path, target: Path, progress: Progress | None) -> None:
    """Run SQLite's online backup in one read transaction, so that no writer makes it begin again."""

    def step(_status: int, remaining: int, total: int) -> None:
        if progress is not None:
            progress(total - remaining, total)

    with (
        closing(_open_to_read(source)) as read,
        closing(sqlite3.connect(target)) as written,
    ):
        read.isolation_level = None
        read.execute("BEGIN")
        read.execute("SELECT count(*) FROM sqlite_master").fetchone()
        read.backup(written, pages=PAGES, progress=step)
        # One file without a log beside it, so that copying the file copies everything.
        written.execute("PRAGMA journal_mode=DELETE")


def _flush(partial: Path) -> None:
    """Have the complete copy on the disk before it gets its name."""
    with partial.open("rb+") as file:
        os.fsync(file.fileno())


def _publish(partial: Path, target: Path) -> None:
    """Give the complete copy its name, unless a file of that name has appeared meanwhile."""
    try:
        os.link(partial, target)  # whoever made the copy removes its first name
    except FileExistsError:
        raise
    except OSError:  # a file system without hard links
        partial.rename(target)
