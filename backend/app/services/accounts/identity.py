"""From a credential to its caller, and whether the caller of an open socket is still allowed."""

import logging
import time
from datetime import UTC, datetime, timedelta
from typing import cast
from uuid import UUID

import anyio

from app.core.errors import StorageUnavailable, Unauthorized
from app.core.security import Caller, Role
from app.services.accounts.api_keys import cut_prefix, hash_secret, hashes_match, limit_scopes, looks_like_key
from app.services.accounts.tokens import AccessTokens
from app.storage.database import Database
from app.storage.users import ApiKey, ApiKeys, RefreshTokens, User

logger = logging.getLogger(__name__)

NOT_VALID = "this token or key is not valid, or not any more; log in again, or use another key"
USED_EVERY = timedelta(minutes=1)
"""How often the use of a key is written down."""


class Authenticator:
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
                    user = await RefreshTokens(session).user_of_live(
                        caller.user_id, caller.credential_id, now
                    )
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
            user = await RefreshTokens(session).user_of_live(
                access.user_id, access.session_id, datetime.now(UTC)
            )
        if user is None or user.token_version != access.epoch:
            return None
        return _by_log_in(user, access.session_id, access.expires_at)

    async def _of_key(self, token: str) -> Caller | None:
        now, wanted = datetime.now(UTC), hash_secret(token)
        async with self._database.read() as session:
            found = await ApiKeys(session).by_prefix(cut_prefix(token))
        for key, user in found:
            if hashes_match(key.hash, wanted):
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
        scopes=limit_scopes(key.scopes, role),
        credential_id=key.id,
        expires_at=key.expires_at,
    )


CHECK_EVERY_S = 20.0
"""So that a log-out, an expiry, a revoked key or a disabled user closes a socket within a minute."""
UNKNOWN_FOR_S = 60.0
"""How long a socket may go on while the database cannot be asked."""


class LiveAuth:
    """One socket's caller. `watch` runs as long as the socket, `renew` takes a newer token of the same user."""

    def __init__(
        self, caller: Caller, identity: Authenticator | None, check_every_s: float | None = None
    ) -> None:
        self.caller = caller
        self._identity = identity
        self._every_s = CHECK_EVERY_S if check_every_s is None else check_every_s
        self._renewed = anyio.Event()

    async def watch(self) -> None:
        """Return never, or not before there is nothing to lose.

        Raises:
            Unauthorized: the caller may not go on.
        """
        if self._identity is None:
            return
        checked_s = time.monotonic()
        while True:
            with anyio.move_on_after(self._until_next_s()):
                await self._renewed.wait()
                self._renewed = anyio.Event()
            caller = self.caller
            try:
                found = await self._identity.again(caller)
                checked_s = time.monotonic()
            except StorageUnavailable:
                if time.monotonic() - checked_s > UNKNOWN_FOR_S:
                    raise Unauthorized(NOT_VALID) from None
                continue
            except Unauthorized:
                if self.caller is caller:
                    raise
                continue  # renewed meanwhile
            if self.caller is caller:
                self.caller = found

    async def renew(self, token: str) -> None:
        """Go on with this token's life.

        Raises:
            Unauthorized: it is not valid, or another user's.
        """
        if self._identity is None:
            return
        caller = await self._identity.of(token)
        if caller.user_id != self.caller.user_id:
            raise Unauthorized("this token is another user's; open a socket of your own")
        self.caller = caller
        self._renewed.set()

    def _until_next_s(self) -> float:
        expires_at = self.caller.expires_at
        if expires_at is None:
            return self._every_s
        left_s = (expires_at - datetime.now(UTC)).total_seconds()
        return min(self._every_s, max(left_s, 0.0) + 0.01)
