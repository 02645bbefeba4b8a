"""Gateways and workers on scripted time: the real scheduling policy at both, as in the tier of decode workers.

A gateway's policy decides what is next among its sessions, and its worker is the one with least to do, as far as the
gateway knows. At the worker a second policy decides among what all gateways ask of it.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from random import Random

from scripted_time import Figures, Timeline

from app.services.decoding.policy import SHEDDABLE, Job, JobState, Priority, SchedulingPolicy, Ticket

AUDIO_BYTES_S = 32_000
"""Bytes of a second of audio at 16 kHz."""

Answer = Callable[[Ticket], None]


@dataclass(slots=True)
class Call:
    """One decode of a gateway at a worker."""

    asked: Ticket
    """The gateway's ticket."""
    cost_s: float
    view: "View"
    answer: Callable[["Call"], None]
    waited_s: float = 0.0
    is_shed: bool = False
    """It gave way, or nobody wants it any more."""
    at_worker: Ticket | None = None
    """The worker's ticket, once it is there."""


class Worker:
    """A machine that decodes: its policy, and as many decodes at a time as it has cores."""

    def __init__(self, timeline: Timeline, cores: int, figures: Figures) -> None:
        self.policy = SchedulingPolicy(cores, admit_below=0.0)
        self._timeline, self._figures = timeline, figures
        self._calls: dict[Ticket, Call] = {}

    @property
    def busy(self) -> int:
        """Decodes that run and wait."""
        return len(self._calls)

    def take(self, call: Call) -> None:
        """A gateway asks for a decode. Eager finals are as urgent as finals."""
        job, now = call.asked.job, self._timeline.now
        urgent = Priority.FINAL if call.asked.priority is Priority.EAGER else call.asked.priority
        if call.is_shed:
            call.answer(call)
            return
        call.at_worker = ticket = self.policy.submit(replace(job, priority=urgent), now)
        self._calls[ticket] = call
        self._dispatch()

    def cancel(self, call: Call) -> None:
        """Nobody wants the result any more: a decode that waits is never made."""
        ticket = call.at_worker
        if ticket is not None and ticket.state is JobState.WAITING:
            self.policy.cancel(ticket)
            del self._calls[ticket]
            call.is_shed = True
            call.answer(call)
        elif ticket is None:
            call.is_shed = True

    def _dispatch(self) -> None:
        began_s = time.thread_time()
        decided = self.policy.dispatch(self._timeline.now)
        if self._timeline.now >= self._figures.since:
            self._figures.worker_decisions_s.append(time.thread_time() - began_s)
        for ticket in decided:
            if ticket.state is JobState.RUNNING:
                self._start(ticket)
            elif ticket in self._calls:
                call = self._calls.pop(ticket)
                call.is_shed = True
                call.answer(call)

    def _start(self, ticket: Ticket) -> None:
        call, now = self._calls[ticket], self._timeline.now
        call.waited_s = now - ticket.waiting_since
        if now >= self._figures.since:
            self._figures.busy_s += call.cost_s
            self._figures.finals_s += call.cost_s * (ticket.priority not in SHEDDABLE)
            if ticket.priority not in SHEDDABLE:
                self._figures.at_worker_s.append(call.waited_s)
        self._timeline.at(now + call.cost_s, lambda: self._finish(ticket))

    def _finish(self, ticket: Ticket) -> None:
        self.policy.finish(ticket, self._timeline.now)
        call = self._calls.pop(ticket)
        call.answer(call)
        self._dispatch()


@dataclass(slots=True)
class View:
    """A worker as one gateway knows it: what it told last, and what the gateway has there itself."""

    worker: Worker
    rank: float
    """Of several with as little to do, the lowest is asked."""
    busy: int = 0
    ours: int = 0

    @property
    def load(self) -> float:
        return max(self.busy, self.ours) / self.worker.policy.cores


@dataclass
class Link:
    """What lies between gateways and workers."""

    call_s: float = 0.0012
    """What a call adds to a decode (s)."""
    heartbeat_s: float = 1.0
    """How often a gateway asks each worker how much it has to do (s)."""
    is_ranked_alike: bool = False
    """Whether all gateways prefer the same one of several idle workers."""


class Gateway:
    """One gateway: the policy over its sessions, and its view of the workers."""

    def __init__(
        self,
        timeline: Timeline,
        workers: list[Worker],
        figures: Figures,
        link: Link,
        *,
        number: int = 0,
        admit_load: float = 0.0,
    ) -> None:
        cores = sum(worker.policy.cores for worker in workers)
        self.policy = SchedulingPolicy(cores, admit_below=admit_load)
        self.timeline, self.figures = timeline, figures
        self._link = link
        dice = Random(number)
        self._views = [
            View(worker, place if link.is_ranked_alike else dice.random())
            for place, worker in enumerate(workers)
        ]
        self._then: dict[Ticket, Answer] = {}
        self._cost_s: dict[Ticket, float] = {}
        self._calls: dict[Ticket, Call] = {}
        timeline.at(dice.uniform(0, link.heartbeat_s), self._look)

    def ask(self, job: Job, cost_s: float, then: Answer) -> Ticket:
        """Submit a job; `then` is called when it is done or shed, and not when it was cancelled in the queue."""
        began_s = time.thread_time()
        ticket = self.policy.submit(job, self.timeline.now)
        self._then[ticket], self._cost_s[ticket] = then, cost_s
        self._dispatch(began_s)
        return ticket

    def cancel(self, ticket: Ticket) -> None:
        began_s = time.thread_time()
        self.policy.cancel(ticket)
        if ticket.state is JobState.CANCELLED:
            del self._then[ticket], self._cost_s[ticket]
        elif call := self._calls.get(ticket):
            self.timeline.at(self.timeline.now + self._link.call_s / 2, lambda: call.view.worker.cancel(call))
        self._dispatch(began_s)

    def promote(self, session: int) -> None:
        began_s = time.thread_time()
        self.policy.promote(session, self.timeline.now)
        self._dispatch(began_s)

    def _look(self) -> None:
        """The heartbeat: each worker tells how much it has to do."""
        for view in self._views:
            view.busy = view.worker.busy
        self.timeline.at(self.timeline.now + self._link.heartbeat_s, self._look)

    def _dispatch(self, began_s: float) -> None:
        now, figures = self.timeline.now, self.figures
        decided = self.policy.dispatch(now)
        is_counted = now >= figures.since
        if is_counted:
            figures.decisions_s.append(time.thread_time() - began_s)
            figures.highest_level = max(figures.highest_level, self.policy.monitor.level)
        for ticket in decided:
            if ticket.state is JobState.RUNNING:
                self._send(ticket, is_counted=is_counted)
            elif ticket in self._then:
                figures.shed += is_counted
                del self._cost_s[ticket]
                self._then.pop(ticket)(ticket)

    def _send(self, ticket: Ticket, *, is_counted: bool) -> None:
        began_s = time.thread_time()
        view = min(self._views, key=lambda each: (each.load, each.ours, each.rank))
        if is_counted:
            self.figures.choices_s.append(time.thread_time() - began_s)
            self.figures.sent_bytes += ticket.job.audio_s * AUDIO_BYTES_S
        view.ours += 1
        call = self._calls[ticket] = Call(ticket, self._cost_s.pop(ticket), view, self._answer)
        self.timeline.at(self.timeline.now + self._link.call_s / 2, lambda: view.worker.take(call))

    def _answer(self, call: Call) -> None:
        """The worker's answer leaves it now."""
        busy = call.view.worker.busy
        self.timeline.at(self.timeline.now + self._link.call_s / 2, lambda: self._receive(call, busy))

    def _receive(self, call: Call, busy: int) -> None:
        began_s = time.thread_time()
        ticket, call.view.busy = call.asked, busy
        del self._calls[ticket]
        call.view.ours -= 1
        ticket.waited_at_worker_s = call.waited_s
        self.policy.finish(ticket, self.timeline.now, learn=not call.is_shed)
        if call.is_shed:
            ticket.state = JobState.SHED
            self.figures.shed += self.timeline.now >= self.figures.since
        self._dispatch(began_s)
        self._then.pop(ticket)(ticket)
