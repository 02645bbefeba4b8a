"""Users, what renews their log-ins, and their API keys, as the database has them."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import CursorResult, delete, func, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.storage.tables import ApiKeyRow, RefreshTokenRow, UserRow


@dataclass(frozen=True, slots=True)
class User:
    """One person."""

    id: UUID
    name: str
    password_hash: str = field(repr=False)
    """Empty: no password opens this account."""
    role: str
    token_version: int
    disabled_at: datetime | None
    created_at: datetime


@dataclass(frozen=True, slots=True)
class RefreshToken:
    """One link of a log-in's chain; its family is the log-in."""

    id: UUID
    user_id: UUID
    family: UUID
    expires_at: datetime
    used_at: datetime | None
    revoked_at: datetime | None


@dataclass(frozen=True, slots=True)
class ApiKey:
    """One key of a user."""

    id: UUID
    user_id: UUID
    name: str
    prefix: str
    hash: str = field(repr=False)
    scopes: tuple[str, ...]
    expires_at: datetime | None
    last_used_at: datetime | None
    revoked_at: datetime | None
    created_at: datetime


class Users:
    """The people of a server; `name_key` is a name case folded."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def by_id(self, user_id: UUID, *, lock: bool = False) -> User | None:
        """`lock` keeps other server processes from what would change this user's log-ins at the same time."""
        return _user(await self._session.get(UserRow, user_id, with_for_update=lock or None))

    async def by_name(self, name_key: str) -> User | None:
        return _user(await self._session.scalar(select(UserRow).where(UserRow.name_key == name_key)))

    async def all(self) -> list[User]:
        """Everybody, by name."""
        rows = await self._session.scalars(select(UserRow).order_by(UserRow.name_key))
        return [_made(row) for row in rows]

    async def live_admins(self) -> int:
        """How many could let others in: not disabled, and with a password."""
        counted = select(func.count()).where(
            UserRow.role == "admin", UserRow.disabled_at.is_(None), UserRow.password_hash != ""
        )
        return await self._session.scalar(counted) or 0

    async def add(self, user: User, name_key: str) -> None:
        self._session.add(
            UserRow(
                id=user.id,
                name=user.name,
                name_key=name_key,
                password_hash=user.password_hash,
                role=user.role,
                token_version=user.token_version,
                disabled_at=user.disabled_at,
                created_at=user.created_at,
            )
        )
        await self._session.flush()

    async def change(self, user_id: UUID, **values: Any) -> None:
        await self._session.execute(update(UserRow).where(UserRow.id == user_id).values(**values))

    async def end_tokens(self, user_id: UUID) -> None:
        """Every token of this user is void from now on."""
        version = UserRow.token_version + 1
        await self._session.execute(
            update(UserRow).where(UserRow.id == user_id).values(token_version=version)
        )

    async def remove(self, user_id: UUID) -> None:
        """The user, and all that is theirs."""
        await self._session.execute(delete(UserRow).where(UserRow.id == user_id))


class RefreshTokens:
    """The tokens that renew log-ins."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def by_hash(self, token_hash: str) -> RefreshToken | None:
        row = await self._session.scalar(select(RefreshTokenRow).where(RefreshTokenRow.hash == token_hash))
        if row is None:
            return None
        return RefreshToken(row.id, row.user_id, row.family, row.expires_at, row.used_at, row.revoked_at)

    async def add(
        self, user_id: UUID, family: UUID, token_hash: str, expires_at: datetime, now: datetime
    ) -> None:
        self._session.add(
            RefreshTokenRow(
                user_id=user_id, family=family, hash=token_hash, expires_at=expires_at, created_at=now
            )
        )
        await self._session.flush()

    async def use(self, refresh_id: UUID, now: datetime) -> bool:
        """Use it up; False where another request was quicker."""
        used = (
            update(RefreshTokenRow)
            .where(
                RefreshTokenRow.id == refresh_id,
                RefreshTokenRow.used_at.is_(None),
                RefreshTokenRow.revoked_at.is_(None),
            )
            .values(used_at=now)
        )
        return _count(await self._session.execute(used)) == 1

    async def revoke_family(self, family: UUID, now: datetime) -> None:
        await self._revoke(RefreshTokenRow.family == family, now)

    async def revoke_all(self, user_id: UUID, now: datetime) -> None:
        await self._revoke(RefreshTokenRow.user_id == user_id, now)

    async def forget_expired(self, now: datetime) -> None:
        await self._session.execute(delete(RefreshTokenRow).where(RefreshTokenRow.expires_at < now))

    async def user_of_live(self, user_id: UUID, family: UUID, now: datetime) -> User | None:
        """The user, if this log-in of theirs still stands."""
        live = select(RefreshTokenRow.id).where(
            RefreshTokenRow.family == family,
            RefreshTokenRow.user_id == user_id,
            RefreshTokenRow.used_at.is_(None),
            RefreshTokenRow.revoked_at.is_(None),
            RefreshTokenRow.expires_at > now,
        )
        found = select(UserRow).where(UserRow.id == user_id, live.exists())
        return _user(await self._session.scalar(found))

    async def _revoke(self, which: Any, now: datetime) -> None:
        await self._session.execute(
            update(RefreshTokenRow).where(which, RefreshTokenRow.revoked_at.is_(None)).values(revoked_at=now)
        )


class ApiKeys:
    """The keys of programs."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def by_prefix(self, prefix: str) -> list[tuple[ApiKey, User]]:
        """Keys that begin so, those that are revoked included, each with its owner."""
        joined = select(ApiKeyRow, UserRow).join(UserRow, ApiKeyRow.user_id == UserRow.id)
        rows = await self._session.execute(joined.where(ApiKeyRow.prefix == prefix))
        return [(_key(key), _made(user)) for key, user in rows]

    async def by_id(self, key_id: UUID) -> tuple[ApiKey, User] | None:
        joined = select(ApiKeyRow, UserRow).join(UserRow, ApiKeyRow.user_id == UserRow.id)
        row = (await self._session.execute(joined.where(ApiKeyRow.id == key_id))).first()
        return None if row is None else (_key(row[0]), _made(row[1]))

    async def of_user(self, user_id: UUID) -> Sequence[ApiKey]:
        """Those that are not revoked, newest first."""
        mine = select(ApiKeyRow).where(ApiKeyRow.user_id == user_id, ApiKeyRow.revoked_at.is_(None))
        return [_key(row) for row in await self._session.scalars(mine.order_by(ApiKeyRow.id.desc()))]

    async def add(self, key: ApiKey) -> None:
        self._session.add(
            ApiKeyRow(
                id=key.id,
                user_id=key.user_id,
                name=key.name,
                prefix=key.prefix,
                hash=key.hash,
                scopes=list(key.scopes),
                expires_at=key.expires_at,
                created_at=key.created_at,
            )
        )
        await self._session.flush()

    async def revoke(self, key_id: UUID, user_id: UUID, now: datetime) -> bool:
        """Whether there was such a key of this user."""
        revoked = (
            update(ApiKeyRow)
            .where(ApiKeyRow.id == key_id, ApiKeyRow.user_id == user_id, ApiKeyRow.revoked_at.is_(None))
            .values(revoked_at=now)
        )
        return _count(await self._session.execute(revoked)) == 1

    async def used(self, key_id: UUID, now: datetime) -> None:
        await self._session.execute(update(ApiKeyRow).where(ApiKeyRow.id == key_id).values(last_used_at=now))


def _count(result: Any) -> int:
    assert isinstance(result, CursorResult)
    return result.rowcount


def _user(row: UserRow | None) -> User | None:
    return None if row is None else _made(row)


def _made(row: UserRow) -> User:
    return User(
        row.id, row.name, row.password_hash, row.role, row.token_version, row.disabled_at, row.created_at
    )


def _key(row: ApiKeyRow) -> ApiKey:
    return ApiKey(
        row.id,
        row.user_id,
        row.name,
        row.prefix,
        row.hash,
        tuple(row.scopes),
        row.expires_at,
        row.last_used_at,
        row.revoked_at,
        row.created_at,
    )
