"""What clients say of a recording, in our words: languages, models, terms, pauses."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core.errors import BadRequest, LanguageNotSupported, ModelNotFound
from app.services.transcription.request import (
    MAX_TERMS,
    OPENAI_NAMES,
    TERM_CHARACTERS,
    RequestedModel,
    find_model,
    list_model_ids,
    parse_listed_languages,
    parse_named_language,
    parse_silence_ms,
    parse_vocabulary,
)
from app.utils.languages import NAMES, language_name, parse_language

ENGINES = {
    "whisper_local": ["base", "org/large"],
    "pocketsphinx": ["en-us"],
    "openai_compat": ["whisper-1"],
    "cloud_stub": [],
}


@pytest.mark.parametrize(
    ("said", "tag"),
    [
        ("es", "es"), ("ES", "es"), ("es-MX", "es-mx"), ("es_MX", "es-mx"), ("Spanish", "es"), ("spa", "es"),
        (" english ", "en"), ("castilian", "es"), ("yue", "yue"), ("cantonese", "yue"), ("eng-US", "en-us"),
        ("haitian creole", "ht"), ("zh-Hant-TW", "zh-hant-tw"), ("xx", "xx"),
    ],
)  # fmt: skip
def test_languages_by_any_of_their_names(said: str, tag: str) -> None:
    assert parse_language(said) == parse_named_language(said) == tag


@pytest.mark.parametrize("said", ["klingon on", "e", "español", "123", "en-", "en--us", "x" * 50, "../en"])
def test_what_is_no_language(said: str) -> None:
    assert parse_language(said) is None
    with pytest.raises(LanguageNotSupported, match="leave it out") as caught:
        parse_named_language(said)
    assert caught.value.param == "language"
    assert len(said) < 4 or said not in caught.value.message, "the input is never repeated"


@pytest.mark.parametrize("said", [None, "", "  ", "auto", "AUTO"])
def test_no_language_leaves_it_to_the_server(said: str | None) -> None:
    assert parse_named_language(said) is None


def test_the_languages_of_a_list() -> None:
    assert parse_listed_languages(["es", "", "English", "auto"]) == ("es", "en")
    with pytest.raises(LanguageNotSupported, match="`languages`") as caught:
        parse_listed_languages(["es", "klingon on"])
    assert caught.value.param == "languages"


def test_names_come_back() -> None:
    assert {parse_language(name) for name in NAMES.values()} == set(NAMES)
    assert (language_name("es-MX"), language_name("tlh"), language_name(None)) == (
        "spanish",
        "tlh",
        "unknown",
    )


@pytest.mark.parametrize("name", ["", *OPENAI_NAMES])
def test_openais_names_mean_the_default_engine(name: str) -> None:
    """Also where an upstream has a model of that name: audio must not leave by a name that every client sends."""
    assert find_model(name, ENGINES) == RequestedModel(None)


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("auto", RequestedModel("auto")),
        ("pocketsphinx", RequestedModel("pocketsphinx")),
        ("cloud_stub", RequestedModel("cloud_stub")),
        ("base", RequestedModel("whisper_local", "base")),
        ("whisper_local/base", RequestedModel("whisper_local", "base")),
        ("org/large", RequestedModel("whisper_local", "org/large")),
        ("whisper_local/org/large", RequestedModel("whisper_local", "org/large")),
        ("openai_compat/whisper-1", RequestedModel("openai_compat", "whisper-1")),
    ],
)
def test_engines_and_their_checkpoints(name: str, wanted: RequestedModel) -> None:
    assert find_model(name, ENGINES) == wanted


@pytest.mark.parametrize("name", ["tiny", "pocketsphinx/base", "whisper_local/", "/base", "gpt-9"])
def test_nobody_is_called_so(name: str) -> None:
    with pytest.raises(ModelNotFound, match="whisper-1, auto, whisper_local, pocketsphinx") as caught:
        find_model(name, ENGINES)
    assert caught.value.param == "model"


def test_every_known_name_is_found() -> None:
    for name in list_model_ids(ENGINES):
        find_model(name, ENGINES)


def test_a_prompt_is_terms() -> None:
    assert parse_vocabulary("ZyntriQix, Digique Plus; CynapseFive. And so on\nO.R.B.I.T.", ["Ada", " Ada ", ""]) == (
        "Ada", "ZyntriQix", "Digique Plus", "CynapseFive", "And so on", "O.R.B.I.T",
    )  # fmt: skip


@given(st.text(max_size=3000), st.lists(st.text(max_size=300), max_size=300))
def test_terms_are_bounded(prompt: str, keywords: list[str]) -> None:
    terms = parse_vocabulary(prompt, keywords)
    assert len(terms) <= MAX_TERMS
    assert all(0 < len(term) <= TERM_CHARACTERS and term == term.strip() for term in terms)


@pytest.mark.parametrize(
    ("strategy", "wanted"),
    [
        (None, None),
        ("auto", None),
        ({"type": "server_vad"}, None),
        ({"type": "server_vad", "silence_duration_ms": "800"}, 800),
        ({"silence_duration_ms": 1}, 100),
        ({"silence_duration_ms": 1e9}, 10_000),
        ({"silence_duration_ms": ""}, None),
        (["auto", "auto"], None),
    ],
)
def test_pauses(strategy: object, wanted: int | None) -> None:
    assert parse_silence_ms(strategy) == wanted


@pytest.mark.parametrize("said", ["soon", float("nan"), float("inf"), [1], {}])
def test_pauses_that_are_none(said: object) -> None:
    with pytest.raises(BadRequest, match="number of milliseconds"):
        parse_silence_ms({"silence_duration_ms": said})
