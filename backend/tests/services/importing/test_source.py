"""Values of other products: times, names, ids and texts in all their forms."""

from datetime import UTC, datetime
from typing import Any

import pytest

from app.services.importing.source import as_key, as_name, as_time, fence, join_texts

AT = datetime(2025, 8, 24, 1, 46, 40, tzinfo=UTC)


@pytest.mark.parametrize(
    "value",
    [
        1_756_000_000,
        1_756_000_000.0,
        1_756_000_000_000,
        "2025-08-24T01:46:40Z",
        "2025-08-24T03:46:40+02:00",
        "2025-08-24T01:46:40",
    ],
)
def test_times_in_every_form(value: Any) -> None:
    assert as_time(value) == AT


@pytest.mark.parametrize(
    "value", [None, "", "soon", True, 0, -1, float("nan"), float("inf"), 1e300, [], "0001-01-01T00:00:00Z"]
)
def test_what_is_no_time(value: Any) -> None:
    assert as_time(value) is None


def test_names_ids_and_texts() -> None:
    assert as_name("  gpt \n 4 ") == "gpt 4"
    assert as_name(7) is None
    assert (as_key("a"), as_key(7), as_key(True), as_key(""), as_key({})) == ("a", "7", None, None, None)
    assert join_texts(["a", " ", "b"]) == "a\n\nb"
    assert fence("a ``` b", "py") == "````py\na ``` b\n````"
