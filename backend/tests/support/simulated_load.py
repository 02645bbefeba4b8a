"""Simulated time for the scheduler: jobs of known cost, run by the policy on simulated cores, without waiting."""

import heapq
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count
from random import Random

from app.services.decoding.policy import SHEDDABLE, Job, JobState, Priority, SchedulingPolicy, Ticket

SPEECH_S = 3.0
PAUSE_S = 3.0
PROVISIONAL_S = 0.256
COMMIT_S = 0.6


@dataclass
class SimulatedJob:
    """One job and its times; `ended` is None while it waits or runs."""

    ticket: Ticket
    at: float
    cost_s: float
    then: Callable[["SimulatedJob", float], None] | None
    started: float | None = None
    ended: float | None = None

    @property
    def state(self) -> JobState:
        return self.ticket.state

    @property
    def waited_s(self) -> float:
        assert self.started is not None, f"never ran: {self.ticket}"
        return self.started - self.at


@dataclass
class SimulatedMachine:
    """Simulated cores; the scheduler's invariants are checked at every moment."""

    policy: SchedulingPolicy
    asked: list[SimulatedJob] = field(default_factory=list)
    now: float = 0.0
    most_running: int = 0
    highest_level: int = 0
    _events: list[tuple[float, int, Callable[[], None]]] = field(default_factory=list)
    _by_ticket: dict[Ticket, SimulatedJob] = field(default_factory=dict)
    _order: "count[int]" = field(default_factory=count)

    def at(self, when: float, what: Callable[[], None]) -> None:
        heapq.heappush(self._events, (when, next(self._order), what))

    def ask(
        self, job: Job, cost_s: float, then: Callable[[SimulatedJob, float], None] | None = None
    ) -> SimulatedJob:
        """Submit a job now; `then` is called when it has ended in any way."""
        asked = SimulatedJob(self.policy.submit(job, self.now), self.now, cost_s, then)
        self._by_ticket[asked.ticket] = asked
        self.asked.append(asked)
        return asked

    def run(self, until: float) -> None:
        while self._events and self._events[0][0] <= until:
            self.now, _, what = heapq.heappop(self._events)
            what()
            self._dispatch()
        self.now = until

    def of(self, *priorities: Priority, session: int | None = None) -> list[SimulatedJob]:
        return [
            asked
            for asked in self.asked
            if asked.ticket.priority in priorities and session in (None, asked.ticket.job.session)
        ]

    def _dispatch(self) -> None:
        decided = self.policy.dispatch(self.now)
        started = [ticket for ticket in decided if ticket.state is JobState.RUNNING]
        if any(ticket.priority in SHEDDABLE for ticket in started):
            busy = {ticket.job.worker for ticket in self._by_ticket if ticket.state is JobState.RUNNING}
            late = [
                t
                for t in self.policy.waiting()
                if t.priority is Priority.FINAL and t.job.worker not in busy - {None}
            ]
            assert not late, "a partial was started while a final waits"
        for ticket in decided:
            asked = self._by_ticket[ticket]
            if ticket.state is JobState.RUNNING:
                asked.started = self.now
                self.at(self.now + asked.cost_s, lambda asked=asked: self._finish(asked))  # type: ignore[misc]
            else:
                assert ticket.priority in SHEDDABLE, f"{ticket.priority.name} was shed"
                self._ended(asked)
        self.most_running = max(self.most_running, self.policy.running)
        self.highest_level = max(self.highest_level, self.policy.monitor.level)
        assert self.policy.running <= self.policy.cores

    def _finish(self, asked: SimulatedJob) -> None:
        self.policy.finish(asked.ticket, self.now)
        self._ended(asked)

    def _ended(self, asked: SimulatedJob) -> None:
        assert asked.ended is None, "a job ended twice"
        asked.ended = self.now
        del self._by_ticket[asked.ticket]
        if asked.then is not None:
            self.at(self.now, lambda: asked.then(asked, self.now))  # type: ignore[misc]


@dataclass
class SimulatedSpeaker:
    """Speaks, pauses: partials as they are ready, an eager final, a final."""

    machine: SimulatedMachine
    session: int
    cost: float = 0.05
    """Core seconds per second of audio of a partial; a final costs twice that."""
    begins: float = 0.0
    utterances: int = 10
    speech_s: float | tuple[float, float] = SPEECH_S
    """Length of an utterance, or the shortest and the longest."""
    pause_s: float | tuple[float, float] = PAUSE_S
    engine: str = "tiny"
    pending: int = 0
    finals_s: list[float] = field(default_factory=list)
    """From the end of the endpoint's silence to the final."""

    def __post_init__(self) -> None:
        self._dice = Random(self.session)

    def start(self) -> None:
        machine = self.machine
        machine.at(self.begins, lambda: machine.policy.open(self.session, machine.now, self.engine))
        self.speak()

    def speak(self) -> None:
        """Begin to speak at `begins`, in a session that is open by then."""
        self.machine.at(self.begins, self._speak)

    def _speak(self) -> None:
        if not self.utterances:
            return
        self.utterances -= 1
        self.pending += 1
        machine, began, speech_s = self.machine, self.machine.now, self._draw(self.speech_s)
        ends = began + speech_s
        machine.at(began + 0.6, lambda: self._partial(began, ends, Priority.FIRST_PARTIAL))
        machine.at(ends + PROVISIONAL_S, lambda: self._eager(ends, speech_s))
        machine.at(ends + self._draw(self.pause_s), self._speak)

    def _draw(self, length_s: float | tuple[float, float]) -> float:
        return self._dice.uniform(*length_s) if isinstance(length_s, tuple) else length_s

    def _partial(self, began: float, ends: float, priority: Priority) -> None:
        machine = self.machine
        if machine.now > ends:
            return
        audio_s = machine.now - began
        factor = machine.policy.pressure_on(self.session, machine.now).factor

        def again(asked: SimulatedJob, now: float) -> None:
            following = Priority.PARTIAL if asked.state is JobState.DONE else priority
            wait_s = max(0.5, 1.2 * asked.cost_s, 0.5 * factor)
            machine.at(max(now, asked.at + wait_s), lambda: self._partial(began, ends, following))

        job = Job(self.session, priority, audio_s, machine.now + 0.5, "tiny/short")
        machine.ask(job, self.cost * audio_s, again)

    def _eager(self, ends: float, speech_s: float) -> None:
        machine = self.machine
        job = Job(self.session, Priority.EAGER, speech_s, ends + COMMIT_S, "tiny/full")
        eager = machine.ask(job, 2 * self.cost * speech_s, lambda _, now: self._final(ends, now, speech_s))
        machine.at(
            ends + COMMIT_S,
            lambda: machine.policy.promote(self.session, machine.now) if eager.ended is None else None,
        )

    def _final(self, ends: float, now: float, speech_s: float) -> None:
        self.finals_s.append(max(now - ends - COMMIT_S, 0.0))
        self.machine.policy.admission.count_speech(self.session, speech_s)
        self.pending -= 1
        if not self.utterances and not self.pending:
            self.machine.policy.forget(self.session, now)


def start_speakers(
    machine: SimulatedMachine, number: int, *, cost: float, utterances: int = 10, seed: int = 1
) -> list[SimulatedSpeaker]:
    """Start this many speakers at different moments."""
    random = Random(seed)
    all_of_them = [
        SimulatedSpeaker(machine, session, cost, random.uniform(0, SPEECH_S + PAUSE_S), utterances)
        for session in range(1, number + 1)
    ]
    for speaker in all_of_them:
        speaker.start()
    return all_of_them


def p95(values: list[float]) -> float:
    assert values
    return sorted(values)[min(int(0.95 * len(values)), len(values) - 1)]
