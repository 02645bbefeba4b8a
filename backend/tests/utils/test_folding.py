"""Folded words, queries and snippets: equal for every database, and with the positions of the matches."""

import pytest

from app.utils.folding import (
    INDEXED_CHARS,
    QUERY_WORDS,
    WORD_CHARS,
    cut_snippet,
    fold,
    split_query,
    split_words,
)


def test_folding() -> None:
    assert fold("ÁÉÍÓÚÜÑ áéíóúüñ ﬁ Ⓐ 𝐀 İ ß ½") == "aeiouun aeiouun fi a a i ss 1⁄2"
    assert split_query('¿Qué "tal"? ' + "x " * 50) == ["que", "tal", *["x"] * 10]


@pytest.mark.parametrize(
    ("text", "words", "piece", "matched"),
    [
        ("Un volcán duerme", ["volcan"], "Un volcán duerme", ["volcán"]),
        ("Cafe\u0301 y café", ["caf"], "Café y café", ["Caf", "caf"]),
        ("uno\n\n dos\ttres", ["dos"], "uno dos tres", ["dos"]),
        ("devolver", ["volver"], "devolver", []),
        ("", ["x"], "", []),
    ],
)
def test_snippets(text: str, words: list[str], piece: str, matched: list[str]) -> None:
    shown, places = cut_snippet(text, words)
    assert (shown, [shown[a:b] for a, b in places]) == (piece, matched)


def test_a_snippet_shows_the_match_however_deep_it_is() -> None:
    shown, places = cut_snippet("relleno " * 500 + "el volcán " + "relleno " * 500, ["volcan"])
    assert "el volcán relleno" in shown
    assert shown.startswith("relleno")
    assert len(shown) <= 160
    assert [shown[a:b] for a, b in places] == ["volcán"]


def test_long_texts_and_words_are_cut() -> None:
    assert split_words("x" * 200) == ["x" * WORD_CHARS]
    assert len(split_words("a " * INDEXED_CHARS)) == INDEXED_CHARS // 2
    assert len(split_query("ab " * 1000)) == QUERY_WORDS
