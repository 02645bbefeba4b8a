"""Administration of users from the command line. It works on the database, whether a server runs or not."""

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

    async def list_users(self) -> list[User]:
        """Return all users with a password, ordered by name; not the local user of mode `none`."""
        async with self._database.read() as session:
            return [user for user in await Users(session).list_all() if user.password_hash]

    async def check_new_name(self, name: str, role: Role) -> None:
        """Check the name of a new user before its password is asked for.

        Raises:
            BadRequest: the name is taken, or is not a valid name.
        """
        async with self._database.read() as session:
            await _check_free(Users(session), normalize_name(name), role)

    async def get(self, name: str) -> User:
        """Return the user with this name.

        Raises:
            NotFound: there is no such user.
        """
        async with self._database.read() as session:
            return await _get_user(Users(session), name)

    async def add(self, name: str, password: str, role: Role) -> User:
        """Add a user. The first admin becomes the owner of what the local user of mode `none` has stored.

        Raises:
            BadRequest: the name is taken or not valid, or the password is too short or too long.
        """
        name = normalize_name(name)
        password_hash = await self._passwords.hash(password)
        async with self._database.write() as session:
            users = Users(session)
            await _check_free(users, name, role)
            local = await users.find_by_id(LOCAL_USER_ID)
            if role == "admin" and local is not None and not local.password_hash:
                await users.change(
                    LOCAL_USER_ID,
                    name=name,
                    name_key=make_name_key(name),
                    password_hash=password_hash,
                    role=role,
                    disabled_at=None,
                )
                return replace(local, name=name, password_hash=password_hash, role=role, disabled_at=None)
            user = User(
                id=LOCAL_USER_ID if role == "admin" and local is None else new_id(),
                name=name,
                password_hash=password_hash,
                role=role,
                token_version=0,
                disabled_at=None,
                created_at=datetime.now(UTC),
            )
            await users.add(user, make_name_key(name))
            return user

    async def disable(self, name: str) -> None:
        """Lock a user out: no password, token or key of theirs works any more. Their data stay.

        Raises:
            NotFound: there is no such user.
            BadRequest: the user is the last admin.
        """
        async with self._database.write() as session:
            users = Users(session)
            user = await _get_user(users, name)
            await _refuse_last_admin(users, user)
            await users.change(user.id, disabled_at=datetime.now(UTC))
            await _end_logins(users, RefreshTokens(session), user)

    async def enable(self, name: str) -> None:
        """Let a disabled user in again.

        Raises:
            NotFound: there is no such user.
        """
        async with self._database.write() as session:
            users = Users(session)
            await users.change((await _get_user(users, name)).id, disabled_at=None)

    async def set_password(self, name: str, password: str) -> None:
        """Set a new password and end all log-ins of the user at once. API keys stay valid.

        Raises:
            NotFound: there is no such user.
            BadRequest: the password is too short or too long.
        """
        password_hash = await self._passwords.hash(password)
        async with self._database.write() as session:
            users = Users(session)
            user = await _get_user(users, name)
            await users.change(user.id, password_hash=password_hash)
            await _end_logins(users, RefreshTokens(session), user)

    async def delete(self, name: str) -> None:
        """Delete a user with their conversations, dictations and keys.

        Raises:
            NotFound: there is no such user.
            BadRequest: the user is the last admin.
        """
        async with self._database.write() as session:
            users = Users(session)
            user = await _get_user(users, name)
            await _refuse_last_admin(users, user)
            await users.remove(user.id)


async def _end_logins(users: Users, refresh_tokens: RefreshTokens, user: User) -> None:
    await users.invalidate_tokens(user.id)
    await refresh_tokens.revoke_all(user.id, datetime.now(UTC))


async def _check_free(users: Users, name: str, role: Role) -> None:
    """The first admin may have the name of the local user, whom it replaces."""
    known = await users.find_by_name(make_name_key(name))
    is_local = known is not None and known.id == LOCAL_USER_ID and not known.password_hash
    if known is not None and not (is_local and role == "admin"):
        raise BadRequest(f"there is a user {known.name!r} already; choose another name")


async def _get_user(users: Users, name: str) -> User:
    user = await users.find_by_name(make_name_key(name))
    if user is None or not user.password_hash:
        raise NotFound(f"there is no user {name!r}; `prompter users list` shows those there are")
    return user


async def _refuse_last_admin(users: Users, user: User) -> None:
    if user.role == "admin" and user.disabled_at is None and await users.count_active_admins() == 1:
        raise BadRequest(f"{user.name!r} is the only admin; add another one first")
