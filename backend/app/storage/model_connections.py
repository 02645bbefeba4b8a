"""Models that users have connected: a user's own, and those that admins share."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

from sqlalchemy import ColumnElement, delete, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.storage.common import execute_and_count
from app.storage.key_file import KeyFile
from app.storage.tables import ModelConnectionRow, UserRow


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredConnection:
    """One model server that a user has connected."""

    id: UUID
    user_id: UUID
    name: str
    title: str
    vendor: str
    base_url: str
    sealed_key: str | None = field(repr=False)
    key_hint: str = field(repr=False)
    model: str
    models: tuple[str, ...]
    shared: bool
    created_at: datetime
    updated_at: datetime


async def list_own(session: AsyncSession, user_id: UUID) -> list[StoredConnection]:
    """Return a user's connections, newest first."""
    return await _select(session, ModelConnectionRow.user_id == user_id)


async def list_shared(session: AsyncSession, *, but_of: UUID | None = None) -> list[StoredConnection]:
    """Return what admins share, but not those of this user, newest first."""
    where = [_is_shared()]
    if but_of is not None:
        where.append(ModelConnectionRow.user_id != but_of)
    return await _select(session, *where)


async def list_all(session: AsyncSession) -> list[tuple[str, StoredConnection]]:
    """Return all connections with the names of their owners, ordered by owner."""
    joined = select(UserRow.name, ModelConnectionRow).join(UserRow, ModelConnectionRow.user_id == UserRow.id)
    rows = await session.execute(joined.order_by(UserRow.name_key, ModelConnectionRow.id))
    return [(owner, _to_connection(row)) for owner, row in rows]


async def find_own(
    session: AsyncSession, user_id: UUID, connection_id: UUID, *, lock: bool = False
) -> StoredConnection | None:
    """Return a user's connection by its id. `lock` keeps other server processes from changing it meanwhile."""
    own = select(ModelConnectionRow).where(
        ModelConnectionRow.user_id == user_id, ModelConnectionRow.id == connection_id
    )
    row = await session.scalar(own.with_for_update() if lock else own)
    return None if row is None else _to_connection(row)


async def find_named(session: AsyncSession, user_id: UUID, name: str) -> StoredConnection | None:
    """Return a user's connection by its name."""
    own = ModelConnectionRow.user_id == user_id, ModelConnectionRow.name == name
    return next(iter(await _select(session, *own)), None)


async def find_shared(session: AsyncSession, name: str) -> StoredConnection | None:
    """Return the connection of that name that an admin shares; the oldest, should there be several."""
    found = await _select(session, _is_shared(), ModelConnectionRow.name == name)
    return found[-1] if found else None


async def is_shared_by_another(session: AsyncSession, connection: StoredConnection) -> bool:
    """Whether another admin shares a connection of the same name."""
    others = await list_shared(session, but_of=connection.user_id)
    return any(each.name == connection.name for each in others)


async def add(session: AsyncSession, connection: StoredConnection) -> None:
    """Insert a connection."""
    session.add(
        ModelConnectionRow(
            id=connection.id,
            user_id=connection.user_id,
            name=connection.name,
            title=connection.title,
            vendor=connection.vendor,
            base_url=connection.base_url,
            sealed_key=connection.sealed_key,
            key_hint=connection.key_hint,
            model=connection.model,
            models=list(connection.models),
            shared=connection.shared,
            created_at=connection.created_at,
            updated_at=connection.updated_at,
        )
    )
    await session.flush()


async def change(session: AsyncSession, connection_id: UUID, **values: Any) -> None:
    """Set columns of a connection."""
    await session.execute(
        update(ModelConnectionRow).where(ModelConnectionRow.id == connection_id).values(**values)
    )


async def remove(session: AsyncSession, user_id: UUID, connection_id: UUID) -> bool:
    """Delete a user's connection with its key; False if this user has none of this id."""
    own = delete(ModelConnectionRow).where(
        ModelConnectionRow.user_id == user_id, ModelConnectionRow.id == connection_id
    )
    return await execute_and_count(session, own) == 1


async def list_lost(session: AsyncSession, key_file: KeyFile) -> list[tuple[str, StoredConnection]]:
    """Return the connections whose keys do not open, with the names of their owners. It reads the key file."""
    return [
        (owner, each)
        for owner, each in await list_all(session)
        if each.sealed_key is not None and key_file.open(each.sealed_key, make_key_context(each)) is None
    ]


def make_key_context(connection: StoredConnection) -> bytes:
    """What a key is sealed for: this connection of this user at this address. Moved elsewhere, it does not open."""
    parts = urlsplit(connection.base_url)
    origin = f"{parts.scheme}://{parts.netloc}"
    return b"\0".join((connection.id.bytes, connection.user_id.bytes, origin.encode()))


def _is_shared() -> ColumnElement[bool]:
    admins = select(UserRow.id).where(UserRow.role == "admin", UserRow.disabled_at.is_(None))
    return ModelConnectionRow.shared & ModelConnectionRow.user_id.in_(admins)


async def _select(session: AsyncSession, *where: ColumnElement[bool]) -> list[StoredConnection]:
    rows = await session.scalars(
        select(ModelConnectionRow).where(*where).order_by(ModelConnectionRow.id.desc())
    )
    return [_to_connection(row) for row in rows]


def _to_connection(row: ModelConnectionRow) -> StoredConnection:
    return StoredConnection(
        id=row.id,
        user_id=row.user_id,
        name=row.name,
        title=row.title,
        vendor=row.vendor,
        base_url=row.base_url,
        sealed_key=row.sealed_key,
        key_hint=row.key_hint,
        model=row.model,
        models=tuple(row.models),
        shared=row.shared,
        created_at=row.created_at,
        updated_at=row.updated_at,
    )
