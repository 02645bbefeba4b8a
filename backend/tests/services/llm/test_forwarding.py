"""Which fields of a chat completion reach an upstream."""

import pytest

from app.core.errors import BadRequest
from app.services.llm.forwarding import FORWARDED, ROUTING, filter_fields


def test_what_is_sent_on_and_what_is_refused_have_nothing_in_common() -> None:
    assert not FORWARDED & ROUTING
    assert filter_fields({"messages": [], "api_key": None}) == {"messages": []}


def test_unknown_and_empty_fields_are_dropped_and_nothing_inside_messages_is() -> None:
    messages = [{"role": "user", "content": "hi", "unheard_of": 1}]
    body = {"messages": messages, "temperature": 0, "top_k": 7, "seed": None, "unheard_of": 1, "model": "m"}
    assert filter_fields(body) == {"messages": messages, "temperature": 0, "top_k": 7}


@pytest.mark.parametrize("name", sorted(ROUTING))
def test_a_field_that_chooses_where_to_ask_is_refused(name: str) -> None:
    with pytest.raises(BadRequest, match=f"`{name}` may not be sent") as caught:
        filter_fields({"messages": [], name: ""})
    assert caught.value.param == name
