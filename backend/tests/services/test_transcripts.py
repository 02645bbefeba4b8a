"""Transcripts by label: the newest dictation counts, and empty ones do not push out what was said."""

import pytest

from app.core.errors import NotFound, NothingFinalYet
from app.services.transcripts import MOST_CHARACTERS, Transcripts


def test_the_finals_of_a_dictation_are_joined() -> None:
    transcripts = Transcripts(10)
    dictation = transcripts.begin("a")
    with pytest.raises(NothingFinalYet):
        transcripts.text("a")
    dictation.append("one")
    dictation.append("two")
    assert transcripts.text("a") == "one two"
    with pytest.raises(NotFound):
        transcripts.text("b")


def test_a_new_dictation_of_a_label_replaces_the_old_one_for_good() -> None:
    transcripts = Transcripts(10)
    old, new = transcripts.begin("a"), transcripts.begin("a")
    new.append("new")
    old.append("old")
    assert transcripts.text("a") == "new"


def test_dictations_without_text_make_room_first() -> None:
    """Who starts and stops a thousand times forgets nobody's words."""
    transcripts = Transcripts(3)
    transcripts.begin("said").append("words")
    for number in range(100):
        transcripts.begin(f"empty {number}")
    assert transcripts.text("said") == "words"


def test_a_dictation_that_goes_on_comes_back_with_all_its_finals() -> None:
    transcripts = Transcripts(2)
    going_on = transcripts.begin("a")
    going_on.append("one")
    for label in ("b", "c"):
        transcripts.begin(label).append("other")
    with pytest.raises(NotFound):
        transcripts.text("a")
    going_on.append("two")
    assert transcripts.text("a") == "one two"


def test_an_endless_dictation_keeps_its_end() -> None:
    transcripts = Transcripts(1)
    dictation = transcripts.begin("a")
    for number in range(20):
        dictation.append(f"{number}" + "x" * (MOST_CHARACTERS // 10))
    assert len(transcripts.text("a")) <= MOST_CHARACTERS + 20
    assert "19x" in transcripts.text("a")


def test_forgetting_a_label_leaves_nothing() -> None:
    transcripts = Transcripts(2)
    transcripts.begin("a").append("one")
    transcripts.forget("a")
    with pytest.raises(NotFound):
        transcripts.text("a")
