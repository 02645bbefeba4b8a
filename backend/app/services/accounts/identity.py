"""Finds the caller of a token or API key, and checks the caller of an open socket again and again."""

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
USE_INTERVAL = timedelta(minutes=1)
"""The shortest time between two updates of a key's `last_used_at`."""
CHECK_INTERVAL_S = 20.0
"""How often the caller of a socket is checked, so that a log-out or a revoked key closes it within a minute."""
MAX_UNCHECKED_S = 60.0
"""How long a socket may go on while the database cannot be read."""


class Authenticator:
    """Finds callers by their tokens. Nothing is cached: a token that one server process revokes is invalid in all."""

    def __init__(self, database: Database, tokens: AccessTokens) -> None:
        self._database = database
        self._tokens = tokens

    async def authenticate(self, token: str) -> Caller:
        """Find the caller with this access token or API key.

        Raises:
            Unauthorized: the token or key is not valid. The message is the same for every reason.
        """
        is_key = looks_like_key(token)
        caller = await (self._find_by_key(token) if is_key else self._find_by_access_token(token))
        if caller is None:
            raise Unauthorized(NOT_VALID)
        return caller

    async def reauthenticate(self, caller: Caller) -> Caller:
        """Check a caller of earlier again, with the present role and scopes.

        Raises:
            Unauthorized: the log-in has ended, the key is revoked, the user is disabled, or the token has expired.
        """
        if caller.via == "local":
            return caller
        now = datetime.now(UTC)
        found: Caller | None = None
        if caller.credential_id is not None and (caller.expires_at is None or caller.expires_at > now):
            async with self._database.read() as session:
                if caller.via == "key":
                    row = await ApiKeys(session).find_by_id(caller.credential_id)
                    found = None if row is None else _key_caller(*row, now)
                else:
                    user = await RefreshTokens(session).find_user(caller.user_id, caller.credential_id, now)
                    found = (
                        None if user is None else _login_caller(user, caller.credential_id, caller.expires_at)
                    )
        if found is None:
            raise Unauthorized(NOT_VALID)
        return found

    async def _find_by_access_token(self, token: str) -> Caller | None:
        access = self._tokens.read(token)
        if access is None:
            return None
        async with self._database.read() as session:
            user = await RefreshTokens(session).find_user(
                access.user_id, access.session_id, datetime.now(UTC)
            )
        if user is None or user.token_version != access.epoch:
            return None
        return _login_caller(user, access.session_id, access.expires_at)

    async def _find_by_key(self, token: str) -> Caller | None:
        now, wanted = datetime.now(UTC), hash_secret(token)
        async with self._database.read() as session:
            found = await ApiKeys(session).find_by_prefix(cut_prefix(token))
        for key, user in found:
            if hashes_match(key.hash, wanted):
                caller = _key_caller(key, user, now)
                if caller is not None:
                    await self._record_use(key, now)
                return caller
        return None

    async def _record_use(self, key: ApiKey, now: datetime) -> None:
        if key.last_used_at is not None and now - key.last_used_at < USE_INTERVAL:
            return
        try:
            async with self._database.write() as session:
                await ApiKeys(session).mark_used(key.id, now)
        except StorageUnavailable:
            logger.warning("the last use of an API key could not be stored")


def _login_caller(user: User, session_id: UUID, expires_at: datetime | None) -> Caller | None:
    if user.disabled_at is not None:
        return None
    return Caller(
        user_id=user.id,
        name=user.name,
        role=cast("Role", user.role),
        via="session",
        credential_id=session_id,
        expires_at=expires_at,
    )


def _key_caller(key: ApiKey, user: User, now: datetime) -> Caller | None:
    has_expired = key.expires_at is not None and key.expires_at <= now
    if has_expired or key.revoked_at is not None or user.disabled_at is not None:
        return None
    role = cast("Role", user.role)
    return Caller(
        user_id=user.id,
        name=user.name,
        role=role,
        via="key",
        scopes=limit_scopes(key.scopes, role),
        credential_id=key.id,
        expires_at=key.expires_at,
    )


class LiveAuth:
    """The caller of one open socket: `watch` checks it again and again, `renew` takes a newer token of its user."""

    def __init__(
        self, caller: Caller, authenticator: Authenticator | None, interval_s: float | None = None
    ) -> None:
        self.caller = caller
        self._authenticator = authenticator
        self._interval_s = CHECK_INTERVAL_S if interval_s is None else interval_s
        self._renewed = anyio.Event()

    async def watch(self) -> None:
        """Check the caller until the socket closes. On a server without accounts this returns at once.

        Raises:
            Unauthorized: the credential of the caller has ended.
        """
        if self._authenticator is None:
            return
        checked_s = time.monotonic()
        while True:
            with anyio.move_on_after(self._next_check_s()):
                await self._renewed.wait()
                self._renewed = anyio.Event()
            caller = self.caller
            try:
                found = await self._authenticator.reauthenticate(caller)
                checked_s = time.monotonic()
            except StorageUnavailable:
                if time.monotonic() - checked_s > MAX_UNCHECKED_S:
                    raise Unauthorized(NOT_VALID) from None
                continue
            except Unauthorized:
                if self.caller is caller:
                    raise
                continue  # `renew` has replaced the caller meanwhile
            if self.caller is caller:
                self.caller = found

    async def renew(self, token: str) -> None:
        """Replace the credential of the socket by this token.

        Raises:
            Unauthorized: the token is not valid, or belongs to another user.
        """
        if self._authenticator is None:
            return
        caller = await self._authenticator.authenticate(token)
        if caller.user_id != self.caller.user_id:
            raise Unauthorized("this token is another user's; open a socket of your own")
        self.caller = caller
        self._renewed.set()

    @property
    def left_s(self) -> float | None:
        """Until the credential expires (s); None where it does not."""
        expires_at = self.caller.expires_at
        return None if expires_at is None else (expires_at - datetime.now(UTC)).total_seconds()

    def _next_check_s(self) -> float:
        left_s = self.left_s
        return self._interval_s if left_s is None else min(self._interval_s, max(left_s, 0.0) + 0.01)
