"""Client secrets of the Realtime socket: signed, short-lived tokens that open that socket and nothing else."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal
from uuid import UUID

import jwt

from app.core.errors import BadRequest, Unauthorized
from app.core.security import Caller, Via
from app.services.accounts.identity import NOT_VALID
from app.utils.ids import parse_id

PREFIX = "ek_"
MAX_LENGTH = 4096
"""Characters of a secret; it goes through headers."""
LIFE_S = range(10, 7201)
DEFAULT_LIFE_S = 600
_ALGORITHM = "HS256"
_KIND = "realtime"
_CLAIMS = ["exp", "sub", "via", "type"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientSecret:
    """A secret as it was made: whose it is, by which credential, and which session it opens."""

    value: str
    expires_at: int
    """Seconds since 1970."""
    caller: Caller
    """Its maker, as far as the secret knows; its credential may have ended meanwhile."""
    session: dict[str, Any]


def looks_like_client_secret(token: str) -> bool:
    """Whether a token has the form of a client secret."""
    return token.startswith(PREFIX)


class ClientSecrets:
    """Makes and reads secrets. Nothing is stored: every server process with the same key knows them all."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    def make(self, caller: Caller, session: dict[str, Any], life_s: int) -> ClientSecret:
        """Make a secret of this caller for a session like this one.

        Raises:
            BadRequest: the session is too long for a secret.
        """
        expires_at = int(datetime.now(UTC).timestamp()) + life_s
        claims = {
            "sub": str(caller.user_id),
            "via": caller.via,
            "cid": None if caller.credential_id is None else str(caller.credential_id),
            "exp": expires_at,
            "type": _KIND,
            "session": session,
        }
        value = PREFIX + jwt.encode(claims, self._key, _ALGORITHM)
        if len(value) > MAX_LENGTH:
            raise BadRequest(
                f"the session makes a secret of more than {MAX_LENGTH} characters; send long lists in `session.update`",
                param="session",
            )
        return ClientSecret(value=value, expires_at=expires_at, caller=caller, session=session)

    def read(self, value: str) -> ClientSecret:
        """Read a secret.

        Raises:
            Unauthorized: it is not valid, or not any more.
        """
        if len(value) > MAX_LENGTH or not value.isascii() or not looks_like_client_secret(value):
            raise Unauthorized(NOT_VALID)
        try:
            claims = jwt.decode(
                value.removeprefix(PREFIX), self._key, [_ALGORITHM], options={"require": _CLAIMS}
            )
        except jwt.PyJWTError:
            raise Unauthorized(NOT_VALID) from None
        user_id = parse_id(claims["sub"])
        if claims["type"] != _KIND or user_id is None:
            raise Unauthorized(NOT_VALID)
        caller = _make_caller(user_id, claims["via"], claims.get("cid"))
        return ClientSecret(
            value=value, expires_at=claims["exp"], caller=caller, session=claims.get("session") or {}
        )


def _make_caller(user_id: UUID, via: Via, credential: str | None) -> Caller:
    """The maker. A log-in's secret outlives the access token that made it, not the log-in."""
    role: Literal["user"] = "user"
    return Caller(
        user_id=user_id,
        name="",
        role=role,
        via=via,
        scopes=frozenset({"stt"}),
        credential_id=None if credential is None else parse_id(credential),
    )
