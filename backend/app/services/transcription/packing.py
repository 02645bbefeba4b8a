"""Packs the utterances of a recording into windows as long as an engine takes at once; pure.

An engine that hears a sentence whole understands it better than its parts, and a recording's next sentences are there
to be read. Long pauses are shortened: they cost time, and engines take them for the end.
"""

from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from app.providers.base import SAMPLE_RATE_HZ, Samples
from app.services.audio.endpointing import SURE_SHARE

KEPT_PAUSE_SAMPLES = SAMPLE_RATE_HZ * 3 // 10
"""What is left of a longer pause: half after the speech before it, half before the speech after it."""

LEAST_WINDOW = 0.5
"""Share of the longest window that a cut may leave: in that range the longest pause is cut."""

LOOKAHEAD = 1.5
"""Windows' worth of audio that is read before one is cut off, so that no short rest remains for the last window."""


@dataclass(frozen=True, slots=True)
class Piece:
    """Speech between two pauses, with audio around it. Numbers are samples of the recording."""

    start: int
    """Of `samples`."""
    onset: int
    speech_end: int
    samples: Samples
    voiced_ms: int = 0
    voiced_share: float = 1.0
    """As in `SpeechEvidence`."""

    @property
    def end(self) -> int:
        return self.start + len(self.samples)


@dataclass(frozen=True, slots=True)
class _Span:
    """Audio of the recording that a window contains without a gap."""

    at: int
    """Its first sample in the window."""
    start: int
    """Its first sample in the recording."""
    samples: Samples


class PackedWindow:
    """Pieces that are decoded together."""

    def __init__(self, pieces: list[Piece]) -> None:
        self.pieces = tuple(pieces)
        self._spans: list[_Span] = []
        at = 0
        for start, samples in _cut_pauses(pieces):
            self._spans.append(_Span(at, start, samples))
            at += len(samples)
        self._starts = [span.at for span in self._spans]
        last = self._spans[-1]
        self.speech_samples = last.at + pieces[-1].speech_end - last.start
        """Where the speech ends in `samples`."""

    @property
    def start(self) -> int:
        """The recording's first sample in the window."""
        return self._spans[0].start

    @property
    def onset(self) -> int:
        """The recording's sample at which the first speech begins."""
        return self.pieces[0].onset

    @property
    def is_sure(self) -> bool:
        """Whether the detector is sure of speech, in the pieces together."""
        voiced_ms = sum(piece.voiced_ms for piece in self.pieces)
        return voiced_ms >= SURE_SHARE * sum(piece.voiced_ms / piece.voiced_share for piece in self.pieces)

    @property
    def samples(self) -> Samples:
        return np.concatenate([span.samples for span in self._spans])

    def locate(self, sample: int, *, end: bool = False) -> int:
        """The recording's sample that the window's `sample` is. At a cut, `end` takes the side before it."""
        index = bisect_right(self._starts, sample - 1 if end and sample > 0 else sample) - 1
        span = self._spans[max(index, 0)]
        return span.start + min(sample - span.at, len(span.samples))

    def locate_speech(self, first: int, last: int) -> tuple[int, int]:
        """The speech between two samples of the window, as samples of the recording: without the silence around it."""
        start, end = self.locate(first), self.locate(last, end=True)
        after = [piece for piece in self.pieces if piece.speech_end > start]
        before = [piece for piece in self.pieces if piece.onset < end]
        if after:
            start = max(start, after[0].onset)
        if before:
            end = min(end, before[-1].speech_end)
        return start, max(start, end)


def _cut_pauses(pieces: list[Piece]) -> Iterator[tuple[int, Samples]]:
    """The audio of the pieces in order, none of it twice, without the middle of long pauses."""
    half = KEPT_PAUSE_SAMPLES // 2
    begin = pieces[0].start
    for piece, after in pairwise(pieces):
        if after.onset - piece.speech_end <= KEPT_PAUSE_SAMPLES:
            end = max(min(piece.end, after.onset), begin)
            following = max(after.start, end)
        else:
            end = max(min(piece.end, piece.speech_end + half), begin)
            following = max(after.start, after.onset - half, end)
        yield begin, piece.samples[begin - piece.start : end - piece.start]
        begin = following
    yield begin, pieces[-1].samples[max(begin - pieces[-1].start, 0) :]


class WindowPacker:
    """Gathers pieces, and hands out windows: cut at the longest pause in the later part of what fits."""

    def __init__(self, longest_samples: int, longest_pause: int | None = None) -> None:
        """No window reaches over a pause of `longest_pause` samples, where that is given."""
        self._longest = longest_samples
        self._longest_pause = longest_pause
        self._pieces: list[Piece] = []

    def push(self, piece: Piece) -> list[PackedWindow]:
        """Take the next piece; return the windows that are complete."""
        windows = self.finish() if self._is_far(piece) else []
        self._pieces.append(piece)
        while self._measure(self._pieces) > LOOKAHEAD * self._longest and len(self._pieces) > 1:
            windows.append(self._take_window())
        return windows

    def _is_far(self, piece: Piece) -> bool:
        if self._longest_pause is None or not self._pieces:
            return False
        return piece.onset - self._pieces[-1].speech_end >= self._longest_pause

    def finish(self) -> list[PackedWindow]:
        """The recording is over; return the last windows."""
        windows = []
        while self._pieces:
            windows.append(self._take_window())
        return windows

    def _take_window(self) -> PackedWindow:
        count = self._choose_cut()
        window = PackedWindow(self._pieces[:count])
        del self._pieces[:count]
        return window

    def _choose_cut(self) -> int:
        """How many pieces the next window gets."""
        lengths = [self._measure(self._pieces[:count]) for count in range(1, len(self._pieces) + 1)]
        total = lengths[-1]
        if total <= self._longest:
            return len(self._pieces)
        fitting = [count for count, length in enumerate(lengths, 1) if length <= self._longest] or [1]
        least = LEAST_WINDOW * self._longest
        if total <= 2 * self._longest:
            least = max(least, total - self._longest)  # the rest shall be one window
        allowed = [count for count in fitting if lengths[count - 1] >= least] or fitting[-1:]
        return max(allowed, key=lambda count: (self._pause_after(count), count))

    def _pause_after(self, count: int) -> int:
        return self._pieces[count].onset - self._pieces[count - 1].speech_end

    def _measure(self, pieces: list[Piece]) -> int:
        return sum(len(samples) for _, samples in _cut_pauses(pieces))
