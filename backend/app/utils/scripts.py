"""Writing systems: those in which a language is written, and those that a text uses."""

import re
import unicodedata
from collections.abc import Iterable

LATIN = "LATIN"

_LANGUAGES = {
    "ARABIC": "ar fa ps sd ur", "ARMENIAN": "hy", "BENGALI": "as bn", "CJK": "ja ko yue zh",
    "CYRILLIC": "az ba be bg kk ky mk mn ru sr tg tk tt uk uz", "DEVANAGARI": "hi mr ne sa", "ETHIOPIC": "am",
    "GEORGIAN": "ka", "GUJARATI": "gu", "GURMUKHI": "pa", "HANGUL": "ko", "HEBREW": "he iw yi",
    "HIRAGANA": "ja", "KANNADA": "kn", "KATAKANA": "ja", "KHMER": "km", "LAO": "lo", "MALAYALAM": "ml",
    "MYANMAR": "my", "SINHALA": "si", "TAMIL": "ta", "TELUGU": "te", "THAI": "th", "TIBETAN": "bo",
}  # fmt: skip
"""Script, as the first word of its characters' Unicode names -> primary subtags of the languages that use it.

Greek is left out: its letters are symbols in every language (5 µs, 3 Ω).
"""


def list_scripts(langs: Iterable[str]) -> frozenset[str]:
    """The scripts of languages (BCP-47); Latin is always among them, for names and foreign words."""
    primary = {lang.split("-")[0].lower() for lang in langs}
    return frozenset(
        {LATIN, *(script for script, used in _LANGUAGES.items() if primary.intersection(used.split()))}
    )


def find_scripts(text: str) -> frozenset[str]:
    """The scripts of a text's letters, as far as languages are known for them."""
    letters = {character for character in unicodedata.normalize("NFKC", text) if character.isalpha()}
    found = {re.split(r"[ -]", unicodedata.name(letter, " "))[0] for letter in letters}
    return frozenset(found & {LATIN, *_LANGUAGES})
