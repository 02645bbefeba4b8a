"""Which scripts languages have, and texts use."""

import pytest

from app.utils.scripts import find_scripts, list_scripts


@pytest.mark.parametrize(
    ("text", "scripts"),
    [
        ("", set()), ("12 + 3 = 15 🙂", set()), ("¿Qué tal, señor? 1ª vez", {"LATIN"}), ("Привет", {"CYRILLIC"}),
        ("Say привет", {"LATIN", "CYRILLIC"}), ("안녕하세요", {"HANGUL"}),
        ("ラーメンを食べる", {"KATAKANA", "HIRAGANA", "CJK"}),
        ("你好", {"CJK"}), ("שלום", {"HEBREW"}), ("ｶﾀｶﾅ", {"KATAKANA"}), ("5 µs at 3 Ω", {"LATIN"}),
    ],
)  # fmt: skip
def test_the_scripts_of_a_text(text: str, scripts: set[str]) -> None:
    assert find_scripts(text) == scripts


def test_the_scripts_of_languages() -> None:
    assert list_scripts([]) == list_scripts(["es", "en-GB"]) == {"LATIN"}
    assert list_scripts(["ja-JP"]) == {"LATIN", "CJK", "HIRAGANA", "KATAKANA"}
    assert list_scripts(["ko", "RU"]) == {"LATIN", "HANGUL", "CJK", "CYRILLIC"}
