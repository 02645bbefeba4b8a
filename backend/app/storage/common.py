"""What the repositories share: column types, list cursors, counts of changed rows."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Generic, TypeVar, cast
from uuid import UUID

from sqlalchemy import JSON, ColumnElement, CursorResult, DateTime, Delete, Text, Update, tuple_
from sqlalchemy.engine import Dialect
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import InstrumentedAttribute
from sqlalchemy.types import TypeDecorator

from app.core.errors import BadRequest
from app.utils.ids import parse_id

T = TypeVar("T")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """One page of a list, newest first."""

    items: tuple[T, ...]
    next_before: str | None
    """The cursor of the next page; None where this is the last one."""


def make_cursor(moment: datetime, id: UUID) -> str:  # noqa: A002  # it is one
    """Where a page ends: the place of its last item, which may change or go without harm."""
    return f"{(moment - _EPOCH) // timedelta(microseconds=1)}-{id}"


def older_than_cursor(
    cursor: str, moment: InstrumentedAttribute[datetime], key: InstrumentedAttribute[UUID]
) -> ColumnElement[bool]:
    """The condition of everything behind a cursor in a list that is newest first.

    Raises:
        BadRequest: it is no cursor.
    """
    micros, _, rest = cursor.partition("-")
    if (id_ := parse_id(rest)) is None or not (micros.isdecimal() and micros.isascii() and len(micros) <= 17):
        raise BadRequest("`before` is no cursor; take it from the `Link` header of the page before")
    return tuple_(moment, key) < (_EPOCH + timedelta(microseconds=int(micros)), id_)


def make_page(items: Sequence[T], limit: int, moment: str) -> Page[T]:
    """A page of `limit` out of what was read, which is one more where there is a next one."""
    kept = tuple(items[:limit])
    last: Any = kept[-1] if kept and len(items) > limit else None
    return Page(kept, last and make_cursor(getattr(last, moment), last.id))


async def execute_and_count(session: AsyncSession, statement: Update | Delete) -> int:
    """Run a statement; how many rows it changed."""
    options = {"synchronize_session": False}
    return cast("CursorResult[Any]", await session.execute(statement, execution_options=options)).rowcount


def is_sqlite(session: AsyncSession) -> bool:
    return session.get_bind().dialect.name == "sqlite"


_NOT_STORABLE = re.compile("[\x00\ud800-\udfff]")


def replace_unstorable(text: str) -> str:
    """The text without what no database takes: NUL, and halves of characters; each becomes U+FFFD."""
    return _NOT_STORABLE.sub("\ufffd", text)


class PlainText(TypeDecorator[str]):
    """Text as clients send it."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:  # noqa: ARG002
        return None if value is None else replace_unstorable(value)


class UtcTime(TypeDecorator[datetime]):
    """A moment; always aware, always UTC. SQLite has no such type and keeps it as sortable text."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a time without a zone cannot be stored")
        value = value.astimezone(UTC)
        return value.replace(tzinfo=None) if dialect.name == "sqlite" else value

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class Json(TypeDecorator[Any]):
    """A value as JSON text; None is NULL."""

    impl = JSON(none_as_null=True)
    cache_ok = True


def utc_now() -> datetime:
    return datetime.now(UTC)
