"""Attempts that all servers of a PostgreSQL database count together: one time for each key, by the database's clock."""

from sqlalchemy import delete, func, text
from sqlalchemy.ext.asyncio import AsyncSession

from app.storage.common import execute_and_count
from app.storage.tables import ThrottleRow

_TAKE = text(
    """
    INSERT INTO throttles (key, paid_by)
    VALUES (:key, clock_timestamp() + make_interval(secs => CAST(:each_s AS double precision)))
    ON CONFLICT (key) DO UPDATE SET paid_by = greatest(throttles.paid_by, clock_timestamp())
        + make_interval(secs => CAST(:each_s AS double precision))
    WHERE throttles.paid_by <= clock_timestamp()
        + make_interval(secs => CAST(:burst_s AS double precision) - CAST(:each_s AS double precision))
    RETURNING 1
    """
)
_WAIT = text(
    """
    SELECT extract(epoch FROM paid_by - clock_timestamp()) + CAST(:each_s AS double precision)
        - CAST(:burst_s AS double precision)
    FROM throttles WHERE key = :key
    """
)
_GIVE_BACK = text(
    """
    UPDATE throttles SET paid_by = paid_by - make_interval(secs => CAST(:each_s AS double precision)) WHERE key = :key
    """
)


async def take(session: AsyncSession, key: str, each_s: float, burst_s: float) -> float:
    """Count an attempt of this key, and return 0; where it is too early, count nothing and return how long to wait (s).

    `each_s`: one attempt is paid off in this time, and all that are allowed in a row in `burst_s`.
    """
    rate = {"key": key, "each_s": each_s, "burst_s": burst_s}
    if (await session.execute(_TAKE, rate)).scalar() is not None:
        return 0.0
    wait_s = (await session.execute(_WAIT, rate)).scalar()
    return max(float(wait_s or 0), 0.001)


async def give_back(session: AsyncSession, key: str, each_s: float) -> None:
    """Take back the count of an attempt."""
    await session.execute(_GIVE_BACK, {"key": key, "each_s": each_s})


async def remove_paid(session: AsyncSession) -> int:
    """Forget the keys that need not wait; return how many there were."""
    row = ThrottleRow
    return await execute_and_count(session, delete(row).where(row.paid_by < func.clock_timestamp()))
