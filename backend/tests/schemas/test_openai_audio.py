"""The fields of a transcription request: what clients send for a list, and what is bounded."""

from typing import Any

import pytest
from pydantic import ValidationError

from app.schemas.openai_audio import TranscriptionIn, TranscriptionJsonIn


@pytest.mark.parametrize("name", ["languages", "keywords"])
def test_a_single_text_is_a_list_of_one(name: str) -> None:
    assert getattr(TranscriptionIn.model_validate({name: "es"}), name) == ["es"]
    assert getattr(TranscriptionIn.model_validate({name: ["es", "en"]}), name) == ["es", "en"]


def test_empty_form_fields_mean_nothing() -> None:
    fields = TranscriptionIn.model_validate({"temperature": "", "stream": "", "unknown": "ignored"})
    assert (fields.temperature, fields.stream) == (None, None)
    assert (fields.model, fields.response_format, fields.timestamp_granularities) == ("", "json", [])


def test_texts_of_a_form_become_values() -> None:
    fields = TranscriptionIn.model_validate(
        {"temperature": "0.2", "stream": "true", "timestamp_granularities": "word"}
    )
    assert (fields.temperature, fields.stream, fields.timestamp_granularities) == (0.2, True, ["word"])


@pytest.mark.parametrize(
    "fields",
    [
        {"keywords": ["x" * 10_001]},
        {"keywords": ["x"] * 1001},
        {"languages": 7},
        {"prompt": "x" * 100_001},
        {"temperature": 3},
        {"response_format": "xml"},
        {"timestamp_granularities": ["word"] * 11},
        {"model": "x" * 201},
    ],
    ids=str,
)
def test_what_is_too_much_or_unknown_is_refused_without_its_words(fields: dict[str, Any]) -> None:
    with pytest.raises(ValidationError) as caught:
        TranscriptionIn.model_validate(fields)
    assert "xxx" not in str(caught.value)


def test_json_needs_the_recording() -> None:
    with pytest.raises(ValidationError, match="input_audio"):
        TranscriptionJsonIn.model_validate({"model": "auto"})
    fields = TranscriptionJsonIn.model_validate({"input_audio": {"data": "AAAA"}})
    assert (fields.input_audio.data, fields.input_audio.format) == ("AAAA", "")
    assert "AAAA" not in repr(fields)
