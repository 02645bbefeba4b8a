"""Admission: how much of the cores the live sessions take, measured or expected, and whether one more fits; pure."""

import math
from dataclasses import dataclass, field

from app.services.decoding.load import DecayingRate

SPEAKING = 0.8
"""Part of its time that a session which has not been measured is expected to speak."""

AROUND_S = 0.005
"""Core seconds per second of a session for all that is around its decodes: messages, resampling, speech gate."""

MEMORY_S = 30.0
"""Time constant of a session's measured load: utterances and the pauses between them even out."""

SILENT_S = 60.0
"""A session that has not spoken for so long is expected to speak less and less."""

LEAST = 0.25
"""An open microphone counts at least this part of an expected speaker, however long it is silent."""

LINGER_S = 1.0
"""Time for which a session that its client has left keeps its place: who leaves often starts again at once, and a
decode may still run. A crowd that comes and goes is not admitted as a whole."""

GUESSED_RATE = 0.15
"""Core seconds per second of speech of an engine that was never measured."""

KNOWN_SPEECH_S = 60.0
"""Seconds of speech that a measurement at warm-up counts for; decodes of people's speech then outweigh it."""

FEW_SPEECH_S = 5.0
"""Of an engine without a measurement at warm-up, less decoded speech tells nothing."""

MOST_SPEECH_S = 600.0
"""The newest speech counts most: older speech is halved whenever there is as much."""

DRIFT = 2.0
"""A measurement at warm-up and decodes differ at most by this factor: a busy or a sleeping machine tells nothing."""


@dataclass(slots=True)
class EngineCost:
    """What an engine takes: core seconds of decodes that load does not shed, and the speech that they were for (s)."""

    warm_up_rate: float | None = None
    """Core seconds per second of speech, measured at warm-up."""
    took_s: float = 0.0
    speech_s: float = 0.0

    @property
    def rate(self) -> float:
        """Core seconds per second of speech."""
        if self.warm_up_rate is None:
            return self.took_s / self.speech_s if self.speech_s >= FEW_SPEECH_S else GUESSED_RATE
        took_s = self.took_s + self.warm_up_rate * KNOWN_SPEECH_S
        rate = took_s / (self.speech_s + KNOWN_SPEECH_S)
        return min(max(rate, self.warm_up_rate / DRIFT), self.warm_up_rate * DRIFT)

    @property
    def expected_load(self) -> float:
        """Core seconds per second of a session that speaks most of the time."""
        return self.rate * SPEAKING + AROUND_S

    @property
    def highest_load(self) -> float:
        """Core seconds per second that count for one session: who catches up takes more, and gives way."""
        return DRIFT * self.rate + AROUND_S

    def add(self, took_s: float, speech_s: float) -> None:
        self.took_s, self.speech_s = self.took_s + took_s, self.speech_s + speech_s
        if self.speech_s > MOST_SPEECH_S:
            self.took_s, self.speech_s = self.took_s / 2, self.speech_s / 2


@dataclass(slots=True)
class _Session:
    engine: str
    since: float
    """When it was opened, or spoke last."""
    measured_since: float | None = None
    """When it first took a core; None where it has not spoken yet."""
    taken: DecayingRate = field(default_factory=lambda: DecayingRate(MEMORY_S))
    is_awaited: bool = True
    """Whether its client is there: what nobody waits for gives way, and is not counted."""


class Admission:
    """Knows the live sessions and the costs of their engines. Times are seconds that never go back."""

    def __init__(self, cores: int, admit_below: float) -> None:
        self._cores = cores
        self._admit_below = admit_below
        self._sessions: dict[int, _Session] = {}
        self._lingering: list[tuple[float, float]] = []
        """Until when, and with which load, sessions without clients are counted."""
        self.costs: dict[str, EngineCost] = {}
        """By engine and what else its cost depends on."""
        self.load_elsewhere = 0.0
        """Core seconds per second that sessions of other servers take of the same cores."""

    def resize(self, cores: int) -> None:
        """There are this many cores from now on."""
        self._cores = cores

    def open(self, session: int, engine: str, now: float) -> None:
        """A live session begins; it lasts until `forget`. It counts as a speaker from now on."""
        self._sessions[session] = _Session(engine, now)

    def forget(self, session: int, now: float) -> None:
        """The session is over: its client has left it."""
        self.set_awaited(session, now, is_awaited=False)
        self._sessions.pop(session, None)

    def set_awaited(self, session: int, now: float, *, is_awaited: bool) -> None:
        """Whether a client waits for the session's results; when it has left, its place is kept for LINGER_S."""
        if not (found := self._sessions.get(session)):
            return
        if found.is_awaited and not is_awaited:
            self._lingering = [each for each in self._lingering if each[0] > now]
            self._lingering.append((now + LINGER_S, self._load_of(found, now)))
        found.is_awaited = is_awaited

    def is_awaited(self, session: int) -> bool:
        found = self._sessions.get(session)
        return found is None or found.is_awaited

    def charge(self, session: int, took_s: float, now: float) -> None:
        """A decode that load does not shed has taken a core for this long."""
        if found := self._sessions.get(session):
            found.taken.add(took_s, now)
            found.since = now
            if found.measured_since is None:
                found.measured_since = now - took_s
            self.cost(found.engine).add(took_s, 0.0)

    def count_speech(self, session: int, speech_s: float) -> None:
        """An utterance with this much speech has ended, whatever has come of it."""
        if found := self._sessions.get(session):
            self.cost(found.engine).add(0.0, speech_s)

    def cost(self, engine: str) -> EngineCost:
        """The engine's cost, which `charge` and `count_speech` change."""
        return self.costs.setdefault(engine, EngineCost())

    def load(self, now: float) -> float:
        """Core seconds per second that the sessions with clients take or are expected to take."""
        return sum(self._load_of(each, now) for each in self._sessions.values() if each.is_awaited)

    def excess(self, engine: str, now: float) -> float:
        """The load with one more session of this engine, as a multiple of what is allowed; it fits up to 1.

        Alone, a session always fits.
        """
        lingering = self.lingering(now)
        # One that has just ended is the last dictation of whoever starts the next one.
        is_alone = len(lingering) <= 1 and not any(each.is_awaited for each in self._sessions.values())
        if is_alone or not self._admit_below:
            return 0.0
        load = self.load(now) + self.load_elsewhere + sum(lingering) + self.cost(engine).expected_load
        return load / (self._admit_below * max(self._cores, 1))

    def lingering(self, now: float) -> list[float]:
        """The load of each session that its client left a moment ago."""
        return [load for until, load in self._lingering if until > now]

    def _load_of(self, session: _Session, now: float) -> float:
        cost = self.cost(session.engine)
        silent_s = max(now - session.since - SILENT_S, 0.0)
        expected = cost.expected_load * max(math.exp(-silent_s / SILENT_S), LEAST)
        if session.measured_since is None:
            return expected
        age_s = max(now - session.measured_since, 0.0)
        measured = session.taken.now(now) / max(-math.expm1(-age_s / MEMORY_S), 1e-9) + AROUND_S
        known = min(age_s / MEMORY_S, 1.0)  # the first utterance alone says too little
        load = known * measured + (1 - known) * expected
        return min(max(load, LEAST * cost.expected_load), cost.highest_load)
