"""Authentication on both databases: what one server process revokes, every other one refuses at once."""

import pytest

from app.core.errors import Unauthorized
from app.storage.tables import UserRow
from tests.support.accounts import AccountProcess


async def test_what_one_process_ends_the_other_refuses_at_once(
    one: AccountProcess, other: AccountProcess
) -> None:
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


async def test_disabled_in_one_is_out_in_the_other(one: AccountProcess, other: AccountProcess) -> None:
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


async def test_a_key_is_worth_no_more_than_its_owner_is_today(one: AccountProcess) -> None:
    ada = await one.authenticator.authenticate((await one.open()).access_token)
    _, secret = await one.keys.create(ada, "mine", ["llm", "metrics"], None)
    async with one.database.write() as session:
        row = await session.get(UserRow, ada.user_id)
        assert row is not None
        row.role = "user"
    assert (await one.authenticator.authenticate(secret)).scopes == {"llm"}
