"""Languages: from codes and English names, as OpenAI's API writes them, to tags and back."""

from collections.abc import Iterable

NAMES = {
    "af": "afrikaans", "am": "amharic", "ar": "arabic", "as": "assamese", "az": "azerbaijani", "ba": "bashkir",
    "be": "belarusian", "bg": "bulgarian", "bn": "bengali", "bo": "tibetan", "br": "breton", "bs": "bosnian",
    "ca": "catalan", "cs": "czech", "cy": "welsh", "da": "danish", "de": "german", "el": "greek", "en": "english",
    "es": "spanish", "et": "estonian", "eu": "basque", "fa": "persian", "fi": "finnish", "fo": "faroese",
    "fr": "french", "gl": "galician", "gu": "gujarati", "ha": "hausa", "haw": "hawaiian", "he": "hebrew",
    "hi": "hindi", "hr": "croatian", "ht": "haitian creole", "hu": "hungarian", "hy": "armenian",
    "id": "indonesian", "is": "icelandic", "it": "italian", "ja": "japanese", "jw": "javanese", "ka": "georgian",
    "kk": "kazakh", "km": "khmer", "kn": "kannada", "ko": "korean", "la": "latin", "lb": "luxembourgish",
    "ln": "lingala", "lo": "lao", "lt": "lithuanian", "lv": "latvian", "mg": "malagasy", "mi": "maori",
    "mk": "macedonian", "ml": "malayalam", "mn": "mongolian", "mr": "marathi", "ms": "malay", "mt": "maltese",
    "my": "myanmar", "ne": "nepali", "nl": "dutch", "nn": "nynorsk", "no": "norwegian", "oc": "occitan",
    "pa": "punjabi", "pl": "polish", "ps": "pashto", "pt": "portuguese", "ro": "romanian", "ru": "russian",
    "sa": "sanskrit", "sd": "sindhi", "si": "sinhala", "sk": "slovak", "sl": "slovenian", "sn": "shona",
    "so": "somali", "sq": "albanian", "sr": "serbian", "su": "sundanese", "sv": "swedish", "sw": "swahili",
    "ta": "tamil", "te": "telugu", "tg": "tajik", "th": "thai", "tk": "turkmen", "tl": "tagalog", "tr": "turkish",
    "tt": "tatar", "uk": "ukrainian", "ur": "urdu", "uz": "uzbek", "vi": "vietnamese", "yi": "yiddish",
    "yo": "yoruba", "yue": "cantonese", "zh": "chinese",
}  # fmt: skip
"""Primary subtag -> name."""

_OTHER_NAMES = {
    "burmese": "my", "castilian": "es", "filipino": "tl", "flemish": "nl", "haitian": "ht", "letzeburgesch": "lb",
    "mandarin": "zh", "moldavian": "ro", "moldovan": "ro", "panjabi": "pa", "pushto": "ps", "sinhalese": "si",
    "valencian": "ca",
}  # fmt: skip

_CODES = {name: code for code, name in NAMES.items()} | _OTHER_NAMES

_LONG_CODES = {
    "ara": "ar", "cat": "ca", "ces": "cs", "dan": "da", "deu": "de", "ell": "el", "eng": "en", "eus": "eu",
    "fin": "fi", "fra": "fr", "glg": "gl", "heb": "he", "hin": "hi", "hun": "hu", "ind": "id", "ita": "it",
    "jpn": "ja", "kor": "ko", "nld": "nl", "nor": "no", "pol": "pl", "por": "pt", "ron": "ro", "rus": "ru",
    "spa": "es", "swe": "sv", "tur": "tr", "ukr": "uk", "vie": "vi", "zho": "zh",
}  # fmt: skip
"""Codes of three letters that clients send in place of the code of two."""


def parse_language(text: str) -> str | None:
    """Return the BCP-47 tag of a code, a tag (also `es_MX`) or an English name; None for anything else."""
    plain = text.strip().lower().replace("_", "-")
    if plain in _CODES:
        return _CODES[plain]
    primary, *rest = plain.split("-")
    if not (2 <= len(primary) <= 3 and primary.isascii() and primary.isalpha()):
        return None
    if not all(1 <= len(part) <= 8 and part.isascii() and part.isalnum() for part in rest):
        return None
    return "-".join([_LONG_CODES.get(primary, primary), *rest])


def list_codes(tags: Iterable[str]) -> str:
    """Return the codes of languages for a message, which repeats no tag: only what is in our own table is named."""
    primary = [tag.split("-")[0].lower() for tag in tags]
    known = [repr(code) for code in dict.fromkeys(primary) if code in NAMES]
    unknown = [] if all(code in NAMES for code in primary) else ["an unknown language"]
    return " and ".join([*known, *unknown])


def language_name(tag: str | None) -> str:
    """Return the English name in lower case; the tag itself if its name is not known, "unknown" for None."""
    if tag is None:
        return "unknown"
    return NAMES.get(tag.split("-")[0].lower(), tag)
