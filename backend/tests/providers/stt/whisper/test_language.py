"""The language of a window: what is heard, weighed with what may be spoken."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.providers.stt.whisper.language import LanguageChoice, find_code, find_codes, weigh_languages

UNHEARD = {"en": 0.44, "cy": 0.18, "nn": 0.14, "es": 0.03, "ja": 0.02}
"""What a checkpoint takes silence for."""
BOTH = ("es", "en")
CLEAR = {"es": 0.97, "en": 0.01, "it": 0.02}
FAINT = {"es": 0.1, "en": 0.3, "it": 0.1, "ja": 0.4, "nn": 0.1}
"""A short word of Spanish: the audio says little, and the rest of the answer is the prior's."""


def choose(heard: dict[str, float], **known: object) -> str:
    return weigh_languages(heard, LanguageChoice(unheard=UNHEARD, **known))[0]  # type: ignore[arg-type]  # by name


def test_without_anything_known_the_engine_decides() -> None:
    lang, probability = weigh_languages(FAINT, LanguageChoice())
    assert (lang, round(probability, 3)) == ("ja", 0.4)
    assert choose(FAINT) == "ja"


def test_only_languages_that_are_spoken_are_chosen_and_the_prior_counts_for_none_of_them() -> None:
    assert choose(FAINT, langs=BOTH) == "es"
    assert weigh_languages(FAINT, LanguageChoice(langs=BOTH))[0] == "en", (
        "the prior of the engine is not known"
    )
    assert choose(CLEAR, langs=("fr", "en")) == "en"
    assert choose({"ja": 1.0}, langs=BOTH) in BOTH


def test_likely_languages_lean_the_choice_and_clear_evidence_overrules_them() -> None:
    assert choose({"es": 0.25, "it": 0.3, "en": 0.05}, likely=("es", "en")) == "es"
    assert choose(CLEAR, likely=("en",)) == "es"
    assert choose(FAINT, likely=("xx",)) == "ja"


@pytest.mark.parametrize("langs", [(), BOTH])
def test_short_utterances_lean_on_what_was_spoken_before(langs: tuple[str, ...]) -> None:
    heard = {"es": 0.05, "en": 0.95}
    assert choose(heard, langs=langs) == "en"
    assert choose(heard, langs=langs, spoken=(("es", 60.0),)) == "es"
    assert choose(heard, langs=langs, spoken=(("es", 1.0),)) == "en"
    assert choose({"es": 0.001, "en": 0.98}, langs=langs, spoken=(("es", 600.0),)) == "en"
    assert choose(CLEAR, langs=langs, spoken=(("en", 600.0),)) == "es"


_LANGS = st.sampled_from(["en", "es", "fr", "ja", "yue"])


@given(
    st.dictionaries(_LANGS, st.floats(0, 1), min_size=1),
    st.lists(_LANGS, unique=True),
    st.lists(_LANGS),
    st.lists(st.tuples(_LANGS, st.floats(0, 1e4))),
    st.dictionaries(_LANGS, st.floats(0, 1)),
)
def test_whatever_is_heard_one_of_the_possible_languages_is_chosen(
    heard: dict[str, float],
    langs: list[str],
    likely: list[str],
    spoken: list[tuple[str, float]],
    unheard: dict[str, float],
) -> None:
    choice = LanguageChoice(tuple(langs), tuple(likely), tuple(spoken), unheard)
    lang, probability = weigh_languages(heard, choice)
    assert lang in (langs or heard)
    assert 0 <= probability <= 1 + 1e-9


def test_codes_are_those_of_whisper() -> None:
    assert (find_code("es-MX"), find_code("nb"), find_code("EN_us"), find_code("cmn-Hans")) == (
        "es",
        "no",
        "en",
        "zh",
    )
    assert find_codes(["en-US", "en", "es", "", "x"]) == ("en", "es", "", "x")
