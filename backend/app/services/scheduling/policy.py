"""The scheduler's decisions: what runs, waits, or is shed; times are passed in, there is no clock and no await.

The order: finals, eager finals, feeds, first partials, partials. Within a class those sessions that stay within their
fair share go first, then each session's first job before anybody's second, then the earliest deadline, then the
session that was served longest ago.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from enum import StrEnum

from app.services.scheduling.costs import Costs
from app.services.scheduling.jobs import DROPPABLE, Job, Kind
from app.services.scheduling.pressure import Gauge, Pressure
from app.services.scheduling.shares import Shares

STALE_S = 1.0
"""A partial that would start later than this after its audio's end is shed."""

PATIENCE_S = 1.0
"""An eager final or a feed that has waited this long counts as a final, and nobody's share is held against it."""

RETRY_S = 5.0
"""When a client that was refused may try again, at the least."""

RETRY_MOST_S = 30.0


class State(StrEnum):
    WAITING = "waiting"
    RUNNING = "running"
    DONE = "done"
    SHED = "shed"
    CANCELLED = "cancelled"


@dataclass(slots=True, eq=False)
class Ticket:
    """One job's way through the scheduler: waiting, then running and done, or shed, or cancelled."""

    job: Job
    kind: Kind
    """The job's, or FINAL once promoted."""
    since: float
    """Since when it waits as what it is."""
    state: State = State.WAITING
    started: float = 0.0


class Policy:
    """Every method is called with the time (s), which never goes back. `settle` tells what was decided."""

    def __init__(self, cores: int, *, admit_below: float = 0.85) -> None:
        self.cores = cores
        self._admit_below = admit_below
        self._waiting: dict[int, list[Ticket]] = {}
        self._running: list[Ticket] = []
        self._decided: list[Ticket] = []
        self._served: dict[int, int] = {}
        self._turns = 0
        self._muted: set[int] = set()
        """Sessions found above their share while partials are off; they stay so until partials are on again."""
        self.costs = Costs()
        self.shares = Shares(cores)
        self.gauge = Gauge()

    # -- what happens

    def submit(self, job: Job, now: float) -> Ticket:
        """A job asks for its turn; a droppable one replaces the session's droppable one that waits."""
        ticket = Ticket(job, job.kind, now)
        mine = self._waiting.setdefault(job.session, [])
        if job.kind in DROPPABLE:
            for old in [each for each in mine if each.kind in DROPPABLE]:
                self._end(old, State.SHED)
        self._waiting.setdefault(job.session, []).append(ticket)
        return ticket

    def finish(self, ticket: Ticket, now: float, *, learn: bool = True) -> None:
        """A running job has returned; `learn` is false where its time says nothing of its cost."""
        assert ticket.state is State.RUNNING
        ticket.state = State.DONE
        self._running.remove(ticket)
        took_s = now - ticket.started
        if learn:
            self.costs.learn(ticket.job.engine, ticket.job.audio_s, took_s)
        self.shares.charge(ticket.job.session, took_s, now, sure=ticket.kind not in DROPPABLE)

    def cancel(self, ticket: Ticket) -> None:
        """Nobody waits for it any more; a running job keeps its core until `finish`."""
        if ticket.state is State.WAITING:
            self._end(ticket, State.CANCELLED)

    def promote(self, session: int, now: float) -> None:
        """The session's eager final is a final."""
        for ticket in (*self._waiting.get(session, ()), *self._running):
            if ticket.job.session == session and ticket.kind is Kind.EAGER:
                ticket.kind, ticket.since = Kind.FINAL, now
                if ticket.state is State.RUNNING:
                    self.gauge.final_started(0.0, now)

    def forget(self, session: int) -> None:
        """The session is gone: what waits is shed, its use and its turn are forgotten."""
        for ticket in list(self._waiting.get(session, ())):
            self._end(ticket, State.SHED)
        self._served.pop(session, None)
        self._muted.discard(session)
        self.shares.forget(session)

    # -- what is decided

    def settle(self, now: float) -> list[Ticket]:
        """Start what can start and shed what is not worth it; give the tickets that were started or shed."""
        crowd = self._crowd(now)
        self._mute(crowd, now)
        for ticket in [each for each in self.waiting() if self._hopeless(each, now)]:
            self._end(ticket, State.SHED)
        while len(self._running) < self.cores and (first := self._next(crowd, now)) is not None:
            self._start(first, now)
        decided, self._decided = self._decided, []
        return decided

    def waiting(self) -> Iterator[Ticket]:
        """Every job that waits, session by session."""
        for tickets in self._waiting.values():
            yield from tickets

    @property
    def running(self) -> int:
        return len(self._running)

    def pressure(self, now: float) -> Pressure:
        """What the load asks of partials in general."""
        return self.gauge.look(now)

    def pressure_on(self, session: int, now: float) -> Pressure:
        """What it asks of this session: partials are off only for those above their fair share."""
        pressure = self.gauge.look(now)
        if pressure.partials == "off" and session not in self._muted:
            return replace(pressure, partials="first_only")
        return pressure

    def admits(self, now: float) -> float | None:
        """None lets one more speaker in; otherwise the seconds after which to try again."""
        load = self.shares.load_with_one_more(now)
        if not self._admit_below or load <= self._admit_below:
            return None
        return min(RETRY_S * load / self._admit_below, RETRY_MOST_S)

    # -- inside

    def _crowd(self, now: float) -> int:
        asking = {*self._waiting, *(ticket.job.session for ticket in self._running)}
        return self.shares.crowd(asking, now)

    def _mute(self, crowd: int, now: float) -> None:
        if self.gauge.look(now).partials != "off":
            self._muted.clear()
            return
        known = {*self._waiting, *(ticket.job.session for ticket in self._running)}
        self._muted |= {session for session in known if self.shares.above(session, crowd, now)}

    def _hopeless(self, ticket: Ticket, now: float) -> bool:
        """Whether a droppable job is no longer worth running, or is not to be run under this pressure."""
        if ticket.kind not in DROPPABLE:
            return False
        partials = self.pressure_on(ticket.job.session, now).partials
        if partials == "off" or (partials == "first_only" and ticket.kind is Kind.PARTIAL):
            return True
        return now - ticket.since > STALE_S or self._delays_a_final(ticket, now)

    def _delays_a_final(self, ticket: Ticket, now: float) -> bool:
        """Whether a final that waits, or may come of an eager one, would miss its deadline because of this job."""
        if len(self._running) + 1 < self.cores:
            return False
        free_at = now + self.costs.estimate_s(ticket.job.engine, ticket.job.audio_s)
        return any(
            free_at + (cost_s := self.costs.estimate_s(each.job.engine, each.job.audio_s)) > each.job.deadline
            and now + cost_s <= each.job.deadline
            for each in self.waiting()
            if each.kind <= Kind.EAGER
        )

    def _next(self, crowd: int, now: float) -> Ticket | None:
        lanes = {ticket.job.lane for ticket in self._running}
        droppable = sum(ticket.kind in DROPPABLE for ticket in self._running)
        full = droppable >= max(self.cores - 1, 1)
        best: tuple[tuple[float, ...], Ticket] | None = None
        for session, tickets in self._waiting.items():
            above = self.shares.above(session, crowd, now)
            mine = [ticket.kind for ticket in self._running if ticket.job.session == session]
            for rank, ticket in enumerate(tickets, len(mine)):
                if (ticket.job.lane is not None and ticket.job.lane in lanes) or (
                    full if ticket.kind in DROPPABLE else ticket.kind is Kind.FEED and Kind.FEED in mine
                ):
                    continue
                key = self._urgency(ticket, rank, above, now)
                if best is None or key < best[0]:
                    best = key, ticket
        return best and best[1]

    def _urgency(self, ticket: Ticket, rank: int, above: bool, now: float) -> tuple[float, ...]:
        kind = ticket.kind
        patient = kind in DROPPABLE or now - ticket.since < PATIENCE_S
        if not patient:
            kind, above = Kind.FINAL, False
        # A deadline long past buys nothing: who is behind by his own flood would always be first.
        deadline = max(ticket.job.deadline, ticket.since)
        return kind, above, rank, deadline, self._served.get(ticket.job.session, 0)

    def _start(self, ticket: Ticket, now: float) -> None:
        self._end(ticket, State.RUNNING)
        self._running.append(ticket)
        ticket.started = now
        self._turns += 1
        self._served[ticket.job.session] = self._turns
        if ticket.kind is Kind.FINAL:
            self.gauge.final_started(now - ticket.since, now)

    def _end(self, ticket: Ticket, state: State) -> None:
        """The end of its waiting."""
        ticket.state = state
        mine = self._waiting[ticket.job.session]
        mine.remove(ticket)
        if not mine:
            del self._waiting[ticket.job.session]
        if state is not State.CANCELLED:
            self._decided.append(ticket)
