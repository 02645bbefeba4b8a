"""The text of a recording, and its forms in OpenAI's API: `json`, `verbose_json` and events."""

import math
import zlib
from collections import Counter
from dataclasses import dataclass, replace
from typing import Any, Literal

from app.schemas.openai_audio import (
    DiscardedOut,
    DurationUsage,
    SegmentOut,
    TranscriptionOut,
    UncoveredOut,
    VerboseTranscriptionOut,
    WordOut,
)
from app.utils.joining import TextPart, fit_texts, join_texts
from app.utils.languages import language_name


@dataclass(frozen=True, slots=True)
class TranscribedWord:
    """One word; times from the start of the recording."""

    text: str
    start_ms: int
    end_ms: int
    confidence: float


@dataclass(frozen=True, slots=True)
class TranscribedUtterance:
    """One utterance; times from the start of the recording."""

    text: str
    start_ms: int
    end_ms: int
    words: tuple[TranscribedWord, ...] = ()
    lang: str | None = None
    model: str | None = None
    joined: bool = False
    """The text goes on with the sentence of the utterance before it."""

    @property
    def part(self) -> TextPart:
        return TextPart(self.text, self.joined, self.lang)


@dataclass(frozen=True, slots=True)
class DiscardedAudio:
    """Audio that came to nothing; times from the start of the recording."""

    reason: str
    """A `DiscardReason`, or an engine's own."""
    start_ms: int
    end_ms: int
    dbfs: float
    """Its level (dB below full scale)."""


@dataclass(frozen=True, slots=True)
class UncoveredAudio:
    """Audible speech in the middle of a text that has no words for it; times from the start of the recording."""

    start_ms: int
    end_ms: int
    dbfs: float
    """Its level (dB below full scale)."""


@dataclass(frozen=True, slots=True)
class TranscriptionProgress:
    """How much of the recording is transcribed."""

    done_s: float
    duration_s: float | None
    """As the file claims; None where it does not say."""


@dataclass(frozen=True, slots=True)
class RecordingTranscript:
    """The text of a recording."""

    utterances: tuple[TranscribedUtterance, ...]
    duration_s: float
    lang: str | None
    discarded: tuple[DiscardedAudio, ...] = ()
    uncovered: tuple[UncoveredAudio, ...] = ()

    @property
    def text(self) -> str:
        return join_texts(utterance.part for utterance in self.utterances)

    @property
    def fitted(self) -> list[TranscribedUtterance]:
        """The utterances without the closing marks where the next one goes on with the sentence."""
        texts = fit_texts([utterance.part for utterance in self.utterances])
        return [replace(one, text=text) for one, text in zip(self.utterances, texts, strict=True)]

    @property
    def words(self) -> list[TranscribedWord]:
        return [word for utterance in self.utterances for word in utterance.words]


def main_language(utterances: tuple[TranscribedUtterance, ...], requested: str | None) -> str | None:
    """The language that most of the speech is in; the requested one where the engine does not tell."""
    spoken_ms: Counter[str] = Counter()
    for utterance in utterances:
        if utterance.lang is not None:
            spoken_ms[utterance.lang] += max(utterance.end_ms - utterance.start_ms, 1)
    return spoken_ms.most_common(1)[0][0] if spoken_ms else requested


def plain_body(transcript: RecordingTranscript) -> TranscriptionOut:
    """The answer in the format `json`."""
    return TranscriptionOut(
        text=transcript.text,
        usage=usage_of(transcript),
        discarded=_list_discarded(transcript),
        uncovered=_list_uncovered(transcript),
    )


def verbose_body(
    transcript: RecordingTranscript, *, words: bool, task: Literal["transcribe", "translate"] = "transcribe"
) -> VerboseTranscriptionOut:
    """The answer in the format `verbose_json`."""
    timed = [
        WordOut(word=word.text.strip(), start=_seconds(word.start_ms), end=_seconds(word.end_ms))
        for word in transcript.words
    ]
    return VerboseTranscriptionOut(
        task=task,
        language=language_name(transcript.lang),
        duration=round(transcript.duration_s, 3),
        text=transcript.text,
        segments=[_segment(number, utterance) for number, utterance in enumerate(transcript.utterances)],
        words=timed if words else None,
        usage=usage_of(transcript),
        discarded=_list_discarded(transcript),
        uncovered=_list_uncovered(transcript),
    )


def delta_event(utterance: TranscribedUtterance, delta: str) -> dict[str, Any]:
    """The event of one utterance. OpenAI's event has no `start` and `end` (s): they are an addition."""
    return {
        "type": "transcript.text.delta",
        "delta": delta,
        "start": _seconds(utterance.start_ms),
        "end": _seconds(utterance.end_ms),
    }


def done_event(transcript: RecordingTranscript) -> dict[str, Any]:
    """The last event."""
    body = plain_body(transcript).model_dump(exclude_none=True)
    return {"type": "transcript.text.done", **body}


def usage_of(transcript: RecordingTranscript) -> DurationUsage:
    """The length of the recording, as OpenAI reports usage."""
    return DurationUsage(seconds=round(transcript.duration_s, 3))


def _list_discarded(transcript: RecordingTranscript) -> list[DiscardedOut] | None:
    """None where nothing was: the field is left out."""
    return [
        DiscardedOut(reason=one.reason, start_ms=one.start_ms, end_ms=one.end_ms, dbfs=one.dbfs)
        for one in transcript.discarded
    ] or None


def _list_uncovered(transcript: RecordingTranscript) -> list[UncoveredOut] | None:
    return [
        UncoveredOut(start_ms=one.start_ms, end_ms=one.end_ms, dbfs=one.dbfs) for one in transcript.uncovered
    ] or None


def _segment(number: int, utterance: TranscribedUtterance) -> SegmentOut:
    confidences = [word.confidence for word in utterance.words if word.confidence > 0]
    text = utterance.text.encode()
    return SegmentOut(
        id=number,
        seek=utterance.start_ms // 10,
        start=_seconds(utterance.start_ms),
        end=_seconds(utterance.end_ms),
        text=utterance.text,
        tokens=[],
        temperature=0.0,
        avg_logprob=round(sum(map(math.log, confidences)) / len(confidences), 4) if confidences else 0.0,
        compression_ratio=round(len(text) / len(zlib.compress(text)), 4),
        no_speech_prob=0.0,
    )


def _seconds(ms: int) -> float:
    return round(ms / 1000, 3)
