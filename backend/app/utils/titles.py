"""Titles of conversations: one plain line from a message in Markdown; pure."""

import re

from app.utils.folding import split_words

TITLE_CHARS = 50
"""A title that is taken from a text has no more characters."""
_READ_CHARS = 20 * TITLE_CHARS
"""So much of a text is read: a long one costs no more than a short one."""

MODEL_TITLE_CHARS = 80
"""What a model gives is no title if it is longer."""
_MODEL_TITLE_WORDS = 12
_LABEL = re.compile(r"^(?:title|name|título|nombre)\s*:\s*", re.IGNORECASE)
_NO_TITLE = re.compile(r"[<>]|[.!?]\s+\w")
"""Marks of the request, and the end of a sentence within: the model answers in place of naming."""
_BEGIN_CHARS = 4
_QUOTES = " \"'“”‘’«»„"

# Each of these reads a line in a time that grows with its length alone: models and users write what they want.
_BARE_LINE = re.compile(r"(?:`{3,}[^`]*|~{3,}.*|[-*_=]{3,}|\|?:?-+:?\|[|:-]*)$")
"""Fences of code, rules, underlines of headings, and the second row of a table: lines without words, and here without
spaces."""
_LINE_START = re.compile(r"\s*(?:(?:>|[-*+](?=\s)|#{1,6}(?=\s)|\[[ xX]\](?=\s))\s*)*")
"""Marks of quotes, lists, headings and tasks."""
_LINK = re.compile(r"(?<![\w)\]])!?\[([^\[\]]*)\](?:\([^()\s]*(?:\s[^()]*)?\)|\[[^\[\]]*\])")
_CODE = re.compile(r"(?<!`)(`{1,3})(?!`)(.+?)(?<!`)\1(?!`)")
_STRESS = re.compile(r"(?<![\w*])(\*{1,3})(?=[^\s*])([^*\n]+)(?<=[^\s*])\1(?![\w*])")
_UNDERLINED = re.compile(
    r"(?<!\w)(_{1,3})(?=[^\s_])((?:[^_\n]|(?<=[^\W_])_+(?=[^\W_]))+)(?<=[^\s_])\1(?!\w|\.\w)"
)
"""Within a stressed text, a mark stands between letters alone."""
_HEADING_END = re.compile(r"\s#+\s*$")
_STRUCK = re.compile(r"~~(?=\S)([^~\n]+)(?<=\S)~~")


def strip_markdown(text: str) -> str:
    """The words of a text without the marks of Markdown, on one line. What only looks like a mark stays."""
    lines = (_strip_line(line) for line in text.splitlines() if not _is_bare(line))
    return " ".join(" ".join(lines).split())


def make_title(text: str) -> str:
    """Make a title from a first message: its first words without Markdown; empty for a text without any."""
    read = text[:_READ_CHARS]
    plain = strip_markdown(read) or " ".join(read.split())
    if len(plain) <= TITLE_CHARS:
        return plain
    # A word is cut only where little would be left without it, as in scripts without spaces.
    end = plain.rfind(" ", TITLE_CHARS // 2, TITLE_CHARS + 1)
    return plain[: end if end > 0 else TITLE_CHARS].rstrip()


def read_title(answer: str) -> str | None:
    """The title in a model's answer: plain, on one line, without quotes and full stop; None where there is none."""
    lines = answer[:_READ_CHARS].splitlines()
    first = next((line for line in map(strip_markdown, lines) if line), "")
    title = _LABEL.sub("", first).strip(_QUOTES).rstrip(".").strip(_QUOTES)
    title = "".join(character for character in title if character.isprintable())
    is_title = (
        any(map(str.isalnum, title)) and len(title) <= MODEL_TITLE_CHARS and not _NO_TITLE.search(title)
    )
    return title if is_title and len(title.split()) <= _MODEL_TITLE_WORDS else None


def is_about(title: str, text: str) -> bool:
    """Whether a title shares the beginning of a word with a text; one without long words, as in Chinese, may be so.

    Very small models write titles about nothing that was said.
    """
    long = [word for word in split_words(title) if len(word) >= _BEGIN_CHARS and word.upper() != word]
    begins = {word[:_BEGIN_CHARS] for word in long}
    return not begins or any(word[:_BEGIN_CHARS] in begins for word in split_words(text))


def _is_bare(line: str) -> bool:
    return _BARE_LINE.match("".join(line.split())) is not None


def _strip_line(line: str) -> str:
    marks = _LINE_START.match(line)
    begin = marks.end() if marks else 0
    line, is_heading = line[begin:], "#" in line[:begin]
    if line.startswith("|"):
        line = line.replace("|", " ")
    if is_heading:
        line = _HEADING_END.sub("", line)
    line = _CODE.sub(r"\2", _LINK.sub(r"\1", line))
    for mark in (_STRESS, _UNDERLINED, _STRESS, _UNDERLINED):
        line = mark.sub(r"\2", line)
    return _STRUCK.sub(r"\1", line)
