"""The toolset `time`: clocks, dates, and what is refused."""

from datetime import UTC, datetime

import pytest

from app.core.config import Settings
from app.toolsets.base import ToolContext, ToolFailed
from app.toolsets.clock import TimeToolset

NOON = datetime(2026, 3, 28, 23, 30, tzinfo=UTC)


@pytest.fixture
def tools(settings: Settings) -> TimeToolset:
    return TimeToolset(settings, now=lambda: NOON)


@pytest.mark.parametrize(
    ("zone", "iso", "weekday", "offset"),
    [
        ("Europe/Madrid", "2026-03-29T00:30:00+01:00", "Sunday", "+0100"),
        (" Asia/Kolkata ", "2026-03-29T05:00:00+05:30", "Sunday", "+0530"),
        ("UTC", "2026-03-28T23:30:00+00:00", "Saturday", "+0000"),
    ],
)
def test_the_time_somewhere(
    tools: TimeToolset, context: ToolContext, zone: str, iso: str, weekday: str, offset: str
) -> None:
    now = tools.current_time(context, zone)
    assert (now.iso, now.weekday, now.utc_offset) == (iso, weekday, offset)
    assert now.timezone == zone.strip()


def test_the_time_here(tools: TimeToolset, context: ToolContext) -> None:
    now = tools.current_time(context)
    assert datetime.fromisoformat(now.iso) == NOON
    assert now.timezone


@pytest.mark.parametrize(
    "zone", ["Madrid", "../../etc/passwd", "/etc/localtime", "Europe", "Europe/", "x" * 500, "a\0b"]
)
def test_what_is_no_zone(tools: TimeToolset, context: ToolContext, zone: str) -> None:
    with pytest.raises(ToolFailed, match="no time zone of that name"):
        tools.current_time(context, zone)


@pytest.mark.parametrize(
    ("day", "change", "iso", "weekday"),
    [
        ("2026-11-21", {"days": 45}, "2027-01-05", "Tuesday"),
        ("2024-02-28", {"days": 1}, "2024-02-29", "Thursday"),
        ("2026-01-31", {"months": 1}, "2026-02-28", "Saturday"),
        ("2024-01-31", {"months": 1, "days": 1}, "2024-03-01", "Friday"),
        ("2026-03-01", {"months": -1, "weeks": -1}, "2026-01-25", "Sunday"),
        ("2026-12-15", {"months": 1}, "2027-01-15", "Friday"),
        ("2026-01-15", {"months": -13}, "2024-12-15", "Sunday"),
    ],
)
def test_days_to_come(
    tools: TimeToolset, context: ToolContext, day: str, change: dict[str, int], iso: str, weekday: str
) -> None:
    found = tools.add_to_date(context, day, **change)
    assert (found.iso, found.weekday) == (iso, weekday)


@pytest.mark.parametrize(
    "change", [{"days": 10**12}, {"months": 10**30}, {"months": -(10**6)}, {"weeks": -(10**9)}]
)
def test_days_that_no_calendar_has(tools: TimeToolset, context: ToolContext, change: dict[str, int]) -> None:
    with pytest.raises(ToolFailed, match="outside the years"):
        tools.add_to_date(context, "2026-11-21", **change)


@pytest.mark.parametrize("day", ["21/11/2026", "2026-02-30", "tomorrow", "", "2026-11-21T10:00"])
def test_what_is_no_day(tools: TimeToolset, context: ToolContext, day: str) -> None:
    with pytest.raises(ToolFailed, match="expected YYYY-MM-DD"):
        tools.add_to_date(context, day)
    with pytest.raises(ToolFailed, match="expected YYYY-MM-DD"):
        tools.days_between(context, "2026-11-21", day)


@pytest.mark.parametrize(
    ("first", "second", "days", "weeks"),
    [
        ("2026-11-21", "2026-12-25", 34, 4),
        ("2026-12-25", "2026-11-21", -34, -4),
        ("2024-02-28", "2024-03-01", 2, 0),
    ],
)
def test_how_far(
    tools: TimeToolset, context: ToolContext, first: str, second: str, days: int, weeks: int
) -> None:
    found = tools.days_between(context, first, second)
    assert (found.days, found.weeks) == (days, weeks)
