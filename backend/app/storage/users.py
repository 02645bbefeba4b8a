"""Users, their refresh tokens and their API keys."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, delete, func, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.storage.common import execute_and_count
from app.storage.tables import ApiKeyRow, RefreshTokenRow, UserRow


@dataclass(frozen=True, slots=True, kw_only=True)
class User:
    """One account."""

    id: UUID
    name: str
    password_hash: str = field(repr=False)
    """Empty: nobody can log in to this account."""
    role: str
    token_version: int
    disabled_at: datetime | None
    created_at: datetime
    keep_audio: bool | None = None
    """Whether the audio of the user's dictations is kept for a time; None where the user has not said."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RefreshToken:
    """One token of a log-in. Tokens of one log-in have the same `family`; each one is used once."""

    id: UUID
    user_id: UUID
    family: UUID
    expires_at: datetime
    used_at: datetime | None
    revoked_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiKey:
    """One API key of a user."""

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
    """The accounts of a server; `name_key` is the name in folded case."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def find_by_id(self, user_id: UUID, *, lock: bool = False) -> User | None:
        """Find a user. `lock` keeps other server processes from changing this user's log-ins at the same time."""
        return _to_user_or_none(await self._session.get(UserRow, user_id, with_for_update=lock or None))

    async def find_by_name(self, name_key: str) -> User | None:
        """Find a user by the name in folded case."""
        return _to_user_or_none(
            await self._session.scalar(select(UserRow).where(UserRow.name_key == name_key))
        )

    async def list_all(self) -> list[User]:
        """Return all users, ordered by name."""
        rows = await self._session.scalars(select(UserRow).order_by(UserRow.name_key))
        return [_to_user(row) for row in rows]

    async def count_active_admins(self) -> int:
        """Count the admins who can log in: not disabled, and with a password."""
        count = select(func.count()).where(
            UserRow.role == "admin", UserRow.disabled_at.is_(None), UserRow.password_hash != ""
        )
        return await self._session.scalar(count) or 0

    async def add(self, user: User, name_key: str) -> None:
        """Insert a user."""
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
        """Set columns of a user."""
        await self._session.execute(update(UserRow).where(UserRow.id == user_id).values(**values))

    async def invalidate_tokens(self, user_id: UUID) -> None:
        """Make every access token of this user invalid from now on."""
        version = UserRow.token_version + 1
        await self._session.execute(
            update(UserRow).where(UserRow.id == user_id).values(token_version=version)
        )

    async def remove(self, user_id: UUID) -> None:
        """Delete a user with everything of theirs."""
        await self._session.execute(delete(UserRow).where(UserRow.id == user_id))


class RefreshTokens:
    """Refresh tokens: each renews a log-in once."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def find_by_hash(self, token_hash: str) -> RefreshToken | None:
        """Find a token, valid or not."""
        row = await self._session.scalar(select(RefreshTokenRow).where(RefreshTokenRow.hash == token_hash))
        if row is None:
            return None
        return RefreshToken(
            id=row.id,
            user_id=row.user_id,
            family=row.family,
            expires_at=row.expires_at,
            used_at=row.used_at,
            revoked_at=row.revoked_at,
        )

    async def add(
        self, *, user_id: UUID, family: UUID, token_hash: str, expires_at: datetime, now: datetime
    ) -> UUID:
        """Insert a token of the log-in `family` and return its id."""
        row = RefreshTokenRow(
            user_id=user_id, family=family, hash=token_hash, expires_at=expires_at, created_at=now
        )
        self._session.add(row)
        await self._session.flush()
        return row.id

    async def mark_used(self, token_id: UUID, now: datetime) -> bool:
        """Mark a token as used; False if another request has used or revoked it first."""
        used = (
            update(RefreshTokenRow)
            .where(
                RefreshTokenRow.id == token_id,
                RefreshTokenRow.used_at.is_(None),
                RefreshTokenRow.revoked_at.is_(None),
            )
            .values(used_at=now)
        )
        return await execute_and_count(self._session, used) == 1

    async def revoke_family(self, family: UUID, now: datetime) -> None:
        """Revoke all tokens of one log-in."""
        await self._revoke(RefreshTokenRow.family == family, now)

    async def revoke_all(self, user_id: UUID, now: datetime) -> None:
        """Revoke all tokens of a user."""
        await self._revoke(RefreshTokenRow.user_id == user_id, now)

    async def remove_expired(self, now: datetime) -> None:
        """Delete all tokens that have expired, of all users."""
        await self._session.execute(delete(RefreshTokenRow).where(RefreshTokenRow.expires_at < now))

    async def find_user(self, user_id: UUID, family: UUID, now: datetime) -> User | None:
        """Find the user of the log-in `family`; None if that log-in has ended."""
        live = select(RefreshTokenRow.id).where(
            RefreshTokenRow.family == family,
            RefreshTokenRow.user_id == user_id,
            RefreshTokenRow.used_at.is_(None),
            RefreshTokenRow.revoked_at.is_(None),
            RefreshTokenRow.expires_at > now,
        )
        found = select(UserRow).where(UserRow.id == user_id, live.exists())
        return _to_user_or_none(await self._session.scalar(found))

    async def _revoke(self, which: ColumnElement[bool], now: datetime) -> None:
        await self._session.execute(
            update(RefreshTokenRow).where(which, RefreshTokenRow.revoked_at.is_(None)).values(revoked_at=now)
        )


class ApiKeys:
    """API keys."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def find_by_prefix(self, prefix: str) -> list[tuple[ApiKey, User]]:
        """Return the keys with this prefix, revoked ones included, each with its owner."""
        joined = select(ApiKeyRow, UserRow).join(UserRow, ApiKeyRow.user_id == UserRow.id)
        rows = await self._session.execute(joined.where(ApiKeyRow.prefix == prefix))
        return [(_to_key(key), _to_user(user)) for key, user in rows]

    async def find_by_id(self, key_id: UUID) -> tuple[ApiKey, User] | None:
        """Find a key, revoked or not, and its owner."""
        joined = select(ApiKeyRow, UserRow).join(UserRow, ApiKeyRow.user_id == UserRow.id)
        row = (await self._session.execute(joined.where(ApiKeyRow.id == key_id))).first()
        return None if row is None else (_to_key(row[0]), _to_user(row[1]))

    async def list_active(self, user_id: UUID) -> Sequence[ApiKey]:
        """Return the keys of a user that are not revoked, newest first."""
        mine = select(ApiKeyRow).where(ApiKeyRow.user_id == user_id, ApiKeyRow.revoked_at.is_(None))
        return [_to_key(row) for row in await self._session.scalars(mine.order_by(ApiKeyRow.id.desc()))]

    async def add(self, key: ApiKey) -> None:
        """Insert a key."""
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

    async def replace_secret(self, key_id: UUID, prefix: str, secret_hash: str) -> None:
        """Make the old secret of a key invalid, and a new one valid."""
        renewed = update(ApiKeyRow).where(ApiKeyRow.id == key_id).values(prefix=prefix, hash=secret_hash)
        await self._session.execute(renewed)

    async def revoke(self, key_id: UUID, user_id: UUID, now: datetime) -> bool:
        """Revoke a key; False if this user has no such key."""
        revoked = (
            update(ApiKeyRow)
            .where(ApiKeyRow.id == key_id, ApiKeyRow.user_id == user_id, ApiKeyRow.revoked_at.is_(None))
            .values(revoked_at=now)
        )
        return await execute_and_count(self._session, revoked) == 1

    async def mark_used(self, key_id: UUID, now: datetime) -> None:
        """Set the time at which a key was last used."""
        await self._session.execute(update(ApiKeyRow).where(ApiKeyRow.id == key_id).values(last_used_at=now))


def _to_user_or_none(row: UserRow | None) -> User | None:
    return None if row is None else _to_user(row)


def _to_user(row: UserRow) -> User:
    return User(
        id=row.id,
        name=row.name,
        password_hash=row.password_hash,
        role=row.role,
        token_version=row.token_version,
        disabled_at=row.disabled_at,
        created_at=row.created_at,
        keep_audio=row.keep_audio,
    )


def _to_key(row: ApiKeyRow) -> ApiKey:
    return ApiKey(
        id=row.id,
        user_id=row.user_id,
        name=row.name,
        prefix=row.prefix,
        hash=row.hash,
        scopes=tuple(row.scopes),
        expires_at=row.expires_at,
        last_used_at=row.last_used_at,
        revoked_at=row.revoked_at,
        created_at=row.created_at,
    )
