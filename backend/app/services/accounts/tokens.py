"""Tokens of a log-in: signed access tokens (JWT, HS256), opaque refresh tokens, and the signing key."""

import os
import secrets
import stat
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import jwt
from pydantic import SecretStr

from app.core.errors import CannotStart
from app.utils.ids import parse_id

ALGORITHM = "HS256"
CLAIMS = ("exp", "iat", "jti", "sub", "sid", "type", "epoch")
KIND = "access"
LONGEST = 2048
"""Characters of a token that is read at all."""
CLOCKS_APART_S = 60
"""How far the clocks of two servers may differ before one refuses what the other has just signed."""
REFRESH_PREFIX = "rt_"


@dataclass(frozen=True, slots=True)
class AccessClaims:
    """What an access token says."""

    user_id: UUID
    session_id: UUID
    epoch: int
    """Of the user's tokens: all earlier ones are void."""
    expires_at: datetime


class AccessTokens:
    """Sign and read access tokens; a token is only as good as its session, which the reader checks."""

    def __init__(self, key: bytes, minutes: float) -> None:
        self._key = key
        self.life = timedelta(minutes=minutes)

    def sign(self, user_id: UUID, session_id: UUID, epoch: int, now: datetime) -> tuple[str, AccessClaims]:
        access = AccessClaims(user_id, session_id, epoch, (now + self.life).replace(microsecond=0))
        claims = {
            "sub": str(user_id),
            "sid": str(session_id),
            "jti": secrets.token_urlsafe(12),
            "iat": int(now.timestamp()),
            "exp": int(access.expires_at.timestamp()),
            "epoch": epoch,
            "type": KIND,
        }
        return jwt.encode(claims, self._key, ALGORITHM), access

    def read(self, token: str) -> AccessClaims | None:
        """What it says; None for whatever is not a live token of this server's."""
        if len(token) > LONGEST or not token.isascii():
            return None
        try:
            # When it was issued is looked at below: PyJWT would let no clock differ.
            claims = jwt.decode(
                token, self._key, [ALGORITHM], options={"require": list(CLAIMS), "verify_iat": False}
            )
        except jwt.PyJWTError:
            return None
        return _access(claims)


def _access(claims: dict[str, Any]) -> AccessClaims | None:
    """Signed by us, but perhaps for another use."""
    issued, expires, epoch = claims["iat"], claims["exp"], claims["epoch"]
    user_id, session_id = (
        parse_id(claims[name]) if type(claims[name]) is str else None for name in ("sub", "sid")
    )
    if claims["type"] != KIND or user_id is None or session_id is None:
        return None
    if not all(type(value) is int for value in (epoch, issued, expires)):
        return None
    if issued > datetime.now(UTC).timestamp() + CLOCKS_APART_S:
        return None
    return AccessClaims(user_id, session_id, epoch, datetime.fromtimestamp(expires, UTC))


def generate_refresh_token() -> str:
    """256 random bits."""
    return REFRESH_PREFIX + secrets.token_urlsafe(32)


FILE_NAME = "jwt.key"
LEAST_BYTES = 32


def load_signing_key(configured: SecretStr, data_dir: Path) -> bytes:
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
