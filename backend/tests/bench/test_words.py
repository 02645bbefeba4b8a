"""Words as Whisper's normalizer compares them, and the differences between two texts."""

import pytest

from app.bench.words import count_errors, count_missing, count_retracted, normalize_words


@pytest.mark.parametrize(
    ("one", "other", "lang"),
    [
        ("What's the weather?", "what is the weather", "en"),
        ("twenty-five colours", "25 colors", "en-GB"),
        ("¿Cuál es?", "cuál es", "es"),
    ],
)
def test_forms_that_mean_the_same(one: str, other: str, lang: str) -> None:
    assert normalize_words(one, lang) == normalize_words(other, lang)


@pytest.mark.parametrize(
    ("truth", "heard", "wrong"),
    [("a b c", "a b c", 0), ("a b c", "a x c", 1), ("a b c", "a c", 1), ("a b c", "a b c d", 1), ("a b c", "", 3),
     ("", "a b", 2)],
)  # fmt: skip
def test_word_errors(truth: str, heard: str, wrong: int) -> None:
    found = count_errors(truth.split(), heard.split())
    assert (found.wrong, found.words) == (wrong, len(truth.split()))


def test_missing_words() -> None:
    assert count_missing(["a", "b", "c"], ["a", "x", "b", "c", "d"]) == 0
    assert count_missing(["a", "b", "c"], ["c", "a"]) == 2
    assert count_missing([], ["a"]) == 0


def test_words_taken_back() -> None:
    assert count_retracted([["a"], ["a", "b"], ["a", "b", "c"]]) == 0
    assert count_retracted([["a", "b", "c"], ["a", "x", "c"]]) == 2
    assert count_retracted([["a", "b"], ["a"]]) == 1
