"""Text as search sees it: words without case and accents, the same on every database; and the place of a match."""

import re
import unicodedata
from functools import cache

INDEXED_CHARS = 100_000
"""Of a longer text only the beginning can be found."""
SCANNED_CHARS = 20_000
"""How far a snippet's match is looked for."""
QUERY_CHARS, QUERY_WORDS, WORD_CHARS = 300, 12, 64
SNIPPET_CHARS = 160

_MARKS = re.compile("[\u0300-\u036f\u0591-\u05c7\u064b-\u065f\u0670\u1dc0-\u1dff\u20d0-\u20ff\ufe20-\ufe2f]+")
_WORD = re.compile(r"[^\W_]+")


def fold(text: str) -> str:
    """The text in lower case and without accents: `Ñandú` and `nandu` are one."""
    if text.isascii():
        return text.lower()
    folded = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", text).casefold())
    return _MARKS.sub("", folded)


def split_words(text: str) -> list[str]:
    """The folded words of a text, in order."""
    return [word[:WORD_CHARS] for word in _WORD.findall(fold(text[:INDEXED_CHARS]))]


def split_query(query: str) -> list[str]:
    """The words that somebody looks for; quotes, operators and other signs mean nothing."""
    return split_words(query[:QUERY_CHARS])[:QUERY_WORDS]


def cut_snippet(text: str, words: list[str]) -> tuple[str, tuple[tuple[int, int], ...]]:
    """The piece of a text around its first match, on one line, and where the words stand in it (start, end)."""
    scanned = " ".join(unicodedata.normalize("NFC", text[:SCANNED_CHARS]).split())
    pattern = re.compile("|".join(rf"(?<![^\W_]){re.escape(word)}" for word in words))
    same_length = "".join(map(_folded_sign, scanned))
    first = pattern.search(same_length)
    begin = max(0, (first.start() if first else 0) - SNIPPET_CHARS // 3)
    if begin:  # not in the middle of a word
        begin = scanned.find(" ", begin, first.start() if first else None) + 1 or begin
    piece = slice(begin, begin + SNIPPET_CHARS)
    matches = tuple(found.span() for found in pattern.finditer(same_length[piece])) if words else ()
    return scanned[piece], matches


@cache
def _folded_sign(sign: str) -> str:
    """One sign for one sign, so that places stay the same."""
    folded = fold(sign)
    return folded if len(folded) == 1 else sign
