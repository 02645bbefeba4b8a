"""The key that signs access tokens: from settings, or made once and kept in the data folder for this user alone."""

import os
import secrets
import stat
from pathlib import Path

from pydantic import SecretStr

from app.core.errors import CannotStart

FILE_NAME = "jwt.key"
LEAST_BYTES = 32


def signing_key(configured: SecretStr, data_dir: Path) -> bytes:
    """The key; made at the first start where settings give none.

    Raises:
        CannotStart: it is too short, or others can read its file; the message says what to do.
    """
    if given := configured.get_secret_value().encode():
        return _long_enough(given, "accounts.jwt_secret_key (JWT_SECRET_KEY)")
    path = data_dir / FILE_NAME
    try:
        if not path.exists():
            _make(path)
        if os.name == "posix" and stat.S_IMODE(path.stat().st_mode) & 0o077:
            raise CannotStart(
                f"others can read {str(path)!r}, and so make tokens for anybody; remove it: the next start makes "
                "a new one, and everybody logs in again"
            )
        return _long_enough(path.read_bytes(), repr(str(path)))
    except OSError as error:
        reason = (error.strerror or type(error).__name__).lower()
        raise CannotStart(
            f"{str(path)!r} cannot be kept ({reason}); expected a folder that the server may write to (data_dir)"
        ) from error


def _make(path: Path) -> None:
    """Two servers that start at once agree: whoever comes first links its file, complete, under the name."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = path.with_name(f".{FILE_NAME}.{secrets.token_hex(8)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(secrets.token_urlsafe(48).encode())
            file.flush()
            os.fsync(file.fileno())
        try:
            os.link(draft, path)
        except FileExistsError:
            return
    finally:
        draft.unlink()


def _long_enough(key: bytes, where: str) -> bytes:
    if len(key) < LEAST_BYTES:
        raise CannotStart(f"{where} has {len(key)} bytes; expected at least {LEAST_BYTES} random ones")
    return key
