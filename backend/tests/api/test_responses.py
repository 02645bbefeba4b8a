"""Ids in paths, where a malformed one is as unknown as any other, the link to the next page, and parts of files."""

from collections.abc import Callable
from uuid import UUID

import pytest
from starlette.responses import Response

from app.api.responses import link_next_page, parse_conversation_id, parse_message_id, parse_range
from app.core.errors import NotFound
from app.utils.ids import new_id


@pytest.mark.parametrize("parse", [parse_conversation_id, parse_message_id])
def test_an_id_is_read(parse: Callable[[str], UUID]) -> None:
    id_ = new_id()
    assert parse(str(id_)) == id_


@pytest.mark.parametrize(
    ("parse", "words"),
    [
        (parse_conversation_id, "list yours with GET /api/conversations"),
        (parse_message_id, "see GET /api/conversations/{id}/messages"),
    ],
)
@pytest.mark.parametrize("text", ["", "1", "../../etc", "0197a3b2-5c1d-7e8f-9a0b-1c2d3e4f5a6", "\0" * 36])
def test_a_malformed_id_is_not_found(parse: Callable[[str], UUID], words: str, text: str) -> None:
    with pytest.raises(NotFound) as raised:
        parse(text)
    assert words in raised.value.message
    assert text not in raised.value.message or not text.strip("\0")


def test_the_next_page_keeps_the_query_and_its_order() -> None:
    response = Response()
    link_next_page(response, "/api/search", {"q": "volcán & más", "limit": 2, "before": 7})
    assert response.headers["Link"] == '</api/search?q=volc%C3%A1n+%26+m%C3%A1s&limit=2&before=7>; rel="next"'


@pytest.mark.parametrize(
    ("header", "part"),
    [
        (None, None),
        ("bytes=0-", range(1000)),
        ("bytes=0-0", range(1)),
        ("bytes=100-199", range(100, 200)),
        ("bytes=900-5000", range(900, 1000)),
        ("bytes=-10", range(990, 1000)),
        ("bytes=-5000", range(1000)),
        ("Bytes = 5-6", None),
        ("bytes= 5 - 6", range(5, 7)),
        ("bytes=1000-", range(1000, 1000)),
        ("bytes=5000-6000", range(1000, 1000)),
        ("bytes=-0", range(1000, 1000)),
        ("bytes=9-5", None),
        ("bytes=0-1,5-6", None),
        ("bytes=-", None),
        ("items=0-1", None),
        ("bytes=x-", None),
        (f"bytes={'9' * 40}-", None),
    ],
)
def test_a_range_is_read(header: str | None, part: range | None) -> None:
    assert parse_range(header, 1000) == part
