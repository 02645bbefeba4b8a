"""The models of the speech socket: complete, told apart by `type`, and they name every member of a fixed list."""

from typing import get_args

import pytest
from pydantic import ValidationError

from app.core.discard_reasons import DiscardReason
from app.core.endpointing_profiles import ENDPOINTING_PROFILES
from app.schemas.speech_socket import (
    OPTIONAL_EVENTS,
    EndpointingConfig,
    ServerEvent,
    Start,
    StartConfig,
    UtteranceDiscarded,
    client_message,
    server_event,
)

EVENT_TYPES = {
    get_args(model.model_fields["type"].annotation)[0] for model in get_args(get_args(ServerEvent)[0])
}


def test_every_optional_event_has_a_model() -> None:
    assert set(OPTIONAL_EVENTS) <= EVENT_TYPES


def test_the_model_of_a_discarded_utterance_names_every_reason() -> None:
    described = UtteranceDiscarded.model_fields["reason"].description or ""
    assert [reason for reason in DiscardReason if f"`{reason}`" not in described] == []


@pytest.mark.parametrize("profile", ENDPOINTING_PROFILES)
def test_start_takes_every_profile(profile: str) -> None:
    assert StartConfig.model_validate({"endpointing": profile}).endpointing == profile


def test_start_takes_a_silence_of_its_own_and_optional_events() -> None:
    message = client_message.validate_python(
        {"type": "start", "config": {"endpointing": {"silence_ms": 800}, "events": sorted(OPTIONAL_EVENTS)}}
    )
    assert isinstance(message, Start)
    assert message.config is not None
    assert message.config.endpointing == EndpointingConfig(silence_ms=800)
    assert set(message.config.events) == OPTIONAL_EVENTS


@pytest.mark.parametrize(
    "config",
    [
        {"endpointing": "never"}, {"endpointing": {"silence_ms": 99}}, {"events": ["final"]}, {"lang": "x"},
        {"langs": "es"}, {"langs": ["auto"]}, {"langs": ["es", ""]}, {"langs": ["es"] * 17}, {"likely_langs": [1]},
    ],
)  # fmt: skip
def test_what_start_does_not_know_is_refused(config: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        client_message.validate_python({"type": "start", "config": config})


def test_an_event_is_known_by_its_type() -> None:
    with pytest.raises(ValidationError):
        server_event.validate_python({"type": "nonsense", "session_id": None, "seq": 1})
