"""The language of one window: Whisper's own detection, bounded by the languages that may be spoken."""

from collections.abc import Sequence
from typing import Any

OTHER_NAMES = {"nb": "no", "fil": "tl", "jv": "jw", "iw": "he", "in": "id", "cmn": "zh"}
"""BCP-47 subtags for which Whisper has another code."""


def find_code(tag: str) -> str:
    """Whisper's code of a BCP-47 tag, whether or not a checkpoint has it."""
    primary = tag.split("-")[0].lower()
    return OTHER_NAMES.get(primary, primary)


def detect_language(model: Any, encoded: Any, langs: Sequence[str]) -> tuple[str, float]:
    """The likeliest of `langs` (Whisper's codes; of all where that is empty), and its probability among them."""
    found = {token[2:-2]: probability for token, probability in model.model.detect_language(encoded)[0]}
    possible = {lang: found.get(lang, 0.0) for lang in langs} or found
    lang = max(possible, key=possible.__getitem__)
    return lang, possible[lang] / (sum(possible.values()) or 1.0)
