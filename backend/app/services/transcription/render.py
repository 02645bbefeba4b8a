"""A transcription in the forms that OpenAI's API knows; pure."""

import math
import zlib
from typing import Any

from app.schemas.openai.audio import (
    DurationUsage,
    SegmentOut,
    TranscriptionOut,
    VerboseTranscriptionOut,
    WordOut,
)
from app.services.transcription.said import Said, Whole, piece
from app.utils.languages import name_of


def plain(whole: Whole) -> TranscriptionOut:
    """`json`."""
    return TranscriptionOut(text=whole.text, usage=usage(whole))


def verbose(whole: Whole, *, words: bool) -> VerboseTranscriptionOut:
    """`verbose_json`."""
    found = [
        WordOut(word=word.text.strip(), start=_s(word.start_ms), end=_s(word.end_ms)) for word in whole.words
    ]
    return VerboseTranscriptionOut(
        language=name_of(whole.lang),
        duration=round(whole.duration_s, 3),
        text=whole.text,
        segments=[_segment(number, said) for number, said in enumerate(whole.utterances)],
        words=found if words else None,
        usage=usage(whole),
    )


def delta(said: Said, *, first: bool) -> dict[str, Any]:
    """The event of one utterance. `start` and `end` are ours (s)."""
    return {
        "type": "transcript.text.delta",
        "delta": piece(said, first=first),
        "start": _s(said.start_ms),
        "end": _s(said.end_ms),
    }


def done(whole: Whole) -> dict[str, Any]:
    """The last event."""
    return {"type": "transcript.text.done", "text": whole.text, "usage": usage(whole).model_dump()}


def usage(whole: Whole) -> DurationUsage:
    return DurationUsage(seconds=round(whole.duration_s, 3))


def _segment(number: int, said: Said) -> SegmentOut:
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
