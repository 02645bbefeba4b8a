"""Messages of the client: what is read, and what the client is told about the rest."""

import base64
import json
from typing import Any

import pytest

from app.core.errors import PrompterError
from app.schemas.speech_socket import Start
from app.services.dictation.messages import (
    KNOWN_TYPES,
    check_size,
    parse_control,
    parse_json,
    parse_pcm,
    parse_seq,
)

AUDIO = {"type": "audio", "format": "pcm16", "sample_rate": 16_000, "data": "AAABAA=="}


def code_of(function: Any, *arguments: Any) -> str:
    with pytest.raises(PrompterError) as caught:
        function(*arguments)
    return caught.value.code


def test_a_chunk_becomes_its_bytes() -> None:
    body = parse_json(json.dumps(AUDIO | {"seq": 3}))
    assert bytes(parse_pcm(body)) == base64.b64decode("AAABAA==")
    assert bytes(parse_pcm(AUDIO | {"data": "data:audio/pcm;base64,AAABAA=="})) == base64.b64decode(
        "AAABAA=="
    )
    assert parse_seq(body) == 3
    assert parse_seq(AUDIO) is None


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"format": "opus"}, "unsupported_format"),
        ({"sample_rate": 7999}, "invalid_sample_rate"),
        ({"sample_rate": 16_000.0}, "invalid_sample_rate"),
        ({"sample_rate": True}, "invalid_sample_rate"),
        ({"data": None}, "invalid_message"),
        ({"data": "?"}, "invalid_base64"),
        ({"data": "AAAA"}, "odd_length"),
    ],
)
def test_a_wrong_chunk_is_named(change: dict[str, Any], code: str) -> None:
    assert code_of(parse_pcm, AUDIO | change) == code


@pytest.mark.parametrize("seq", [0, -1, 1.0, "1", True])
def test_a_number_that_is_none_is_refused(seq: Any) -> None:
    assert code_of(parse_seq, {"seq": seq}) == "invalid_message"


def test_control_messages_become_models() -> None:
    message = parse_control({"type": "start", "session_id": "s1", "extra": 1})
    assert isinstance(message, Start)
    assert message.session_id == "s1"


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({}, "invalid_message"),
        ({"type": 1}, "invalid_message"),
        ({"type": "audio2"}, "unknown_type"),
        ({"type": "start", "config": {"sample_rate": 1}}, "invalid_sample_rate"),
        ({"type": "start", "config": {"words": "yes"}}, "invalid_message"),
        ({"type": "resume"}, "invalid_message"),
    ],
)
def test_a_wrong_control_message_is_named(body: dict[str, Any], code: str) -> None:
    assert code_of(parse_control, body) == code


def test_an_unknown_type_is_told_what_is_known() -> None:
    with pytest.raises(PrompterError) as caught:
        parse_control({"type": "hello"})
    assert all(kind in caught.value.message for kind in KNOWN_TYPES)


@pytest.mark.parametrize(("text", "code"), [("{", "invalid_json"), ("[]", "invalid_message")])
def test_only_json_objects_are_messages(text: str, code: str) -> None:
    assert code_of(parse_json, text) == code


def test_a_size_is_that_of_the_bytes() -> None:
    check_size("é" * 5, 10)
    check_size(b"x" * 10, 10)
    for message in ("é" * 6, "x" * 11, b"x" * 11):
        assert code_of(check_size, message, 10) == "message_too_big"
