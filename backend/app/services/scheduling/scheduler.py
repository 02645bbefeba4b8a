"""The scheduler of one application: whoever wants a core waits here for its turn."""

import os
from collections.abc import Awaitable, Callable
from typing import TypeVar

import anyio

from app.services.scheduling.jobs import Job, Shed
from app.services.scheduling.policy import Policy, State, Ticket
from app.services.scheduling.pressure import Pressure

T = TypeVar("T")


def usable_cores() -> int:
    """Cores that this process may use, at least 1."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0)) or 1
    return os.cpu_count() or 1


class Scheduler:
    """The decisions are `Policy`'s; here are the clock and those who wait.

    Everything happens in one event loop. There is no task and no timer: decisions fall when a job comes or ends.
    """

    def __init__(self, cores: int, now: Callable[[], float], *, admit_below: float = 0.85) -> None:
        self._policy = Policy(cores, admit_below=admit_below)
        self._now = now
        self._turns: dict[Ticket, anyio.Event] = {}

    async def run(self, job: Job, call: Callable[[], Awaitable[T]]) -> T:
        """Wait for the job's turn, then await `call`, which holds a core until it returns.

        Cancelled while it waits, it leaves the queue and `call` is never made. Cancelled while `call` runs, the core
        is free when `call` has returned: a call that goes on in a thread must not return before it has ended.

        Raises:
            Shed: the job is droppable and not worth its cost any more, or its session is gone.
        """
        ticket = self._policy.submit(job, self._now())
        self._settle()
        if ticket.state is State.WAITING:
            await self._wait(ticket)
        if ticket.state is State.SHED:
            raise Shed(job.kind.name)
        returned = False
        try:
            result = await call()
            returned = True
        finally:
            self._policy.finish(ticket, self._now(), learn=returned)
            self._settle()
        return result

    def promote(self, session: int) -> None:
        """This session's eager final is a final now."""
        self._policy.promote(session, self._now())
        self._settle()

    def forget(self, session: int) -> None:
        """The session is gone: what waits is shed; what runs keeps its core until it returns."""
        self._policy.forget(session)
        self._settle()

    @property
    def pressure(self) -> Pressure:
        """What the load asks of partials now."""
        return self._policy.pressure(self._now())

    def admits(self) -> float | None:
        """None when one more speaker fits; otherwise the seconds after which to try again."""
        return self._policy.admits(self._now())

    async def _wait(self, ticket: Ticket) -> None:
        turn = self._turns[ticket] = anyio.Event()
        try:
            await turn.wait()
        except BaseException:
            if ticket.state is State.RUNNING:  # its turn came in the very moment of the cancellation
                self._policy.finish(ticket, self._now(), learn=False)
            else:
                self._policy.cancel(ticket)
            self._settle()
            raise
        finally:
            del self._turns[ticket]

    def _settle(self) -> None:
        for ticket in self._policy.settle(self._now()):
            if turn := self._turns.get(ticket):
                turn.set()
