"""Administration of users on both databases: the first admin, the last one, names and deletion."""

from uuid import UUID

import pytest
from sqlalchemy import func, select

from app.core.errors import BadRequest, NotFound, Unauthorized
from app.core.security import LOCAL_USER_ID
from app.services.accounts.administration import UserAdministration
from app.storage.database import Database
from app.storage.lifecycle import ensure_local_user
from app.storage.tables import ConversationRow, UserRow
from tests.support.accounts import PASSWORD, AccountProcess, make_cheap_passwords


async def conversations_of(database: Database, user_id: UUID) -> int:
    async with database.read() as session:
        mine = select(func.count()).where(ConversationRow.user_id == user_id)
        return await session.scalar(mine) or 0


async def test_the_first_admin_adopts_what_was_kept_without_accounts(database: Database) -> None:
    async with database.write() as session:
        await ensure_local_user(session)
        await session.flush()
        session.add(ConversationRow(user_id=LOCAL_USER_ID, title="before"))
    administration = UserAdministration(database, make_cheap_passwords())
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


async def test_the_last_admin_stays(one: AccountProcess) -> None:
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
async def test_a_name_that_cannot_be_added(one: AccountProcess, name: str) -> None:
    with pytest.raises(BadRequest):
        await one.administration.add(name, PASSWORD, "user")
    with pytest.raises(BadRequest):
        await one.administration.check_new_name(name, "user")
    assert len(await one.administration.list_users()) == 2


async def test_deleting_a_user_takes_all_that_is_theirs(one: AccountProcess) -> None:
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
