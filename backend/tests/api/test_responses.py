"""Ids in paths, where a malformed one is as unknown as any other, and the link to the next page of a list."""

from collections.abc import Callable
from uuid import UUID

import pytest
from starlette.responses import Response

from app.api.responses import link_next_page, parse_conversation_id, parse_message_id
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
