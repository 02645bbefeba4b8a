"""From a token to its caller: what a log-in or a key is worth right now, asked of the database each time."""

import logging
from datetime import UTC, datetime, timedelta
from typing import cast
from uuid import UUID

from app.core.caller import Caller, Role
from app.core.errors import StorageUnavailable, Unauthorized
from app.services.accounts.api_keys import scopes_of
from app.services.accounts.secrets.keys import hash_of, looks_like_key, prefix_of, same
from app.services.accounts.secrets.tokens import AccessTokens
from app.storage.database import Database
from app.storage.users import ApiKey, ApiKeys, Refreshes, User

logger = logging.getLogger(__name__)

NOT_VALID = "this token or key is not valid, or not any more; log in again, or use another key"
USED_EVERY = timedelta(minutes=1)
"""How often the use of a key is written down."""


class Identity:
    """Knows callers by their tokens. Nothing is cached: what one server process revokes, all refuse at once."""

    def __init__(self, database: Database, tokens: AccessTokens) -> None:
        self._database = database
        self._tokens = tokens

    async def of(self, token: str) -> Caller:
        """Who sends this access token or API key.

        Raises:
            Unauthorized: nobody; always the same words.
        """
        caller = await (self._of_key(token) if looks_like_key(token) else self._of_access(token))
        if caller is None:
            raise Unauthorized(NOT_VALID)
        return caller

    async def again(self, caller: Caller) -> Caller:
        """The same caller as of now, for what lasts longer than a request.

        Raises:
            Unauthorized: the log-in has ended, the key is revoked, the user disabled, or time is up.
        """
        if caller.via == "local":
            return caller
        now = datetime.now(UTC)
        found: Caller | None = None
        if caller.credential_id is not None and (caller.expires_at is None or caller.expires_at > now):
            async with self._database.read() as session:
                if caller.via == "key":
                    row = await ApiKeys(session).by_id(caller.credential_id)
                    found = None if row is None else _by_key(*row, now)
                else:
                    user = await Refreshes(session).user_of_live(caller.user_id, caller.credential_id, now)
                    found = (
                        None if user is None else _by_log_in(user, caller.credential_id, caller.expires_at)
                    )
        if found is None:
            raise Unauthorized(NOT_VALID)
        return found

    async def _of_access(self, token: str) -> Caller | None:
        access = self._tokens.read(token)
        if access is None:
            return None
        async with self._database.read() as session:
            user = await Refreshes(session).user_of_live(access.user_id, access.session_id, datetime.now(UTC))
        if user is None or user.token_version != access.epoch:
            return None
        return _by_log_in(user, access.session_id, access.expires_at)

    async def _of_key(self, token: str) -> Caller | None:
        now, wanted = datetime.now(UTC), hash_of(token)
        async with self._database.read() as session:
            found = await ApiKeys(session).by_prefix(prefix_of(token))
        for key, user in found:
            if same(key.hash, wanted):
                caller = _by_key(key, user, now)
                if caller is not None:
                    await self._note_use(key, now)
                return caller
        return None

    async def _note_use(self, key: ApiKey, now: datetime) -> None:
        if key.last_used_at is not None and now - key.last_used_at < USED_EVERY:
            return
        try:
            async with self._database.write() as session:
                await ApiKeys(session).used(key.id, now)
        except StorageUnavailable:
            logger.warning("the use of a key could not be written down")


def _by_log_in(user: User, session_id: UUID, expires_at: datetime | None) -> Caller | None:
    if user.disabled_at is not None:
        return None
    return Caller(
        user.id,
        user.name,
        cast("Role", user.role),
        "session",
        credential_id=session_id,
        expires_at=expires_at,
    )


def _by_key(key: ApiKey, user: User, now: datetime) -> Caller | None:
    over = key.expires_at is not None and key.expires_at <= now
    if over or key.revoked_at is not None or user.disabled_at is not None:
        return None
    role = cast("Role", user.role)
    return Caller(
        user.id,
        user.name,
        role,
        "key",
        scopes=scopes_of(key.scopes, role),
        credential_id=key.id,
        expires_at=key.expires_at,
    )
