"""Messages as HTML: the whole of Markdown is shown, and no text makes markup, script, or something that loads."""

import random
import re
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.services.history import rendering
from app.services.history.rendering import find_direction, read_styles, render_markdown, render_plain

ALLOWED = {
    "p": {"dir"}, "h1": {"dir"}, "h2": {"dir"}, "h3": {"dir"}, "h4": {"dir"}, "h5": {"dir"}, "h6": {"dir"},
    "ul": {"dir"}, "ol": {"dir", "start", "class"}, "li": {"dir", "class", "id"}, "blockquote": {"dir"},
    "pre": {"dir", "class", "data-language"}, "code": {"dir", "class"}, "span": {"class"}, "div": {"class", "dir"},
    "table": {"dir", "class"}, "thead": set(), "tbody": set(), "tr": set(),
    "th": {"dir", "class"}, "td": {"dir", "class"},
    "a": {"href", "rel", "id"}, "img": {"src", "alt"}, "strong": set(), "em": set(), "s": set(), "sup": set(),
    "br": set(), "hr": set(),
}  # fmt: skip
"""Each element that may occur, and its attributes."""
VOID = {"br", "hr", "img"}
IMAGE = "data:image/png;base64,iVBORw0KGgo="


class Reader(HTMLParser):
    """Reads rendered HTML, and refuses whatever is not allowed, or not closed."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self._open: list[str] = []
        self.feed(html)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        assert set(found) <= ALLOWED[tag], (tag, attrs)
        assert len(found) == len(attrs)
        for name, pattern in {
            "href": r"https?://\S+|mailto:\S+|#m-(note|mark)-\d+",
            "src": r"data:image/(png|jpeg|gif|webp);base64,[A-Za-z0-9+/=]+",
            "dir": r"auto|rtl|ltr",
            "class": r"[a-z -]+",
        }.items():
            assert re.fullmatch(pattern, found.get(name) or "", re.I) or name not in found, (tag, attrs)
        self.elements.append((tag, found))
        if tag not in VOID:
            assert tag != "a" or "a" not in self._open
            self._open.append(tag)
        assert len(self._open) < 100

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data

    def handle_comment(self, data: str) -> None:
        raise AssertionError(data)

    def handle_decl(self, decl: str) -> None:
        raise AssertionError(decl)

    def handle_pi(self, data: str) -> None:
        raise AssertionError(data)

    def unknown_decl(self, data: str) -> None:
        raise AssertionError(data)


def render(text: str) -> Reader:
    return Reader(render_markdown(text, prefix="m"))


def find(text: str, tag: str) -> list[dict[str, str | None]]:
    return [attributes for name, attributes in render(text).elements if name == tag]


# -- what is shown


@pytest.mark.parametrize(
    ("text", "html"),
    [
        ("# A\n### B", '<h3 dir="auto">A</h3>\n<h5 dir="auto">B</h5>\n'),
        ("**a** *b* ~~c~~ `d`", '<p dir="auto"><strong>a</strong> <em>b</em> <s>c</s> <code>d</code></p>\n'),
        ("a <b>\n&amp; c", '<p dir="auto">a &lt;b&gt;\n&amp; c</p>\n'),
        (
            "```py\nx\n```",
            '<pre class="code" dir="ltr" data-language="py"><code>x\n</code></pre>\n',
        ),
        ("```\n<b>\n```", '<pre class="code" dir="ltr"><code>&lt;b&gt;\n</code></pre>\n'),
        (
            "[a](https://b.c/?d&e)",
            '<p dir="auto"><a href="https://b.c/?d&amp;e" rel="noopener noreferrer nofollow">a</a></p>\n',
        ),
        (f"![a]({IMAGE})", f'<p dir="auto"><img src="{IMAGE}" alt="a"></p>\n'),
        (r"\$5 and $x_1 * y_2$", '<p dir="auto">$5 and <code class="math" dir="ltr">$x_1 * y_2$</code></p>\n'),
        (r"a \(x_1\) b", '<p dir="auto">a <code class="math" dir="ltr">\\(x_1\\)</code> b</p>\n'),
        ("$$\na_1\n$$\nb", '<pre class="math" dir="ltr"><code>$$\na_1\n$$</code></pre>\n<p dir="auto">b</p>\n'),
        ("it costs $5, or $10 at most", '<p dir="auto">it costs $5, or $10 at most</p>\n'),
    ],
)  # fmt: skip
def test_markdown_as_html(text: str, html: str) -> None:
    assert render_markdown(text, prefix="m") == html


@pytest.mark.parametrize(
    ("cells", "is_broad"),
    [
        (["name", "a whole sentence in a cell " * 20, "three"], False),
        (["word"] * 11, False),
        (["word"] * 12, True),
        (["a", "w" * 90], True),
        ([f"[a](https://example.org/{'w' * 90})", "b"], False),
        (["**bold**" * 3, "`code`"], False),
    ],
)
def test_a_table_that_is_too_broad_for_paper_says_so(cells: list[str], is_broad: bool) -> None:
    """Its words may be broken there: paper cannot be scrolled."""
    rows = ("x|" * len(cells), "-|" * len(cells), "|".join(cells) + "|")
    read = render("\n".join(f"|{row}" for row in rows))
    assert [found.get("class") for tag, found in read.elements if tag == "table"] == [
        "broad" if is_broad else None
    ]


def test_a_table_aligns_its_columns_without_a_style() -> None:
    read = render("| a | b |\n|:-:|--:|\n| 1 | مرحبا |")
    assert [dict(attributes) for tag, attributes in read.elements if tag == "td"] == [
        {"class": "align-center", "dir": "auto"},
        {"class": "align-right", "dir": "rtl"},
    ]


def test_a_list_of_tasks_has_boxes() -> None:
    read = render("- [ ] a\n- [x] b\n- [y] c\n- [x]d")
    assert read.text.split() == ["☐", "a", "☑\ufe0e", "b", "[y]", "c", "[x]d"]
    assert [attributes.get("class") for tag, attributes in read.elements if tag == "li"] == [
        "task",
        "task",
        None,
        None,
    ]


def test_footnotes_stand_at_the_end_in_the_order_of_their_marks() -> None:
    read = render(
        "a[^x] b[^y] c[^x] d[^none]\n\n[^y]: why **so**\n[^x]: because\n    of\n\n    this\n[^unused]: no\n\ne"
    )
    assert " ".join(read.text.split()) == "a1 b2 c1 d[^none] e because of this ↩\ufe0e why so ↩\ufe0e"
    assert [attributes["href"] for tag, attributes in read.elements if tag == "a"] == [
        "#m-note-1", "#m-note-2", "#m-note-1", "#m-mark-1", "#m-mark-2"
    ]  # fmt: skip
    ids = [attributes["id"] for _, attributes in read.elements if "id" in attributes]
    assert ids == ["m-mark-1", "m-mark-2", "m-note-1", "m-note-2"]


def test_footnotes_that_mention_each_other_end() -> None:
    assert render("a[^x]\n\n[^x]: b[^y]\n[^y]: c[^x]").text.split() == [
        "a1",
        "b2",
        "↩\ufe0e",
        "c1",
        "↩\ufe0e",
    ]


def test_addresses_are_links_without_the_punctuation_after_them() -> None:
    text = "see https://a.b/c_(d), (https://e.f) and `https://g.h` or <https://i.j>. http:// [https://k.l](https://m.n)"
    assert [link["href"] for link in find(text, "a")] == [
        "https://a.b/c_(d)", "https://e.f", "https://i.j", "https://m.n"
    ]  # fmt: skip
    assert render(text).text.strip() == (
        "see https://a.b/c_(d), (https://e.f) and https://g.h or https://i.j. http:// https://k.l"
    )


def test_a_text_that_is_not_markdown_keeps_its_lines() -> None:
    html = render_plain("a  **b**\n\n <i> https://c.d")
    assert html.startswith('<div class="plain" dir="auto">a  **b**\n\n &lt;i&gt; <a href="https://c.d"')


@pytest.mark.parametrize(
    ("text", "direction"),
    [("abc", "auto"), ("123", "auto"), ("2 שלום", "rtl"), ("«مرحبا» a", "rtl"), ("", "auto")],
)
def test_the_direction_is_that_of_the_first_letter(text: str, direction: str) -> None:
    assert find_direction(text) == direction
    assert render_markdown(f"> - {text}", prefix="m").count('dir="rtl"') == (3 if direction == "rtl" else 0)


def test_the_styles_name_each_class_that_is_written() -> None:
    classes = re.findall(
        r"class=\"([a-z -]+)\"", render_markdown("| a |\n|:-:|\n\n- [x] b\n\n```py\n'a'\n```", prefix="m")
    )
    for name in {one for each in classes for one in each.split()} - {"code"}:
        assert f".{name}" in read_styles()


# -- what is not


@pytest.mark.parametrize(
    "text",
    [
        "<script>alert(1)</script>",
        "<img src=x onerror=alert(1)>",
        "[a](javascript:alert(1))",
        "[a](JaVaScRiPt:alert(1))",
        "[a](&#106;avascript:alert(1))",
        "[a](java\nscript:alert(1))",
        "[a](data:text/html,<b>)",
        f"[a]({IMAGE})",
        "[a](file:///etc/passwd)",
        "[a](//evil.example)",
        "[a](/api/conversations)",
        "[a](vbscript:x)",
        "[a]: javascript:alert(1)\n\n[a]",
        "<javascript:alert(1)>",
        '![a](x" onerror="alert(1))',
        "![a](data:image/svg+xml;base64,PHN2Zz4=)",
        "![a](data:image/png;base64,%22onerror=)",
        "[![a](javascript:x)](javascript:y)",
    ],
)
def test_nothing_is_live(text: str) -> None:
    names = {tag for tag, _ in render(text).elements}
    assert names <= {"p", "em", "code", "br"}


def test_an_image_of_the_net_becomes_a_link() -> None:
    assert find("![a cat](https://tracker.example/x.png)", "img") == []
    assert [link["href"] for link in find("![a cat](https://tracker.example/x.png)", "a")] == [
        "https://tracker.example/x.png"
    ]
    linked = render("[![a cat](https://tracker.example/x.png)](https://a.b)")
    assert linked.text.strip() == "a cat"
    assert [attributes["href"] for tag, attributes in linked.elements if tag == "a"] == ["https://a.b"]


def test_an_attribute_of_a_fence_cannot_be_left() -> None:
    [pre] = find('```"><script>x\ncode\n```', "pre")
    assert pre["data-language"] == '"><script>x'


def test_characters_that_no_document_may_contain_are_replaced() -> None:
    assert render("a\0b\x08c\ud800d\x0ce\tf").text.strip() == "a�b�c�d�e\tf"


PARTS = ["<img src=x onerror=y>", "`", "``", "```", "~~~", "\n", "\n\n", " ", "    ", "\t", "- ", "> ", "1. ", "a",
         "\\", "|", "|-|\n", "![x](y)", "[a]: b", "---", "\r", "*", "**", "_", "~~", "<b", ">", "# ", "[^1]", "[^1]: ",
         "[ ] ", "[", "]", "(", ")", "](", "$", "$$", "\\(", "\\)", "\\[", "\\]", "https://a.b", "javascript:", '"',
         "&lt;", "&#60;", "&", "א", "\u202e", "\0", f"![i]({IMAGE})", "[l](http://x)", "'", "="]  # fmt: skip


@pytest.mark.parametrize("seed", range(4))
def test_no_text_at_random_is_live(seed: int) -> None:
    chance = random.Random(seed)
    for _ in range(1000):
        render("".join(chance.choices(PARTS, k=chance.randrange(1, 30))))


@given(st.text(alphabet=st.characters(codec="utf-8"), max_size=300))
def test_any_text_is_well_formed(text: str) -> None:
    render(text)
    Reader(render_plain(text))


# -- bounds


@pytest.mark.parametrize("piece", ["> ", "- ", "1. ", "> - "])
def test_text_that_nests_too_deep_is_shown_as_it_was_written(piece: str) -> None:
    for depth in (5, 30, 39, 40, 41, 2000):
        assert "needle" in render(piece * depth + "needle").text


def test_a_text_that_is_too_long_is_shown_as_it_was_written() -> None:
    for text in ("*a* " * 100_000, "[" * 30_000, "*a* " + "[a](b) " * 5000):
        assert render(text).text.strip() == text.strip()


HOSTILE = ["[", "![", "[^", "*a ", "**a", "_", "<", "<a ", "](", "[a](", "[a](b ", ">", "> a\n", "- ", "|", "&", "\\",
           "[a]: x\n", "[a]: <", "\n", " ", "$", "$a ", "\\(", "\\[\na\n", "$$\na\n", "http://", "http://a)", "*_~`[(",
           "a***b", "[a][b", '[a](b "', "- a\n\n", "# a\n", "a\n=\n", "[^a]: b\n    c\n\n", "```py\nx\n```\n",
           "|a|b|\n|-|-|\n|c|d|\n", "א", "`a", "\t", "\r", "'\"", "https://a.b/" + "(" * 50]  # fmt: skip


@pytest.mark.once
@pytest.mark.parametrize("piece", HOSTILE)
def test_hostile_text_takes_no_time(piece: str) -> None:
    """A quadratic step would take minutes for the longest text that is read as Markdown."""
    text = (piece * (rendering.MAX_CHARS // len(piece)))[: rendering.MAX_CHARS]
    render_markdown(text, prefix="m")


def test_no_paragraph_at_all_takes_the_square() -> None:
    for text in (
        "[" * 3999 + "]" * 3999,
        "".join("`" * (n % 300) + " " for n in range(2000)),
        "[a" * 900 + "](b)" * 900,
    ):
        render_markdown(text, prefix="m")
