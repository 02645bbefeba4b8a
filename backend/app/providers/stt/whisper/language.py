"""The language of one window: what Whisper hears, weighed with what may be spoken; the weighing is pure.

On short audio Whisper's detection says more about its training than about the audio: of silence it says English, with
a third to a half of all probability. That answer is its prior, by which the detection is divided before it is
multiplied by the priors of the session (Zhao et al., "Calibrate Before Use", 2021, with silence as the input that has
no content). docs/decisions/0010 has the measurements.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

OTHER_NAMES = {"nb": "no", "fil": "tl", "jv": "jw", "iw": "he", "in": "id", "cmn": "zh"}
"""BCP-47 subtags for which Whisper has another code."""

LIKELY_SHARE = 0.5
"""Share of the expectation that the client's likely languages have, where `langs` does not bound the choice."""
SPOKEN_SHARE = 0.7
"""Share that the languages of the finals before have, after a long time; half of it after SPOKEN_S."""
SPOKEN_S = 10.0
RAREST = 0.005
"""Least prior of a language: a smaller one is not measured well."""


def find_code(tag: str) -> str:
    """Whisper's code of a BCP-47 tag, whether or not a checkpoint has it."""
    primary = tag.replace("_", "-").split("-")[0].lower()
    return OTHER_NAMES.get(primary, primary)


@dataclass(frozen=True, slots=True)
class LanguageChoice:
    """What is known of the languages of a window before it is heard. All codes are Whisper's."""

    langs: tuple[str, ...] = ()
    """Those that may be spoken; empty for all."""
    likely: tuple[str, ...] = ()
    spoken: tuple[tuple[str, float], ...] = ()
    """Those of the finals before, and for how long (s)."""
    unheard: Mapping[str, float] = field(default_factory=dict)
    """The checkpoint's prior; empty where it is not known."""


def detect_language(model: Any, encoded: Any, choice: LanguageChoice) -> tuple[str, float]:
    """The likeliest language of an encoded window, and its probability."""
    return weigh_languages(list_probabilities(model, encoded), choice)


def list_probabilities(model: Any, encoded: Any) -> dict[str, float]:
    """What Whisper itself makes of an encoded window: the probability of each language."""
    return {token[2:-2]: probability for token, probability in model.model.detect_language(encoded)[0]}


def weigh_languages(heard: Mapping[str, float], choice: LanguageChoice) -> tuple[str, float]:
    """The likeliest language and its probability, from Whisper's probabilities and what was known before."""
    possible = choice.langs or tuple(heard)
    priors = {lang: max(choice.unheard.get(lang, 0.0), RAREST) for lang in possible}
    if not choice.unheard:
        priors = _uniform(possible)
    shares = _expect(priors, choice)
    weights = {lang: heard.get(lang, 0.0) * shares[lang] / priors[lang] for lang in possible}
    lang = max(weights, key=weights.__getitem__)
    return lang, weights[lang] / (sum(weights.values()) or 1.0)


def _expect(priors: Mapping[str, float], choice: LanguageChoice) -> dict[str, float]:
    """The share of speech that each language is expected to have."""
    total = sum(priors.values())
    shares = (
        _uniform(choice.langs) if choice.langs else {lang: prior / total for lang, prior in priors.items()}
    )
    if not choice.langs and (likely := [lang for lang in choice.likely if lang in shares]):
        shares = _mix(shares, _uniform(likely), LIKELY_SHARE)
    seconds = {lang: spoken_s for lang, spoken_s in choice.spoken if lang in shares}
    if total_s := sum(seconds.values()):
        spoken = {lang: spoken_s / total_s for lang, spoken_s in seconds.items()}
        shares = _mix(shares, spoken, SPOKEN_SHARE * total_s / (total_s + SPOKEN_S))
    return shares


def _uniform(langs: Sequence[str]) -> dict[str, float]:
    return dict.fromkeys(langs, 1 / len(langs))


def _mix(shares: Mapping[str, float], others: Mapping[str, float], weight: float) -> dict[str, float]:
    return {lang: (1 - weight) * share + weight * others.get(lang, 0.0) for lang, share in shares.items()}


def find_codes(tags: Iterable[str]) -> tuple[str, ...]:
    """Whisper's codes of BCP-47 tags, each once."""
    return tuple(dict.fromkeys(find_code(tag) for tag in tags))
