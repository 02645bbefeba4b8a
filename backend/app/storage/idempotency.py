"""What requests with an `Idempotency-Key` have made, so that a request that arrives twice makes it once."""

from datetime import timedelta
from uuid import UUID

from sqlalchemy import ColumnElement, delete, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.errors import IdReused
from app.core.idempotency import HEADER, RequestKey
from app.storage.common import execute_and_count, is_sqlite, utc_now
from app.storage.tables import IdempotencyKeyRow

KEEP = timedelta(hours=24)
"""How long a key is kept."""
MAX_KEYS = 1000
"""Keys that are kept of one user; the oldest give way."""


async def claim(session: AsyncSession, user_id: UUID, key: RequestKey | None) -> UUID | None:
    """Take a key for this transaction, which then makes something; the id of what it has made, if it was taken before.

    Of two requests at the same time one waits here for the end of the other's transaction.

    Raises:
        IdReused: it was taken by another request.
    """
    if key is None:
        return None
    await _make_room(session, user_id)
    insert = sqlite.insert if is_sqlite(session) else postgresql.insert
    row = insert(IdempotencyKeyRow).values(
        user_id=user_id, key_hash=key.key_hash, request_hash=key.request_hash, created_at=utc_now()
    )
    if await execute_and_count(session, row.on_conflict_do_nothing()):
        return None
    found = (await session.execute(select(IdempotencyKeyRow).where(*_is(user_id, key)))).scalar_one()
    if found.request_hash != key.request_hash:
        raise IdReused(f"this `{HEADER}` was sent with another request; send this one with another key")
    return found.resource_id


async def note_made(session: AsyncSession, user_id: UUID, key: RequestKey | None, resource_id: UUID) -> None:
    """Note what the request with this key has made, in the transaction that has claimed it."""
    if key is None:
        return
    made = update(IdempotencyKeyRow).where(*_is(user_id, key)).values(resource_id=resource_id)
    await session.execute(made)


async def remove_expired(session: AsyncSession) -> None:
    """Delete the keys of all users that are older than `KEEP`."""
    await session.execute(delete(IdempotencyKeyRow).where(IdempotencyKeyRow.created_at < utc_now() - KEEP))


async def _make_room(session: AsyncSession, user_id: UUID) -> None:
    """Delete what is too old, and what is too much."""
    row = IdempotencyKeyRow
    mine = row.user_id == user_id
    await session.execute(delete(row).where(mine, row.created_at < utc_now() - KEEP))
    newest = select(row.created_at).where(mine).order_by(row.created_at.desc())
    if (limit := await session.scalar(newest.offset(MAX_KEYS - 1).limit(1))) is not None:
        await session.execute(delete(row).where(mine, row.created_at <= limit))


def _is(user_id: UUID, key: RequestKey) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    return IdempotencyKeyRow.user_id == user_id, IdempotencyKeyRow.key_hash == key.key_hash
