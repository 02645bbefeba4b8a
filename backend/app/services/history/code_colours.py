"""Colours code for HTML: spans with one of six classes, by Pygments."""

from collections.abc import Iterator
from functools import cache
from html import escape
from itertools import groupby
from typing import Any

from pygments.lexer import Lexer
from pygments.lexers import get_lexer_by_name
from pygments.token import Comment, Generic, Keyword, Literal, Name, Number, Operator, String

MAX_CODE_CHARS = 20_000
"""A longer block of code stays black: some lexers take the square of its length at worst."""
MAX_LINE_CHARS = 2000

LANGUAGES = {
    "bash": "bash sh shell zsh console",
    "c": "c h",
    "cpp": "cpp c++ cc hpp",
    "csharp": "csharp c# cs",
    "css": "css scss",
    "diff": "diff patch",
    "docker": "dockerfile docker",
    "go": "go golang",
    "html": "html xml svg vue",
    "ini": "ini",
    "java": "java",
    "javascript": "javascript js jsx mjs",
    "json": "json jsonc",
    "kotlin": "kotlin kt",
    "lua": "lua",
    "make": "make makefile",
    "perl": "perl pl",
    "php": "php",
    "powershell": "powershell ps1",
    "python": "python py python3",
    "r": "r",
    "ruby": "ruby rb",
    "rust": "rust rs",
    "scala": "scala",
    "sql": "sql",
    "swift": "swift",
    "toml": "toml",
    "typescript": "typescript ts tsx",
    "yaml": "yaml yml",
}
"""Lexer of Pygments -> the names that it has after a fence. Only lexers whose time is measured are used."""
_LEXERS = {alias: lexer for lexer, aliases in LANGUAGES.items() for alias in aliases.split()}

_CLASSES: tuple[tuple[Any, str], ...] = (
    (Comment, "comment"),
    (Keyword, "keyword"),
    (Name.Builtin, "keyword"),
    (Operator.Word, "keyword"),
    (Name.Function, "name"),
    (Name.Class, "name"),
    (Name.Tag, "name"),
    (Name.Attribute, "name"),
    (Name.Decorator, "name"),
    (Name.Variable, "number"),
    (String, "string"),
    (Generic.Inserted, "string"),
    (Number, "number"),
    (Literal, "number"),
    (Generic.Deleted, "number"),
    (Generic.Heading, "name"),
    (Generic.Subheading, "name"),
)
"""Kind of token -> its class; the first that contains a kind counts."""


def colour_code(code: str, language: str) -> str:
    """Return code as HTML, coloured if the language is known and the code is not too long."""
    name = _LEXERS.get(language.lower())
    if name is None or len(code) > MAX_CODE_CHARS or max(map(len, code.split("\n"))) > MAX_LINE_CHARS:
        return escape(code)
    parts = []
    for class_, run in groupby(_list_tokens(code, name), key=lambda each: each[0]):
        text = escape("".join(piece for _, piece in run))
        parts.append(f'<span class="c-{class_}">{text}</span>' if class_ else text)
    return "".join(parts)


def _list_tokens(code: str, lexer: str) -> Iterator[tuple[str, str]]:
    """The class and the text of each token. Spaces belong to what follows them.

    A line that is too long would otherwise be broken between its indentation and a string or a comment.
    """
    spaces = ""
    for kind, text in _find_lexer(lexer).get_tokens(code):
        if text.isspace():
            spaces += text
        else:
            yield _find_class(kind), spaces + text
            spaces = ""
    if spaces:
        yield "", spaces


@cache
def _find_lexer(name: str) -> Lexer:
    return get_lexer_by_name(name, stripnl=False, ensurenl=False)


@cache
def _find_class(kind: Any) -> str:
    return next((class_ for parent, class_ in _CLASSES if kind in parent), "")
