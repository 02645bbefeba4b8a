"""The toolset `time`: the time in any zone, and arithmetic with dates, which models get wrong."""

from calendar import monthrange
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import BaseModel

from app.core.config import Settings
from app.toolsets.base import Tool, ToolContext, ToolFailed

_MOST_CHARS = 64


class CurrentTime(BaseModel):
    timezone: str
    """The zone's name, or the server's offset."""
    iso: str
    weekday: str
    """In English."""
    utc_offset: str


class CalendarDay(BaseModel):
    iso: str
    weekday: str


class DayDistance(BaseModel):
    days: int
    """Negative if the second day is the earlier one."""
    weeks: int
    """Whole weeks."""


class TimeToolset:
    """Time and dates from the server's clock; tests pass their own `now`."""

    name = "time"
    description = "tells the time in any time zone and reckons with dates; from this server's clock"

    def __init__(
        self,
        settings: Settings,  # noqa: ARG002  # every toolset gets them
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._now = now

    def tools(self) -> Sequence[Tool]:
        return (Tool(self.current_time), Tool(self.add_to_date), Tool(self.days_between))

    def current_time(self, context: ToolContext, timezone: str = "") -> CurrentTime:  # noqa: ARG002
        """Tell the date, the weekday and the time now.

        Args:
            timezone: An IANA name such as Europe/Madrid; empty is where the server stands.
        """
        here = self._now().astimezone(_find_zone(timezone.strip()) if timezone.strip() else None)
        return CurrentTime(
            timezone=timezone.strip() or str(here.tzinfo),
            iso=here.isoformat(timespec="seconds"),
            weekday=_name_weekday(here),
            utc_offset=here.strftime("%z"),
        )

    def add_to_date(
        self,
        context: ToolContext,  # noqa: ARG002
        day: str,
        days: int = 0,
        weeks: int = 0,
        months: int = 0,
    ) -> CalendarDay:
        """Tell which day it is so long after a day, or before it with numbers below zero.

        Args:
            day: The day as YYYY-MM-DD.
            days: Days to add.
            weeks: Weeks to add.
            months: Months to add, before the days; the last of a month stays in its month.
        """
        begin = _parse_date(day)
        try:
            found = _add_months(begin, months) + timedelta(days=days, weeks=weeks)
        except (ValueError, OverflowError) as error:
            raise ToolFailed("that day is outside the years 1 to 9999; take less") from error
        return CalendarDay(iso=found.isoformat(), weekday=_name_weekday(found))

    def days_between(self, context: ToolContext, first: str, second: str) -> DayDistance:  # noqa: ARG002
        """Count the days from one day to another.

        Args:
            first: A day as YYYY-MM-DD.
            second: Another day as YYYY-MM-DD.
        """
        days = (_parse_date(second) - _parse_date(first)).days
        return DayDistance(days=days, weeks=abs(days) // 7 * (1 if days >= 0 else -1))

    async def aclose(self) -> None:
        """Nothing to close."""


def _find_zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name[:_MOST_CHARS])
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:  # the name of a folder raises OSError
        raise ToolFailed(
            "there is no time zone of that name here; expected an IANA name such as Europe/Madrid"
        ) from error


def _parse_date(text: str) -> date:
    try:
        return datetime.strptime(text.strip()[:_MOST_CHARS], "%Y-%m-%d").date()  # a date has no zone
    except ValueError as error:
        raise ToolFailed("that is no day; expected YYYY-MM-DD, such as 2026-02-28") from error


def _add_months(day: date, months: int) -> date:
    year, month = divmod(day.year * 12 + day.month - 1 + months, 12)
    last = monthrange(year, month + 1)[1] if 1 <= year <= 9999 else 1
    return day.replace(year=year, month=month + 1, day=min(day.day, last))


def _name_weekday(day: date) -> str:
    """In English, whatever the server's locale."""
    names = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
    return names[day.weekday()]
