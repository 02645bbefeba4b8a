"""How far a live session is, as the log of sessions has it: enough for another server to go on; pure."""

from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any, Literal

import orjson

from app.services.audio.endpointing import FRAME_SAMPLES

LEAD_SAMPLES = 32_000
"""An utterance reaches back into the silence before it, and the speech gate knows what it has heard last: 2 s."""
MOST_UNWRITTEN_EVENTS = 100_000
"""Expendable events that may have left since the last append: more are no number of this session."""

MarkKind = Literal["finish", "flush", "stop"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """A place in the audio at which what had been said was finalised, whatever the silence."""

    kind: MarkKind
    position: int
    """Bytes of audio before it."""
    sample: int
    """The number of the next sample at 16 kHz: a resampler holds samples back until then."""
    id: str | int | None = None
    """Of the client's `flush`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownText:
    """What the client has been shown of the utterance that is being decoded."""

    utterance_id: int
    revision: int
    text: str
    stable: str
    eager: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class HeardState:
    """How far a dictation is. Positions are session samples at 16 kHz, but for those in bytes."""

    received: int = 0
    settled: int = 0
    """Audio before it needs no text any more."""
    told: int = 0
    """Utterances up to this number have their last event."""
    told_end: int = 0
    """Where that utterance ends."""
    started: int = 0
    """Utterances up to this number have had `speech_started` …"""
    stopped: int = 0
    """… and `speech_stopped`, where the client gets those."""
    shown: ShownText | None = None
    speech_samples: int = 0
    finals: int = 0
    discarded: int = 0
    marks: tuple[Mark, ...] = ()
    """In order: those that may have to be heard again, and the last one before."""
    context: dict[str, Any] | None = None
    """What the finals so far tell the next decodes, of an engine that decodes windows."""

    def find_lead(self, rate_hz: int) -> tuple[int, int]:
        """Sample and byte with which to begin to hear again: a frame of the speech gate begins there."""
        wanted = max(self.settled - LEAD_SAMPLES, 0)
        before = [mark for mark in self.marks if mark.sample <= wanted]
        base_sample, base_byte = (before[-1].sample, before[-1].position) if before else (0, 0)
        sample = base_sample + (wanted - base_sample) // FRAME_SAMPLES * FRAME_SAMPLES
        return sample, base_byte + (sample - base_sample) * rate_hz // 16_000 * 2


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionState:
    """How far a session is."""

    seq: int
    """Number of its last event."""
    audio_seq: int
    """Number of its last audio message."""
    rate_hz: int | None
    odd: str
    """The byte that waits for its other half, as hex."""
    is_over: bool
    """Whether its dictation has ended, `stopped` included."""
    is_stopping: bool
    """Whether the client has sent `stop`."""
    needed: int
    """Audio before this byte is not heard again."""
    heard: HeardState = field(default_factory=HeardState)
    written: int = 0
    """Bytes of audio that the log has had."""
    lost_seq: int = 0
    """Events up to this number are not kept any more."""
    is_stored: bool = False
    """Whether its dictation has been stored: where it is gone, its user has deleted it."""

    def can_replay(self, last_seq: int) -> bool:
        """Whether a client that has events up to this one can be sent all that follow."""
        return self.lost_seq <= last_seq <= self.seq + MOST_UNWRITTEN_EVENTS

    @classmethod
    def load(cls, text: str) -> "SessionState":
        fields: dict[str, Any] = orjson.loads(text)
        heard: dict[str, Any] = fields.pop("heard")
        marks = tuple(Mark(**mark) for mark in heard.pop("marks"))
        shown = heard.pop("shown")
        return cls(
            **fields,
            heard=HeardState(**heard, marks=marks, shown=None if shown is None else ShownText(**shown)),
        )


def dump_state(state: SessionState) -> dict[str, Any]:
    return asdict(state)


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionAbout:
    """What a dictation began with."""

    config: dict[str, Any]
    """The client's options."""
    provider: str
    model: str | None
    started_at: datetime
    base_ms: int
    """Where in the dictation its first sample lies."""

    def dump(self) -> str:
        return orjson.dumps(asdict(self)).decode()

    @classmethod
    def load(cls, text: str) -> "SessionAbout":
        fields: dict[str, Any] = orjson.loads(text)
        started_at = datetime.fromisoformat(fields.pop("started_at"))
        return cls(**fields, started_at=started_at)
