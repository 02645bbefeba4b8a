"""Log-ins: a password opens one, a refresh token keeps it, a log-out ends it at once."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from math import ceil
from uuid import UUID

from app.core.config import AccountSettings
from app.core.errors import TooManyAttempts, Unauthorized
from app.core.security import Caller
from app.services.accounts.api_keys import hash_secret
from app.services.accounts.passwords import Passwords, make_name_key
from app.services.accounts.throttle import Throttle, make_address_key
from app.services.accounts.tokens import REFRESH_PREFIX, AccessTokens, generate_refresh_token
from app.storage.database import Database
from app.storage.users import RefreshTokens, User, Users
from app.utils.ids import new_id

WRONG = "the name or the password is wrong"
"""Whichever it is, and also where the account is disabled."""
ADDRESS_TRIES = 4
"""An address may fail this many times as often as an account: several people may share one."""
_ENDED = "this log-in has ended; log in again"


@dataclass(frozen=True, slots=True)
class LoginTokens:
    """What a password or a renewal gives."""

    user: User
    access_token: str = field(repr=False)
    expires_at: datetime
    refresh_token: str = field(repr=False)
    refresh_expires_at: datetime


class Logins:
    """Opens, renews and ends log-ins."""

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
        self._clock = clock
        self._refresh_life = timedelta(days=settings.refresh_days)
        tries, window_s = settings.login_attempts, settings.login_window_s
        self._by_name = Throttle(tries, window_s)
        self._by_address = Throttle(tries * ADDRESS_TRIES, window_s)

    async def open(self, name: str, password: str, address: str) -> LoginTokens:
        """Log in.

        Raises:
            Unauthorized: unknown, disabled, or the wrong password: always the same words, after the same time.
            TooManyAttempts: for this account, from this address, or at once; says when to try again.
        """
        key, place = make_name_key(name), make_address_key(address)
        self._count(key, place)
        async with self._database.read() as session:
            user = await Users(session).by_name(key)
        stored = user.password_hash if user is not None and user.disabled_at is None else None
        try:
            right, rehashed = await self._passwords.check(password, stored)
        except TooManyAttempts:
            self._give_back(key, place)
            raise
        if user is None or not right:
            raise Unauthorized(WRONG)
        self._give_back(key, place)
        return await self._begin(user, rehashed)

    async def renew(self, refresh_token: str) -> LoginTokens:
        """New tokens for this one, which is used up; one that comes again ends its log-in.

        Raises:
            Unauthorized: it is not valid any more.
        """
        now = datetime.now(UTC)
        if not refresh_token.startswith(REFRESH_PREFIX) or len(refresh_token) > 100:
            raise Unauthorized(_ENDED)
        async with self._database.write() as session:
            refreshes = RefreshTokens(session)
            found = await refreshes.by_hash(hash_secret(refresh_token))
            user = await Users(session).by_id(found.user_id, lock=True) if found is not None else None
            valid = (
                found is not None
                and user is not None
                and found.revoked_at is None
                and found.expires_at > now
                and user.disabled_at is None
            )
            if found is not None and valid and await refreshes.use(found.id, now):
                assert user is not None
                return await self._issue(refreshes, user, found.family, now)
            if found is not None:
                # Somebody else has used it, or will: nobody can tell which of the two is the thief.
                await refreshes.revoke_family(found.family, now)
        raise Unauthorized(_ENDED)

    async def end(self, caller: Caller) -> None:
        """Log out: this log-in's tokens are void at once."""
        assert caller.credential_id is not None, "only a log-in can end"
        async with self._database.write() as session:
            # Not beside a renewal, whose new token would not be seen yet and live on.
            await Users(session).by_id(caller.user_id, lock=True)
            await RefreshTokens(session).revoke_family(caller.credential_id, datetime.now(UTC))

    def _count(self, key: str, place: str) -> None:
        """Count the try before its outcome is known, or refuse it."""
        now_s = self._clock()
        wait_s = max(self._by_name.wait_s(key, now_s), self._by_address.wait_s(place, now_s))
        if wait_s:
            wait_s = ceil(wait_s)
            raise TooManyAttempts(f"too many wrong passwords; try again in {wait_s} s", retry_after_s=wait_s)
        self._by_name.take(key, now_s)
        self._by_address.take(place, now_s)

    def _give_back(self, key: str, place: str) -> None:
        self._by_name.give_back(key, self._clock())
        self._by_address.give_back(place, self._clock())

    async def _begin(self, user: User, rehashed: str | None) -> LoginTokens:
        now = datetime.now(UTC)
        async with self._database.write() as session:
            users, refreshes = Users(session), RefreshTokens(session)
            current = await users.by_id(user.id, lock=True)
            if current is None or current.disabled_at or current.token_version != user.token_version:
                raise Unauthorized(WRONG)  # disabled, or given another password, while this one was checked
            await refreshes.forget_expired(now)
            if rehashed is not None:
                await users.change(user.id, password_hash=rehashed)
            return await self._issue(refreshes, user, new_id(), now)

    async def _issue(self, refreshes: RefreshTokens, user: User, family: UUID, now: datetime) -> LoginTokens:
        refresh, until = generate_refresh_token(), now + self._refresh_life
        await refreshes.add(user.id, family, hash_secret(refresh), until, now)
        token, access = self._tokens.sign(user.id, family, user.token_version, now)
        return LoginTokens(user, token, access.expires_at, refresh, until)
