"""What the server says to people is a code with parameters, beside its own words, over HTTP, sockets and streams."""

import json
import re

import pytest

from app.core.errors import ProviderNotReady, ServerFull, UpstreamTimeout, list_notes
from app.core.notes import NOTE_PARAMS, Note, NoteCode
from app.providers.upstream.errors import Refusal, make_no_api_error, make_truncated_error
from app.schemas.errors import NoteOut


def test_every_error_and_every_note_is_listed_once() -> None:
    codes = list_notes()
    assert {"internal_error", "server_full", "key_missing", "hears", "clipping", "stopped"} <= set(codes)
    assert all(re.fullmatch(r"[a-z][a-z0-9_]*", code) for code in codes)
    assert set(NOTE_PARAMS) <= set(NoteCode)


def test_an_error_says_at_least_its_code_and_when_to_try_again() -> None:
    assert ProviderNotReady("x").note == Note("provider_not_ready")
    assert ServerFull("x", retry_after_s=6.6).note == Note("server_full", {"seconds": 7})
    assert ServerFull("x", retry_after_s=0.1).note == Note("server_full", {"seconds": 1})
    finer = Note(NoteCode.NO_CHECKPOINT)
    assert ProviderNotReady("x", note=finer).note is finer


@pytest.mark.parametrize(
    "note",
    [
        Refusal(status=401, detail="").to_error("h").note,
        Refusal(status=500, detail="words").to_error("h").note,
        Refusal(status=302, detail="").to_error("h").note,
        Refusal(status=429, detail="", retry_after_s=3).to_error("h").note,
        make_no_api_error("h").note,
        make_truncated_error("h").note,
        UpstreamTimeout("x").note,
    ],
    ids=lambda note: note.code,
)
def test_notes_of_upstreams_have_only_the_parameters_that_are_listed(note: Note) -> None:
    assert set(note.params) <= set(list_notes()[note.code])
    assert "words" not in json.dumps(note.to_dict()), "an upstream's words may repeat a prompt"
    assert NoteOut.model_validate(note.to_dict()) == NoteOut.from_note(note)
