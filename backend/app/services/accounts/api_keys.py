"""The keys of programs: made once, listed without their secret, revoked at once."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from uuid import UUID

from app.core.caller import SCOPES, Caller, Role, Scope
from app.core.errors import BadRequest, Forbidden, NotFound
from app.services.accounts.secrets.keys import new_key
from app.storage.database import Database
from app.storage.users import ApiKey as ApiKey  # the doors show it
from app.storage.users import ApiKeys
from app.utils.ids import new_id

MOST_KEYS = 100
"""Of one user."""
ADMIN_SCOPES: frozenset[Scope] = frozenset({"metrics"})
"""What only an admin may do, and so only an admin's key."""


def scopes_of(scopes: Sequence[str], role: Role) -> frozenset[Scope]:
    """What a key is good for: what it was made for, as far as its owner may do that today."""
    return frozenset(
        scope for scope in SCOPES if scope in scopes and (role == "admin" or scope not in ADMIN_SCOPES)
    )


class Keys:
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
        if refused := set(scopes) - scopes_of(scopes, caller.role):
            raise Forbidden(f"only an admin's key may have the scope {sorted(refused)[0]!r}")
        made, now = new_key(), datetime.now(UTC)
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
