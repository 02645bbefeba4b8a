"""Messages of stored dictations: the detail has all fields of the list, and its finals."""

from app.schemas.dictations import BEGINNING_CHARS, DictationDetailOut, DictationOut, StoredFinalOut


def test_the_detail_is_the_entry_of_the_list_with_finals() -> None:
    assert set(DictationDetailOut.model_fields) - set(DictationOut.model_fields) == {"items"}
    final = {
        "n": 0,
        "utterance_id": "1",
        "text": "hola",
        "raw_text": "hola",
        "start_ms": None,
        "end_ms": None,
        "lang": None,
        "words": None,
        "created_at": "2026-01-01T00:00:00Z",
    }
    detail = DictationDetailOut.model_validate(
        {
            "id": "0197a3b2-5c1d-7e8f-9a0b-1c2d3e4f5a6b",
            "session_id": "s1",
            "lang": "es",
            "provider": "fake",
            "model": None,
            "started_at": "2026-01-01T00:00:00Z",
            "ended_at": None,
            "state": "recording",
            "audio": None,
            "finals": 1,
            "text": "hola",
            "current_version": "0197a3b2-5c1d-7e8f-9a0b-1c2d3e4f5a6b",
            "items": [final],
        }
    )
    assert detail.items == [StoredFinalOut.model_validate(final)]
    assert set(detail.model_dump()) == set(DictationDetailOut.model_fields)


def test_the_description_says_how_much_a_list_shows() -> None:
    assert f"{BEGINNING_CHARS} characters" in (DictationOut.model_fields["text"].description or "")
