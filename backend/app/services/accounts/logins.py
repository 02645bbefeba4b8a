"""Log-ins: a password begins one, a refresh token renews it, a log-out ends it at once."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from math import ceil
from uuid import UUID

from app.core.config import AccountSettings
from app.core.errors import TooManyAttempts, Unauthorized
from app.core.idempotency import RequestKey
from app.core.security import Caller
from app.services.accounts.api_keys import hash_secret
from app.services.accounts.passwords import Passwords, make_name_key
from app.services.accounts.shared_throttle import SharedThrottle
from app.services.accounts.throttle import make_address_key
from app.services.accounts.tokens import REFRESH_PREFIX, AccessTokens, generate_refresh_token
from app.storage import idempotency
from app.storage.database import Database
from app.storage.users import RefreshTokens, User, Users
from app.utils.ids import new_id

REFUSED = "the name or the password is wrong"
"""The message for an unknown name, a wrong password and a disabled account alike."""
ADDRESS_FACTOR = 4
"""An address may fail so many times as often as an account, because several people can share one address."""
_ENDED = "this log-in has ended; log in again"


@dataclass(frozen=True, slots=True, kw_only=True)
class LoginTokens:
    """The tokens of a new or renewed log-in."""

    user: User
    access_token: str = field(repr=False)
    expires_at: datetime
    refresh_token: str = field(repr=False)
    refresh_expires_at: datetime


class Logins:
    """Begins, renews and ends log-ins."""

    def __init__(
        self,
        settings: AccountSettings,
        database: Database,
        passwords: Passwords,
        tokens: AccessTokens,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._database = database
        self._passwords = passwords
        self._tokens = tokens
        self._refresh_life = timedelta(days=settings.refresh_days)
        tries, window_s = settings.login_attempts, settings.login_window_s
        self._by_name = SharedThrottle(database, "log-in name", tries, window_s, clock)
        self._by_address = SharedThrottle(database, "log-in address", tries * ADDRESS_FACTOR, window_s, clock)

    async def begin(self, name: str, password: str, address: str) -> LoginTokens:
        """Log in.

        Raises:
            Unauthorized: unknown, disabled, or a wrong password; always with the same message after the same time.
            TooManyAttempts: too many for this account, from this address, or at once; says when to try again.
        """
        key, address_key = make_name_key(name), make_address_key(address)
        await self._count_attempt(key, address_key)
        async with self._database.read() as session:
            user = await Users(session).find_by_name(key)
        stored = user.password_hash if user is not None and user.disabled_at is None else None
        try:
            is_right, new_hash = await self._passwords.check(password, stored)
        except TooManyAttempts:
            await self._give_back(key, address_key)
            raise
        if user is None or not is_right:
            raise Unauthorized(REFUSED)
        await self._give_back(key, address_key)
        return await self._issue_first(user, new_hash)

    async def renew(self, refresh_token: str, key: RequestKey | None = None) -> LoginTokens:
        """Exchange a refresh token for new tokens. A refresh token that is used twice ends its log-in.

        The same request with the same `key` is no second use: its first answer was lost. It gets other new tokens, and
        those of the first answer are not valid any more.

        Raises:
            Unauthorized: the token is not valid any more.
        """
        now = datetime.now(UTC)
        if not refresh_token.startswith(REFRESH_PREFIX) or len(refresh_token) > 100:
            raise Unauthorized(_ENDED)
        async with self._database.write() as session:
            refresh_tokens = RefreshTokens(session)
            found = await refresh_tokens.find_by_hash(hash_secret(refresh_token))
            user = await Users(session).find_by_id(found.user_id, lock=True) if found is not None else None
            is_valid = (
                found is not None
                and user is not None
                and found.revoked_at is None
                and found.expires_at > now
                and user.disabled_at is None
            )
            if found is not None and user is not None and is_valid:
                lost = await idempotency.claim(session, user.id, key)
                if await refresh_tokens.mark_used(lost or found.id, now):
                    token_id, tokens = await self._issue(refresh_tokens, user, found.family, now)
                    await idempotency.note_made(session, user.id, key, token_id)
                    return tokens
            if found is not None:
                # The token was stolen, or its thief used it first: end the log-in for both.
                await refresh_tokens.revoke_family(found.family, now)
        raise Unauthorized(_ENDED)

    async def end(self, caller: Caller) -> None:
        """Log out: the tokens of this log-in are invalid at once."""
        assert caller.credential_id is not None, "only a log-in can be ended"
        async with self._database.write() as session:
            # The lock waits for a renewal at the same time, whose new token would otherwise survive.
            await Users(session).find_by_id(caller.user_id, lock=True)
            await RefreshTokens(session).revoke_family(caller.credential_id, datetime.now(UTC))

    async def _count_attempt(self, key: str, address_key: str) -> None:
        """Count an attempt before its outcome is known, or refuse it."""
        if not (wait_s := await self._by_name.take(key)):
            if not (wait_s := await self._by_address.take(address_key)):
                return
            await self._by_name.give_back(key)
        wait_s = ceil(wait_s)
        raise TooManyAttempts(f"too many wrong passwords; try again in {wait_s} s", retry_after_s=wait_s)

    async def _give_back(self, key: str, address_key: str) -> None:
        await self._by_name.give_back(key)
        await self._by_address.give_back(address_key)

    async def _issue_first(self, user: User, new_hash: str | None) -> LoginTokens:
        now = datetime.now(UTC)
        async with self._database.write() as session:
            users, refresh_tokens = Users(session), RefreshTokens(session)
            current = await users.find_by_id(user.id, lock=True)
            if current is None or current.disabled_at or current.token_version != user.token_version:
                raise Unauthorized(REFUSED)  # disabled, or with a new password, since the check
            await refresh_tokens.remove_expired(now)
            if new_hash is not None:
                await users.change(user.id, password_hash=new_hash)
            return (await self._issue(refresh_tokens, user, new_id(), now))[1]

    async def _issue(
        self, refresh_tokens: RefreshTokens, user: User, family: UUID, now: datetime
    ) -> tuple[UUID, LoginTokens]:
        """Store a refresh token of the log-in `family`; its id, and the tokens."""
        refresh_token, refresh_expires_at = generate_refresh_token(), now + self._refresh_life
        token_id = await refresh_tokens.add(
            user_id=user.id,
            family=family,
            token_hash=hash_secret(refresh_token),
            expires_at=refresh_expires_at,
            now=now,
        )
        access_token, claims = self._tokens.sign(user.id, family, user.token_version, now)
        return token_id, LoginTokens(
            user=user,
            access_token=access_token,
            expires_at=claims.expires_at,
            refresh_token=refresh_token,
            refresh_expires_at=refresh_expires_at,
        )
