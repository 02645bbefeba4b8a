"""What an administrator does to accounts, at the command line: the database is at hand, so no server need run."""

from dataclasses import replace
from datetime import UTC, datetime

from app.core.errors import BadRequest, NotFound
from app.core.security import LOCAL_USER_ID, Role
from app.services.accounts.passwords import Passwords, make_name_key, normalize_name
from app.storage.database import Database
from app.storage.users import RefreshTokens, User, Users
from app.utils.ids import new_id


class UserAdministration:
    """Adds, lists, disables and removes users, and sets their passwords."""

    def __init__(self, database: Database, passwords: Passwords | None = None) -> None:
        self._database = database
        self._passwords = passwords or Passwords()

    async def all(self) -> list[User]:
        """Everybody who may log in, by name; the user of a server without accounts is nobody to log in as."""
        async with self._database.read() as session:
            return [user for user in await Users(session).all() if user.password_hash]

    async def check_new_name(self, name: str, role: Role) -> None:
        """
        Raises:
            BadRequest: it cannot be a new user's; told before anybody types a password.
        """
        async with self._database.read() as session:
            await _check_free(Users(session), normalize_name(name), role)

    async def known(self, name: str) -> User:
        """
        Raises:
            NotFound
        """
        async with self._database.read() as session:
            return await _named(Users(session), name)

    async def add(self, name: str, password: str, role: Role) -> User:
        """A new user. The first admin takes over what was kept while there were no accounts.

        Raises:
            BadRequest: a name that is taken or none, a password that is too short.
        """
        name = normalize_name(name)
        password_hash = await self._passwords.hash(password)
        async with self._database.write() as session:
            users = Users(session)
            await _check_free(users, name, role)
            local = await users.by_id(LOCAL_USER_ID)
            if role == "admin" and local is not None and not local.password_hash:
                given = {
                    "name": name,
                    "name_key": make_name_key(name),
                    "password_hash": password_hash,
                    "role": role,
                }
                await users.change(LOCAL_USER_ID, **given, disabled_at=None)
                return replace(local, name=name, password_hash=password_hash, role=role, disabled_at=None)
            user_id = LOCAL_USER_ID if role == "admin" and local is None else new_id()
            user = User(user_id, name, password_hash, role, 0, None, datetime.now(UTC))
            await users.add(user, make_name_key(name))
            return user

    async def disable(self, name: str) -> None:
        """Nothing of this user's opens the server any more; what is theirs stays.

        Raises:
            NotFound, BadRequest: unknown, or the last admin.
        """
        now = datetime.now(UTC)
        async with self._database.write() as session:
            users = Users(session)
            user = await _named(users, name)
            await _leave_an_admin(users, user)
            await users.change(user.id, disabled_at=now)
            await users.end_tokens(user.id)
            await RefreshTokens(session).revoke_all(user.id, now)

    async def enable(self, name: str) -> None:
        """
        Raises:
            NotFound
        """
        async with self._database.write() as session:
            users = Users(session)
            await users.change((await _named(users, name)).id, disabled_at=None)

    async def set_password(self, name: str, password: str) -> None:
        """A new password; every log-in with the old one ends at once. Keys stay.

        Raises:
            NotFound, BadRequest
        """
        password_hash = await self._passwords.hash(password)
        async with self._database.write() as session:
            users = Users(session)
            user = await _named(users, name)
            await users.change(user.id, password_hash=password_hash)
            await users.end_tokens(user.id)
            await RefreshTokens(session).revoke_all(user.id, datetime.now(UTC))

    async def delete(self, name: str) -> None:
        """The user and everything of theirs: conversations, dictations, keys.

        Raises:
            NotFound, BadRequest: unknown, or the last admin.
        """
        async with self._database.write() as session:
            users = Users(session)
            user = await _named(users, name)
            await _leave_an_admin(users, user)
            await users.remove(user.id)


async def _check_free(users: Users, name: str, role: Role) -> None:
    known = await users.by_name(make_name_key(name))
    adopted = known is not None and known.id == LOCAL_USER_ID and not known.password_hash and role == "admin"
    if known is not None and not adopted:
        raise BadRequest(f"there is a user {known.name!r} already; choose another name")


async def _named(users: Users, name: str) -> User:
    user = await users.by_name(make_name_key(name))
    if user is None or not user.password_hash:
        raise NotFound(f"there is no user {name!r}; `prompter users list` shows those there are")
    return user


async def _leave_an_admin(users: Users, user: User) -> None:
    if user.role == "admin" and user.disabled_at is None and await users.live_admins() == 1:
        raise BadRequest(f"{user.name!r} is the only admin; add another one first")
