"""API keys: `pk_` and 256 random bits, shown once, stored as hashes, listed and revoked."""

import hashlib
import hmac
import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from uuid import UUID

from app.core.errors import BadRequest, Forbidden, NotFound
from app.core.security import SCOPES, Caller, Role, Scope
from app.storage.database import Database
from app.storage.users import ApiKey as ApiKey  # the doors show it
from app.storage.users import ApiKeys
from app.utils.ids import new_id

PREFIX = "pk_"
SECRET_BYTES = 32
SHOWN_CHARACTERS = 8
"""Of the secret: enough to find a key among one's own, too few to guess the rest (48 of 256 bits)."""
_FORM = re.compile(r"pk_[A-Za-z0-9_-]{43}", re.ASCII)


@dataclass(frozen=True, slots=True)
class NewKey:
    """A key that nobody has seen yet."""

    secret: str = field(repr=False)
    prefix: str
    """Stored in the clear, indexed, and shown in lists."""
    hash: str


def generate_key() -> NewKey:
    secret = PREFIX + secrets.token_urlsafe(SECRET_BYTES)
    return NewKey(secret, cut_prefix(secret), hash_secret(secret))


def looks_like_key(token: str) -> bool:
    """Whether it has the form of a key; anything else is not looked up."""
    return _FORM.fullmatch(token) is not None


def cut_prefix(key: str) -> str:
    return key[: len(PREFIX) + SHOWN_CHARACTERS]


def hash_secret(secret: str) -> str:
    """SHA-256 in hex. 256 random bits need no salt and no slow hash."""
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()


def hashes_match(left: str, right: str) -> bool:
    """Whether two hashes are equal, in constant time."""
    return hmac.compare_digest(left.encode(), right.encode())


MOST_KEYS = 100
"""Of one user."""
ADMIN_SCOPES: frozenset[Scope] = frozenset({"metrics"})
"""What only an admin may do, and so only an admin's key."""


def limit_scopes(scopes: Sequence[str], role: Role) -> frozenset[Scope]:
    """What a key is good for: what it was made for, as far as its owner may do that today."""
    return frozenset(
        scope for scope in SCOPES if scope in scopes and (role == "admin" or scope not in ADMIN_SCOPES)
    )


class ApiKeyManager:
    """One caller's keys; those of others do not exist for them."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def all(self, caller: Caller) -> Sequence[ApiKey]:
        async with self._database.read() as session:
            return await ApiKeys(session).of_user(caller.user_id)

    async def make(
        self, caller: Caller, name: str, scopes: Sequence[Scope], life: timedelta | None
    ) -> tuple[ApiKey, str]:
        """A new key, and its secret, which is kept nowhere.

        Raises:
            Forbidden: a scope that the caller does not have.
            BadRequest: the caller has too many keys.
        """
        if refused := set(scopes) - limit_scopes(scopes, caller.role):
            raise Forbidden(f"only an admin's key may have the scope {sorted(refused)[0]!r}")
        made, now = generate_key(), datetime.now(UTC)
        key = ApiKey(
            id=new_id(),
            user_id=caller.user_id,
            name=name,
            prefix=made.prefix,
            hash=made.hash,
            scopes=tuple(sorted(set(scopes))),
            expires_at=None if life is None else now + life,
            last_used_at=None,
            revoked_at=None,
            created_at=now,
        )
        async with self._database.write() as session:
            keys = ApiKeys(session)
            if len(await keys.of_user(caller.user_id)) >= MOST_KEYS:
                raise BadRequest(f"you have {MOST_KEYS} keys; delete those that nobody uses")
            await keys.add(key)
        return key, made.secret

    async def revoke(self, caller: Caller, key_id: UUID) -> None:
        """It opens nothing from now on.

        Raises:
            NotFound: the caller has no such key.
        """
        async with self._database.write() as session:
            if not await ApiKeys(session).revoke(key_id, caller.user_id, datetime.now(UTC)):
                raise NotFound("you have no key of this id")
