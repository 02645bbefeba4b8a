"""What a transcription gives while it goes on, and what it comes to."""

from collections import Counter
from dataclasses import dataclass

from app.services.streaming.agreement import UNSPACED


@dataclass(frozen=True, slots=True)
class SaidWord:
    """One word and its time from the start of the recording."""

    text: str
    start_ms: int
    end_ms: int
    confidence: float


@dataclass(frozen=True, slots=True)
class Said:
    """One utterance and its time from the start of the recording."""

    text: str
    start_ms: int
    end_ms: int
    words: tuple[SaidWord, ...] = ()
    lang: str | None = None
    model: str | None = None


@dataclass(frozen=True, slots=True)
class Progress:
    """How far the recording has been understood."""

    done_s: float
    duration_s: float | None
    """As its file claims."""


@dataclass(frozen=True, slots=True)
class Whole:
    """A recording's text."""

    utterances: tuple[Said, ...]
    duration_s: float
    lang: str | None

    @property
    def text(self) -> str:
        return "".join(pieces(self.utterances))

    @property
    def words(self) -> list[SaidWord]:
        return [word for said in self.utterances for word in said.words]


def piece(said: Said, *, first: bool) -> str:
    """The text of an utterance with what separates it from the one before."""
    return said.text if first or said.lang in UNSPACED else f" {said.text}"


def pieces(utterances: tuple[Said, ...]) -> list[str]:
    return [piece(said, first=number == 0) for number, said in enumerate(utterances)]


def language_of(utterances: tuple[Said, ...], asked: str | None) -> str | None:
    """The language most of it is in, as far as the engine tells."""
    spoken: Counter[str] = Counter()
    for said in utterances:
        if said.lang is not None:
            spoken[said.lang] += max(said.end_ms - said.start_ms, 1)
    return spoken.most_common(1)[0][0] if spoken else asked
