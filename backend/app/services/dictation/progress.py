"""What a dictation waits for: the decode of what was said, a turn at the cores, a backlog; pure."""

from dataclasses import dataclass
from typing import Literal

from app.providers.base import SAMPLE_RATE_HZ

ProgressState = Literal["loading", "queued", "decoding", "catching_up"]

LOADING_S = 0.4
"""An engine that is ready sooner is not told to load."""
DECODING_S = 0.3
"""A final that comes sooner after the end of its utterance is not told to be awaited."""
BEHIND_S = 4.0
"""Audio that waits (s), from which the dictation is told to catch up."""
CAUGHT_UP_S = 1.0
"""It has caught up with so little of it (s)."""
AGAIN_S = 1.0
"""How often the same state is told again with another number (s)."""


@dataclass(frozen=True, slots=True)
class Progress:
    """What is awaited now."""

    state: ProgressState | None = None
    """None: nothing that takes long enough to be told."""
    place: int | None = None
    """For `queued`: 1 is next."""
    backlog_ms: int = 0
    """Audio that waits to be decoded, in whole seconds while it is caught up with; otherwise 0."""


class ProgressWatch:
    """Decides what is told, and when. Times are passed in (s)."""

    def __init__(self) -> None:
        self.told = Progress()
        self._told_at = 0.0

    def observe(
        self, now: float, *, backlog_samples: int, final_since: float | None, place: int | None
    ) -> Progress | None:
        """What to tell now; None where that is known.

        `final_since` is when the oldest final that is awaited was due; `place` is that of its decode in the queue for
        the cores.
        """
        progress = self._find(now, backlog_samples, final_since, place)
        is_same = (progress.state, progress.place) == (self.told.state, self.told.place)
        if progress == self.told or (is_same and now - self._told_at < AGAIN_S):
            return None
        self.told, self._told_at = progress, now
        return progress

    def _find(self, now: float, backlog: int, final_since: float | None, place: int | None) -> Progress:
        is_behind = (
            backlog >= (CAUGHT_UP_S if self.told.state == "catching_up" else BEHIND_S) * SAMPLE_RATE_HZ
        )
        if is_behind:
            return Progress("catching_up", backlog_ms=-(-backlog // SAMPLE_RATE_HZ) * 1000)
        if final_since is None or (self.told.state is None and now - final_since < DECODING_S):
            return Progress()
        return Progress("decoding") if place is None else Progress("queued", place)
