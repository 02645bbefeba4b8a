"""The result of a transcription, and its forms in OpenAI's API: JSON, text, SRT and VTT."""

import math
import zlib
from collections import Counter
from dataclasses import dataclass
from typing import Any

from app.schemas.openai_audio import (
    DurationUsage,
    SegmentOut,
    TranscriptionOut,
    VerboseTranscriptionOut,
    WordOut,
)
from app.services.decoding.stability import UNSPACED
from app.utils.languages import language_name


@dataclass(frozen=True, slots=True)
class TranscribedWord:
    """One word and its time from the start of the recording."""

    text: str
    start_ms: int
    end_ms: int
    confidence: float


@dataclass(frozen=True, slots=True)
class TranscribedUtterance:
    """One utterance and its time from the start of the recording."""

    text: str
    start_ms: int
    end_ms: int
    words: tuple[TranscribedWord, ...] = ()
    lang: str | None = None
    model: str | None = None


@dataclass(frozen=True, slots=True)
class TranscriptionProgress:
    """How far the recording has been understood."""

    done_s: float
    duration_s: float | None
    """As its file claims."""


@dataclass(frozen=True, slots=True)
class RecordingTranscript:
    """A recording's text."""

    utterances: tuple[TranscribedUtterance, ...]
    duration_s: float
    lang: str | None

    @property
    def text(self) -> str:
        return "".join(pieces(self.utterances))

    @property
    def words(self) -> list[TranscribedWord]:
        return [word for said in self.utterances for word in said.words]


def piece(said: TranscribedUtterance, *, first: bool) -> str:
    """The text of an utterance with what separates it from the one before."""
    return said.text if first or said.lang in UNSPACED else f" {said.text}"


def pieces(utterances: tuple[TranscribedUtterance, ...]) -> list[str]:
    return [piece(said, first=number == 0) for number, said in enumerate(utterances)]


def main_language(utterances: tuple[TranscribedUtterance, ...], asked: str | None) -> str | None:
    """The language most of it is in, as far as the engine tells."""
    spoken: Counter[str] = Counter()
    for said in utterances:
        if said.lang is not None:
            spoken[said.lang] += max(said.end_ms - said.start_ms, 1)
    return spoken.most_common(1)[0][0] if spoken else asked


def plain(whole: RecordingTranscript) -> TranscriptionOut:
    """`json`."""
    return TranscriptionOut(text=whole.text, usage=usage(whole))


def verbose(whole: RecordingTranscript, *, words: bool) -> VerboseTranscriptionOut:
    """`verbose_json`."""
    found = [
        WordOut(word=word.text.strip(), start=_s(word.start_ms), end=_s(word.end_ms)) for word in whole.words
    ]
    return VerboseTranscriptionOut(
        language=language_name(whole.lang),
        duration=round(whole.duration_s, 3),
        text=whole.text,
        segments=[_segment(number, said) for number, said in enumerate(whole.utterances)],
        words=found if words else None,
        usage=usage(whole),
    )


def delta(said: TranscribedUtterance, *, first: bool) -> dict[str, Any]:
    """The event of one utterance. `start` and `end` are ours (s)."""
    return {
        "type": "transcript.text.delta",
        "delta": piece(said, first=first),
        "start": _s(said.start_ms),
        "end": _s(said.end_ms),
    }


def done(whole: RecordingTranscript) -> dict[str, Any]:
    """The last event."""
    return {"type": "transcript.text.done", "text": whole.text, "usage": usage(whole).model_dump()}


def usage(whole: RecordingTranscript) -> DurationUsage:
    return DurationUsage(seconds=round(whole.duration_s, 3))


def _segment(number: int, said: TranscribedUtterance) -> SegmentOut:
    confidences = [word.confidence for word in said.words if word.confidence > 0]
    text = said.text.encode()
    return SegmentOut(
        id=number,
        seek=said.start_ms // 10,
        start=_s(said.start_ms),
        end=_s(said.end_ms),
        text=said.text,
        tokens=[],
        temperature=0.0,
        avg_logprob=round(sum(map(math.log, confidences)) / len(confidences), 4) if confidences else 0.0,
        compression_ratio=round(len(text) / len(zlib.compress(text)), 4),
        no_speech_prob=0.0,
    )


def _s(ms: int) -> float:
    return round(ms / 1000, 3)
