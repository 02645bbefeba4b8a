"""The languages of a dictation or recording: what its client and the settings say of them."""

from collections.abc import Sequence

from app.core.config import SttSettings

AUTO = "auto"


def choose_languages(
    lang: str | None, langs: Sequence[str], settings: SttSettings
) -> tuple[str, tuple[str, ...]]:
    """`lang` and `langs` of a `SttConfig`, from a request and the settings.

    A language that the request names wins, then its list, then the language of the settings, then their list. A list
    with a single language names it.
    """
    if lang is None or lang == AUTO:
        lang, langs = (AUTO, langs) if langs else (settings.lang, settings.langs)
    by_primary: dict[str, str] = {}
    for tag in langs:
        by_primary.setdefault(tag.split("-")[0].lower(), tag)
    several = tuple(by_primary.values())
    if lang == AUTO and len(several) == 1:
        (lang,) = several
    return lang, several if lang == AUTO else ()
