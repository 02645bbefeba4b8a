"""Scripted time, and what is seen while it passes."""

import heapq
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count


class Timeline:
    """Scripted time: what is to happen happens in order, without waiting."""

    def __init__(self) -> None:
        self.now = 0.0
        self._events: list[tuple[float, int, Callable[[], None]]] = []
        self._order = count()

    def at(self, when: float, what: Callable[[], None]) -> None:
        heapq.heappush(self._events, (max(when, self.now), next(self._order), what))

    def run(self, until: float) -> None:
        while self._events and self._events[0][0] <= until:
            self.now, _, what = heapq.heappop(self._events)
            what()
        self.now = until


@dataclass
class Figures:
    """What was seen after the warm-up. Times are seconds."""

    since: float
    to_final_s: list[float] = field(default_factory=list)
    """From the end of speech to the final."""
    final_queue_s: list[float] = field(default_factory=list)
    """From the end of the endpoint's silence to the final, less its decode: what the speaker waits for the queue."""
    partial_queue_s: list[float] = field(default_factory=list)
    first_partial_s: list[float] = field(default_factory=list)
    """From the onset of speech."""
    shed: int = 0
    decisions_s: list[float] = field(default_factory=list)
    """CPU seconds of a gateway: what is next?"""
    choices_s: list[float] = field(default_factory=list)
    """CPU seconds of a gateway: at which worker?"""
    worker_decisions_s: list[float] = field(default_factory=list)
    at_worker_s: list[float] = field(default_factory=list)
    """For how long finals waited at their worker."""
    busy_s: float = 0.0
    finals_s: float = 0.0
    """Core seconds of finals, of `busy_s`: partials take what is left."""
    sent_bytes: float = 0.0
    highest_level: int = 0
    ended: int = 0
    """Utterances whose silence ended."""
    refused: int = 0
