"""The scheduler's decisions: what runs, waits, or is shed; times are passed in, there is no clock and no await.

The order: finals, eager finals, feeds, first partials, partials, recordings. Within a class those sessions that stay
within their fair share go first; then turns go in rounds, each session once in a round; within a round the earliest
deadline goes first, then the session that was served longest ago.
"""

from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace
from enum import StrEnum

from app.services.decoding.jobs import DROPPABLE, Job, Kind
from app.services.decoding.load import Costs, Gauge, Pressure, Shares

STALE_S = 1.0
"""A partial that would start later than this after its audio's end is shed."""

PATIENCE_S = 1.0
"""An eager final or a feed that has waited this long stands in line with the finals."""

RETRY_S = 5.0
"""When a client that was refused may try again, at the least."""

RETRY_MOST_S = 30.0

MOST_WAITING = 64
"""Jobs of one session in line: calls of a dictation wait for each other, so more than a few are a fault."""


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
    line: Kind
    """The class it waits in: its kind, or FINAL when it has waited too long."""
    round: int
    """Its round in that line."""
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
        self._rounds = dict.fromkeys(Kind, 0)
        """Of each line, the round of the job that was started last."""
        self._last_round: dict[int, dict[Kind, int]] = {}
        """Of each session and line, the round that its newest job was given."""
        self._muted: set[int] = set()
        """Sessions found above their share while partials are off; they stay so until partials are on again."""
        self.costs = Costs()
        self.shares = Shares(cores)
        self.gauge = Gauge()

    # -- what happens

    def open(self, session: int, now: float) -> None:
        """A session begins, until `forget`."""
        self.shares.open(session, now)

    def submit(self, job: Job, now: float) -> Ticket:
        """A job asks for its turn; a droppable one replaces the session's droppable one that waits."""
        if job.kind in DROPPABLE:
            for old in [each for each in self._waiting.get(job.session, ()) if each.kind in DROPPABLE]:
                self._end(old, State.SHED)
        if len(self._waiting.get(job.session, ())) >= MOST_WAITING:
            raise RuntimeError(
                f"session {job.session} has {MOST_WAITING} jobs in line; its calls are to wait"
            )
        ticket = Ticket(job, job.kind, now, job.kind, self._round(job.session, job.kind))
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
        if ticket.kind is not Kind.FILE:  # what gives way to everybody takes nobody's share
            self.shares.charge(ticket.job.session, took_s, now, sure=ticket.kind not in DROPPABLE)

    def roomy(self, now: float) -> bool:
        """Whether each speaker has two cores: one for what is said, one for costly finals of it."""
        return 2 * self.shares.speakers(self._asking(), now) <= self.cores

    def cancel(self, ticket: Ticket) -> None:
        """Nobody waits for it any more; a running job keeps its core until `finish`."""
        if ticket.state is State.WAITING:
            self._end(ticket, State.CANCELLED)

    def promote(self, session: int, now: float) -> None:
        """The session's eager final is a final."""
        for ticket in (*self._waiting.get(session, ()), *self._running):
            if ticket.job.session == session and ticket.kind is Kind.EAGER:
                ticket.kind, ticket.since = Kind.FINAL, now
                self._join_finals(ticket)
                if ticket.state is State.RUNNING:
                    self.gauge.final_started(0.0, now)

    def forget(self, session: int) -> None:
        """The session is gone: what waits is shed, its use and its turn are forgotten."""
        for ticket in list(self._waiting.get(session, ())):
            self._end(ticket, State.SHED)
        self._served.pop(session, None)
        self._last_round.pop(session, None)
        self._muted.discard(session)
        self.shares.forget(session)

    # -- what is decided

    def settle(self, now: float) -> list[Ticket]:
        """Start what can start and shed what is not worth it; give the tickets that were started or shed."""
        crowd = self._crowd(now)
        self._mute(crowd, now)
        for ticket in self.waiting():
            if ticket.kind in (Kind.EAGER, Kind.FEED) and now - ticket.since >= PATIENCE_S:
                self._join_finals(ticket)
        for ticket in [each for each in self.waiting() if self._hopeless(each, now)]:
            self._end(ticket, State.SHED)
        while len(self._running) < self.cores and (first := self._next(crowd, now)) is not None:
            if self._delays_a_final(first, now):
                self._end(first, State.SHED)
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

    def _asking(self) -> set[int]:
        """Speakers with work that waits or runs."""
        live = [ticket for ticket in (*self.waiting(), *self._running) if ticket.kind is not Kind.FILE]
        return {ticket.job.session for ticket in live}

    def _crowd(self, now: float) -> int:
        return self.shares.crowd(self._asking(), now)

    def _mute(self, crowd: int, now: float) -> None:
        if self.gauge.look(now).partials != "off":
            self._muted.clear()
            return
        self._muted |= {session for session in self._asking() if self.shares.above(session, crowd, now)}

    def _hopeless(self, ticket: Ticket, now: float) -> bool:
        """Whether a droppable job is no longer worth running, or is not to be run under this pressure."""
        if ticket.kind not in DROPPABLE:
            return False
        partials = self.pressure_on(ticket.job.session, now).partials
        if partials == "off" or (partials == "first_only" and ticket.kind is Kind.PARTIAL):
            return True
        return now - ticket.since > STALE_S

    def _delays_a_final(self, ticket: Ticket, now: float) -> bool:
        """Whether a final that waits for its lane, or may come of an eager one, would be late because of a partial.

        All others have had their turn before a partial is looked at.
        """
        if ticket.kind not in DROPPABLE or len(self._running) + 1 < self.cores:
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
        full = self._full(DROPPABLE)
        files_full = self._full({Kind.FILE})
        best: tuple[tuple[float, ...], Ticket] | None = None
        for session, tickets in self._waiting.items():
            above = self.shares.above(session, crowd, now)
            mine = [ticket.kind for ticket in self._running if ticket.job.session == session]
            for ticket in tickets:
                if ticket.job.lane is not None and ticket.job.lane in lanes:
                    continue
                if (full and ticket.kind in DROPPABLE) or (files_full and ticket.kind is Kind.FILE):
                    continue
                if ticket.kind is Kind.FEED and Kind.FEED in mine:
                    continue
                # A deadline long past buys nothing: who is behind by his own flood would always be first.
                deadline = max(ticket.job.deadline, ticket.since)
                key = ticket.line, above, ticket.round, deadline, self._served.get(session, 0)
                if best is None or key < best[0]:
                    best = key, ticket
        return best and best[1]

    def _full(self, kinds: Collection[Kind]) -> bool:
        """Whether as many of these run as may: they leave a core free, where there are two."""
        return sum(ticket.kind in kinds for ticket in self._running) >= max(self.cores - 1, 1)

    def _round(self, session: int, line: Kind) -> int:
        """The round for one more job of the session: this one, or the one after its last."""
        last = self._last_round.setdefault(session, {})
        last[line] = max(self._rounds[line], last.get(line, 0) + 1)
        return last[line]

    def _join_finals(self, ticket: Ticket) -> None:
        if ticket.line is not Kind.FINAL:
            ticket.line, ticket.round = Kind.FINAL, self._round(ticket.job.session, Kind.FINAL)

    def _start(self, ticket: Ticket, now: float) -> None:
        self._end(ticket, State.RUNNING)
        self._running.append(ticket)
        ticket.started = now
        self._turns += 1
        self._rounds[ticket.line] = max(self._rounds[ticket.line], ticket.round)
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
        last = self._last_round.get(ticket.job.session, {})
        if state is not State.RUNNING and last.get(ticket.line) == ticket.round:
            last[ticket.line] -= 1  # the session's turn in this round was not used
        if state is not State.CANCELLED:
            self._decided.append(ticket)
