"""The data folder of an SQLite server: private, on a local disk, and locked for one server at a time."""

import logging
import os
import sqlite3
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from app.core.errors import StorageUnavailable
from app.core.paths import list_other_bases, resolve_path

logger = logging.getLogger(__name__)

DATABASE_FILE = "prompter.db"
KEY_FILE = "jwt.key"
"""The key of the accounts. A server writes it after it has prepared the database."""
SPOOL_FOLDER = "spool"
"""Audio of dictations whose text is not stored yet."""
AUDIO_FOLDER = "audio"
"""Audio of dictations that have ended, where it is kept (storage.audio_hours)."""
ATTACHMENTS_FOLDER = "attachments"
"""Files of messages."""
NETWORK_FILE_SYSTEMS = frozenset(
    {
        "nfs",
        "nfs4",
        "cifs",
        "smb3",
        "smbfs",
        "ceph",
        "9p",
        "glusterfs",
        "lustre",
        "afs",
        "davfs",
        "fuse.sshfs",
    }
)
_MOUNTS = Path("/proc/self/mounts")


def warn_if_moved(folder: Path) -> None:
    """Warn if this data folder has nothing, and that of another installation of the user has conversations.

    A folder that the settings name is meant, and not asked about.
    """
    if folder != resolve_path(Path("data")) or has_content(folder):
        return
    other = next((base / "data" for base in list_other_bases() if has_content(base / "data")), None)
    if other is not None:
        logger.warning(
            "the data folder %s is empty, and %s has conversations: to go on with those, stop this server and set "
            "PROMPTER_DATA_DIR=%s; `prompter config` says why the first one is used",
            *(folder, other, other),
        )


def has_content(folder: Path) -> bool:
    """Whether the folder's database holds a conversation or a dictation. Nothing is written, not even a lock."""
    file = folder / DATABASE_FILE
    try:
        if file.with_name(f"{DATABASE_FILE}-wal").stat().st_size > 0:
            return True  # a server runs there, or was killed: the log is not read here
    except OSError:
        pass
    try:
        with closing(sqlite3.connect(f"{file.resolve().as_uri()}?immutable=1", uri=True)) as database:
            query = "SELECT EXISTS (SELECT 1 FROM conversations) OR EXISTS (SELECT 1 FROM dictations)"
            return bool(database.execute(query).fetchone()[0])
    except sqlite3.Error:
        return False


@contextmanager
def lock_folder(folder: Path, *, for_restore: bool = False) -> Iterator[None]:
    """Lock the folder for this server while the block runs. A backup can read the database all the same.

    The database file is created if it is missing, but not `for_restore`, which brings one.

    Raises:
        StorageUnavailable: another server has the lock, the folder cannot be written, or its database was emptied.
    """
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = FileLock(folder / "prompter.lock", timeout=0, thread_local=False, mode=0o600)
        lock.acquire()
        _close_to_others(folder / "prompter.lock")
    except Timeout:
        raise StorageUnavailable(
            f"another server uses the data folder {str(folder)!r}: stop it, give this one its own folder "
            "(PROMPTER_DATA_DIR), or use PostgreSQL (PROMPTER_STORAGE__URL), which several may share"
        ) from None
    except OSError as error:
        raise _make_unwritable(folder, error) from error
    try:
        if not for_restore:
            refuse_emptied(folder)
            _make_file(folder)
        _warn_if_on_network(folder)
        yield
    finally:
        lock.release()


def _make_file(folder: Path) -> None:
    """As `make_private`, with the one error for a folder that cannot be written."""
    try:
        make_private(folder)
    except OSError as error:
        raise _make_unwritable(folder, error) from error


def _make_unwritable(folder: Path, error: OSError) -> StorageUnavailable:
    return StorageUnavailable(
        f"the data folder {str(folder)!r} cannot be written ({error.strerror or type(error).__name__}): "
        "give it to the user that runs the server, or set PROMPTER_DATA_DIR"
    )


def refuse_emptied(folder: Path) -> None:
    """Refuse to begin a new database where there was one: what a server left beside it shows that it had content.

    A first start that fails leaves an empty file too. Beside it is nothing that is written only after that.

    Raises:
        StorageUnavailable: the file is empty or missing, and was used.
    """
    file, log = folder / DATABASE_FILE, folder / f"{DATABASE_FILE}-wal"
    if not folder.exists() or (file.exists() and file.stat().st_size):
        return
    left = [log] if log.exists() and log.stat().st_size else sorted(folder.glob(f"{DATABASE_FILE}.before-*"))
    if not left and file.exists():
        left = [key for key in (folder / KEY_FILE,) if key.exists()]
    if left:
        state = "is empty (0 bytes)" if file.exists() else "is missing"
        anew = "move the files away" if left[0].name != KEY_FILE else "remove the empty file"
        raise StorageUnavailable(
            f"the database {str(file)!r} {state}, though {left[0].name!r} beside it shows that it was used: restore a "
            f"backup (`prompter db restore FILE`), or {anew} to begin anew"
        )


def list_database_files(file: Path) -> list[str]:
    """The names of an SQLite file and of those that SQLite keeps beside it. They belong together."""
    return [f"{file.name}{ending}" for ending in ("", "-wal", "-shm", "-journal")]


def make_private(folder: Path) -> None:
    """Create the folder and the database file, if they are missing, with access for this user alone.

    SQLite itself would create a file that every user of the machine can read. Its log gets the mode of the file.

    Raises:
        OSError: the folder or the file cannot be created.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    os.close(os.open(folder / DATABASE_FILE, os.O_CREAT | os.O_RDWR, 0o600))


def _close_to_others(lock: Path) -> None:
    """Take the lock file from other users, whom an earlier version let write to it: they could hold the lock."""
    if os.name == "posix" and lock.stat().st_mode & 0o077:
        lock.chmod(0o600)


def find_file_system(folder: Path, mounts: str) -> str:
    """Find the type of the file system that a folder is on, in the text of /proc/self/mounts; empty if unknown."""
    found, kind = Path("/"), ""
    for line in mounts.splitlines():
        fields = line.split(" ")
        if len(fields) > 2:
            mount = Path(fields[1].replace("\\040", " "))
            if folder.is_relative_to(mount) and mount.is_relative_to(found):
                found, kind = mount, fields[2]
    return kind


def read_network_file_system(folder: Path) -> str:
    """Return the type of the network file system that a folder is on; empty if it is on none, as far as is known."""
    if _MOUNTS.is_file():
        kind = find_file_system(folder.resolve(), _MOUNTS.read_text(encoding="utf-8", errors="replace"))
        return kind if kind in NETWORK_FILE_SYSTEMS else ""
    return "a share" if sys.platform == "win32" and os.fspath(folder).startswith("\\\\") else ""


def _warn_if_on_network(folder: Path) -> None:
    """Warn if the folder is on a network file system: SQLite's log needs memory that machines do not share."""
    if kind := read_network_file_system(folder):
        logger.warning(
            "the data folder is on a network file system (%s), where SQLite may lose data: "
            "put PROMPTER_DATA_DIR on a local disk, or use PostgreSQL",
            kind,
        )
