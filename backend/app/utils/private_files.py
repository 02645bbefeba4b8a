"""Files that only the user who runs the server can read, such as those of keys."""

import os
import secrets
import stat
from contextlib import suppress
from pathlib import Path


def write_private(path: Path, data: bytes) -> None:
    """Write a new file that only its user can read, and have it on the disk.

    Raises:
        OSError: it exists already, or cannot be written.
    """
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def create_secret(path: Path) -> None:
    """Create the file of a random secret, with its folder. Of two servers at once, the first one links its whole file.

    Raises:
        OSError: it cannot be written.
    """
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    try:
        write_private(draft, secrets.token_urlsafe(48).encode())
        with suppress(FileExistsError):
            os.link(draft, path)
    finally:
        draft.unlink(missing_ok=True)


def can_others_read(path: Path) -> bool:
    """Whether users other than its owner can read or write a file. Only POSIX tells.

    Raises:
        OSError: it is not there.
    """
    return os.name == "posix" and bool(stat.S_IMODE(path.stat().st_mode) & 0o077)
