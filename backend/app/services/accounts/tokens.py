"""Tokens of a log-in: signed access tokens (JWT, HS256), opaque refresh tokens, and the signing key."""

import secrets
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import jwt
from pydantic import SecretStr

from app.core.errors import CannotStart
from app.storage.data_folder import KEY_FILE
from app.utils.ids import parse_id
from app.utils.private_files import can_others_read, create_secret

ALGORITHM = "HS256"
CLAIMS = ("exp", "iat", "jti", "sub", "sid", "type", "epoch")
KIND = "access"
MAX_LENGTH = 2048
"""Characters of a token; longer ones are not parsed."""
MAX_CLOCK_SKEW_S = 60
"""How far in the future the issue time of a token may be, because the clocks of servers differ."""
REFRESH_PREFIX = "rt_"
MIN_KEY_BYTES = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessClaims:
    """The claims of an access token."""

    user_id: UUID
    session_id: UUID
    epoch: int
    """The user's `token_version` when it was signed; tokens of an earlier version are invalid."""
    expires_at: datetime


class AccessTokens:
    """Signs and reads access tokens. The caller checks that the log-in of a token has not ended."""

    def __init__(self, key: bytes, minutes: float) -> None:
        self._key = key
        self.life = timedelta(minutes=minutes)

    def sign(self, user_id: UUID, session_id: UUID, epoch: int, now: datetime) -> tuple[str, AccessClaims]:
        """Sign a token for a log-in; return it and its claims."""
        signed = AccessClaims(
            user_id=user_id,
            session_id=session_id,
            epoch=epoch,
            expires_at=(now + self.life).replace(microsecond=0),
        )
        claims = {
            "sub": str(user_id),
            "sid": str(session_id),
            "jti": secrets.token_urlsafe(12),
            "iat": int(now.timestamp()),
            "exp": int(signed.expires_at.timestamp()),
            "epoch": epoch,
            "type": KIND,
        }
        return jwt.encode(claims, self._key, ALGORITHM), signed

    def read(self, token: str) -> AccessClaims | None:
        """Return the claims of a token; None unless it is a valid access token of this server."""
        if len(token) > MAX_LENGTH or not token.isascii():
            return None
        try:
            # `_parse_claims` checks the issue time: PyJWT allows no clock skew for it.
            claims = jwt.decode(
                token, self._key, [ALGORITHM], options={"require": list(CLAIMS), "verify_iat": False}
            )
        except jwt.PyJWTError:
            return None
        return _parse_claims(claims)


def _parse_claims(claims: dict[str, Any]) -> AccessClaims | None:
    """Check claims that this server has signed, perhaps for another purpose."""
    issued, expires, epoch = claims["iat"], claims["exp"], claims["epoch"]
    user_id, session_id = (
        parse_id(claims[name]) if type(claims[name]) is str else None for name in ("sub", "sid")
    )
    if claims["type"] != KIND or user_id is None or session_id is None:
        return None
    if not all(type(value) is int for value in (epoch, issued, expires)):
        return None
    if issued > datetime.now(UTC).timestamp() + MAX_CLOCK_SKEW_S:
        return None
    expires_at = datetime.fromtimestamp(expires, UTC)
    return AccessClaims(user_id=user_id, session_id=session_id, epoch=epoch, expires_at=expires_at)


def generate_refresh_token() -> str:
    """Generate a token of 256 random bits."""
    return REFRESH_PREFIX + secrets.token_urlsafe(32)


def load_signing_key(configured: SecretStr, data_dir: Path) -> bytes:
    """Return the configured key, or the one in the data folder, which the first start creates.

    Raises:
        CannotStart: the key is too short, other users can read its file, or the file cannot be read or written.
    """
    if given := configured.get_secret_value().encode():
        return _check_length(given, "accounts.jwt_secret_key (JWT_SECRET_KEY)")
    path = data_dir / KEY_FILE
    try:
        if not path.exists():
            create_secret(path)
        if can_others_read(path):
            raise CannotStart(
                f"other users can read {str(path)!r}, and so make tokens for anybody; remove it: the next start makes "
                "a new one, and everybody logs in again"
            )
        return _check_length(path.read_bytes(), repr(str(path)))
    except OSError as error:
        reason = (error.strerror or type(error).__name__).lower()
        raise CannotStart(
            f"{str(path)!r} cannot be written ({reason}); expected a folder that the server may write to (data_dir)"
        ) from error


def _check_length(key: bytes, where: str) -> bytes:
    if len(key) < MIN_KEY_BYTES:
        raise CannotStart(f"{where} has {len(key)} bytes; expected at least {MIN_KEY_BYTES} random ones")
    return key
