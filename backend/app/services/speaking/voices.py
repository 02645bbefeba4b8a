"""Which voice speaks a text: the one that is named, else one of the text's language; pure."""

import re
from collections.abc import Sequence

from app.core.errors import BadRequest
from app.providers.base import TtsVoice
from app.utils.languages import parse_language
from app.utils.scripts import LATIN, find_scripts

OPENAI_VOICES = (
    "alloy", "ash", "ballad", "cedar", "coral", "echo", "fable", "marin", "nova", "onyx", "sage", "shimmer", "verse",
)  # fmt: skip
"""Each of them means the default voice: clients have these names built in."""

_COMMON = {
    "de": "der die das und ist nicht ein eine ich sie es mit auf für von zu den dem im auch wie wir aber hallo danke",
    "en": "the and of to in is it you that for on with are this be not have was what how we they hello please thanks",
    "es": "el la los las de que y en un una es por con para no se su lo como más pero está son qué cómo hola gracias",
    "fr": "le la les de des et un une est que pas pour dans vous nous il elle je sur avec ce qui bonjour merci",
    "it": "il lo la gli di che e un una è per non con sono mi si come ma anche della nel ciao grazie",
    "pt": "o a os as de que e um uma é não para com por se do da no na mais mas como você está olá obrigado",
}
"""The words that tell languages of Latin letters apart."""
_WORDS = {lang: frozenset(words.split()) for lang, words in _COMMON.items()}
_MARKS = {"¿": "es", "¡": "es", "ñ": "es", "ß": "de", "ã": "pt", "õ": "pt", "œ": "fr"}
_BY_SCRIPT = {
    "HIRAGANA": "ja", "KATAKANA": "ja", "HANGUL": "ko", "CJK": "zh", "CYRILLIC": "ru", "ARABIC": "ar", "HEBREW": "he",
    "DEVANAGARI": "hi", "BENGALI": "bn", "TAMIL": "ta", "TELUGU": "te", "THAI": "th", "GEORGIAN": "ka",
    "ARMENIAN": "hy", "GUJARATI": "gu", "GURMUKHI": "pa", "KANNADA": "kn", "MALAYALAM": "ml", "SINHALA": "si",
    "ETHIOPIC": "am", "MYANMAR": "my",
}  # fmt: skip
"""The likeliest language of a script, in the order in which a text is asked for them."""
_LOOKED_AT = 2000
"""Characters of a text that are looked at."""


def guess_language(text: str, default: str) -> str:
    """The primary subtag of the language of a text; `default` where nothing tells it."""
    text = text[:_LOOKED_AT].lower()
    scripts = find_scripts(text)
    for script, lang in _BY_SCRIPT.items():
        if script in scripts and LATIN not in scripts:
            return lang
    words = re.findall(r"[^\W\d_]+", text)
    counts = {lang: sum(word in common for word in words) for lang, common in _WORDS.items()}
    for mark, lang in _MARKS.items():
        counts[lang] += 2 * text.count(mark)
    best = max(counts.values())
    likeliest = [lang for lang, count in counts.items() if count == best]
    return default if not best or default in likeliest else likeliest[0]


def choose_voice(
    asked: str, voices: Sequence[TtsVoice], *, text: str, configured: str = "", default_lang: str = "en"
) -> str:
    """The id of the voice for a text. `asked` is an id, a language, or one of OpenAI's names.

    Raises:
        BadRequest: there is no such voice.
    """
    if asked and asked.lower() not in OPENAI_VOICES:
        return _find_voice(asked, voices)
    if configured:
        return _find_voice(configured, voices)
    found = _find_by_lang(guess_language(text, default_lang), voices) or _find_by_lang(default_lang, voices)
    return (found or voices[0]).id


def _find_voice(asked: str, voices: Sequence[TtsVoice]) -> str:
    for voice in voices:
        if asked.lower() in (voice.id.lower(), voice.title.lower()):
            return voice.id
    tag = parse_language(asked)
    found = _find_by_lang(tag, voices) if tag else None
    if found is None:
        raise BadRequest(
            "there is no such `voice`; GET /v1/audio/voices lists those there are", param="voice"
        )
    return found.id


def _find_by_lang(tag: str, voices: Sequence[TtsVoice]) -> TtsVoice | None:
    """The voice of this tag, else of its language: its own before those that know it beside another."""
    primary = tag.split("-")[0]
    for is_match in (
        lambda voice: voice.langs[0] == tag,
        lambda voice: tag in voice.langs,
        lambda voice: voice.langs[0].split("-")[0] == primary,
        lambda voice: primary in {lang.split("-")[0] for lang in voice.langs},
    ):
        if found := next((voice for voice in voices if voice.langs and is_match(voice)), None):
            return found
    return None
