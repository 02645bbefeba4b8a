"""Text normalised for search: words without case and accents, equal for every database; and snippets."""

import re
import unicodedata
from functools import cache

INDEXED_CHARS = 100_000
"""Characters of a text that are indexed; the rest cannot be found."""
SCANNED_CHARS = 20_000
"""Characters in which a snippet looks for its match."""
QUERY_CHARS, QUERY_WORDS, WORD_CHARS = 300, 12, 64
SNIPPET_CHARS = 160

_MARKS = re.compile("[\u0300-\u036f\u0591-\u05c7\u064b-\u065f\u0670\u1dc0-\u1dff\u20d0-\u20ff\ufe20-\ufe2f]+")
_WORD = re.compile(r"[^\W_]+")


def fold(text: str) -> str:
    """Return a text in lower case and without accents, so that `Ñandú` equals `nandu`."""
    if text.isascii():
        return text.lower()
    folded = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", text).casefold())
    return _MARKS.sub("", folded)


def split_words(text: str) -> list[str]:
    """Return the folded words of a text, in order."""
    return [word[:WORD_CHARS] for word in _WORD.findall(fold(text[:INDEXED_CHARS]))]


def split_query(query: str) -> list[str]:
    """Return the folded words of a query. Quotes, operators and other signs have no meaning."""
    return split_words(query[:QUERY_CHARS])[:QUERY_WORDS]


def cut_snippet(text: str, words: list[str]) -> tuple[str, tuple[tuple[int, int], ...]]:
    """Return the text around the first match, on one line, and the start and end of each match in it."""
    scanned = " ".join(unicodedata.normalize("NFC", text[:SCANNED_CHARS]).split())
    pattern = re.compile("|".join(rf"(?<![^\W_]){re.escape(word)}" for word in words))
    same_length = "".join(map(_fold_character, scanned))
    first = pattern.search(same_length)
    begin = max(0, (first.start() if first else 0) - SNIPPET_CHARS // 3)
    if begin:  # begin at a word
        begin = scanned.find(" ", begin, first.start() if first else None) + 1 or begin
    piece = slice(begin, begin + SNIPPET_CHARS)
    matches = tuple(found.span() for found in pattern.finditer(same_length[piece])) if words else ()
    return scanned[piece], matches


@cache
def _fold_character(character: str) -> str:
    """Fold a character to exactly one, so that positions stay the same."""
    folded = fold(character)
    return folded if len(folded) == 1 else character
