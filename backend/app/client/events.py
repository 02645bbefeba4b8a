"""What a client gets back: events while dictating, transcriptions and answers at the end."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Event:
    """One event of a dictation, in the words of the socket: `ready`, `partial`, `final`, `stopped` …"""

    type: str
    text: str = ""
    """Of a partial or a final."""
    stable: str = ""
    """Of a partial: the prefix of `text` that will not change any more."""
    data: Mapping[str, Any] = field(default_factory=dict)
    """The whole event as the server sent it, with the fields named in docs/speech-socket.md."""

    @classmethod
    def from_wire(cls, data: Mapping[str, Any]) -> "Event":
        """Read one decoded message; unknown types and fields are kept, since a newer server may have more."""
        return cls(str(data.get("type", "")), str(data.get("text", "")), str(data.get("stable", "")), data)


@dataclass(frozen=True, slots=True)
class Word:
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
    words: tuple[Word, ...] = ()

    @classmethod
    def from_final(cls, event: Event) -> "Segment":
        words = event.data.get("words") or ()
        return cls(
            event.text,
            event.data.get("start_ms", 0),
            event.data.get("end_ms", 0),
            tuple(Word(word["word"], word["start_ms"], word["end_ms"]) for word in words),
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
    """What the language model said."""

    text: str
    provider: str
    model: str | None
    finish_reason: str | None
    usage: Mapping[str, Any] | None
