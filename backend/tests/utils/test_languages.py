"""Languages: codes, tags and English names become one tag, and a tag its name."""

import pytest

from app.utils.languages import NAMES, language_name, parse_language


@pytest.mark.parametrize(
    ("text", "tag"),
    [
        ("es", "es"),
        (" ES ", "es"),
        ("es_MX", "es-mx"),
        ("zh-Hant-TW", "zh-hant-tw"),
        ("spanish", "es"),
        ("Haitian Creole", "ht"),
        ("castilian", "es"),
        ("spa", "es"),
        ("yue", "yue"),
        ("eng-GB", "en-gb"),
    ],
)
def test_what_names_a_language(text: str, tag: str) -> None:
    assert parse_language(text) == tag


@pytest.mark.parametrize("text", ["", "e", "klingon", "es-", "es--mx", "e5", "es-" + "x" * 9, "ñu", "es mx"])
def test_what_names_none(text: str) -> None:
    assert parse_language(text) is None


def test_every_language_has_a_name_that_leads_back() -> None:
    for code, name in NAMES.items():
        assert parse_language(name) == code
        assert language_name(code) == language_name(f"{code.upper()}-XX") == name
    assert (language_name("xx-yy"), language_name(None)) == ("xx-yy", "unknown")
