"""What a transcription request asks for: its options, and the engine that its model name means; pure."""

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
    """How a recording is to be understood."""

    model: str = ""
    lang: str | None = None
    """BCP-47; None takes that of the settings."""
    words: bool = False
    vocabulary: tuple[str, ...] = ()
    silence_ms: int | None = None
    """Pause at which to cut; None takes that of the profile `dictation`."""


def language(said: str | None, among: Iterable[str] = ()) -> str | None:
    """The tag of the language named; where none is, that of `among` if it holds a single one.

    Raises:
        LanguageNotSupported: it is no language.
    """
    several = [one for one in among if one.strip()]
    said = said or (several[0] if len(several) == 1 else "")
    if not said.strip() or said.strip().lower() == "auto":
        return None
    if (tag := parse_language(said)) is None:
        raise LanguageNotSupported(
            "`language` names no language; give a code like 'es' or 'en-GB', an English name like 'spanish', or"
            " leave it out",
            param="language",
        )
    return tag


def vocabulary(prompt: str, keywords: Iterable[str]) -> tuple[str, ...]:
    """Terms to listen for: the keywords, then what the prompt lists or says."""
    terms: dict[str, None] = {}
    for text in (*keywords, *_BETWEEN_TERMS.split(prompt)):
        if term := " ".join(text.split())[:TERM_CHARACTERS].strip():
            terms[term] = None
    return tuple(terms)[:MAX_TERMS]


def silence_ms(strategy: Any) -> int | None:
    """The pause that OpenAI's `chunking_strategy` asks for, where it asks for one ("auto" does not)."""
    said = strategy.get("silence_duration_ms") if isinstance(strategy, dict) else None
    if said in (None, ""):
        return None
    try:
        wanted = int(float(said))
    except (TypeError, ValueError, OverflowError):
        raise BadRequest(
            "`chunking_strategy.silence_duration_ms` must be a number of milliseconds",
            param="chunking_strategy",
        ) from None
    return min(max(wanted, SILENCE_MS[0]), SILENCE_MS[-1])


AUTO = "auto"

OPENAI_NAMES = (
    "whisper-1", "gpt-transcribe", "gpt-4o-transcribe", "gpt-4o-mini-transcribe",
    "gpt-4o-mini-transcribe-2025-12-15", "gpt-4o-transcribe-diarize",
)  # fmt: skip
"""All of them mean the default engine: clients have one of these built in."""


@dataclass(frozen=True, slots=True)
class RequestedModel:
    """An engine and its checkpoint; None leaves the choice to the settings and to the engine."""

    provider: str | None
    model: str | None = None


def find(model_id: str, engines: Mapping[str, Sequence[str]]) -> RequestedModel:
    """What `model_id` means among `engines` (name -> its checkpoints, those of the best engine first).

    Raises:
        ModelNotFound: nothing; the message lists what there is.
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
        f"there is no speech model {model_id!r}; known: {', '.join(known(engines))}", param="model"
    )


def known(engines: Mapping[str, Sequence[str]]) -> list[str]:
    """Every id, the default first."""
    checkpoints = [f"{name}/{checkpoint}" for name, there in engines.items() for checkpoint in there]
    return [OPENAI_NAMES[0], AUTO, *engines, *checkpoints]
