"""Log-ins on both databases: begun, renewed once, ended, and held back after wrong passwords."""

import asyncio

import pytest
from sqlalchemy import func, select

from app.core.errors import TooManyAttempts, Unauthorized
from app.core.security import LOCAL_USER_ID, Caller
from app.services.accounts.logins import LoginTokens
from app.storage.database import Database
from app.storage.tables import RefreshTokenRow
from tests.support.accounts import PASSWORD, AccountProcess


async def test_a_refresh_token_is_used_once_in_all_processes(
    one: AccountProcess, other: AccountProcess
) -> None:
    """However many ask at once; and whoever comes second ends the log-in."""
    made = await one.open()

    async def renew(process: AccountProcess) -> LoginTokens | None:
        try:
            return await process.logins.renew(made.refresh_token)
        except Unauthorized:
            return None

    won = [found for found in await asyncio.gather(*(renew(p) for p in (one, other) * 5)) if found]
    assert len(won) == 1
    with pytest.raises(Unauthorized):
        await one.authenticator.authenticate(won[0].access_token)


@pytest.mark.parametrize("how", ["log out", "password"])
async def test_what_ends_beside_a_renewal_ends(one: AccountProcess, other: AccountProcess, how: str) -> None:
    """The renewal's new token is either void, or was never made."""

    async def renew(made: LoginTokens) -> LoginTokens | None:
        try:
            return await one.logins.renew(made.refresh_token)
        except Unauthorized:
            return None

    async def end(caller: Caller) -> None:
        if how == "log out":
            await other.logins.end(caller)
        else:
            await other.administration.set_password("ada", PASSWORD)

    for _ in range(20):
        made = await one.open()
        caller = await one.authenticator.authenticate(made.access_token)
        renewed, _ = await asyncio.gather(renew(made), end(caller))
        if renewed is not None:
            with pytest.raises(Unauthorized):
                await one.logins.renew(renewed.refresh_token)
            with pytest.raises(Unauthorized):
                await one.authenticator.authenticate(renewed.access_token)


async def test_a_log_in_that_is_slower_than_a_new_password_opens_nothing(
    one: AccountProcess, other: AccountProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The password is right when it is checked, and no more when the log-in begins."""
    check = one.logins._passwords.check

    async def slow(password: str, stored: str | None) -> tuple[bool, str | None]:
        found = await check(password, stored)
        await other.administration.set_password("bob", "quite another password")
        return found

    monkeypatch.setattr(one.logins._passwords, "check", slow)
    with pytest.raises(Unauthorized):
        await one.open("bob")
    async with one.database.read() as session:
        assert not await session.scalar(select(func.count()).select_from(RefreshTokenRow))


async def test_the_throttle_forgets_with_time(one: AccountProcess) -> None:
    async def guess(name: str, password: str, address: str) -> None:
        with pytest.raises(Unauthorized):
            await one.logins.begin(name, password, address)

    for number in range(5):
        await guess("ada", "wrong", f"192.0.2.{number}")
    with pytest.raises(TooManyAttempts, match=r"try again in \d+ s") as refused:
        await one.open("ADA")
    wait_s = refused.value.retry_after_s or 0
    assert wait_s == 60 if one.database.is_sqlite else 0 < wait_s <= 60
    await one.pass_time(60)
    assert (await one.open()).user.name == "ada"
    for number in range(20):
        await guess(f"user {number}", "wrong", "2001:db8::1")
    with pytest.raises(TooManyAttempts):
        await one.logins.begin("bob", PASSWORD, "2001:db8::2")
    assert (await one.open("bob")).user.name == "bob"


async def test_old_logins_are_cleared_away(database: Database, one: AccountProcess) -> None:
    await one.open("bob")
    async with database.write() as session:
        row = (await session.scalars(select(RefreshTokenRow))).one()
        row.expires_at = row.created_at
    await one.open("ada")
    async with database.read() as session:
        users = (await session.scalars(select(RefreshTokenRow.user_id))).all()
    assert users == [LOCAL_USER_ID]


def test_what_is_secret_is_in_no_repr() -> None:
    caller = Caller(user_id=LOCAL_USER_ID, name="ada", role="admin", via="session")
    assert "ada" in repr(caller)
    from datetime import UTC, datetime

    from app.storage.users import User

    now = datetime.now(UTC)
    user = User(
        id=LOCAL_USER_ID,
        name="ada",
        password_hash="$argon2id$secret",
        role="admin",
        token_version=0,
        disabled_at=None,
        created_at=now,
    )
    made = LoginTokens(
        user=user,
        access_token="secret-access",
        expires_at=now,
        refresh_token="secret-refresh",
        refresh_expires_at=now,
    )
    assert "secret" not in repr(made)
