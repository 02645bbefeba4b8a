"""The stable prefix: it only grows, contradictions do not change it, and the window of partials begins after it."""

from hypothesis import given
from hypothesis import strategies as st

from app.providers.base import Word
from app.services.decoding.stability import (
    INCREMENTAL,
    LOCAL_AGREEMENT,
    StabilityRule,
    StablePrefix,
    WindowStart,
    find_window_start,
    join_words,
    normalize,
    split_words,
)


def push(prefix: StablePrefix, text: str, audio_ms: int) -> tuple[str, str | None]:
    """What is shown, and its stable part."""
    shown = prefix.push(text.split(), audio_ms)
    return shown.text, shown.stable


# -- engines that decode the audio as it comes


def test_a_word_is_stable_when_it_has_stood_and_another_follows() -> None:
    """The newest word is held back; the others settle after 300 ms."""
    prefix = StablePrefix(INCREMENTAL)

    assert push(prefix, "open", 500)[1] == ""
    assert push(prefix, "open the", 700)[1] == ""
    assert push(prefix, "open the door", 900)[1] == "open"
    assert push(prefix, "open the door", 1300)[1] == "open the"


def test_a_word_that_changes_starts_anew() -> None:
    """Only unchanged words settle."""
    prefix = StablePrefix(INCREMENTAL)
    push(prefix, "recognise beach now", 500)

    assert push(prefix, "recognise speech now", 900)[1] == "recognise"


def test_a_contradiction_keeps_what_is_stable_and_shows_what_follows() -> None:
    """A hypothesis that revises settled words is aligned with them."""
    prefix = StablePrefix(StabilityRule(hold_ms=100))
    push(prefix, "open the terminal and", 500)
    assert push(prefix, "open the terminal and run", 700)[1] == "open the terminal and"

    shown = push(prefix, "opened a terminal and run all", 900)

    assert shown[0] == "open the terminal and run all"


def test_case_and_punctuation_do_not_unsettle_a_word() -> None:
    """Words are compared without case and punctuation at their ends."""
    assert normalize("«Hola,»") == normalize("hola")
    assert normalize("C++") != normalize("C")
    assert normalize("...") == "..."


def test_the_end_of_what_is_shown_is_not_closed() -> None:
    """Whether a sentence ends shows with the word after it, also where the word before is stable already."""
    prefix = StablePrefix(LOCAL_AGREEMENT)
    assert push(prefix, "It rains.", 1000) == ("It rains", "")
    assert push(prefix, "It rains.", 1500) == ("It rains", "It rains")
    assert push(prefix, "It rains in", 2000) == ("It rains in", "It rains")
    assert push(prefix, "It rains in Madrid. Take", 2500) == ("It rains in Madrid. Take", "It rains in")
    assert push(prefix, "It rains in Madrid. Take", 3000)[1] == "It rains in Madrid. Take"


def test_a_mark_of_its_own_does_not_end_what_is_stable() -> None:
    prefix = StablePrefix(LOCAL_AGREEMENT)
    for audio_ms in (1000, 1500):
        shown = prefix.push(list("雨です。"), audio_ms, "ja")
    assert shown.stable == "雨です"
    assert prefix.push(list("雨ですか"), 2000, "ja").text == "雨ですか"


def assert_stable_only_grows(prefix: StablePrefix, steps: list[tuple[list[str], int]]) -> None:
    """Push each hypothesis after its step (ms): the stable text grows, and the shown text begins with it."""
    audio_ms, before = 0, ""
    for words, step_ms in steps:
        audio_ms += step_ms
        shown = prefix.push(words, audio_ms)
        assert shown.stable is not None
        assert shown.stable.startswith(before)
        assert shown.text.startswith(shown.stable)
        before = shown.stable


WORDS = st.lists(
    st.sampled_from(["a", "b", "c", "d", "B.", "b,", "b?", "...", "¿el", "el", "qué"]), max_size=12
)


@given(st.lists(st.tuples(WORDS, st.integers(0, 500)), max_size=30))
def test_stable_only_grows_and_begins_the_text__incremental(steps: list[tuple[list[str], int]]) -> None:
    """Guarantee 3, for any sequence of hypotheses."""
    assert_stable_only_grows(StablePrefix(INCREMENTAL), steps)


# -- engines that decode a whole window each time


def test_two_decodes_make_a_word_stable_and_the_newest_is_held_back() -> None:
    prefix = StablePrefix(LOCAL_AGREEMENT)
    assert push(prefix, "open the", 1000) == ("open the", "")
    assert push(prefix, "open the door", 1500) == ("open the door", "open the")
    assert push(prefix, "open the door", 1800) == ("open the door", "open the")
    assert push(prefix, "open the door", 2000) == ("open the door", "open the door")


def test_decodes_of_almost_the_same_audio_make_nothing_stable() -> None:
    prefix = StablePrefix(LOCAL_AGREEMENT)
    for audio_ms in (1000, 1200, 1400):
        assert push(prefix, "open the", audio_ms) == ("open the", "")
    assert push(prefix, "open the door", 1500) == ("open the door", "open the")


def test_a_word_that_two_decodes_differ_in_is_not_stable() -> None:
    prefix = StablePrefix(LOCAL_AGREEMENT)
    push(prefix, "recognise beach now", 1000)
    assert push(prefix, "recognise speech now", 1500)[1] == "recognise"
    assert push(prefix, "recognise speech now please", 2000)[1] == "recognise speech now"


def test_case_and_punctuation_do_not_unsettle_and_the_first_writing_stays() -> None:
    prefix = StablePrefix(LOCAL_AGREEMENT)
    push(prefix, "Open. the", 1000)
    assert push(prefix, "open, the door", 1500) == ("open, the door", "open, the")
    assert push(prefix, "OPEN the DOOR", 2000)[0] == "open, the DOOR"


def test_a_contradiction_shows_only_what_follows_the_stable_words() -> None:
    prefix = StablePrefix(LOCAL_AGREEMENT)
    push(prefix, "open the terminal and", 1000)
    assert push(prefix, "open the terminal and run", 1500)[1] == "open the terminal and"
    shown = push(prefix, "a pen the terminal and run all", 2000)
    assert shown == ("open the terminal and run all", "open the terminal and run")


def test_a_text_that_ends_early_takes_nothing_back() -> None:
    prefix = StablePrefix(LOCAL_AGREEMENT)
    push(prefix, "one two three", 1000)
    push(prefix, "one two three four", 1500)
    assert push(prefix, "one", 2000) == ("one two three", "one two three")


def test_languages_without_spaces_are_compared_by_character() -> None:
    prefix = StablePrefix(LOCAL_AGREEMENT)
    prefix.push(split_words("今日は天", "ja"), 1000, "ja")
    shown = prefix.push(split_words("今日は天気", "ja"), 1500, "ja")
    assert (shown.text, shown.stable) == ("今日は天気", "今日は天")
    assert join_words(split_words("today is", "en"), "en") == "today is"


MORE_WORDS = st.lists(st.sampled_from(["a", "b", "c", "B.", "el", "qué", "..."]), max_size=12)


@given(st.lists(st.tuples(MORE_WORDS, st.integers(10, 3000)), max_size=30))
def test_stable_only_grows_and_begins_the_text__agreement(steps: list[tuple[list[str], int]]) -> None:
    """Guarantee 3, for any sequence of decodes."""
    assert_stable_only_grows(StablePrefix(LOCAL_AGREEMENT), steps)


@given(st.lists(st.integers(1, 4), min_size=2, max_size=20))
def test_decodes_that_only_grow_lose_nothing(steps: list[int]) -> None:
    """Without contradictions every word but the newest ones settles, once, in its place."""
    script = [f"w{i}" for i in range(sum(steps))]
    prefix, known = StablePrefix(LOCAL_AGREEMENT), 0
    for place, step in enumerate(steps):
        before, known = known, known + step
        shown = prefix.push(script[:known], 500 * (place + 1))
        assert shown.text.split() == script[:known]
        assert prefix.words == script[:before]


# -- where the next window begins

SCRIPT = [f"w{i}" for i in range(12)]


def words(pauses_ms: dict[int, int] | None = None) -> tuple[Word, ...]:
    """A word each second, 800 ms long; after some of them a longer pause."""
    made, at = [], 0
    for i, text in enumerate(SCRIPT):
        made.append(Word(text, at, at + 800, 0.9))
        at += 800 + (pauses_ms or {}).get(i, 200)
    return tuple(made)


def test_the_window_begins_in_the_middle_of_the_longest_pause() -> None:
    assert find_window_start(words({3: 600}), SCRIPT[:10], 12_400) == WindowStart(4 * 1000 - 200 + 300, 4)


def test_of_equal_pauses_the_last_is_taken_and_the_overlap_kept() -> None:
    assert find_window_start(words(), SCRIPT, 12_000) == WindowStart(9 * 1000 + 800 + 100, 10)
    assert find_window_start(words(), SCRIPT[:8], 12_000) == WindowStart(5 * 1000 + 800 + 100, 6)


def test_words_that_are_not_stable_are_never_left_behind() -> None:
    assert find_window_start(words(), [], 12_000) is None
    assert find_window_start(words(), SCRIPT[:2], 12_000) is None
    assert find_window_start((), SCRIPT, 12_000) is None
    assert find_window_start(words(), ["other", *SCRIPT[1:]], 12_000) is None
