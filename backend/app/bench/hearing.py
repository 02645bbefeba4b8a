"""What a live session made of each clip that was spoken: which words are right, when they were shown, what doubled."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.bench.clips import RATE_HZ, PlacedClip
from app.bench.scoring import TimedEvent, group_by_utterance
from app.bench.speaker import SessionLog
from app.bench.words import normalize_words

FIRST_WORDS = 3
"""The first right word is one of so many: an engine may mishear the very first one for good."""
ONSET_DB = 25.0
"""Speech begins where the level first comes this near to that of the loudest parts."""
FRAME_S = 0.02
LEAST_DOUBLE = 2
"""A doubled run has at least so many words: single words are repeated by people, too."""
SHOWN = ("partial", "eager_final", "final")


@dataclass(frozen=True, slots=True)
class Hearing:
    """One spoken clip, as the client of a live session got it. Times in ms."""

    clip: str
    text: str
    """Its finals, joined."""
    words: int
    """Words of the truth."""
    right: tuple[int, ...]
    """Which of them the finals have, in order."""
    first_word_ms: float | None
    """From the onset of speech to the first text with one of the first words; None where none came before the end."""
    gap_ms: float | None
    """The longest time without a new partial while an utterance went on, after its first."""
    settled_ms: tuple[float, ...]
    """For each utterance: from the end of its speech until the shown words stay as they are; at least 0."""
    doubled: bool
    """A run of words was written twice in a row that was said once."""


def hear_clips(lines: Sequence[PlacedClip], log: SessionLog, onsets_ms: Mapping[str, float]) -> list[Hearing]:
    """What the session made of each clip. An utterance belongs to the clip that it overlaps most."""
    mine: dict[int, list[list[TimedEvent]]] = {}
    for events in group_by_utterance(log).values():
        if (place := _find_clip(lines, events)) is not None:
            mine.setdefault(place, []).append(events)
    return [
        _hear_clip(line, mine.get(place, []), onsets_ms.get(line.clip.id, 0.0))
        for place, line in enumerate(lines)
    ]


def find_onset_ms(samples: NDArray[np.int16]) -> float:
    """Where speech begins in a clip."""
    size = int(FRAME_S * RATE_HZ)
    frames = samples[: len(samples) // size * size].reshape(-1, size).astype(np.float64)
    levels_db = 10 * np.log10(np.mean(frames**2, axis=1) + 1e-9)
    if not len(levels_db):
        return 0.0
    loud_db = float(np.quantile(levels_db, 0.95))
    return float(np.argmax(levels_db >= loud_db - ONSET_DB)) * FRAME_S * 1000


def find_right_words(truth: Sequence[str], heard: Sequence[str]) -> tuple[int, ...]:
    """Places of the words of `truth` that `heard` has in the same order."""
    blocks = SequenceMatcher(None, truth, heard, autojunk=False).get_matching_blocks()
    return tuple(place for block in blocks for place in range(block.a, block.a + block.size))


def has_first_word(truth: Sequence[str], heard: Sequence[str]) -> bool:
    """Whether one of the first words of `truth` is among the first of `heard`."""
    return bool(set(truth[:FIRST_WORDS]) & set(heard[: 2 * FIRST_WORDS]))


def is_doubled(truth: Sequence[str], heard: Sequence[str]) -> bool:
    """Whether a run of words comes twice in a row in `heard`, and not in `truth`."""
    return _longest_double(heard) >= LEAST_DOUBLE and _longest_double(heard) > _longest_double(truth)


def _longest_double(words: Sequence[str]) -> int:
    for length in range(len(words) // 2, 0, -1):
        for at in range(len(words) - 2 * length + 1):
            if words[at : at + length] == words[at + length : at + 2 * length]:
                return length
    return 0


def _find_clip(lines: Sequence[PlacedClip], events: Sequence[TimedEvent]) -> int | None:
    spans = [
        (data["start_ms"], data["end_ms"])
        for _, data in events
        if "start_ms" in data and "end_ms" in data and data["type"] in SHOWN
    ]
    if not spans:
        return None
    start, end = spans[-1]
    overlaps = [min(end, line.end_ms) - max(start, line.start_ms) for line in lines]
    best = max(range(len(lines)), key=lambda place: overlaps[place])
    return best if overlaps[best] > 0 else None


def _hear_clip(line: PlacedClip, utterances: Sequence[Sequence[TimedEvent]], onset_ms: float) -> Hearing:
    lang = line.clip.lang
    truth = normalize_words(line.clip.text, lang)
    shown = [(at, data) for events in utterances for at, data in events if data["type"] in SHOWN]
    finals = [data["text"] for _, data in shown if data["type"] == "final"]
    heard = normalize_words(" ".join(finals), lang)
    first = next(
        (at for at, data in shown if has_first_word(truth, normalize_words(data["text"], lang))), None
    )
    gaps = [gap for events in utterances for gap in _list_gaps(events)]
    settled = [_find_settled_ms(events, lang) for events in utterances]
    return Hearing(
        clip=line.clip.id,
        text=" ".join(finals),
        words=len(truth),
        right=find_right_words(truth, heard),
        first_word_ms=None if first is None else round(first - line.start_ms - onset_ms, 1),
        gap_ms=round(max(gaps), 1) if gaps else None,
        settled_ms=tuple(round(ms, 1) for ms in settled if ms is not None),
        doubled=is_doubled(truth, heard),
    )


def _list_gaps(events: Sequence[TimedEvent]) -> list[float]:
    """Times between partials of one utterance, and from the last one to the end of speech."""
    times = [at for at, data in events if data["type"] == "partial"]
    ends = [data["timing"]["speech_end_ms"] for _, data in events if data["type"] == "final"]
    gaps = [after - before for before, after in pairwise(times)]
    if times and ends:
        gaps.append(ends[0] - times[-1])
    return gaps


def _find_settled_ms(events: Sequence[TimedEvent], lang: str) -> float | None:
    """From the end of speech until the last change of the shown words; None without a final that has words."""
    shown = [(at, normalize_words(data["text"], lang), data) for at, data in events if data["type"] in SHOWN]
    final: Mapping[str, Any] | None = next((data for _, _, data in shown if data["type"] == "final"), None)
    if final is None or not final["text"]:
        return None
    last = next(words for _, words, data in shown if data is final)
    settled_at = shown[-1][0]
    for at, words, _ in reversed(shown):
        if words != last:
            break
        settled_at = at
    return max(settled_at - float(final["timing"]["speech_end_ms"]), 0.0)
