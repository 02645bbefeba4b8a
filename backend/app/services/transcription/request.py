"""The options of a transcription request, read from OpenAI's fields, and the engine that a model id names; pure."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from app.core.errors import BadRequest, LanguageNotSupported, ModelNotFound
from app.utils.languages import parse_language

MAX_TERMS = 200
TERM_CHARACTERS = 100
SILENCE_MS = range(100, 10_001)

_BETWEEN_TERMS = re.compile(r"[,;\n\r\t]+|[.!?:](?:\s+|$)")


@dataclass(frozen=True, slots=True)
class TranscriptionRequest:
    """How to transcribe a recording."""

    model: str = ""
    """A model id; see `find_model`."""
    lang: str | None = None
    """BCP-47; None takes the language of the settings."""
    langs: tuple[str, ...] = ()
    """BCP-47 tags among which the language of each utterance is chosen; without `lang`."""
    words: bool = False
    vocabulary: tuple[str, ...] = ()
    silence_ms: int | None = None
    """The pause that ends an utterance; None takes that of the profile `dictation`."""
    translates: bool = False
    """The text is English, whatever is spoken."""


def parse_named_language(named: str | None, param: str = "language") -> str | None:
    """The tag of the named language; None for "auto", or nothing.

    Raises:
        LanguageNotSupported: the text names no language.
    """
    if not named or not named.strip() or named.strip().lower() == "auto":
        return None
    if (tag := parse_language(named)) is None:
        raise LanguageNotSupported(
            f"`{param}` names no language; give a code like 'es' or 'en-GB', an English name like 'spanish', or"
            " leave it out",
            param=param,
        )
    return tag


def parse_listed_languages(listed: Iterable[str]) -> tuple[str, ...]:
    """The tags of the listed languages. Raises as `parse_named_language` does."""
    return tuple(tag for one in listed if (tag := parse_named_language(one, "languages")))


def parse_vocabulary(prompt: str, keywords: Iterable[str]) -> tuple[str, ...]:
    """The terms that the recording is likely to contain: the keywords, then the parts of the prompt."""
    terms: dict[str, None] = {}
    for text in (*keywords, *_BETWEEN_TERMS.split(prompt)):
        if term := " ".join(text.split())[:TERM_CHARACTERS].strip():
            terms[term] = None
    return tuple(terms)[:MAX_TERMS]


def parse_silence_ms(strategy: Any) -> int | None:
    """The pause that OpenAI's `chunking_strategy` names, within SILENCE_MS; None where it names none ("auto").

    Raises:
        BadRequest: the pause is not a number.
    """
    named = strategy.get("silence_duration_ms") if isinstance(strategy, dict) else None
    if named in (None, ""):
        return None
    try:
        silence_ms = int(float(named))
    except (TypeError, ValueError, OverflowError):
        raise BadRequest(
            "`chunking_strategy.silence_duration_ms` must be a number of milliseconds",
            param="chunking_strategy",
        ) from None
    return min(max(silence_ms, SILENCE_MS[0]), SILENCE_MS[-1])


AUTO = "auto"

MANUAL_NAMES = ("gpt-realtime-whisper", "gpt-live-transcribe")
"""Models that live sessions alone have: at OpenAI they end no turn by themselves."""
OPENAI_NAMES = (
    "whisper-1", "gpt-transcribe", "gpt-4o-transcribe", "gpt-4o-mini-transcribe",
    "gpt-4o-mini-transcribe-2025-12-15", "gpt-4o-transcribe-diarize", *MANUAL_NAMES,
)  # fmt: skip
"""Each of them means the default engine, live and for recordings: clients have one of these names built in."""


@dataclass(frozen=True, slots=True)
class RequestedModel:
    """An engine and its checkpoint. None: the settings choose the engine, and the engine its checkpoint."""

    provider: str | None
    model: str | None = None


def find_model(model_id: str, engines: Mapping[str, Sequence[str]]) -> RequestedModel:
    """The engine and checkpoint that `model_id` names.

    `engines` has the checkpoints of each engine by its name, the best engine first.

    Raises:
        ModelNotFound: it names none; the message lists the known ids.
    """
    if not model_id or model_id in OPENAI_NAMES:
        return RequestedModel(None)
    if model_id == AUTO or model_id in engines:
        return RequestedModel(model_id)
    for name, checkpoints in engines.items():
        for checkpoint in checkpoints:
            if model_id in (checkpoint, f"{name}/{checkpoint}"):
                return RequestedModel(name, checkpoint)
    raise ModelNotFound(
        f"there is no speech model of this name; known: {', '.join(list_model_ids(engines))}", param="model"
    )


def list_model_ids(engines: Mapping[str, Sequence[str]]) -> list[str]:
    """Every known id, the default first."""
    checkpoints = [f"{name}/{checkpoint}" for name, known in engines.items() for checkpoint in known]
    return [OPENAI_NAMES[0], AUTO, *engines, *checkpoints]
