"""The voice of a text: by name, by language, and by what the text is written in."""

import pytest

from app.core.errors import BadRequest
from app.services.speaking.voices import choose_voice, guess_language
from tests.fakes.voice import VOICES


@pytest.mark.parametrize(
    ("text", "lang"),
    [
        ("Good morning, how are you?", "en"),
        ("Buenos días, ¿cómo estás?", "es"),
        ("¡Adelante!", "es"),
        ("Bonjour, comment ça va avec vous ?", "fr"),
        ("Guten Tag, wie geht es dir?", "de"),
        ("Buongiorno, come sono gli amici?", "it"),
        ("Bom dia, você não está em casa?", "pt"),
        ("Доброе утро", "ru"),
        ("おはようございます", "ja"),
        ("早上好", "zh"),
        ("안녕하세요", "ko"),
        ("صباح الخير", "ar"),
        ("42", "nl"),
        ("Madrid", "nl"),
    ],
)
def test_the_language_of_a_text(text: str, lang: str) -> None:
    assert guess_language(text, "nl") == lang


@pytest.mark.parametrize(
    ("asked", "text", "voice"),
    [
        ("", "Good morning to you", "en-gb"),
        ("alloy", "¿Qué tal?", "es"),
        ("Nova", "¿Qué tal?", "es"),
        ("es-419", "Good morning to you", "es-419"),
        ("ES", "Good morning to you", "es"),
        ("es-MX", "Hi", "es-419"),
        ("es-AR", "Hi", "es"),
        ("spanish (latin america)", "Hi", "es-419"),
        ("english", "¿Qué tal?", "en-gb"),
        ("", "Доброе утро", "en-gb"),
    ],
)
def test_the_voice(asked: str, text: str, voice: str) -> None:
    assert choose_voice(asked, VOICES, text=text) == voice


def test_a_voice_of_the_settings_speaks_every_text() -> None:
    for asked in ("", "alloy"):
        assert choose_voice(asked, VOICES, text="Good morning to you", configured="es-419") == "es-419"
    assert choose_voice("en", VOICES, text="¿Qué tal?", configured="es-419") == "en-gb"


@pytest.mark.parametrize("asked", ["Caruso", "fr", "--version"])
def test_a_voice_that_is_not_there(asked: str) -> None:
    with pytest.raises(BadRequest, match="audio/voices") as refused:
        choose_voice(asked, VOICES, text="Hi")
    assert asked not in refused.value.message


def test_where_nothing_fits_the_first_voice_speaks() -> None:
    assert choose_voice("", VOICES[1:2], text="Good morning to you") == "es"
