"""Connected models as rows, on both databases: one's own, shared ones, and whose keys are lost."""

from dataclasses import replace
from pathlib import Path
from uuid import UUID

from sqlalchemy import update

from app.storage import model_connections as rows
from app.storage.common import utc_now
from app.storage.database import Database
from app.storage.key_file import KeyFile
from app.storage.model_connections import StoredConnection, make_key_context
from app.storage.tables import UserRow
from app.storage.users import Users
from app.utils.ids import new_id


def new_connection(user_id: UUID, name: str = "openai", *, shared: bool = False) -> StoredConnection:
    now = utc_now()
    return StoredConnection(
        id=new_id(),
        user_id=user_id,
        name=name,
        title=name.title(),
        vendor="openai",
        base_url="https://api.openai.com/v1",
        sealed_key="v1:sealed",
        key_hint="9f3a",
        model="gpt-5-mini",
        models=("gpt-5-mini",),
        shared=shared,
        created_at=now,
        updated_at=now,
    )


async def add(database: Database, *connections: StoredConnection) -> None:
    async with database.write() as session:
        for each in connections:
            await rows.add(session, each)


async def make_admin(database: Database, user_id: UUID, role: str = "admin") -> None:
    async with database.write() as session:
        await session.execute(update(UserRow).where(UserRow.id == user_id).values(role=role))


async def test_a_connection_is_found_by_its_owner_alone(database: Database, ana: UUID, bob: UUID) -> None:
    mine, other = new_connection(ana), new_connection(ana, "ollama")
    await add(database, mine, other, new_connection(bob))
    async with database.read() as session:
        assert await rows.list_own(session, ana) == [other, mine]
        assert await rows.find_own(session, ana, mine.id) == mine
        assert await rows.find_own(session, bob, mine.id) is None
        assert await rows.find_named(session, ana, "openai") == mine
        assert await rows.find_named(session, bob, "ollama") is None
        owners = [(owner, each.name) for owner, each in await rows.list_all(session)]
    assert owners == [("ana", "openai"), ("ana", "ollama"), ("bob", "openai")]


async def test_it_is_changed_and_removed_by_its_owner(database: Database, ana: UUID, bob: UUID) -> None:
    mine = new_connection(ana)
    await add(database, mine)
    async with database.write() as session:
        await rows.change(session, mine.id, title="Work", models=[])
        assert await rows.remove(session, bob, mine.id) is False
    async with database.write() as session:
        assert await rows.find_own(session, ana, mine.id) == replace(mine, title="Work", models=())
        assert await rows.remove(session, ana, mine.id) is True
        assert await rows.list_own(session, ana) == []


async def test_only_what_an_admin_shares_is_shared(database: Database, ana: UUID, bob: UUID) -> None:
    shared, private = new_connection(ana, shared=True), new_connection(ana, "ollama")
    await add(database, shared, private)
    async with database.read() as session:
        assert await rows.list_shared(session) == []
    await make_admin(database, ana)
    async with database.read() as session:
        assert await rows.list_shared(session, but_of=bob) == [shared]
        assert await rows.list_shared(session, but_of=ana) == []
        assert await rows.find_shared(session, "openai") == shared
        assert await rows.find_shared(session, "ollama") is None
    async with database.write() as session:
        await Users(session).change(ana, disabled_at=utc_now())
    async with database.read() as session:
        assert await rows.find_shared(session, "openai") is None


async def test_they_go_with_their_user(database: Database, ana: UUID, bob: UUID) -> None:
    await add(database, new_connection(ana), new_connection(bob))
    async with database.write() as session:
        await Users(session).remove(ana)
    async with database.read() as session:
        assert [owner for owner, _ in await rows.list_all(session)] == ["bob"]


async def test_lost_keys_are_listed(database: Database, ana: UUID, tmp_path: Path) -> None:
    keys = KeyFile(tmp_path / "keys")
    good, bad, none = (new_connection(ana, name) for name in ("good", "bad", "none"))
    good = replace(good, sealed_key=keys.seal("sk", make_key_context(good)))
    moved = new_connection(ana, "moved")
    moved = replace(
        moved, sealed_key=keys.seal("sk", make_key_context(moved)), base_url="https://elsewhere.example/v1"
    )
    await add(database, good, bad, replace(none, sealed_key=None), moved)
    async with database.read() as session:
        lost = await rows.list_lost(session, keys)
    assert [each.name for _, each in lost] == ["bad", "moved"]


async def test_what_is_told_of_one_holds_no_key(database: Database, ana: UUID) -> None:
    del database
    assert "sealed" not in repr(new_connection(ana))
    assert "9f3a" not in repr(new_connection(ana))
