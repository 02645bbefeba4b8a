"""Accounts on both databases: what one server process ends, every other refuses at once."""

import asyncio
from collections.abc import AsyncIterator
from uuid import UUID

import pytest
from sqlalchemy import func, select

from app.core.config import AccountSettings, Settings
from app.core.errors import BadRequest, NotFound, TooManyAttempts, Unauthorized
from app.core.security import LOCAL_USER_ID, Caller
from app.services.accounts.administration import UserAdministration
from app.services.accounts.api_keys import ApiKeyManager
from app.services.accounts.identity import Authenticator
from app.services.accounts.logins import Logins, LoginTokens
from app.services.accounts.tokens import AccessTokens
from app.storage.database import Database
from app.storage.lifecycle import ensure_local_user
from app.storage.tables import ConversationRow, RefreshTokenRow, UserRow
from tests.support.accounts import PASSWORD, cheap_passwords

KEY = b"a key that is long enough for HS256, by far"


class FakeProcess:
    """What one server process has of its own, beside the database that all share."""

    def __init__(self, database: Database, now_s: float = 1000.0, **settings: int) -> None:
        self.now_s = now_s
        self.database = database
        tokens = AccessTokens(KEY, 15)
        ours = AccountSettings(mode="accounts", **settings)
        self.logins = Logins(ours, database, cheap_passwords(), tokens, lambda: self.now_s)
        self.authenticator = Authenticator(database, tokens)
        self.keys = ApiKeyManager(database)
        self.administration = UserAdministration(database, cheap_passwords())

    async def open(self, name: str = "ada") -> LoginTokens:
        return await self.logins.begin(name, PASSWORD, "192.0.2.7")


@pytest.fixture
async def one(database: Database) -> FakeProcess:
    process = FakeProcess(database)
    await process.administration.add("ada", PASSWORD, "admin")
    await process.administration.add("bob", PASSWORD, "user")
    return process


@pytest.fixture
async def other(storage_settings: Settings, one: FakeProcess) -> AsyncIterator[FakeProcess]:
    database = Database(storage_settings)
    yield FakeProcess(database)
    await database.aclose()


async def test_what_one_process_ends_the_other_refuses_at_once(one: FakeProcess, other: FakeProcess) -> None:
    made = await one.open()
    caller = await other.authenticator.authenticate(made.access_token)
    assert (caller.name, caller.role, caller.via) == ("ada", "admin", "session")
    await other.logins.end(caller)
    with pytest.raises(Unauthorized):
        await one.authenticator.authenticate(made.access_token)
    with pytest.raises(Unauthorized):
        await one.authenticator.reauthenticate(caller)
    with pytest.raises(Unauthorized):
        await one.logins.renew(made.refresh_token)


async def test_a_key_lives_and_ends_in_every_process(one: FakeProcess, other: FakeProcess) -> None:
    ada = await one.authenticator.authenticate((await one.open()).access_token)
    key, secret = await one.keys.create(ada, "mine", ["stt", "metrics"], None)
    found = await other.authenticator.authenticate(secret)
    assert (found.via, sorted(found.scopes), found.credential_id) == ("key", ["metrics", "stt"], key.id)
    assert [kept.id for kept in await other.keys.list_keys(ada)] == [key.id]
    await other.keys.revoke(ada, key.id)
    with pytest.raises(Unauthorized):
        await one.authenticator.authenticate(secret)
    with pytest.raises(Unauthorized):
        await one.authenticator.reauthenticate(found)


async def test_a_refresh_token_is_used_once_in_all_processes(one: FakeProcess, other: FakeProcess) -> None:
    """However many ask at once; and whoever comes second ends the log-in."""
    made = await one.open()

    async def renew(process: FakeProcess) -> LoginTokens | None:
        try:
            return await process.logins.renew(made.refresh_token)
        except Unauthorized:
            return None

    won = [found for found in await asyncio.gather(*(renew(p) for p in (one, other) * 5)) if found]
    assert len(won) == 1
    with pytest.raises(Unauthorized):
        await one.authenticator.authenticate(won[0].access_token)


@pytest.mark.parametrize("how", ["log out", "password"])
async def test_what_ends_beside_a_renewal_ends(one: FakeProcess, other: FakeProcess, how: str) -> None:
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


async def test_disabled_in_one_is_out_in_the_other(one: FakeProcess, other: FakeProcess) -> None:
    made = await one.open("bob")
    bob = await one.authenticator.authenticate(made.access_token)
    _, secret = await one.keys.create(bob, "mine", ["llm"], None)
    await other.administration.disable("BOB")
    for token in (made.access_token, secret):
        with pytest.raises(Unauthorized):
            await one.authenticator.authenticate(token)
    with pytest.raises(Unauthorized):
        await one.logins.renew(made.refresh_token)
    with pytest.raises(Unauthorized, match="the name or the password is wrong"):
        await one.open("bob")
    await other.administration.enable("bob")
    assert (await one.authenticator.authenticate(secret)).name == "bob"
    with pytest.raises(Unauthorized):
        await one.authenticator.authenticate(made.access_token)


async def test_a_log_in_that_is_slower_than_a_new_password_opens_nothing(
    one: FakeProcess, other: FakeProcess, monkeypatch: pytest.MonkeyPatch
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


async def test_the_throttle_forgets_with_time(one: FakeProcess) -> None:
    async def guess(name: str, password: str, address: str) -> None:
        with pytest.raises(Unauthorized):
            await one.logins.begin(name, password, address)

    for number in range(5):
        await guess("ada", "wrong", f"192.0.2.{number}")
    with pytest.raises(TooManyAttempts, match="try again in 60 s") as refused:
        await one.open("ADA")
    assert refused.value.retry_after_s == 60
    one.now_s += 60
    assert (await one.open()).user.name == "ada"
    for number in range(20):
        await guess(f"user {number}", "wrong", "2001:db8::1")
    with pytest.raises(TooManyAttempts):
        await one.logins.begin("bob", PASSWORD, "2001:db8::2")
    assert (await one.open("bob")).user.name == "bob"


# -- the first admin, and the last


async def conversations_of(database: Database, user_id: UUID) -> int:
    async with database.read() as session:
        mine = select(func.count()).where(ConversationRow.user_id == user_id)
        return await session.scalar(mine) or 0


async def test_the_first_admin_adopts_what_was_kept_without_accounts(database: Database) -> None:
    async with database.write() as session:
        await ensure_local_user(session)
        await session.flush()
        session.add(ConversationRow(user_id=LOCAL_USER_ID, title="before"))
    administration = UserAdministration(database, cheap_passwords())
    assert await administration.list_users() == []
    user = await administration.add("bob", PASSWORD, "user")
    assert await conversations_of(database, user.id) == 0
    first = await administration.add("Ada", PASSWORD, "admin")
    assert first.id == LOCAL_USER_ID
    assert await conversations_of(database, first.id) == 1
    second = await administration.add("eve", PASSWORD, "admin")
    assert second.id != LOCAL_USER_ID
    assert [user.name for user in await administration.list_users()] == ["Ada", "bob", "eve"]
    # Back in mode `none`, the local user is there already: it is this admin.
    async with database.write() as session:
        await ensure_local_user(session)
    assert (await administration.get("ada")).id == LOCAL_USER_ID


async def test_the_last_admin_stays(one: FakeProcess) -> None:
    for forbidden in (one.administration.disable, one.administration.delete):
        with pytest.raises(BadRequest, match="the only admin"):
            await forbidden("ada")
    await one.administration.add("eve", PASSWORD, "admin")
    await one.administration.disable("ada")
    with pytest.raises(BadRequest, match="the only admin"):
        await one.administration.delete("eve")
    await one.administration.delete("ada")
    with pytest.raises(NotFound):
        await one.administration.get("ada")


@pytest.mark.parametrize("name", ["ada", "ADA", "Ａda", "a b", ""])
async def test_a_name_that_cannot_be_added(one: FakeProcess, name: str) -> None:
    with pytest.raises(BadRequest):
        await one.administration.add(name, PASSWORD, "user")
    with pytest.raises(BadRequest):
        await one.administration.check_new_name(name, "user")
    assert len(await one.administration.list_users()) == 2


async def test_deleting_a_user_takes_all_that_is_theirs(one: FakeProcess) -> None:
    made = await one.open("bob")
    bob = await one.authenticator.authenticate(made.access_token)
    _, secret = await one.keys.create(bob, "mine", ["llm"], None)
    async with one.database.write() as session:
        session.add(ConversationRow(user_id=bob.user_id, title="mine"))
    await one.administration.delete("bob")
    assert await conversations_of(one.database, bob.user_id) == 0
    for token in (made.access_token, secret):
        with pytest.raises(Unauthorized):
            await one.authenticator.authenticate(token)
    async with one.database.read() as session:
        assert await session.scalar(select(func.count()).select_from(UserRow)) == 1


async def test_keys_of_others_are_not_there(one: FakeProcess) -> None:
    ada, bob = [
        await one.authenticator.authenticate((await one.open(name)).access_token) for name in ("ada", "bob")
    ]
    key, secret = await one.keys.create(ada, "mine", ["llm"], None)
    with pytest.raises(NotFound):
        await one.keys.revoke(bob, key.id)
    assert await one.keys.list_keys(bob) == []
    assert (await one.authenticator.authenticate(secret)).name == "ada"


async def test_a_key_is_worth_no_more_than_its_owner_is_today(one: FakeProcess) -> None:
    ada = await one.authenticator.authenticate((await one.open()).access_token)
    _, secret = await one.keys.create(ada, "mine", ["llm", "metrics"], None)
    async with one.database.write() as session:
        row = await session.get(UserRow, ada.user_id)
        assert row is not None
        row.role = "user"
    assert (await one.authenticator.authenticate(secret)).scopes == {"llm"}


async def test_old_logins_are_cleared_away(database: Database, one: FakeProcess) -> None:
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
