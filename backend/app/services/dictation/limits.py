"""Which limit a dictation comes near, and how soon it bites: told a minute before; pure."""

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from app.providers.base import SAMPLE_RATE_HZ

LimitName = Literal["session", "backlog", "spool", "disk", "login"]

WARN_S = 60.0
"""A limit is told when it may bite so soon (s)."""
RELIEF_S = 75.0
"""One that was told is taken back when there is so much time again (s)."""
AGAIN_S = 10.0
"""How often the same limit is told again, with the time that is left (s)."""
PACE_S = 4.0
"""Time over which the pace of arriving audio is measured (s)."""
LIVE_PACE = 1.5
"""Audio that comes faster than this is no speech that is being said: who uploads waits, and loses nothing."""


@dataclass(frozen=True, slots=True)
class Limit:
    """The limit that bites first."""

    name: LimitName
    left_s: int
    """How long until then, at the earliest; 0: it has bitten."""


class LimitWatch:
    """Decides which limit is told, and when. Times are passed in (s)."""

    def __init__(self) -> None:
        self.told: Limit | None = None
        self._told_at = 0.0

    def observe(self, now: float, left_s: Mapping[LimitName, float | None]) -> bool:
        """Take how much time each limit leaves, None where it is far away; return whether `told` is to be told."""
        near = {
            name: max(left, 0.0)
            for name, left in left_s.items()
            if left is not None and left <= (RELIEF_S if self._is_told(name) else WARN_S)
        }
        first = min(near, key=lambda name: near[name], default=None)
        limit = None if first is None else Limit(first, int(near[first]))
        if limit == self.told:
            return False
        is_same = limit is not None and self._is_told(limit.name) and limit.left_s > 0
        if is_same and now - self._told_at < AGAIN_S:
            return False
        self.told, self._told_at = limit, now
        return True

    def _is_told(self, name: LimitName) -> bool:
        return self.told is not None and self.told.name == name


class BacklogForecast:
    """When the server would stop reading for audio that waits for the engine, if nothing of it were decoded."""

    def __init__(self, limit_s: float) -> None:
        self._limit_s = limit_s
        self._received: deque[tuple[float, int]] = deque()

    def predict(self, now: float, backlog: int, received: int) -> float | None:
        """Return the time left (s); None where much is left, or nobody speaks. `backlog`, `received` in samples."""
        self._received.append((now, received))
        while now - self._received[0][0] > PACE_S:
            self._received.popleft()
        since, before = self._received[0]
        is_uploaded = received - before > LIVE_PACE * (now - since) * SAMPLE_RATE_HZ + SAMPLE_RATE_HZ
        backlog_s = backlog / SAMPLE_RATE_HZ
        return None if is_uploaded or backlog_s < self._limit_s / 2 else self._limit_s - backlog_s
