"""Tokens of a log-in: a signed one for minutes (JWT, HS256), and an opaque one that renews it."""

import secrets
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import jwt

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
class Access:
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

    def sign(self, user_id: UUID, session_id: UUID, epoch: int, now: datetime) -> tuple[str, Access]:
        access = Access(user_id, session_id, epoch, (now + self.life).replace(microsecond=0))
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

    def read(self, token: str) -> Access | None:
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


def _access(claims: dict[str, Any]) -> Access | None:
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
    return Access(user_id, session_id, epoch, datetime.fromtimestamp(expires, UTC))


def new_refresh() -> str:
    """256 random bits."""
    return REFRESH_PREFIX + secrets.token_urlsafe(32)
