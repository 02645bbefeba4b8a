"""What a client receives: events during a dictation, transcriptions, and answers of a language model."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from app.utils.joining import TextPart, fit_texts, join_texts


@dataclass(frozen=True, slots=True)
class Event:
    """One event of the speech socket: `ready`, `partial`, `final`, `stopped` …"""

    type: str
    text: str = ""
    """Text of a partial or a final."""
    stable: str = ""
    """Prefix of a partial's `text` that will not change any more."""
    joined: bool = False
    """A final goes on with the sentence of the final before it: `join_finals` makes one text of them."""
    data: Mapping[str, Any] = field(default_factory=dict)
    """The whole event as the server sent it; its fields are those of docs/speech-socket.md."""

    @property
    def part(self) -> TextPart:
        return TextPart(self.text, self.joined, self.data.get("lang"))

    @classmethod
    def from_wire(cls, data: Mapping[str, Any]) -> "Event":
        """Read one decoded message; types and fields that only a newer server knows are kept."""
        return cls(
            type=str(data.get("type", "")),
            text=str(data.get("text", "")),
            stable=str(data.get("stable", "")),
            joined=bool(data.get("joined", False)),
            data=data,
        )


def join_finals(events: Iterable[Event]) -> str:
    """The text of a dictation from its finals; events of other types are passed over."""
    return join_texts(event.part for event in events if event.type == "final")


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
    joined: bool = False
    """The text goes on with the sentence of the segment before it."""

    @classmethod
    def from_final(cls, event: Event) -> "Segment":
        words = event.data.get("words") or ()
        return cls(
            text=event.text,
            start_ms=event.data.get("start_ms", 0),
            end_ms=event.data.get("end_ms", 0),
            joined=event.joined,
            words=tuple(
                SegmentWord(text=word["word"], start_ms=word["start_ms"], end_ms=word["end_ms"])
                for word in words
            ),
        )


def make_segments(finals: Sequence[Event]) -> tuple[Segment, ...]:
    """The segments of finals. A closing mark is left out where the next final goes on with the sentence."""
    texts = fit_texts([final.part for final in finals])
    return tuple(
        replace(Segment.from_final(final), text=text) for final, text in zip(finals, texts, strict=True)
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
