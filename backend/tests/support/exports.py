"""Exported conversations in tests: what of a Markdown text is live, and the names of files made from titles."""

from markdown_it import MarkdownIt

NAMES = [
    ("Holiday plans", "Holiday plans", None),
    ("Año nuevo", "Ano nuevo", "Año nuevo"),
    ("👩‍👩‍👧 viaje", "viaje", "👩👩👧 viaje"),
    ("日本語", "conversation", "日本語"),
    ("שלום עולם", "conversation", "שלום עולם"),
    ("abc\u202egpj.exe", "abcgpj.exe", None),
    ("a\r\nSet-Cookie: x=1", "a Set-Cookie- x=1", None),
    ('a"; filename="b', "a-; filename=-b", None),
    ("../../etc/passwd", "etc-passwd", None),
    ("C:\\x\\y", "C-x-y", None),
    ("con", "_con", None),
    ("NUL.txt", "_NUL.txt", None),
    ("...", "conversation", None),
    ("\u200b\u2066", "conversation", None),
    ("100%2e%2f", "100-2e-2f", "100%2e%2f"),
    ("x" * 200, "x" * 80, None),
    ("é" * 200, "e" * 80, "é" * 80),
    ("👍" * 100, "conversation", "👍" * 45),
    ("a / b", "a - b", None),
]
"""A title, its name in ASCII, and its whole name if that is another one."""


def live_tokens(markdown: str) -> list[str]:
    """The tokens that a reader of Markdown would show or load as something else than text."""
    parser = MarkdownIt("commonmark").enable("table")
    tokens = [token for each in parser.parse(markdown) for token in (each, *(each.children or ()))]
    return [token.type for token in tokens if token.type in ("html_block", "html_inline", "image")]
