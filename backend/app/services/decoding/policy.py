"""The scheduler's decisions: which decode runs, waits or is shed. Pure: times are passed in, nothing is awaited.

The order of queues: finals, eager finals, feeds, first partials, partials. Behind them come recordings and what is
decoded for clients that have left. Within a queue, sessions that
stay within their fair share go first. Then turns go in rounds, each session once in a round. Within a round the
earliest deadline goes first, then the session that was served longest ago.
"""

from collections.abc import Collection, Hashable, Iterator
from dataclasses import dataclass, replace
from enum import IntEnum, StrEnum

from app.services.decoding.admission import Admission
from app.services.decoding.load import DecodeCosts, FairShares, Pressure, PressureMonitor


class Priority(IntEnum):
    """How urgent a decode is, the most urgent first."""

    FINAL = 0
    """The utterance is over: never dropped."""
    EAGER = 1
    """The utterance may be over; `promote` makes it a FINAL when it is."""
    FEED = 2
    """The next audio for an incremental engine: never dropped."""
    FIRST_PARTIAL = 3
    """The first of an utterance, or one that is long overdue."""
    PARTIAL = 4
    FILE = 5
    """Part of an uploaded recording: after all live speech, and never dropped."""


SHEDDABLE = frozenset({Priority.FIRST_PARTIAL, Priority.PARTIAL})
"""Best effort: at most one of a session waits, the newest replaces it, and under pressure none runs."""


@dataclass(frozen=True, slots=True)
class Job:
    """One decode that needs a core. Times are seconds of the scheduler's clock."""

    session: int
    """The session that asks: sessions take turns."""
    priority: Priority
    audio_s: float
    """Audio that the decode covers: its cost is estimated from this."""
    deadline: float
    """When the result is wanted; within a queue the earliest goes first."""
    cost_key: str = ""
    """Engine and kind of decode ("whisper_local/short/final"): costs are learned for each."""
    worker: Hashable | None = None
    """The worker that alone can run the job, if there is one: it runs one job at a time."""


class Shed(Exception):  # not an error: a partial that is not worth its cost ends so
    """A sheddable job was replaced, came too late, or gave way to more urgent work; or its session is gone."""


STALE_S = 1.0
"""A partial that has waited longer than this is shed."""

PATIENCE_S = 1.0
"""An eager final or a feed that has waited this long joins the queue of finals."""

MIN_RETRY_S = 5.0
"""A client that was refused may try again after this time at the earliest."""

MAX_RETRY_S = 30.0

MAX_WAITING = 64
"""Waiting jobs of one session. Calls of a session wait for each other, so more than a few are a fault."""


class JobState(StrEnum):
    WAITING = "waiting"
    RUNNING = "running"
    DONE = "done"
    SHED = "shed"
    CANCELLED = "cancelled"


@dataclass(slots=True, eq=False)
class Ticket:
    """A job at the scheduler: waiting, then running and done; or shed, or cancelled."""

    job: Job
    priority: Priority
    """The job's priority; FINAL once promoted."""
    waiting_since: float
    """Since when the job waits with this priority."""
    queue: Priority
    """The queue it waits in: that of its priority, or that of finals when it has waited too long."""
    round: int
    """Its round in that queue."""
    state: JobState = JobState.WAITING
    started_at: float = 0.0
    waited_at_worker_s: float = 0.0
    """How long the job waited for a core of another machine, of the time that it ran here (s)."""

    @property
    def waited_s(self) -> float:
        """How long the job, which has started, waited for its turn (s)."""
        return max(self.started_at - self.waiting_since, 0.0)


class SchedulingPolicy:
    """Decides about the jobs of all sessions. Methods take the time (s), which never goes back; `dispatch` decides."""

    def __init__(self, cores: int, *, admit_below: float = 0.85) -> None:
        """`cores` may be 0 until `resize`: nothing starts then."""
        self.cores = cores
        self._waiting: dict[int, list[Ticket]] = {}
        self._running: list[Ticket] = []
        self._decided: list[Ticket] = []
        self._served: dict[int, int] = {}
        self._turns = 0
        self._rounds = dict.fromkeys(Priority, 0)
        """For each queue, the round of the job that started last."""
        self._last_round: dict[int, dict[Priority, int]] = {}
        """For each session and queue, the round of its newest job."""
        self._muted: set[int] = set()
        """Sessions that were over their share while partials were off: they have none until partials are on again."""
        self.costs = DecodeCosts()
        self.shares = FairShares(cores)
        self.admission = Admission(cores, admit_below)
        self.monitor = PressureMonitor()

    # -- events

    def resize(self, cores: int) -> None:
        """Decodes run on this many cores from now on; running ones are left alone."""
        self.cores = cores
        self.shares.resize(cores)
        self.admission.resize(cores)

    def open(self, session: int, now: float, engine: str = "") -> None:
        """A live session of this engine begins; it lasts until `forget`."""
        self.admission.open(session, engine, now)

    def submit(self, job: Job, now: float) -> Ticket:
        """Add a job. A sheddable job replaces the one of its session that waits."""
        if job.priority in SHEDDABLE:
            for old in [each for each in self._waiting.get(job.session, ()) if each.priority in SHEDDABLE]:
                self._end(old, JobState.SHED)
        if len(self._waiting.get(job.session, ())) >= MAX_WAITING:
            raise RuntimeError(
                f"session {job.session} has {MAX_WAITING} waiting jobs; its calls must wait for each other"
            )
        ticket = Ticket(
            job=job,
            priority=job.priority,
            waiting_since=now,
            queue=job.priority,
            round=self._round(job.session, job.priority),
        )
        self._waiting.setdefault(job.session, []).append(ticket)
        return ticket

    def finish(self, ticket: Ticket, now: float, *, learn: bool = True) -> None:
        """A running job has returned. `learn`: its time tells what such a job costs."""
        assert ticket.state is JobState.RUNNING
        ticket.state = JobState.DONE
        self._running.remove(ticket)
        took_s = max(now - ticket.started_at - ticket.waited_at_worker_s, 0.0)
        if ticket.waited_at_worker_s and ticket.priority is Priority.FINAL and not self._is_unhurried(ticket):
            self.monitor.final_started(ticket.waited_at_worker_s, now)
        if learn:
            self.costs.learn(ticket.job.cost_key, ticket.job.audio_s, took_s)
        if ticket.priority is not Priority.FILE:  # recordings give way to all, so they use nobody's share
            self.shares.charge(ticket.job.session, took_s, now)
            if ticket.priority is not Priority.PARTIAL and learn:  # those only take what is left
                self.admission.charge(ticket.job.session, took_s, now)

    def cancel(self, ticket: Ticket) -> None:
        """Nobody waits for the result any more. A running job keeps its core until `finish`."""
        if ticket.state is JobState.WAITING:
            self._end(ticket, JobState.CANCELLED)

    def promote(self, session: int, now: float) -> None:
        """The session's utterance is over: its eager final becomes a final."""
        for ticket in (*self._waiting.get(session, ()), *self._running):
            if ticket.job.session == session and ticket.priority is Priority.EAGER:
                ticket.priority, ticket.waiting_since = Priority.FINAL, now
                self._move_to_finals(ticket)
                if ticket.state is JobState.RUNNING and self.admission.is_awaited(session):
                    self.monitor.final_started(0.0, now)

    def forget(self, session: int, now: float) -> None:
        """The session is over: its waiting jobs are shed, its use and its turns are forgotten."""
        for ticket in list(self._waiting.get(session, ())):
            self._end(ticket, JobState.SHED)
        self._served.pop(session, None)
        self._last_round.pop(session, None)
        self._muted.discard(session)
        self.shares.forget(session)
        self.admission.forget(session, now)

    # -- decisions

    def dispatch(self, now: float) -> list[Ticket]:
        """Start the jobs that can start and shed those that are not worth it; return the tickets of both."""
        active = self._active_sessions(now)
        self._update_muted(active, now)
        for ticket in self.waiting():
            if (
                ticket.priority in (Priority.EAGER, Priority.FEED)
                and now - ticket.waiting_since >= PATIENCE_S
            ):
                self._move_to_finals(ticket)
        for ticket in [each for each in self.waiting() if self._should_shed(each, now)]:
            self._end(ticket, JobState.SHED)
        while len(self._running) < self.cores and (first := self._pick_next(active, now)) is not None:
            if self._would_delay_final(first, now):
                self._end(first, JobState.SHED)
            else:
                self._start(first, now)
        decided, self._decided = self._decided, []
        return decided

    def waiting(self) -> Iterator[Ticket]:
        """Every waiting job, session by session."""
        for tickets in self._waiting.values():
            yield from tickets

    def find_place(self, session: int) -> int | None:
        """The session's place among those whose finals, or audio for them, wait; 1 is next. None where none waits."""
        jobs = [each for each in self.waiting() if each.priority not in SHEDDABLE]
        jobs.sort(key=lambda each: (self._is_unhurried(each), each.queue, each.round, each.waiting_since))
        sessions = list(dict.fromkeys(each.job.session for each in jobs))
        return sessions.index(session) + 1 if session in sessions else None

    @property
    def running(self) -> int:
        return len(self._running)

    def pressure(self, now: float) -> Pressure:
        """What the load asks of partials in general."""
        return self.monitor.update(now)

    def pressure_on(self, session: int, now: float) -> Pressure:
        """What the load asks of this session: partials are off only for sessions over their fair share."""
        pressure = self.monitor.update(now)
        if pressure.partials == "off" and session not in self._muted:
            return replace(pressure, partials="first_only")
        return pressure

    def admission_wait_s(self, now: float, engine: str = "") -> float | None:
        """None where one more live session of this engine fits; otherwise the seconds after which to try again."""
        excess = self.admission.excess(engine, now)
        return None if excess <= 1 else min(MIN_RETRY_S * excess, MAX_RETRY_S)

    # -- inside

    def _working_sessions(self) -> set[int]:
        """Live sessions with waiting or running jobs."""
        live = [
            ticket for ticket in (*self.waiting(), *self._running) if ticket.priority is not Priority.FILE
        ]
        return {ticket.job.session for ticket in live}

    def _active_sessions(self, now: float) -> int:
        return self.shares.active_sessions(self._working_sessions(), now)

    def _update_muted(self, active: int, now: float) -> None:
        if self.monitor.update(now).partials != "off":
            self._muted.clear()
            return
        over = {s for s in self._working_sessions() if self.shares.is_over_share(s, active, now)}
        self._muted |= over

    def _should_shed(self, ticket: Ticket, now: float) -> bool:
        """Whether a sheddable job is not worth running any more, or must not run under this pressure."""
        if ticket.priority not in SHEDDABLE:
            return False
        if not self.admission.is_awaited(ticket.job.session):
            return True
        partials = self.pressure_on(ticket.job.session, now).partials
        if partials == "off" or (partials == "first_only" and ticket.priority is Priority.PARTIAL):
            return True
        return now - ticket.waiting_since > STALE_S

    def _would_delay_final(self, ticket: Ticket, now: float) -> bool:
        """Whether this partial would delay a final that waits for its worker, or an eager final that may become one.

        All other finals have started before a partial is considered.
        """
        if ticket.priority not in SHEDDABLE or len(self._running) + 1 < self.cores:
            return False
        free_at = now + self.costs.estimate_s(ticket.job.cost_key, ticket.job.audio_s)
        return any(
            free_at + (cost_s := self.costs.estimate_s(each.job.cost_key, each.job.audio_s))
            > each.job.deadline
            and now + cost_s <= each.job.deadline
            for each in self.waiting()
            if each.priority <= Priority.EAGER and not self._is_unhurried(each)
        )

    def _pick_next(self, active: int, now: float) -> Ticket | None:
        workers = {ticket.job.worker for ticket in self._running}
        full = self._at_limit(SHEDDABLE)
        unhurried_full = self._has_too_many_unhurried()
        best: tuple[tuple[float, ...], Ticket] | None = None
        for session, tickets in self._waiting.items():
            above = self.shares.is_over_share(session, active, now)
            mine = [ticket.priority for ticket in self._running if ticket.job.session == session]
            for ticket in tickets:
                if ticket.job.worker is not None and ticket.job.worker in workers:
                    continue
                if full and ticket.priority in SHEDDABLE:
                    continue
                is_unhurried = self._is_unhurried(ticket)
                if is_unhurried and unhurried_full:
                    continue
                if ticket.priority is Priority.FEED and Priority.FEED in mine:
                    continue
                # A deadline long past gives no advantage: a session that floods would always be first.
                deadline = max(ticket.job.deadline, ticket.waiting_since)
                key = is_unhurried, ticket.queue, above, ticket.round, deadline, self._served.get(session, 0)
                if best is None or key < best[0]:
                    best = key, ticket
        return best and best[1]

    def _at_limit(self, priorities: Collection[Priority]) -> bool:
        """Whether no more jobs of these priorities may run: they leave a core free, where there are two."""
        return sum(ticket.priority in priorities for ticket in self._running) >= max(self.cores - 1, 1)

    def _is_unhurried(self, ticket: Ticket) -> bool:
        """Whether nobody waits for the result at this moment: a recording's, or that of a client that has left."""
        return ticket.priority is Priority.FILE or not self.admission.is_awaited(ticket.job.session)

    def _has_too_many_unhurried(self) -> bool:
        """Whether no more of these may run: they leave a core free, where there are two."""
        return sum(map(self._is_unhurried, self._running)) >= max(self.cores - 1, 1)

    def _round(self, session: int, queue: Priority) -> int:
        """The round for one more job of the session: the current round, or the one after its last."""
        last = self._last_round.setdefault(session, {})
        last[queue] = max(self._rounds[queue], last.get(queue, 0) + 1)
        return last[queue]

    def _move_to_finals(self, ticket: Ticket) -> None:
        if ticket.queue is not Priority.FINAL:
            ticket.queue, ticket.round = Priority.FINAL, self._round(ticket.job.session, Priority.FINAL)

    def _start(self, ticket: Ticket, now: float) -> None:
        self._end(ticket, JobState.RUNNING)
        self._running.append(ticket)
        ticket.started_at = now
        self._turns += 1
        self._rounds[ticket.queue] = max(self._rounds[ticket.queue], ticket.round)
        self._served[ticket.job.session] = self._turns
        if ticket.priority is Priority.FINAL and not self._is_unhurried(ticket):
            self.monitor.final_started(now - ticket.waiting_since, now)

    def _end(self, ticket: Ticket, state: JobState) -> None:
        """End the job's waiting."""
        ticket.state = state
        mine = self._waiting[ticket.job.session]
        mine.remove(ticket)
        if not mine:
            del self._waiting[ticket.job.session]
        last = self._last_round.get(ticket.job.session, {})
        if state is not JobState.RUNNING and last.get(ticket.queue) == ticket.round:
            last[ticket.queue] -= 1  # the session's turn in this round was not used
        if state is not JobState.CANCELLED:
            self._decided.append(ticket)
