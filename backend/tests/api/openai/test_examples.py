"""The API description of transcriptions agrees with the fields that are read and the errors that are sent."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from app.api.openai.examples import BODY, RESPONSES
from app.core import errors
from app.core.errors import PrompterError
from app.schemas.openai_audio import TranscriptionIn, TranscriptionJsonIn


def kinds(root: type[PrompterError]) -> Iterator[type[PrompterError]]:
    for kind in root.__subclasses__():
        yield kind
        yield from kinds(kind)


def examples() -> list[tuple[int, str, dict[str, Any]]]:
    """Status, name and error of each example."""
    found = []
    for status, answer in RESPONSES.items():
        if isinstance(status, int) and status >= 400:
            for name, example in answer["content"]["application/json"]["examples"].items():
                found.append((status, name, example["value"]["error"]))
    return found


def test_the_bodies_have_the_fields_that_are_read() -> None:
    form = BODY["content"]["multipart/form-data"]["schema"]
    assert set(form["properties"]) == {*TranscriptionIn.model_fields, "file"}
    assert form["required"] == ["file"]
    body = BODY["content"]["application/json"]["schema"]
    assert set(body["properties"]) == set(TranscriptionJsonIn.model_fields)
    assert body["required"] == ["input_audio"]
    assert "$ref" not in json.dumps(BODY)


@pytest.mark.parametrize(("status", "name", "error"), examples(), ids=lambda value: str(value)[:30])
def test_each_error_is_one_that_the_server_has(status: int, name: str, error: dict[str, Any]) -> None:
    known = {kind.code: kind.status for kind in kinds(errors.PrompterError)}
    assert error["code"] == name
    assert known[name] == status
    assert set(error) == {"message", "type", "param", "code"}


def test_the_stream_is_made_of_events_and_comments() -> None:
    stream = RESPONSES[200]["content"]["text/event-stream"]["example"]
    blocks = stream.strip().split("\n\n")
    assert blocks[0].startswith(": progress ")
    events = [json.loads(block.removeprefix("data: ")) for block in blocks[1:]]
    assert [event["type"] for event in events] == ["transcript.text.delta", "transcript.text.done"]
    assert events[0]["delta"] == events[1]["text"]
