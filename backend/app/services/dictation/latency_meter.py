"""Measures the delays of one dictation and counts its outcomes, for the application's metrics."""

import time
from bisect import bisect_left
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from app.core.metrics import Observer
from app.providers.base import SAMPLE_RATE_HZ

_SPACING = SAMPLE_RATE_HZ // 10
_MARKS = 600
"""At most one mark for each 100 ms, for a minute: longer than the longest utterance."""


@dataclass(slots=True)
class SessionTotals:
    """What a session has come to, for the line that the log gets when its socket closes."""

    dictations: int = 0
    samples: int = 0
    """Audio received, at 16 kHz."""
    finals: int = 0
    discarded: int = 0
    failures: int = 0
    """Errors that the client got."""


class Meter:
    """Measures one dictation. Samples are numbered from the session's first, at 16 kHz."""

    def __init__(
        self,
        observer: Observer,
        provider: str,
        totals: SessionTotals,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._observer = observer
        self._provider = provider
        self._totals = totals
        self._now = now
        self._marks: deque[tuple[int, float]] = deque(maxlen=_MARKS)
        self._received = 0
        observer.count_session(provider)
        totals.dictations += 1

    def count_audio(self, received: int) -> None:
        """Audio up to sample `received` has come in."""
        self._totals.samples += received - self._received
        self._received = received
        if not self._marks or received - self._marks[-1][0] >= _SPACING:
            self._marks.append((received, self._now()))

    def go_on_from(self, sample: int) -> None:
        """Another server has had the audio before this sample."""
        self._received = sample

    def age_s(self, sample: int) -> float:
        """How long ago this sample came in; 0 for a sample that has not."""
        at = bisect_left(self._marks, (sample, 0.0))
        return self._now() - self._marks[at][1] if at < len(self._marks) else 0.0

    def count_partial(self, onset: int, covered: int, *, first: bool) -> None:
        """A partial over the audio up to `covered`, of an utterance whose speech began at `onset`."""
        self._observer.time_partial(self._provider, self.age_s(covered))
        if first:
            self._observer.time_first_partial(self._provider, self.age_s(onset))

    def count_final(self, timing: Mapping[str, Any], samples: int) -> None:
        """A final over `samples` of speech, with the timing that its client gets."""
        self._totals.finals += 1
        self._observer.time_final(self._provider, timing, samples * 1000 // SAMPLE_RATE_HZ)

    def count_untimed_final(self) -> None:
        """A final of an engine that finds utterances by itself: there is no silence, queue or decode to time."""
        self._totals.finals += 1
        self._observer.count_utterance(self._provider)

    def count_error(self, code: str) -> None:
        """An error of the engine that the dictation survives."""
        self._totals.failures += 1
        self._observer.count_error(code)

    def count_discarded(self, reason: str) -> None:
        """An utterance came to nothing."""
        self._totals.discarded += 1
        self._observer.count_discarded(self._provider, reason)
