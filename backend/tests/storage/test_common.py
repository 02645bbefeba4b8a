"""Shared by the repositories: cursors, pages, text that every database stores, and times in UTC."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from uuid import UUID

import pytest
from sqlalchemy import func, make_url, select, update
from sqlalchemy.engine import Dialect

from app.core.errors import BadRequest
from app.storage.common import (
    PlainText,
    UtcTime,
    execute_and_count,
    insert_rows,
    make_cursor,
    make_page,
    older_than_cursor,
    replace_unstorable,
    utc_now,
)
from app.storage.database import Database
from app.storage.tables import ConversationRow
from app.utils.ids import new_id

WHEN = datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)
POSTGRESQL: Dialect = make_url("postgresql+asyncpg://x").get_dialect()()
SQLITE: Dialect = make_url("sqlite://").get_dialect()()


@dataclass(frozen=True)
class Item:
    id: UUID
    at: datetime


def test_a_page_has_a_cursor_if_there_is_a_next_one() -> None:
    items = [Item(new_id(), WHEN - timedelta(seconds=n)) for n in range(3)]
    page = make_page(items, 2, "at")
    assert page.items == tuple(items[:2])
    assert page.next_before == make_cursor(items[1].at, items[1].id)
    for whole in (items[:2], items[:1], []):
        last = make_page(whole, 2, "at")
        assert (last.items, last.next_before) == (tuple(whole), None)


async def test_a_cursor_selects_what_is_older(database: Database, ana: UUID) -> None:
    """Of rows of the same time those with a smaller id."""
    row = ConversationRow
    ids = [new_id() for _ in range(3)]
    times = [WHEN, WHEN, WHEN + timedelta(microseconds=1)]
    async with database.write() as session:
        rows = [
            {"id": id_, "user_id": ana, "title": "x", "settings": {}, "created_at": at, "updated_at": at}
            for id_, at in zip(ids, times, strict=True)
        ]
        await insert_rows(session, row, rows)
        await insert_rows(session, row, [])
    async with database.read() as session:
        for n in range(3):
            condition = older_than_cursor(make_cursor(times[n], ids[n]), row.updated_at, row.id)
            found = await session.scalars(select(row.id).where(condition).order_by(row.id))
            assert list(found) == ids[:n]


@pytest.mark.parametrize("cursor", ["", "x", "1-2", "-1-2", f"{10**17}-{UUID(int=1)}", "1"])
def test_a_malformed_cursor_names_the_way_out(cursor: str) -> None:
    with pytest.raises(BadRequest, match="is not a cursor; take it from the `Link` header"):
        older_than_cursor(cursor, ConversationRow.updated_at, ConversationRow.id)


async def test_changed_rows_are_counted(database: Database, ana: UUID) -> None:
    async with database.write() as session:
        for n in range(3):
            session.add(ConversationRow(user_id=ana, title=f"{n}"))
        await session.flush()
        statement = update(ConversationRow).where(ConversationRow.title != "0").values(title="changed")
        assert await execute_and_count(session, statement) == 2
        nothing = update(ConversationRow).where(ConversationRow.id == new_id()).values(title="x")
        assert await execute_and_count(session, nothing) == 0
        count = select(func.count()).where(ConversationRow.title == "changed")
        assert await session.scalar(count) == 2


def test_what_no_database_stores_is_replaced() -> None:
    assert replace_unstorable("a\x00b\ud83dc😀") == "a\ufffdb\ufffdc😀"
    assert PlainText().process_bind_param("\x00", SQLITE) == "\ufffd"
    assert PlainText().process_bind_param(None, SQLITE) is None


def test_times_are_in_utc() -> None:
    kind, two_hours = UtcTime(), timezone(timedelta(hours=2))
    there = WHEN.astimezone(two_hours)
    assert kind.process_bind_param(there, POSTGRESQL) == WHEN
    assert kind.process_bind_param(there, SQLITE) == WHEN.replace(tzinfo=None)
    assert kind.process_bind_param(None, SQLITE) is None
    for stored in (WHEN.replace(tzinfo=None), there):
        read = kind.process_result_value(stored, SQLITE)
        assert read == WHEN
        assert read.tzinfo is UTC
    assert kind.process_result_value(None, SQLITE) is None
    with pytest.raises(ValueError, match="without a time zone"):
        kind.process_bind_param(WHEN.replace(tzinfo=None), SQLITE)
    assert utc_now().tzinfo is UTC
