"""The stable prefix: it grows, it never shrinks, and what is shown begins with it."""

from hypothesis import given
from hypothesis import strategies as st

from app.services.decoding.stability import Stabiliser, normalise


def test_a_word_is_stable_when_it_has_stood_and_another_follows() -> None:
    """The newest word is held back; the others settle after 300 ms."""
    stabiliser = Stabiliser(hold_ms=300)

    assert stabiliser.push("open", 500).stable == ""
    assert stabiliser.push("open the", 700).stable == ""
    assert stabiliser.push("open the door", 900).stable == "open"
    assert stabiliser.push("open the door", 1300).stable == "open the"


def test_a_word_that_changes_starts_anew() -> None:
    """Only unchanged words settle."""
    stabiliser = Stabiliser(hold_ms=300)
    stabiliser.push("recognise beach now", 500)

    assert stabiliser.push("recognise speech now", 900).stable == "recognise"


def test_a_contradiction_keeps_what_is_stable_and_shows_what_follows() -> None:
    """A hypothesis that revises settled words is aligned with them."""
    stabiliser = Stabiliser(hold_ms=100)
    stabiliser.push("open the terminal and", 500)
    assert stabiliser.push("open the terminal and run", 700).stable == "open the terminal and"

    shown = stabiliser.push("opened a terminal and run all", 900)

    assert shown.text == "open the terminal and run all"


def test_case_and_punctuation_do_not_unsettle_a_word() -> None:
    """Words are compared without case and punctuation at their ends."""
    assert normalise("«Hola,»") == normalise("hola")
    assert normalise("C++") != normalise("C")
    assert normalise("...") == "..."


WORDS = st.lists(st.sampled_from(["a", "b", "c", "d", "B.", "el", "qué"]), max_size=12)


@given(st.lists(st.tuples(WORDS, st.integers(0, 500)), max_size=30))
def test_stable_only_grows_and_begins_the_text(steps: list[tuple[list[str], int]]) -> None:
    """Guarantee 3, for any sequence of hypotheses."""
    stabiliser = Stabiliser()
    audio_ms, before = 0, ""
    for words, step_ms in steps:
        audio_ms += step_ms
        shown = stabiliser.push(" ".join(words), audio_ms)
        assert shown.stable.startswith(before)
        assert shown.text.startswith(shown.stable)
        before = shown.stable
