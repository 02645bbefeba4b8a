"""Shared by the repositories: column types, pages of a list and their cursors, statements that insert or count."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Generic, TypeVar, cast
from uuid import UUID

from sqlalchemy import (
    JSON,
    ColumnElement,
    CursorResult,
    DateTime,
    Delete,
    Insert,
    Table,
    Text,
    Update,
    insert,
    tuple_,
)
from sqlalchemy.engine import Dialect
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import DeclarativeBase, InstrumentedAttribute
from sqlalchemy.types import TypeDecorator

from app.core.errors import BadRequest
from app.utils.ids import parse_id

T = TypeVar("T")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Page(Generic[T]):
    """One page of a list, newest first."""

    items: tuple[T, ...]
    next_before: str | None
    """The cursor of the next page; None on the last page."""
    total: int | None = None
    """The number of items on all pages; None where they were not counted."""


def make_cursor(moment: datetime, row_id: UUID) -> str:
    """Return the position of a page's last item. The cursor stays valid when that item is changed or deleted."""
    return f"{(moment - _EPOCH) // timedelta(microseconds=1)}-{row_id}"


def older_than_cursor(
    cursor: str, moment: InstrumentedAttribute[datetime] | None, key: InstrumentedAttribute[UUID]
) -> ColumnElement[bool]:
    """Return the condition for all rows after a cursor in a list that is newest first. Without `moment` ids order it.

    Raises:
        BadRequest: `cursor` is not a cursor.
    """
    micros, _, rest = cursor.partition("-")
    row_id = parse_id(rest)
    if row_id is None or not (micros.isdecimal() and micros.isascii() and len(micros) <= 17):
        raise BadRequest("`before` is not a cursor; take it from the `Link` header of the previous page")
    if moment is None:
        return key < row_id
    return tuple_(moment, key) < (_EPOCH + timedelta(microseconds=int(micros)), row_id)


def make_page(items: Sequence[T], limit: int, moment: str) -> Page[T]:
    """Make a page of at most `limit` items. One item more than `limit` means that there is a next page.

    `moment` names the attribute that the list is ordered by, before the id.
    """
    shown = tuple(items[:limit])
    last: Any = shown[-1] if shown and len(items) > limit else None
    return Page(items=shown, next_before=last and make_cursor(getattr(last, moment), last.id))


async def execute_and_count(session: AsyncSession, statement: Insert | Update | Delete) -> int:
    """Execute a statement and return how many rows it changed."""
    options = {"synchronize_session": False}
    return cast("CursorResult[Any]", await session.execute(statement, execution_options=options)).rowcount


async def insert_rows(
    session: AsyncSession, table: type[DeclarativeBase], rows: list[dict[str, Any]]
) -> None:
    """Insert all rows with one statement, and without an object of the ORM for each row."""
    if rows:
        assert isinstance(table.__table__, Table)
        await session.execute(insert(table.__table__), rows)


def is_sqlite(session: AsyncSession) -> bool:
    return session.get_bind().dialect.name == "sqlite"


_NOT_STORABLE = re.compile("[\x00\ud800-\udfff]")


def replace_unstorable(text: str) -> str:
    """Replace what no database stores (NUL and unpaired surrogates) by U+FFFD."""
    return _NOT_STORABLE.sub("\ufffd", text)


class PlainText(TypeDecorator[str]):
    """Text of clients, with `replace_unstorable` applied."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:  # noqa: ARG002
        return None if value is None else replace_unstorable(value)


class UtcTime(TypeDecorator[datetime]):
    """A time; always aware, always UTC. SQLite has no such type and stores sortable text."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a time without a time zone cannot be stored; use utc_now()")
        value = value.astimezone(UTC)
        return value.replace(tzinfo=None) if dialect.name == "sqlite" else value

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class Json(TypeDecorator[Any]):
    """A value as JSON text; None becomes NULL."""

    impl = JSON(none_as_null=True)
    cache_ok = True


def utc_now() -> datetime:
    return datetime.now(UTC)
