"""The words and times of exported files, in each language and zone."""

from dataclasses import fields
from datetime import UTC, datetime, timedelta
from typing import get_args
from zoneinfo import ZoneInfo

import pytest

from app.core.errors import BadRequest
from app.services.history.export_words import WORDS, ExportLanguage, Reader, find_zone

NIGHT = datetime(2026, 10, 25, 0, 30, tzinfo=UTC)
"""An hour before summer time ends in Madrid."""


def test_each_language_has_all_words() -> None:
    assert set(WORDS) == set(get_args(ExportLanguage))
    for words in WORDS.values():
        assert all(getattr(words, field.name) for field in fields(words))
        assert len(words.months.split()) == 12
        assert set(words.speakers) == {"user", "assistant", "system", "tool"}


def test_an_hour_that_comes_twice_is_told_apart() -> None:
    reader = Reader(zone=ZoneInfo("Europe/Madrid"))
    assert reader.format_time(NIGHT) == "2026-10-25 02:30 +02:00"
    assert reader.format_time(NIGHT + timedelta(hours=1)) == "2026-10-25 02:30 +01:00"
    assert reader.describe_export(NIGHT) == (
        "Exported from PROMPTer on 2026-10-25 02:30 +02:00 · times of Europe/Madrid"
    )


@pytest.mark.parametrize(
    ("zone", "language", "date"),
    [
        ("UTC", "en", "30 November 2026"),
        ("UTC", "es", "30 de noviembre de 2026"),
        ("Pacific/Auckland", "en", "1 December 2026"),
    ],
)
def test_the_date_is_that_of_the_zone(zone: str, language: ExportLanguage, date: str) -> None:
    reader = Reader(zone=find_zone(zone), language=language)
    assert reader.format_date(datetime(2026, 11, 30, 20, 0, tzinfo=UTC)) == date


@pytest.mark.parametrize(
    "name", ["", "Europe", "Europe/Atlantis", "../etc", "\0", "x" * 300, "/etc/localtime"]
)
def test_a_name_that_is_no_zone(name: str) -> None:
    with pytest.raises(BadRequest, match="IANA name"):
        find_zone(name)
