"""The load of the cores: what each session uses of its fair share, what a decode takes, how late finals are; pure."""

import math
from dataclasses import dataclass
from typing import Literal

_MEMORY_S = 2.0
"""Time constant of a session's use: a flood is noticed, and forgotten, within seconds."""

_TIDY_EVERY_S = 15.0

_GONE = 1e-3
"""A lower rate counts as none."""


@dataclass(slots=True)
class DecayingRate:
    """Core seconds per second, averaged exponentially over `memory_s`."""

    memory_s: float
    _sum: float = 0.0
    _at: float = 0.0

    def add(self, took_s: float, now: float) -> None:
        self._sum = self.now(now) * self.memory_s + took_s
        self._at = now

    def now(self, now: float) -> float:
        return self._sum / self.memory_s * math.exp(-max(now - self._at, 0.0) / self.memory_s)


class FairShares:
    """What each session has used of the cores lately."""

    def __init__(self, cores: int) -> None:
        self._cores = cores
        self._used: dict[int, DecayingRate] = {}
        self._tidied = 0.0

    def resize(self, cores: int) -> None:
        """There are this many cores from now on."""
        self._cores = cores

    def charge(self, session: int, took_s: float, now: float) -> None:
        """The session has used a core for this long."""
        self._used.setdefault(session, DecayingRate(_MEMORY_S)).add(took_s, now)
        if now - self._tidied > _TIDY_EVERY_S:
            self._tidied = now
            self._used = {s: rate for s, rate in self._used.items() if rate.now(now) > _GONE}

    def forget(self, session: int) -> None:
        self._used.pop(session, None)

    def active_sessions(self, working: set[int], now: float) -> int:
        """Number of sessions that share the cores: those in `working`, and those that used a core a moment ago."""
        return len(working | {session for session, rate in self._used.items() if rate.now(now) > _GONE})

    def is_over_share(self, session: int, active: int, now: float) -> bool:
        """Whether the session used more than its share of the cores, where `active` sessions share them."""
        used = self._used.get(session)
        return used is not None and active > 1 and used.now(now) > self._cores / active


_WEIGHT = 0.2
"""Weight of the newest measurement in a moving average: about the last ten count."""

_MIN_AUDIO_S = 0.1
"""Shorter audio counts as this long, or a click would look infinitely expensive."""


class DecodeCosts:
    """What decodes cost, as a moving average for each key. A key without a measurement costs nothing."""

    def __init__(self) -> None:
        self._rates: dict[str, float] = {}

    def learn(self, engine: str, audio_s: float, took_s: float) -> None:
        rate = took_s / max(audio_s, _MIN_AUDIO_S)
        known = self._rates.get(engine)
        self._rates[engine] = rate if known is None else known + _WEIGHT * (rate - known)

    def estimate_s(self, engine: str, audio_s: float) -> float:
        """Core seconds that a decode of this much audio takes."""
        return self._rates.get(engine, 0.0) * max(audio_s, _MIN_AUDIO_S)


PartialsMode = Literal["on", "first_only", "off"]


@dataclass(frozen=True, slots=True)
class Pressure:
    """What the load asks of partials."""

    factor: float
    """The distance between partials grows by this factor."""
    partials: PartialsMode

    @property
    def degraded(self) -> bool:
        return self.partials != "on" or self.factor > 1


LEVELS = (Pressure(1, "on"), Pressure(2, "on"), Pressure(4, "first_only"), Pressure(4, "off"))
RISES_S = (0.05, 0.2, 0.5)
"""Smoothed delay of finals from which each level begins."""

FALLS = 0.6
CALM_S = 3.0
"""A level ends when the delay has been below FALLS times its threshold for CALM_S."""

_FADE_S = 10.0
"""The average fades with this time constant while no final comes: an old rush degrades nobody."""


class PressureMonitor:
    """Smooths the delay of finals, and turns it into a level of pressure."""

    def __init__(self) -> None:
        self.level = 0
        self._delay_s = 0.0
        self._seen = 0.0
        self._calm_since: float | None = None

    def final_started(self, waited_s: float, now: float) -> None:
        """The decode of a final has started after this wait."""
        before = self.delay_s(now)
        self._delay_s, self._seen = before + _WEIGHT * (waited_s - before), now
        self.update(now)

    def delay_s(self, now: float) -> float:
        """The smoothed delay of finals."""
        return self._delay_s * math.exp(-max(now - self._seen, 0.0) / _FADE_S)

    def update(self, now: float) -> Pressure:
        """The pressure now. Levels rise at once; they fall one at a time, after CALM_S each."""
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
