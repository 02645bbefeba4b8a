"""API keys: `pk_` and 256 random bits, shown once and stored as hashes; created, listed and revoked here."""

import hashlib
import hmac
import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

from app.core.errors import BadRequest, Forbidden, IdReused, NotFound
from app.core.idempotency import RequestKey
from app.core.security import SCOPES, Caller, Role, Scope
from app.storage import idempotency
from app.storage.database import Database
from app.storage.users import ApiKey as ApiKey  # re-exported for the API
from app.storage.users import ApiKeys
from app.utils.ids import new_id

PREFIX = "pk_"
SECRET_BYTES = 32
SHOWN_CHARACTERS = 8
"""Characters of the secret that the prefix shows: enough to recognise a key (48 of its 256 bits)."""
MAX_KEYS = 100
"""Keys of one user that are not revoked."""
ADMIN_SCOPES: frozenset[Scope] = frozenset({"metrics"})
"""Scopes that only the key of an admin may have."""
_FORM = re.compile(r"pk_[A-Za-z0-9_-]{43}", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class NewKey:
    """A key that is not stored yet."""

    secret: str = field(repr=False)
    prefix: str
    """Its first characters: stored in plain text, indexed, and shown in lists."""
    hash: str


def generate_key() -> NewKey:
    """Generate a random key."""
    secret = PREFIX + secrets.token_urlsafe(SECRET_BYTES)
    return NewKey(secret=secret, prefix=cut_prefix(secret), hash=hash_secret(secret))


def looks_like_key(token: str) -> bool:
    """Whether a token has the form of an API key; other tokens are not looked up as keys."""
    return _FORM.fullmatch(token) is not None


def cut_prefix(key: str) -> str:
    """Return the part of a key that is stored in plain text."""
    return key[: len(PREFIX) + SHOWN_CHARACTERS]


def hash_secret(secret: str) -> str:
    """Return the SHA-256 of a secret in hex. 256 random bits need neither a salt nor a slow hash."""
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()


def hashes_match(left: str, right: str) -> bool:
    """Whether two hashes are equal; compared in constant time."""
    return hmac.compare_digest(left.encode(), right.encode())


def limit_scopes(scopes: Sequence[str], role: Role) -> frozenset[Scope]:
    """Return the scopes of a key that its owner's present role allows."""
    return frozenset(
        scope for scope in SCOPES if scope in scopes and (role == "admin" or scope not in ADMIN_SCOPES)
    )


class ApiKeyManager:
    """Creates, lists and revokes the keys of a caller. Keys of other users do not exist for a caller."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def list_keys(self, caller: Caller) -> Sequence[ApiKey]:
        """Return the caller's keys that are not revoked, newest first."""
        async with self._database.read() as session:
            return await ApiKeys(session).list_active(caller.user_id)

    async def create(
        self,
        caller: Caller,
        name: str,
        scopes: Sequence[Scope],
        life: timedelta | None,
        request_key: RequestKey | None = None,
    ) -> tuple[ApiKey, str]:
        """Create a key; return it and its secret, which is not stored. `life` None: the key does not expire.

        The same `request_key` creates no second one. As secrets are not stored, the key gets another one then.

        Raises:
            Forbidden: the caller's role does not allow one of the scopes.
            BadRequest: the caller has too many keys.
            IdReused: `request_key` was sent with another request, or the key that it made is in use.
            NotFound: the key that it made has been deleted.
        """
        if refused := set(scopes) - limit_scopes(scopes, caller.role):
            raise Forbidden(f"only an admin's key may have the scope {sorted(refused)[0]!r}")
        new, now = generate_key(), datetime.now(UTC)
        key = ApiKey(
            id=new_id(),
            user_id=caller.user_id,
            name=name,
            prefix=new.prefix,
            hash=new.hash,
            scopes=tuple(sorted(set(scopes))),
            expires_at=None if life is None else now + life,
            last_used_at=None,
            revoked_at=None,
            created_at=now,
        )
        async with self._database.write() as session:
            keys = ApiKeys(session)
            if made := await idempotency.claim(session, caller.user_id, request_key):
                return await _renew_secret(keys, made, new), new.secret
            if len(await keys.list_active(caller.user_id)) >= MAX_KEYS:
                raise BadRequest(
                    f"you have {MAX_KEYS} keys, which is the limit; delete those that nobody uses"
                )
            await keys.add(key)
            await idempotency.note_made(session, caller.user_id, request_key, key.id)
        return key, new.secret

    async def revoke(self, caller: Caller, key_id: UUID) -> None:
        """Revoke a key, which is invalid from now on.

        Raises:
            NotFound: the caller has no such key.
        """
        async with self._database.write() as session:
            if not await ApiKeys(session).revoke(key_id, caller.user_id, datetime.now(UTC)):
                raise NotFound("you have no key of this id")


async def _renew_secret(keys: ApiKeys, key_id: UUID, new: NewKey) -> ApiKey:
    """Give a key another secret, because the answer with the first one was lost on its way."""
    found = await keys.find_by_id(key_id)
    if found is None or found[0].revoked_at is not None:
        raise NotFound("the key that this request made has been deleted; make another one")
    if found[0].last_used_at is not None:
        raise IdReused(
            "this request has made a key, which is in use; make another one, with another key of request"
        )
    await keys.replace_secret(key_id, new.prefix, new.hash)
    return replace(found[0], prefix=new.prefix, hash=new.hash)
