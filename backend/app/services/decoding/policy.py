"""The scheduler's decisions: what runs, waits, or is shed; times are passed in, there is no clock and no await.

The order: finals, eager finals, feeds, first partials, partials, recordings. Within a class those sessions that stay
within their fair share go first; then turns go in rounds, each session once in a round; within a round the earliest
deadline goes first, then the session that was served longest ago.
"""

from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace
from enum import StrEnum

from app.services.decoding.jobs import SHEDDABLE, Job, Priority
from app.services.decoding.load import DecodeCosts, FairShares, Pressure, PressureMonitor

STALE_S = 1.0
"""A partial that would start later than this after its audio's end is shed."""

PATIENCE_S = 1.0
"""An eager final or a feed that has waited this long stands in line with the finals."""

MIN_RETRY_S = 5.0
"""When a client that was refused may try again, at the least."""

MAX_RETRY_S = 30.0

MAX_WAITING = 64
"""Jobs of one session in line: calls of a dictation wait for each other, so more than a few are a fault."""


class JobState(StrEnum):
    WAITING = "waiting"
    RUNNING = "running"
    DONE = "done"
    SHED = "shed"
    CANCELLED = "cancelled"


@dataclass(slots=True, eq=False)
class Ticket:
    """One job's way through the scheduler: waiting, then running and done, or shed, or cancelled."""

    job: Job
    priority: Priority
    """The job's, or FINAL once promoted."""
    waiting_since: float
    """Since when it waits as what it is."""
    queue: Priority
    """The class it waits in: its priority, or FINAL when it has waited too long."""
    round: int
    """Its round in that line."""
    state: JobState = JobState.WAITING
    started_at: float = 0.0


class SchedulingPolicy:
    """Every method is called with the time (s), which never goes back. `dispatch` returns what was decided."""

    def __init__(self, cores: int, *, admit_below: float = 0.85) -> None:
        self.cores = cores
        self._admit_below = admit_below
        self._waiting: dict[int, list[Ticket]] = {}
        self._running: list[Ticket] = []
        self._decided: list[Ticket] = []
        self._served: dict[int, int] = {}
        self._turns = 0
        self._rounds = dict.fromkeys(Priority, 0)
        """Of each line, the round of the job that was started last."""
        self._last_round: dict[int, dict[Priority, int]] = {}
        """Of each session and line, the round that its newest job was given."""
        self._muted: set[int] = set()
        """Sessions found above their share while partials are off; they stay so until partials are on again."""
        self.costs = DecodeCosts()
        self.shares = FairShares(cores)
        self.monitor = PressureMonitor()

    # -- what happens

    def open(self, session: int, now: float) -> None:
        """A session begins, until `forget`."""
        self.shares.open(session, now)

    def submit(self, job: Job, now: float) -> Ticket:
        """A job asks for its turn; a droppable one replaces the session's droppable one that waits."""
        if job.priority in SHEDDABLE:
            for old in [each for each in self._waiting.get(job.session, ()) if each.priority in SHEDDABLE]:
                self._end(old, JobState.SHED)
        if len(self._waiting.get(job.session, ())) >= MAX_WAITING:
            raise RuntimeError(f"session {job.session} has {MAX_WAITING} jobs in line; its calls are to wait")
        ticket = Ticket(job, job.priority, now, job.priority, self._round(job.session, job.priority))
        self._waiting.setdefault(job.session, []).append(ticket)
        return ticket

    def finish(self, ticket: Ticket, now: float, *, learn: bool = True) -> None:
        """A running job has returned; `learn` is false where its time says nothing of its cost."""
        assert ticket.state is JobState.RUNNING
        ticket.state = JobState.DONE
        self._running.remove(ticket)
        took_s = now - ticket.started_at
        if learn:
            self.costs.learn(ticket.job.cost_key, ticket.job.audio_s, took_s)
        if ticket.priority is not Priority.FILE:  # what gives way to everybody takes nobody's share
            self.shares.charge(ticket.job.session, took_s, now, unsheddable=ticket.priority not in SHEDDABLE)

    def has_headroom(self, now: float) -> bool:
        """Whether each speaker has two cores: one for what is said, one for costly finals of it."""
        return 2 * self.shares.active_or_new_sessions(self._working_sessions(), now) <= self.cores

    def cancel(self, ticket: Ticket) -> None:
        """Nobody waits for it any more; a running job keeps its core until `finish`."""
        if ticket.state is JobState.WAITING:
            self._end(ticket, JobState.CANCELLED)

    def promote(self, session: int, now: float) -> None:
        """The session's eager final is a final."""
        for ticket in (*self._waiting.get(session, ()), *self._running):
            if ticket.job.session == session and ticket.priority is Priority.EAGER:
                ticket.priority, ticket.waiting_since = Priority.FINAL, now
                self._move_to_finals(ticket)
                if ticket.state is JobState.RUNNING:
                    self.monitor.final_started(0.0, now)

    def forget(self, session: int) -> None:
        """The session is gone: what waits is shed, its use and its turn are forgotten."""
        for ticket in list(self._waiting.get(session, ())):
            self._end(ticket, JobState.SHED)
        self._served.pop(session, None)
        self._last_round.pop(session, None)
        self._muted.discard(session)
        self.shares.forget(session)

    # -- what is decided

    def dispatch(self, now: float) -> list[Ticket]:
        """Start what can start and shed what is not worth it; give the tickets that were started or shed."""
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
        """Every job that waits, session by session."""
        for tickets in self._waiting.values():
            yield from tickets

    @property
    def running(self) -> int:
        return len(self._running)

    def pressure(self, now: float) -> Pressure:
        """What the load asks of partials in general."""
        return self.monitor.update(now)

    def pressure_on(self, session: int, now: float) -> Pressure:
        """What it asks of this session: partials are off only for those above their fair share."""
        pressure = self.monitor.update(now)
        if pressure.partials == "off" and session not in self._muted:
            return replace(pressure, partials="first_only")
        return pressure

    def admission_wait_s(self, now: float) -> float | None:
        """None lets one more speaker in; otherwise the seconds after which to try again."""
        load = self.shares.load_with_one_more(now)
        if not self._admit_below or load <= self._admit_below:
            return None
        return min(MIN_RETRY_S * load / self._admit_below, MAX_RETRY_S)

    # -- inside

    def _working_sessions(self) -> set[int]:
        """Speakers with work that waits or runs."""
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
        """Whether a droppable job is no longer worth running, or is not to be run under this pressure."""
        if ticket.priority not in SHEDDABLE:
            return False
        partials = self.pressure_on(ticket.job.session, now).partials
        if partials == "off" or (partials == "first_only" and ticket.priority is Priority.PARTIAL):
            return True
        return now - ticket.waiting_since > STALE_S

    def _would_delay_final(self, ticket: Ticket, now: float) -> bool:
        """Whether a final that waits for its worker, or may come of an eager one, would be late because of a partial.

        All others have had their turn before a partial is looked at.
        """
        if ticket.priority not in SHEDDABLE or len(self._running) + 1 < self.cores:
            return False
        free_at = now + self.costs.estimate_s(ticket.job.cost_key, ticket.job.audio_s)
        return any(
            free_at + (cost_s := self.costs.estimate_s(each.job.cost_key, each.job.audio_s))
            > each.job.deadline
            and now + cost_s <= each.job.deadline
            for each in self.waiting()
            if each.priority <= Priority.EAGER
        )

    def _pick_next(self, active: int, now: float) -> Ticket | None:
        workers = {ticket.job.worker for ticket in self._running}
        full = self._at_limit(SHEDDABLE)
        files_full = self._at_limit({Priority.FILE})
        best: tuple[tuple[float, ...], Ticket] | None = None
        for session, tickets in self._waiting.items():
            above = self.shares.is_over_share(session, active, now)
            mine = [ticket.priority for ticket in self._running if ticket.job.session == session]
            for ticket in tickets:
                if ticket.job.worker is not None and ticket.job.worker in workers:
                    continue
                if (full and ticket.priority in SHEDDABLE) or (
                    files_full and ticket.priority is Priority.FILE
                ):
                    continue
                if ticket.priority is Priority.FEED and Priority.FEED in mine:
                    continue
                # A deadline long past buys nothing: who is behind by his own flood would always be first.
                deadline = max(ticket.job.deadline, ticket.waiting_since)
                key = ticket.queue, above, ticket.round, deadline, self._served.get(session, 0)
                if best is None or key < best[0]:
                    best = key, ticket
        return best and best[1]

    def _at_limit(self, priorities: Collection[Priority]) -> bool:
        """Whether as many of these run as may: they leave a core free, where there are two."""
        return sum(ticket.priority in priorities for ticket in self._running) >= max(self.cores - 1, 1)

    def _round(self, session: int, queue: Priority) -> int:
        """The round for one more job of the session: this one, or the one after its last."""
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
        if ticket.priority is Priority.FINAL:
            self.monitor.final_started(now - ticket.waiting_since, now)

    def _end(self, ticket: Ticket, state: JobState) -> None:
        """The end of its waiting."""
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
