"""The stable prefix: it grows, it never shrinks, and what is shown begins with it."""

from hypothesis import given
from hypothesis import strategies as st

from app.services.decoding.stability import Stabilizer, normalize


def test_a_word_is_stable_when_it_has_stood_and_another_follows() -> None:
    """The newest word is held back; the others settle after 300 ms."""
    stabilizer = Stabilizer(hold_ms=300)

    assert stabilizer.push("open", 500).stable == ""
    assert stabilizer.push("open the", 700).stable == ""
    assert stabilizer.push("open the door", 900).stable == "open"
    assert stabilizer.push("open the door", 1300).stable == "open the"


def test_a_word_that_changes_starts_anew() -> None:
    """Only unchanged words settle."""
    stabilizer = Stabilizer(hold_ms=300)
    stabilizer.push("recognise beach now", 500)

    assert stabilizer.push("recognise speech now", 900).stable == "recognise"


def test_a_contradiction_keeps_what_is_stable_and_shows_what_follows() -> None:
    """A hypothesis that revises settled words is aligned with them."""
    stabilizer = Stabilizer(hold_ms=100)
    stabilizer.push("open the terminal and", 500)
    assert stabilizer.push("open the terminal and run", 700).stable == "open the terminal and"

    shown = stabilizer.push("opened a terminal and run all", 900)

    assert shown.text == "open the terminal and run all"


def test_case_and_punctuation_do_not_unsettle_a_word() -> None:
    """Words are compared without case and punctuation at their ends."""
    assert normalize("«Hola,»") == normalize("hola")
    assert normalize("C++") != normalize("C")
    assert normalize("...") == "..."


WORDS = st.lists(st.sampled_from(["a", "b", "c", "d", "B.", "el", "qué"]), max_size=12)


@given(st.lists(st.tuples(WORDS, st.integers(0, 500)), max_size=30))
def test_stable_only_grows_and_begins_the_text(steps: list[tuple[list[str], int]]) -> None:
    """Guarantee 3, for any sequence of hypotheses."""
    stabilizer = Stabilizer()
    audio_ms, before = 0, ""
    for words, step_ms in steps:
        audio_ms += step_ms
        shown = stabilizer.push(" ".join(words), audio_ms)
        assert shown.stable.startswith(before)
        assert shown.text.startswith(shown.stable)
        before = shown.stable
