"""Users, refresh tokens and API keys as rows, on both databases."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

from app.storage.database import Database
from app.storage.users import ApiKey, ApiKeys, RefreshTokens, User, Users
from app.utils.ids import new_id

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def new_user(name: str, role: str = "user", password_hash: str = "x") -> User:
    return User(
        id=new_id(),
        name=name,
        password_hash=password_hash,
        role=role,
        token_version=0,
        disabled_at=None,
        created_at=NOW,
    )


def new_key(user_id: UUID, name: str = "mine") -> ApiKey:
    return ApiKey(
        id=new_id(),
        user_id=user_id,
        name=name,
        prefix="pk_12345678",
        hash=name,
        scopes=("llm", "stt"),
        expires_at=NOW,
        last_used_at=None,
        revoked_at=None,
        created_at=NOW,
    )


async def test_a_user_is_stored_changed_and_removed(database: Database) -> None:
    ada, bob = new_user("Ada", "admin"), new_user("bob")
    async with database.write() as session:
        users = Users(session)
        await users.add(bob, "bob")
        await users.add(ada, "ada")
        assert await users.find_by_id(ada.id, lock=True) == ada
    async with database.read() as session:
        users = Users(session)
        assert await users.find_by_name("ada") == ada
        assert await users.find_by_name("Ada") is None
        assert await users.list_all() == [ada, bob]
    async with database.write() as session:
        users = Users(session)
        await users.change(bob.id, role="admin")
        await users.invalidate_tokens(bob.id)
        await users.remove(ada.id)
    async with database.read() as session:
        users = Users(session)
        assert await users.find_by_id(ada.id) is None
        kept = await users.find_by_id(bob.id)
    assert kept is not None
    assert (kept.role, kept.token_version) == ("admin", 1)


async def test_only_admins_who_can_log_in_count(database: Database) -> None:
    disabled = new_user("eve", "admin")
    async with database.write() as session:
        users = Users(session)
        for user in (new_user("ada", "admin"), new_user("bob"), new_user("local", "admin", ""), disabled):
            await users.add(user, user.name)
        assert await users.count_active_admins() == 2
        await users.change(disabled.id, disabled_at=NOW)
        assert await users.count_active_admins() == 1


async def test_a_refresh_token_is_used_once(database: Database, ana: UUID) -> None:
    family, later = new_id(), NOW + timedelta(days=1)
    async with database.write() as session:
        tokens = RefreshTokens(session)
        await tokens.add(user_id=ana, family=family, token_hash="hash", expires_at=later, now=NOW)
        found = await tokens.find_by_hash("hash")
        assert found is not None
        assert (found.user_id, found.family, found.expires_at) == (ana, family, later)
        assert (found.used_at, found.revoked_at) == (None, None)
        assert await tokens.find_by_hash("another") is None
        assert (await tokens.find_user(ana, family, NOW)) is not None
        assert await tokens.find_user(ana, family, later) is None, "expired"
        assert await tokens.find_user(new_id(), family, NOW) is None, "another user's"
        assert await tokens.mark_used(found.id, NOW)
        assert not await tokens.mark_used(found.id, NOW)
        assert await tokens.find_user(ana, family, NOW) is None, "its successor counts"


async def test_refresh_tokens_are_revoked_by_log_in_and_by_user(database: Database, ana: UUID) -> None:
    families = [new_id() for _ in range(3)]
    async with database.write() as session:
        tokens = RefreshTokens(session)
        for n, family in enumerate(families):
            expires_at = NOW + timedelta(days=n)
            await tokens.add(
                user_id=ana, family=family, token_hash=family.hex, expires_at=expires_at, now=NOW
            )
        await tokens.remove_expired(NOW + timedelta(hours=1))
        assert await tokens.find_by_hash(families[0].hex) is None
        await tokens.revoke_family(families[1], NOW)
        assert [bool(await tokens.find_user(ana, family, NOW)) for family in families[1:]] == [False, True]
        await tokens.revoke_all(ana, NOW)
        assert await tokens.find_user(ana, families[2], NOW) is None


async def test_a_key_is_found_until_it_is_removed_and_listed_until_it_is_revoked(
    database: Database, ana: UUID, bob: UUID
) -> None:
    first, second = new_key(ana, "first"), new_key(ana, "second")
    async with database.write() as session:
        keys = ApiKeys(session)
        for key in (first, second, new_key(bob, "bob's")):
            await keys.add(key)
        await keys.mark_used(first.id, NOW)
    async with database.read() as session:
        keys = ApiKeys(session)
        assert [key.name for key in await keys.list_active(ana)] == ["second", "first"]
        found = {key.name: user.name for key, user in await keys.find_by_prefix("pk_12345678")}
        assert found == {"first": "ana", "second": "ana", "bob's": "bob"}
        assert await keys.find_by_prefix("pk_") == []
        by_id = await keys.find_by_id(first.id)
    assert by_id is not None
    assert (by_id[0].last_used_at, by_id[0].scopes, by_id[1].id) == (NOW, ("llm", "stt"), ana)
    async with database.write() as session:
        keys = ApiKeys(session)
        assert not await keys.revoke(first.id, bob, NOW)
        assert await keys.revoke(first.id, ana, NOW)
        assert not await keys.revoke(first.id, ana, NOW)
        assert [key.name for key in await keys.list_active(ana)] == ["second"]
        assert await keys.find_by_id(new_id()) is None


def test_hashes_are_in_no_repr() -> None:
    assert "secret" not in repr(new_user("ada", password_hash="secret"))
    assert "secret" not in repr(new_key(new_id(), "mine")).replace("mine", "")
