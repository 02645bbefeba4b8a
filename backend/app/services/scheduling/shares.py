"""Who has used the cores lately: each session's rate, its fair share, and the load of all."""

import math
from dataclasses import dataclass

_MEMORY_S = 2.0
"""Time constant of a session's own use: who floods is recognised, and forgiven, within seconds."""

_LOAD_MEMORY_S = 15.0
"""Time constant of the load that admission looks at: utterances and the pauses between them even out."""

_YOUNG_S = 6.0
"""A session is taken to be at least this old: its first final alone tells too little of its rate."""

_GONE = 1e-3
"""A rate below this is none."""


@dataclass(slots=True)
class Rate:
    """Core seconds per second, averaged exponentially over `memory_s`."""

    memory_s: float
    _sum: float = 0.0
    _at: float = 0.0

    def add(self, took_s: float, now: float) -> None:
        self._sum = self.now(now) * self.memory_s + took_s
        self._at = now

    def now(self, now: float) -> float:
        return self._sum / self.memory_s * math.exp(-max(now - self._at, 0.0) / self.memory_s)


class Shares:
    """The use of every session that has used anything lately."""

    def __init__(self, cores: int) -> None:
        self._cores = cores
        self._used: dict[int, Rate] = {}
        self._sure: dict[int, Rate] = {}
        self._opened: dict[int, float] = {}
        self._tidied = 0.0

    def open(self, session: int, now: float) -> None:
        """A session begins; until it is measured, admission takes it for one like the others."""
        self._opened[session] = now

    def charge(self, session: int, took_s: float, now: float, *, sure: bool) -> None:
        """The session has used a core for this long; `sure` is work that cannot be shed."""
        self._used.setdefault(session, Rate(_MEMORY_S)).add(took_s, now)
        if sure:
            self._sure.setdefault(session, Rate(_LOAD_MEMORY_S)).add(took_s, now)
        if now - self._tidied > _LOAD_MEMORY_S:
            self._tidied = now
            self._used = {s: rate for s, rate in self._used.items() if rate.now(now) > _GONE}
            self._sure = {s: rate for s, rate in self._sure.items() if rate.now(now) > _GONE}
            self._opened = {s: at for s, at in self._opened.items() if now - at < 4 * _LOAD_MEMORY_S}

    def forget(self, session: int) -> None:
        self._used.pop(session, None)
        self._sure.pop(session, None)
        self._opened.pop(session, None)

    def crowd(self, asking: set[int], now: float) -> int:
        """Sessions that share the cores: those with work here, and those that had some a moment ago."""
        return len(asking | {session for session, rate in self._used.items() if rate.now(now) > _GONE})

    def speakers(self, asking: set[int], now: float) -> int:
        """The crowd, and those who have just come: they will speak before anything of theirs is measured."""
        used = {session for session, rate in self._used.items() if rate.now(now) > _GONE}
        fresh = {session for session, opened in self._opened.items() if now - opened < _LOAD_MEMORY_S}
        return len(asking | used | fresh)

    def above(self, session: int, crowd: int, now: float) -> bool:
        """Whether the session used more than its part of the cores, where several share them."""
        used = self._used.get(session)
        return used is not None and crowd > 1 and used.now(now) > self._cores / crowd

    def load_with_one_more(self, now: float) -> float:
        """Part of the cores that unsheddable work will take when one more speaker like these is let in."""
        rates = [rate for session in self._sure if (rate := self._steady(session, now)) > _GONE]
        if not rates:
            return 0.0
        unknown = sum(
            session not in self._sure and now - opened < _LOAD_MEMORY_S
            for session, opened in self._opened.items()
        )
        return sum(rates) * (len(rates) + unknown + 1) / len(rates) / self._cores

    def _steady(self, session: int, now: float) -> float:
        """What an average that was begun with the session would be if it had been begun long ago."""
        age_s = max(now - self._opened.get(session, -math.inf), _YOUNG_S)
        return self._sure[session].now(now) / -math.expm1(-age_s / _LOAD_MEMORY_S)
