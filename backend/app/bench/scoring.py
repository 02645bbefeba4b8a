"""Scores of a session's events: latencies, broken guarantees, words shown and retracted."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from app.bench.clips import PlacedClip
from app.bench.speaker import SessionLog, list_finals
from app.bench.words import count_missing, count_retracted, normalize_words

PRE_ROLL_MS = 400
"""The server's utterances begin this long before speech, as long as there is audio to begin with."""

TimedEvent = tuple[float, Mapping[str, Any]]


@dataclass(slots=True)
class Score:
    """One session, or several joined by `add`."""

    first_partial_ms: list[float] = field(default_factory=list)
    partial_lag_ms: list[float] = field(default_factory=list)
    to_eager_ms: list[float] = field(default_factory=list)
    to_final_ms: list[float] = field(default_factory=list)
    """End of speech to final, as the client sees it."""
    endpoint_ms: list[float] = field(default_factory=list)
    queue_ms: list[float] = field(default_factory=list)
    decode_ms: list[float] = field(default_factory=list)
    beyond_ms: list[float] = field(default_factory=list)
    """End of speech to final without the silence that was waited for."""
    unexplained_ms: list[float] = field(default_factory=list)
    """Wait that the final's timing does not explain: network and event loop."""
    stable_violations: int = 0
    eager_violations: int = 0
    stable_words: int = 0
    stable_wrong: int = 0
    """Words of the last stable prefix that are missing in the final."""
    shown_back: int = 0
    """Words of partials that the next partial changed or removed."""
    final_words: int = 0
    degraded: int = 0
    """How often the server announced fewer partials."""

    def add(self, other: "Score") -> None:
        for name in self.__slots__:
            setattr(self, name, getattr(self, name) + getattr(other, name))


def score_session(log: SessionLog, lang: str) -> Score:
    """Score one live session."""
    found = Score(
        degraded=sum(bool(data.get("degraded")) for _, data in log.events if data["type"] == "status")
    )
    for events in group_by_utterance(log).values():
        _add_latency(events, found)
        _add_stability(events, lang, found)
    return found


def group_by_utterance(log: SessionLog) -> dict[int, list[TimedEvent]]:
    """The events of each utterance in order."""
    found: dict[int, list[TimedEvent]] = {}
    for at, data in log.events:
        if "utterance_id" in data:
            found.setdefault(data["utterance_id"], []).append((at, data))
    return found


def _add_latency(events: Sequence[TimedEvent], found: Score) -> None:
    partials = [(at, data) for at, data in events if data["type"] == "partial" and data["text"]]
    start_ms = next((data["start_ms"] for _, data in events if "start_ms" in data), 0)
    if partials:
        found.first_partial_ms.append(partials[0][0] - start_ms - PRE_ROLL_MS)
    found.partial_lag_ms += [at - data["end_ms"] for at, data in partials]
    final = next(((at, data) for at, data in events if data["type"] == "final" and data["text"]), None)
    if final is None:
        return
    at, data = final
    timing = data["timing"]
    waited_ms = at - timing["speech_end_ms"]
    parts = [timing[name] for name in ("endpoint_ms", "queue_ms", "decode_ms")]
    found.to_final_ms.append(waited_ms)
    found.endpoint_ms.append(parts[0])
    found.queue_ms.append(parts[1])
    found.decode_ms.append(parts[2])
    found.beyond_ms.append(waited_ms - parts[0])
    found.unexplained_ms.append(waited_ms - sum(parts))
    eager = [moment for moment, told in events if told["type"] == "eager_final" and moment <= at]
    if eager:
        found.to_eager_ms.append(eager[-1] - timing["speech_end_ms"])


def _add_stability(events: Sequence[TimedEvent], lang: str, found: Score) -> None:
    partials = [data for _, data in events if data["type"] == "partial"]
    for before, after in pairwise(partials):
        found.stable_violations += not after["stable"].startswith(before["stable"])
    found.stable_violations += sum(not data["text"].startswith(data["stable"]) for data in partials)
    found.eager_violations += _count_eager_violations(events)
    said = next((data["text"] for _, data in events if data["type"] == "final"), None)
    if said is None:
        return
    words = normalize_words(said, lang)
    held = normalize_words(partials[-1]["stable"], lang) if partials else []
    found.stable_words += len(held)
    found.stable_wrong += count_missing(held, words)
    found.shown_back += count_retracted([normalize_words(data["text"], lang) for data in partials] + [words])
    found.final_words += len(words)


def _count_eager_violations(events: Sequence[TimedEvent]) -> int:
    """A final that is not its eager final, without `turn_resumed` between them."""
    pending: str | None = None
    count = 0
    for _, data in events:
        match data["type"]:
            case "eager_final":
                pending = data["text"]
            case "turn_resumed":
                pending = None
            case "final":
                count += pending is not None and data["text"] != pending
                pending = None
    return count


def find_lost_clips(lines: Sequence[PlacedClip], log: SessionLog) -> list[str]:
    """Ids of the clips that no final with text overlaps."""
    heard = [(data["start_ms"], data["end_ms"]) for _, data in list_finals(log)]
    return [
        line.clip.id
        for line in lines
        if not any(start < line.end_ms and end > line.start_ms for start, end in heard)
    ]
