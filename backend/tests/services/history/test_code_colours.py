"""Coloured code: the text is the same, and unknown or very long code stays black."""

import re
from html import unescape

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.services.history.code_colours import LANGUAGES, MAX_CODE_CHARS, MAX_LINE_CHARS, colour_code

ALIASES = [alias for aliases in LANGUAGES.values() for alias in aliases.split()]


def read_text(html: str) -> str:
    """The text of coloured code, after a look at its spans."""
    assert not re.search(r"<(?!span class=\"c-[a-z]+\">|/span>)", html), html
    return unescape(re.sub(r"<[^>]*>", "", html))


def test_each_kind_has_its_class() -> None:
    html = colour_code('def f(x):\n    return "a" + 1  # why', "Python")
    assert html == (
        '<span class="c-keyword">def</span><span class="c-name"> f</span>(x):'
        '<span class="c-keyword">\n    return</span><span class="c-string"> &quot;a&quot;</span> +'
        '<span class="c-number"> 1</span><span class="c-comment">  # why</span>'
    )


@pytest.mark.parametrize("alias", ALIASES)
def test_each_language_is_known(alias: str) -> None:
    code = "# a <b>\n'text' 12 {}\n\n  "
    assert read_text(colour_code(code, alias)) == code


@given(st.text(max_size=200), st.sampled_from(ALIASES))
def test_any_text_stays_as_it_was(code: str, alias: str) -> None:
    assert read_text(colour_code(code, alias)) == code.replace("\r\n", "\n").replace("\r", "\n")


@pytest.mark.parametrize(
    ("code", "language"),
    [("<b>", "brainfuck"), ("1" * (MAX_LINE_CHARS + 1), "python"), ("1\n" * MAX_CODE_CHARS, "python")],
)
def test_what_is_not_coloured_stays_black(code: str, language: str) -> None:
    html = colour_code(code, language)
    assert "<" not in html
    assert read_text(html) == code
