"""One text from the texts of utterances: space, case and closing punctuation where a sentence goes on; pure."""

import re
from collections.abc import Iterable, Sequence
from typing import NamedTuple

UNSPACED_LANGUAGES = frozenset({"zh", "yue", "ja", "th", "lo", "my", "km", "bo"})
"""Languages written without spaces, as primary subtags."""

CLOSING_MARKS = ".…?!。．｡？！।॥۔؟።"
"""Punctuation that ends a sentence."""


_OPEN_END = re.compile(rf"""(?:[{re.escape(CLOSING_MARKS)}]+["'”’»)\]]*|[¿¡]|\s)+$""")


_ELLIPSES = re.compile(r"^\s*(?:\.{2,}|…)+|(?:\.{2,}|…)+\s*$")


class TextPart(NamedTuple):
    """The text of one utterance."""

    text: str
    joined: bool = False
    """It goes on with the sentence of the part before it."""
    lang: str | None = None
    """Language as a BCP-47 tag, where known."""


def join_texts(parts: Iterable[TextPart]) -> str:
    """The text of these utterances, in order. Parts without text are passed over."""
    joiner = TextJoiner()
    return "".join([*(joiner.push(part) for part in parts), joiner.finish()])


def fit_texts(parts: Sequence[TextPart]) -> list[str]:
    """The text of each utterance, without the closing marks where the next one is joined."""
    goes_on = [part.joined for part in parts[1:]] + [False]
    return [
        (joined and strip_closing_marks(part.text)) or part.text
        for part, joined in zip(parts, goes_on, strict=False)
    ]


def cut_shown(text: str, shown: str, lang: str | None = None) -> str:
    """What to append to a shown text so that `text` is shown. Where it differs: the words beyond those shown."""
    if text.startswith(shown) or is_unspaced(lang):
        return text[len(shown) :]
    further = text.split()[len(shown.split()) :]
    return f" {' '.join(further)}" if further else ""


class TextJoiner:
    """Joins utterances as they come. What it has returned never changes: closing marks wait for the next utterance."""

    def __init__(self) -> None:
        self._held = ""
        """Closing marks of the last part: they go where the next part is joined."""
        self._is_empty = True

    def push(self, part: TextPart) -> str:
        """Take the next part; return what to append to the text so far."""
        text = part.text.strip()
        if not text:
            return ""
        space = "" if self._is_empty or is_unspaced(part.lang) else " "
        marks = "" if part.joined else self._held
        body = strip_closing_marks(text) or text
        self._held = text[len(body) :]
        self._is_empty = False
        return f"{marks}{space}{body}"

    @property
    def held(self) -> str:
        """The closing marks of the last part, which the next one decides about."""
        return self._held

    def finish(self) -> str:
        """The closing marks of the last part."""
        held, self._held = self._held, ""
        return held


def strip_closing_marks(text: str) -> str:
    """The text without the marks at its end that close a sentence."""
    return text.rstrip().rstrip(CLOSING_MARKS).rstrip()


def strip_ellipses(text: str) -> str:
    """The text without ellipses at its ends: a decoder writes them where its window cuts a sentence."""
    return _ELLIPSES.sub("", text).strip()


def strip_open_end(text: str) -> str:
    """The text so far of a sentence that may go on: no mark at its end closes it, or opens what has no words yet."""
    return _OPEN_END.sub("", text)


def is_unspaced(lang: str | None) -> bool:
    """Whether the language is written without spaces between words."""
    return lang is not None and lang.split("-")[0].lower() in UNSPACED_LANGUAGES
