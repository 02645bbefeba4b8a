"""The bodies of `/llm/generate`, and the events of a streamed answer."""

from typing import Any

import pytest
from pydantic import ValidationError

from app.schemas.llm import ContentEvent, DoneEvent, GenerateIn, StreamErrorEvent, generate_event


def test_null_is_the_same_as_absent() -> None:
    assert GenerateIn.model_validate({"messages": None, "config": None}) == GenerateIn.model_validate({})
    config = GenerateIn.model_validate({"config": {"base_url": None, "api_key": None, "model": None}}).config
    assert (config.base_url, config.api_key.get_secret_value(), config.model) == ("", "", "")


def test_unknown_fields_are_ignored_and_the_key_is_never_shown() -> None:
    body = GenerateIn.model_validate({"config": {"api_key": "sk-secret"}, "unheard_of": 1})
    assert "sk-secret" not in repr(body)


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"messages": [{"role": "wizard", "content": "x"}]}, "role"),
        ({"messages": [{"role": "user", "content": "x" * 1_000_001}]}, "content"),
        ({"config": {"temperature": 3}}, "temperature"),
        ({"config": {"max_tokens": 0}}, "max_tokens"),
        ({"config": {"stop": ["x"] * 17}}, "stop"),
    ],
)
def test_what_is_out_of_bounds_is_refused(body: dict[str, Any], field: str) -> None:
    with pytest.raises(ValidationError) as caught:
        GenerateIn.model_validate(body)
    assert field in caught.value.errors()[0]["loc"]


@pytest.mark.parametrize(
    ("data", "model"),
    [
        ({"content": "Say "}, ContentEvent),
        ({"status": "completed", "message_id": "m", "finish_reason": "stop", "usage": None}, DoneEvent),
        ({"error": "it broke off", "code": "upstream_error"}, StreamErrorEvent),
    ],
)
def test_each_event_is_told_apart_by_its_fields(data: dict[str, Any], model: type[Any]) -> None:
    assert type(generate_event.validate_python(data)) is model
