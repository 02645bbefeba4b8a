"""What a client receives: events during a dictation, transcriptions, and answers of a language model."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Event:
    """One event of the speech socket: `ready`, `partial`, `final`, `stopped` …"""

    type: str
    text: str = ""
    """Text of a partial or a final."""
    stable: str = ""
    """Prefix of a partial's `text` that will not change any more."""
    data: Mapping[str, Any] = field(default_factory=dict)
    """The whole event as the server sent it; its fields are those of docs/speech-socket.md."""

    @classmethod
    def from_wire(cls, data: Mapping[str, Any]) -> "Event":
        """Read one decoded message; types and fields that only a newer server knows are kept."""
        return cls(
            type=str(data.get("type", "")),
            text=str(data.get("text", "")),
            stable=str(data.get("stable", "")),
            data=data,
        )


@dataclass(frozen=True, slots=True)
class SegmentWord:
    """One word and its time from the start of the recording."""

    text: str
    start_ms: int
    end_ms: int


@dataclass(frozen=True, slots=True)
class Segment:
    """One utterance and its time from the start of the recording."""

    text: str
    start_ms: int
    end_ms: int
    words: tuple[SegmentWord, ...] = ()

    @classmethod
    def from_final(cls, event: Event) -> "Segment":
        words = event.data.get("words") or ()
        return cls(
            text=event.text,
            start_ms=event.data.get("start_ms", 0),
            end_ms=event.data.get("end_ms", 0),
            words=tuple(
                SegmentWord(text=word["word"], start_ms=word["start_ms"], end_ms=word["end_ms"])
                for word in words
            ),
        )


@dataclass(frozen=True, slots=True)
class Transcription:
    """The text of one recording."""

    text: str
    segments: tuple[Segment, ...]
    lang: str | None
    provider: str | None
    model: str | None
    audio_ms: int


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer of a language model."""

    text: str
    provider: str
    model: str | None
    finish_reason: str | None
    usage: Mapping[str, Any] | None
