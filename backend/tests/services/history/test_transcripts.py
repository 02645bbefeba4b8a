"""Transcripts by label: the newest dictation counts, and empty ones do not push out what was said."""

import pytest

from app.core.errors import NotFound, NothingFinalYet
from app.core.security import LOCAL_USER_ID
from app.services.history.transcripts import MAX_CHARACTERS, RecentTranscripts, SessionLabel
from app.utils.ids import new_id


def mine(session_id: str) -> SessionLabel:
    return SessionLabel(LOCAL_USER_ID, session_id)


def test_labels_of_others_are_others() -> None:
    transcripts = RecentTranscripts(10)
    transcripts.begin(mine("a")).append("mine")
    with pytest.raises(NotFound):
        transcripts.get_text(SessionLabel(new_id(), "a"))
    transcripts.forget(SessionLabel(new_id(), "a"))
    assert transcripts.get_text(mine("a")) == "mine"


def test_the_finals_of_a_dictation_are_joined() -> None:
    transcripts = RecentTranscripts(10)
    dictation = transcripts.begin(mine("a"))
    with pytest.raises(NothingFinalYet):
        transcripts.get_text(mine("a"))
    dictation.append("one")
    dictation.append("two")
    assert transcripts.get_text(mine("a")) == "one two"
    with pytest.raises(NotFound):
        transcripts.get_text(mine("b"))


def test_a_new_dictation_of_a_label_replaces_the_old_one_for_good() -> None:
    transcripts = RecentTranscripts(10)
    old, new = transcripts.begin(mine("a")), transcripts.begin(mine("a"))
    new.append("new")
    old.append("old")
    assert transcripts.get_text(mine("a")) == "new"


def test_dictations_without_text_make_room_first() -> None:
    """Who starts and stops a thousand times forgets nobody's words."""
    transcripts = RecentTranscripts(3)
    transcripts.begin(mine("said")).append("words")
    for number in range(100):
        transcripts.begin(mine(f"empty {number}"))
    assert transcripts.get_text(mine("said")) == "words"


def test_a_dictation_that_goes_on_comes_back_with_all_its_finals() -> None:
    transcripts = RecentTranscripts(2)
    going_on = transcripts.begin(mine("a"))
    going_on.append("one")
    for label in ("b", "c"):
        transcripts.begin(mine(label)).append("other")
    with pytest.raises(NotFound):
        transcripts.get_text(mine("a"))
    going_on.append("two")
    assert transcripts.get_text(mine("a")) == "one two"


def test_an_endless_dictation_keeps_its_end() -> None:
    transcripts = RecentTranscripts(1)
    dictation = transcripts.begin(mine("a"))
    for number in range(20):
        dictation.append(f"{number}" + "x" * (MAX_CHARACTERS // 10))
    assert len(transcripts.get_text(mine("a"))) <= MAX_CHARACTERS + 20
    assert "19x" in transcripts.get_text(mine("a"))


def test_forgetting_a_label_leaves_nothing() -> None:
    transcripts = RecentTranscripts(2)
    transcripts.begin(mine("a")).append("one")
    transcripts.forget(mine("a"))
    with pytest.raises(NotFound):
        transcripts.get_text(mine("a"))
