"""Which languages a dictation has: those of its client, and those of the settings."""

import pytest

from app.core.config import SttSettings
from app.services.decoding.languages import choose_languages

BOTH = ("es", "en")


@pytest.mark.parametrize(
    ("lang", "langs", "settings", "chosen"),
    [
        ("auto", (), {}, ("auto", ())),
        (None, (), {"lang": "es-MX"}, ("es-MX", ())),
        ("auto", (), {"langs": "es, en"}, ("auto", BOTH)),
        ("auto", (), {"lang": "fr", "langs": "es,en"}, ("fr", ())),
        ("auto", BOTH, {"lang": "fr"}, ("auto", BOTH)),
        ("en-GB", ("es", "fr"), {"lang": "fr"}, ("en-GB", ())),
        ("auto", ("es",), {}, ("es", ())),
        ("auto", ("es-MX", "es", "ES-ar"), {}, ("es-MX", ())),
        ("auto", ("es-MX", "en", "es"), {}, ("auto", ("es-MX", "en"))),
    ],
)  # fmt: skip
def test_the_request_wins_over_the_settings_and_a_language_over_a_list(
    lang: str | None, langs: tuple[str, ...], settings: dict[str, str], chosen: tuple[str, tuple[str, ...]]
) -> None:
    assert choose_languages(lang, langs, SttSettings.model_validate(settings)) == chosen


@pytest.mark.parametrize("langs", ["español", "es,auto", "es;en"])
def test_a_setting_that_names_no_languages_is_refused(langs: str) -> None:
    with pytest.raises(ValueError, match="such as es,en-GB"):
        SttSettings.model_validate({"langs": langs})
