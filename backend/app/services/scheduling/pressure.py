"""How far finals fall behind, and what partials give up for it: quick to give, slow to take back."""

import math
from dataclasses import dataclass
from typing import Literal

Partials = Literal["on", "first_only", "off"]


@dataclass(frozen=True, slots=True)
class Pressure:
    """What the load asks of partials."""

    factor: float
    """The cadence of partials stretches by this."""
    partials: Partials

    @property
    def degraded(self) -> bool:
        return self.partials != "on" or self.factor > 1


LEVELS = (Pressure(1, "on"), Pressure(2, "on"), Pressure(4, "first_only"), Pressure(4, "off"))
RISES_S = (0.05, 0.2, 0.5)
"""Smoothed queue delay of finals above which the next level begins (research: C5)."""

FALLS = 0.6
"""A level ends when the delay has been below this share of its threshold for CALM_S."""

CALM_S = 3.0
_WEIGHT = 0.2
"""Of the newest final in the moving average."""

_FADE_S = 10.0
"""The average fades with this time constant while no final comes: yesterday's rush degrades nobody."""


class Gauge:
    """The moving average of what finals wait, and the level it stands for."""

    def __init__(self) -> None:
        self.level = 0
        self._delay_s = 0.0
        self._seen = 0.0
        self._calm_since: float | None = None

    def final_started(self, waited_s: float, now: float) -> None:
        """A final began to be decoded after waiting this long."""
        before = self.delay_s(now)
        self._delay_s, self._seen = before + _WEIGHT * (waited_s - before), now
        self.look(now)

    def delay_s(self, now: float) -> float:
        """What finals wait, smoothed."""
        return self._delay_s * math.exp(-max(now - self._seen, 0.0) / _FADE_S)

    def look(self, now: float) -> Pressure:
        """The pressure in force: levels are climbed at once, and descended one at a time after CALM_S each."""
        delay_s = self.delay_s(now)
        risen = sum(delay_s >= threshold for threshold in RISES_S)
        if risen >= self.level:
            self.level, self._calm_since = risen, None
        elif delay_s >= FALLS * RISES_S[self.level - 1]:
            self._calm_since = None
        elif self._calm_since is None:
            self._calm_since = now
        elif now - self._calm_since >= CALM_S:
            self.level -= 1
            self._calm_since = now
        return LEVELS[self.level]
