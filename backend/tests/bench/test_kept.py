"""Words kept: the count, the sum by row, and when a row has too few."""

from dataclasses import replace

import pytest

from app.bench.kept import ClipWords, Row, count_kept, format_rows, has_fewer_in_sum, split_words, sum_rows


@pytest.mark.parametrize(
    ("truth", "heard", "kept"),
    [("a b c", "a b c", 3), ("a b c", "a x c", 2), ("a b c", "c a b", 2), ("a b", "a a a b", 2), ("a", "", 0),
     ("", "a", 0)],
)  # fmt: skip
def test_words_in_order(truth: str, heard: str, kept: int) -> None:
    assert count_kept(truth.split(), heard.split()) == kept


@pytest.mark.parametrize("heard", ["1-0-0-0-1.", "10001", "One, zero, zero, zero, one.", "one oh oh oh one"])
def test_digits_are_the_same_however_they_are_written(heard: str) -> None:
    assert split_words(heard, "en") == ["1", "0", "0", "0", "1"]


def heard(clip: str, ours: str, control: str, *, lang: str = "en", path: str = "upload") -> ClipWords:
    return ClipWords(
        clip=clip,
        condition="clean",
        lang=lang,
        path=path,
        truth=["a", "b", "c", "d"],
        ours=ours.split(),
        control=control.split(),
    )


def test_rows_are_never_pooled() -> None:
    rows = sum_rows(
        [
            heard("1", "a b c d", "a b c"),
            heard("2", "", "a x"),
            heard("1", "a", "a", lang="es"),
            heard("1", "a", "a", path="socket"),
        ]
    )
    assert [(row.lang, row.path) for row in rows] == [
        ("en", "upload"),
        ("es", "upload"),
        ("en", "socket"),
    ]
    first = rows[0]
    assert (first.clips, first.words, first.kept, first.control, first.empty) == (2, 8, 4, 4, 1)
    assert (first.invented, first.control_invented) == (0, 1)
    assert heard("2", "", "a x").lost == 1


def test_a_control_that_was_not_decoded_is_no_empty_text() -> None:
    half = [heard("1", "a b", "a b"), replace(heard("2", "a b", "a b"), ungated=["a", "b", "c"])]
    assert "| 3 (75.0 %) |" in format_rows(sum_rows(half))
    assert "| - |" in format_rows(sum_rows(half[:1]))


@pytest.mark.parametrize(
    ("words", "lost", "fewer"), [(100, 2, False), (100, 3, True), (1000, 10, False), (1000, 11, True)]
)
def test_a_row_may_lose_two_words_or_one_in_a_hundred(words: int, lost: int, fewer: bool) -> None:
    row = Row(condition="clean", lang="en", path="upload", words=words, kept=words - lost, control=words)
    assert row.has_fewer is fewer
    assert ("✗" in format_rows([row])) is fewer
    assert has_fewer_in_sum([row])
    row.control = row.kept
    assert not has_fewer_in_sum([row])
