"""Messages of the search: one shape for titles, messages and finals."""

import pytest
from pydantic import ValidationError

from app.schemas.search import HitOut

FINAL = {
    "kind": "dictation",
    "conversation_id": None,
    "title": None,
    "message_id": None,
    "role": None,
    "dictation_id": "0197a3b2-5c1d-7e8f-9a0b-1c2d3e4f5a6b",
    "final_n": 3,
    "created_at": "2026-01-01T00:00:00Z",
    "snippet": "vi un volcán",
    "matches": [[6, 12]],
}


def test_a_hit_says_where_its_words_are() -> None:
    hit = HitOut.model_validate(FINAL)
    assert [hit.snippet[start:end] for start, end in hit.matches] == ["volcán"]


@pytest.mark.parametrize("field", ["kind", "dictation_id", "role", "matches"])
def test_a_hit_of_another_form_is_a_fault(field: str) -> None:
    with pytest.raises(ValidationError):
        HitOut.model_validate({**FINAL, field: "something else"})
