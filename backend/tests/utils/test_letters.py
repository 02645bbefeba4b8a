"""Places in a text, counted in characters that are no space."""

import pytest

from app.utils.letters import count_letters, split_text


@pytest.mark.parametrize(("text", "letters"), [("", 0), ("  ", 0), ("a bc\nd", 4), ("你好", 2)])
def test_spaces_do_not_count(text: str, letters: int) -> None:
    assert count_letters(text) == letters


@pytest.mark.parametrize(
    ("letters", "parts"),
    [
        (0, ("", "ab cd e")),
        (2, ("ab", "cd e")),
        (3, ("ab c", "d e")),
        (5, ("ab cd e", "")),
        (9, ("ab cd e", "")),
    ],
)
def test_a_text_is_split_after_so_many_letters(letters: int, parts: tuple[str, str]) -> None:
    assert split_text("ab cd e", letters) == parts
