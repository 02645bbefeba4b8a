"""The cursor of a reader, as the id of an event carries it."""

import pytest

from app.core.errors import BadRequest
from app.services.chat.events import (
    Cursor,
)


@pytest.mark.parametrize(
    "cursor",
    [Cursor(), Cursor(12, 3), Cursor(5, 0, at_end=True), Cursor(5, 1, tool_events=7), Cursor(5, 1, True, 2)],
)
def test_a_place_can_be_read_again(cursor: Cursor) -> None:
    assert Cursor.parse(str(cursor)) == cursor


@pytest.mark.parametrize(
    "event_id",
    ["1", "1.", "a.b", "-1.2", "1.2.3.4", "1.2.", "1.2.x", "1.2.end.", "9" * 10 + ".0", "١.٢", "1.2\n3"],
)
def test_what_is_no_place_is_refused(event_id: str) -> None:
    with pytest.raises(BadRequest, match="Last-Event-ID"):
        Cursor.parse(event_id)


def test_no_place_is_the_beginning() -> None:
    assert Cursor.parse("") == Cursor.parse(" ") == Cursor()
