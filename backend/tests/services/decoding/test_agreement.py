"""LocalAgreement: what two decodes agree on is stable, it only grows, and contradictions do not change it."""

from hypothesis import given
from hypothesis import strategies as st

from app.services.decoding.stability import Agreement, join, split


def push(agreement: Agreement, text: str, heard_s: float) -> tuple[str, str | None]:
    shown = agreement.push(text.split(), heard_s)
    return shown.text, shown.stable


def test_two_decodes_make_a_word_stable_and_the_newest_is_held_back() -> None:
    agreement = Agreement()
    assert push(agreement, "open the", 1.0) == ("open the", "")
    assert push(agreement, "open the door", 1.5) == ("open the door", "open the")
    assert push(agreement, "open the door", 1.8) == ("open the door", "open the")
    assert push(agreement, "open the door", 2.0) == ("open the door", "open the door")


def test_a_word_that_changes_is_not_stable() -> None:
    agreement = Agreement()
    push(agreement, "recognise beach now", 1.0)
    assert push(agreement, "recognise speech now", 1.5)[1] == "recognise"
    assert push(agreement, "recognise speech now please", 2.0)[1] == "recognise speech now"


def test_case_and_punctuation_do_not_unsettle_and_the_first_writing_stays() -> None:
    agreement = Agreement()
    push(agreement, "Open. the", 1.0)
    assert push(agreement, "open, the door", 1.5) == ("open, the door", "open, the")
    assert push(agreement, "OPEN the DOOR", 2.0)[0] == "open, the DOOR"


def test_a_contradiction_shows_only_what_follows_the_stable_words() -> None:
    agreement = Agreement()
    push(agreement, "open the terminal and", 1.0)
    assert push(agreement, "open the terminal and run", 1.5)[1] == "open the terminal and"
    shown = push(agreement, "a pen the terminal and run all", 2.0)
    assert shown == ("open the terminal and run all", "open the terminal and run")


def test_a_text_that_ends_early_takes_nothing_back() -> None:
    agreement = Agreement()
    push(agreement, "one two three", 1.0)
    push(agreement, "one two three four", 1.5)
    assert push(agreement, "one", 2.0) == ("one two three", "one two three")


def test_languages_without_spaces_are_compared_by_character() -> None:
    agreement = Agreement()
    agreement.push(split("今日は天", "ja"), 1.0, "ja")
    shown = agreement.push(split("今日は天気", "ja"), 1.5, "ja")
    assert (shown.text, shown.stable) == ("今日は天気", "今日は天")
    assert join(split("today is", "en"), "en") == "today is"


WORDS = st.lists(st.sampled_from(["a", "b", "c", "B.", "el", "qué", "..."]), max_size=12)


@given(st.lists(st.tuples(WORDS, st.floats(0.01, 3)), max_size=30))
def test_stable_only_grows_and_begins_the_text(steps: list[tuple[list[str], float]]) -> None:
    """Guarantee 3, for any sequence of decodes."""
    agreement = Agreement()
    heard_s, before = 0.0, ""
    for words, step_s in steps:
        heard_s += step_s
        shown = agreement.push(words, heard_s)
        assert shown.stable is not None
        assert shown.stable.startswith(before)
        assert shown.text.startswith(shown.stable)
        before = shown.stable


@given(st.lists(st.integers(1, 4), min_size=2, max_size=20))
def test_decodes_that_only_grow_lose_nothing(steps: list[int]) -> None:
    """Without contradictions every word but the newest ones settles, once, in its place."""
    script = [f"w{i}" for i in range(sum(steps))]
    agreement, known = Agreement(), 0
    for place, step in enumerate(steps):
        before, known = known, known + step
        shown = agreement.push(script[:known], 0.5 * (place + 1))
        assert shown.text.split() == script[:known]
        assert agreement.stable == script[:before]
