"""Texts of utterances become one text: space, and no closing mark where a sentence goes on."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.utils.joining import (
    CLOSING_MARKS,
    TextJoiner,
    TextPart,
    cut_shown,
    fit_texts,
    join_texts,
    strip_closing_marks,
    strip_open_end,
)

PARTS = st.lists(
    st.builds(
        TextPart,
        st.text(st.sampled_from("ab. …?。 ñ"), max_size=8),
        st.booleans(),
        st.sampled_from(["en", "es-MX", "ja", "zh-Hant", None]),
    )
)


@pytest.mark.parametrize(
    ("parts", "text"),
    [
        ([], ""),
        ([TextPart("Hello."), TextPart("Bye.")], "Hello. Bye."),
        ([TextPart("He asked"), TextPart("something warm.", joined=True)], "He asked something warm."),
        ([TextPart("He asked."), TextPart("something warm.", joined=True)], "He asked something warm."),
        ([TextPart("He asked..."), TextPart("something", joined=True)], "He asked something"),
        ([TextPart("¿Vas?"), TextPart("a casa?", joined=True)], "¿Vas a casa?"),
        ([TextPart("He asked,"), TextPart("something", joined=True)], "He asked, something"),
        ([TextPart("今日は。", lang="ja"), TextPart("雨です。", joined=True, lang="ja")], "今日は雨です。"),
        ([TextPart("今日は。", lang="ja"), TextPart("雨です。", lang="ja")], "今日は。雨です。"),
        ([TextPart("One."), TextPart(""), TextPart("two", joined=True)], "One two"),
        ([TextPart("..."), TextPart("two", joined=True)], "... two"),
    ],
)
def test_one_text(parts: list[TextPart], text: str) -> None:
    assert join_texts(parts) == text


@given(PARTS)
def test_no_letter_is_lost_and_what_was_returned_stays(parts: list[TextPart]) -> None:
    joiner = TextJoiner()
    pieces = [*(joiner.push(part) for part in parts), joiner.finish()]
    assert "".join(pieces) == join_texts(parts)
    letters = [c for part in parts for c in part.text if c not in CLOSING_MARKS and not c.isspace()]
    assert [c for c in "".join(pieces) if c not in CLOSING_MARKS and not c.isspace()] == letters


@given(PARTS)
def test_without_joined_every_mark_stays(parts: list[TextPart]) -> None:
    plain = [part._replace(joined=False) for part in parts]
    said = "".join(part.text for part in plain)
    assert "".join(join_texts(plain).split()) == "".join(said.split())
    assert fit_texts(plain) == [part.text for part in plain]


def test_only_the_end_of_a_text_that_goes_on_is_fitted() -> None:
    parts = [TextPart("Dr. No..."), TextPart("came. In.", joined=True), TextPart("He left.")]
    assert fit_texts(parts) == ["Dr. No", "came. In.", "He left."]


@pytest.mark.parametrize(
    ("text", "stripped"),
    [
        ("Hello.", "Hello"),
        ("Hello ?!", "Hello"),
        ("a, ", "a,"),
        ("雨です。", "雨です"),
        ("...", ""),
        ("", ""),
    ],
)
def test_closing_marks_are_stripped_from_the_end(text: str, stripped: str) -> None:
    assert strip_closing_marks(text) == stripped


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("The weather.", "The weather"),
        ("The weather...", "The weather"),
        ("¿Qué tiempo hace?", "¿Qué tiempo hace"),
        ("Hola. ¿", "Hola"),
        ('He said, "No."', 'He said, "No'),
        ("a (b)", "a (b)"),
        ("one, two,", "one, two,"),
        ("雨です。", "雨です"),
        ("3.5", "3.5"),
        ("...", ""),
    ],
)
def test_the_text_so_far_is_not_closed(text: str, shown: str) -> None:
    assert strip_open_end(text) == shown


@given(
    st.text(st.sampled_from("ab. …?¿\"')。 ñ"), max_size=9),
    st.text(st.sampled_from("ab. …?¿\"')。 "), max_size=5),
)
def test_what_is_shown_of_a_prefix_is_a_prefix_of_what_is_shown(stable: str, rest: str) -> None:
    assert strip_open_end(stable + rest).startswith(strip_open_end(stable))


@pytest.mark.parametrize(
    ("text", "shown", "lang", "rest"),
    [
        ("open the door", "open", "en", " the door"),
        ("Open the door", "open the", "en", " door"),
        ("shut it", "open the door", "en", ""),
        ("今日は晴れ", "今日", "ja", "は晴れ"),
        ("anything", "", None, "anything"),
    ],
)
def test_what_was_shown_is_never_taken_back(text: str, shown: str, lang: str | None, rest: str) -> None:
    assert cut_shown(text, shown, lang) == rest
