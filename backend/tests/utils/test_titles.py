"""Titles hold the words of a message, none of its Markdown, and take no time over hostile texts."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.utils.titles import MODEL_TITLE_CHARS, TITLE_CHARS, is_about, make_title, read_title, strip_markdown


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("# Title\n- one\n- **two**\n| a | b |\n|---|:-:|\n| 1 | 2 |", "Title one two a b 1 2"),
        ("> ## Quoted\n> * [x] done", "Quoted done"),
        ("## Closed ##", "Closed"),
        ("Heading\n=======\ntext\n\n---\n\n***", "Heading text"),
        ("```python\nprint('hi')\n```", "print('hi')"),
        ("~~~\nplain\n~~~", "plain"),
        ("Explain `git rebase` and ``a`b`` to me", "Explain git rebase and a`b to me"),
        ("See [the *manual*](https://example.com/a_b 'x') and ![a map](data:image/png;base64,AA)",
         "See the manual and a map"),
        ("See [this][1], [not a link] and a[0]", "See this, [not a link] and a[0]"),
        ("Say ***very*** _much_ __more__ ~~less~~", "Say very much more less"),
        ("**bold with _inner_ words**", "bold with inner words"),
        ("__bold with _inner_ words__ of _my_name_", "bold with inner words of my_name"),
        ("- - -\n_ _ _\n | :- | -: | \nwords", "words"),
        ("¿Qué es **RAII**?", "¿Qué es RAII?"),
    ],
)  # fmt: skip
def test_marks_go_and_words_stay(text: str, plain: str) -> None:
    assert strip_markdown(text) == plain


@pytest.mark.parametrize(
    "text",
    [
        "2 * 3 * 4 = 24",
        "rename my_long_name to other_long_name",
        "__init__.py or main.py?",
        "#hashtag and C# and -5 degrees",
        "a | b is a pipe",
        "f(x)[0](y)",
        "5 > 3 and ~5 of ~~6",
        "<b>bold</b>",
        "1984. A novel",
    ],
)
def test_what_only_looks_like_markdown_stays(text: str) -> None:
    assert strip_markdown(text) == text


def test_a_title_is_short_and_never_empty_where_there_is_a_text() -> None:
    assert make_title("**" + "word " * 100 + "end**").startswith("word word")
    assert len(make_title("word " * 100)) <= TITLE_CHARS
    assert make_title("Plan three days of walking near the sea for two people.") == (
        "Plan three days of walking near the sea for two"
    )
    assert make_title("海" * 60) == "海" * TITLE_CHARS, "no word ends there"
    assert make_title("---") == "---"
    assert make_title(" \n ") == ""


@pytest.mark.parametrize(
    ("answer", "title"),
    [
        ("Three days by the sea", "Three days by the sea"),
        ('\n\n**Title: "Three days".**\nbecause it is', "Three days"),
        ("Título: «Tres días junto al mar».", "Tres días junto al mar"),
        ("# RAII in C++", "RAII in C++"),
        ("海辺の三日間", "海辺の三日間"),
        ("", None),
        ("...", None),
        ("<conversation>", None),
        ("Espaço a la costa. Estadio en el aire", None),
        ("Node.js or Deno", "Node.js or Deno"),
        ("I would call this conversation one that is about the sea, and about walking", None),
        ("x" * (MODEL_TITLE_CHARS + 1), None),
    ],
)
def test_what_a_model_gives_is_cleaned_or_refused(answer: str, title: str | None) -> None:
    assert read_title(answer) == title


@pytest.mark.parametrize(
    ("title", "expected"),
    [
        ("Explanation of hash maps", True),
        ("Días de camínata", True),
        ("海辺の三日間", True),
        ("C++", True),
        ("The stadium in the air", False),
    ],
)
def test_a_title_is_about_what_was_said(title: str, expected: bool) -> None:
    said = "Explain how a hash map works. Organiza tres dias de caminatas."
    assert is_about(title, said) is expected


@given(st.text(alphabet="ab *_`~[]()#>|-!\n", max_size=60))
def test_no_letter_is_lost_or_invented(text: str) -> None:
    """But for addresses: what is kept of the letters stands in the text in this order."""
    rest = iter(text)
    assert all(letter in rest for letter in strip_markdown(text) if letter.isalpha())


@pytest.mark.parametrize(
    ("begin", "repeated", "end"),
    [
        ("", "[", ""),
        ("", "*a ", ""),
        ("", "_", ""),
        ("", "_a ", ""),
        ("", "_a_a", " x"),
        ("", "`a", ""),
        ("", "![", ""),
        ("", "[a](b ", ""),
        ("", "| ", ""),
        ("", " ", "x"),
        ("-|", " ", "x"),
        ("-", "|  ", "x"),
        ("-", "|:", "x"),
        ("", "- ", "x"),
        ("# a", " #", "x"),
        ("", "~~a ", ""),
    ],
)
def test_the_time_over_hostile_texts_grows_with_their_length_alone(
    begin: str, repeated: str, end: str
) -> None:
    """Four times the text: a quadratic reading takes sixteen times as long. Short ones first: some would never end."""
    assert _measure_s(begin + repeated * 14 + end) < 0.1
    short_s, long_s = (_measure_s(begin + repeated * count + end) for count in (2500, 10_000))
    assert long_s < 8 * short_s + 0.002


def _measure_s(text: str) -> float:
    taken_s = []
    for _ in range(5):
        started_s = time.thread_time()
        strip_markdown(text)
        taken_s.append(time.thread_time() - started_s)
    return min(taken_s)


def test_a_model_gives_a_title_early_or_none() -> None:
    assert read_title("\n" * 5000 + "Late") is None
    assert read_title("x" * 10_000_000) is None
