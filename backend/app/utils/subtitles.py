"""Subtitles of utterances, as short cues in SubRip (srt) and WebVTT (vtt)."""

import textwrap
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Protocol

LINE_CHARACTERS = 42
CUE_CHARACTERS = 2 * LINE_CHARACTERS
"""Two lines of 42 characters, the usual limit of broadcasters."""
CUE_MS = 7000


class TimedText(Protocol):
    """A text and its time in the recording."""

    @property
    def text(self) -> str: ...
    @property
    def start_ms(self) -> int: ...
    @property
    def end_ms(self) -> int: ...


class TimedUtterance(TimedText, Protocol):
    """An utterance, with its words if their times are known."""

    @property
    def words(self) -> Sequence[TimedText]: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Cue:
    """One text on the screen, and its time."""

    text: str
    start_ms: int
    end_ms: int


def to_srt(segments: Sequence[TimedUtterance]) -> str:
    """Write SubRip: numbered cues, times with a comma."""
    cues = [
        f"{number}\n{_clock(cue.start_ms, ',')} --> {_clock(cue.end_ms, ',')}\n{_lines(cue.text)}\n"
        for number, cue in enumerate(make_cues(segments), start=1)
    ]
    return "\n".join(cues)


def to_vtt(segments: Sequence[TimedUtterance]) -> str:
    """Write WebVTT: a header, times with a full stop, and escaped markup."""
    cues = []
    for cue in make_cues(segments):
        text = _lines(cue.text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
        cues.append(f"\n{_clock(cue.start_ms, '.')} --> {_clock(cue.end_ms, '.')}\n{text}\n")
    return "WEBVTT\n" + "".join(cues)


def make_cues(segments: Sequence[TimedUtterance]) -> list[Cue]:
    """Make one cue for each utterance, several for a long one whose word times are known; no two cues overlap."""
    cues = [cue for segment in segments for cue in _split(segment)]
    clipped = [
        Cue(
            text=cue.text,
            start_ms=cue.start_ms,
            end_ms=max(cue.start_ms + 1, min(cue.end_ms, after.start_ms)),
        )
        for cue, after in pairwise(cues)
    ]
    return clipped + cues[-1:]


def _split(segment: TimedUtterance) -> Iterable[Cue]:
    fits = len(segment.text) <= CUE_CHARACTERS and segment.end_ms - segment.start_ms <= CUE_MS
    if fits or not segment.words:
        return [Cue(text=segment.text, start_ms=segment.start_ms, end_ms=segment.end_ms)]
    cues: list[list[TimedText]] = [[]]
    for word in segment.words:
        now = cues[-1]
        characters = sum(len(w.text) + 1 for w in now) + len(word.text)
        if now and (characters > CUE_CHARACTERS or word.end_ms - now[0].start_ms > CUE_MS):
            cues.append([])
        cues[-1].append(word)
    return [
        Cue(text=" ".join(w.text.strip() for w in cue), start_ms=cue[0].start_ms, end_ms=cue[-1].end_ms)
        for cue in cues
    ]


def _lines(text: str) -> str:
    return "\n".join(textwrap.wrap(text, LINE_CHARACTERS, break_long_words=False)) or text


def _clock(ms: int, mark: str) -> str:
    seconds, ms = divmod(ms, 1000)
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:02}:{minutes:02}:{seconds:02}{mark}{ms:03}"
