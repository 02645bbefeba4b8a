"""The scheduler of one application: every decode on this machine's cores waits here for its turn."""

import asyncio
import itertools
import os
import time
from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from typing import TypeVar

import anyio
import anyio.lowlevel

from app.core.config import SchedulerSettings
from app.services.decoding.admission import EngineCost
from app.services.decoding.load import LEVELS, Pressure
from app.services.decoding.policy import SHEDDABLE, Job, JobState, SchedulingPolicy, Shed, Ticket

T = TypeVar("T")

ROOM_CHECK_S = 0.1
"""How often a start that waits for room looks again: room also comes as time passes."""


current_ticket: ContextVar[Ticket | None] = ContextVar("current_ticket", default=None)
"""The job whose turn it is, inside of the call that `Scheduler.run` makes: an engine on other machines passes it on."""


def usable_cores() -> int:
    """Number of cores that this process may use, at least 1."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0)) or 1
    return os.cpu_count() or 1


def make_scheduler(settings: SchedulerSettings, *, shed: Callable[[], None] = lambda: None) -> "Scheduler":
    """The scheduler of an application with these settings; `shed` is called for each partial that is shed."""
    cores = settings.cores or usable_cores()
    return Scheduler(cores, time.monotonic, admit_below=settings.admit_load, shed=shed)


class Scheduler:
    """Runs jobs as `SchedulingPolicy` decides; it adds the clock and the waiting.

    Everything happens in one event loop, without a task: decisions are made when a job comes or ends. While partials
    are degraded and a session watches, a timer checks once a second whether that is over.
    """

    def __init__(
        self,
        cores: int,
        now: Callable[[], float],
        *,
        admit_below: float = 0.85,
        recheck_every_s: float = 1.0,
        shed: Callable[[], None] = lambda: None,
    ) -> None:
        self._policy = SchedulingPolicy(cores, admit_below=admit_below)
        self.now = now
        """The clock of deadlines (s)."""
        self._recheck_every_s = recheck_every_s
        self._shed = shed
        self._turns: dict[Ticket, anyio.Event] = {}
        self._watchers: dict[int, _Watcher] = {}
        self._numbers = itertools.count(1)
        self._timer: asyncio.TimerHandle | None = None
        self._room = anyio.Event()
        """Set, and replaced, when there may be room for a new session."""
        self._has_start_waiting = False

    def new_session(self, engine: str = "", *, live: bool = True) -> int:
        """A new number for `Job.session`; call `forget` with it at the end.

        Admission counts live sessions, at the cost of their engine. A recording is not live.
        """
        number = next(self._numbers)
        if live:
            self._policy.open(number, self.now(), engine)
        return number

    def set_awaited(self, session: int, *, is_awaited: bool) -> None:
        """Whether a client waits for the session's results: without one it gives way to all others."""
        self._policy.admission.set_awaited(session, self.now(), is_awaited=is_awaited)
        self._signal_room()
        self._dispatch()

    def count_speech(self, session: int, speech_s: float) -> None:
        """An utterance with this much speech has ended: what its engine costs is learned from that."""
        self._policy.admission.count_speech(session, speech_s)

    @property
    def engine_costs(self) -> dict[str, EngineCost]:
        """What engines cost, by the names that `new_session` gets; admission goes by them."""
        return self._policy.admission.costs

    def engine_cost(self, engine: str) -> EngineCost:
        """What this engine costs; unmeasured, where nothing is known."""
        return self._policy.admission.cost(engine)

    @property
    def cores(self) -> int:
        """Number of decodes that run at a time."""
        return self._policy.cores

    def resize(self, cores: int) -> None:
        """Decodes run on this many cores from now on: workers have come or gone."""
        if cores != self._policy.cores:
            self._policy.resize(cores)
            self._signal_room()
            self._dispatch()

    @property
    def load(self) -> float:
        """Core seconds per second that the sessions with clients take or are expected to take."""
        return self._policy.admission.load(self.now())

    @property
    def load_elsewhere(self) -> float:
        """What the sessions of other servers take of the same cores (core seconds per second)."""
        return self._policy.admission.load_elsewhere

    def set_load_elsewhere(self, load: float) -> None:
        """What the sessions of other servers take of the same cores (core seconds per second)."""
        self._policy.admission.load_elsewhere = load

    def is_awaited(self, session: int) -> bool:
        """Whether a client waits for the session's results."""
        return self._policy.admission.is_awaited(session)

    @property
    def background_cores(self) -> int:
        """Number of cores that recordings may take at a time."""
        return max(self._policy.cores - 1, 1)

    async def run(self, job: Job, call: Callable[[], Awaitable[T]]) -> T:
        """Wait for the job's turn, then await `call`, which holds a core until it returns.

        Cancelled while it waits, the job leaves its queue and `call` is never made. Cancelled while `call` runs, the
        core is free when `call` has returned: a call that runs in a thread must not return before the thread has.

        Raises:
            Shed: the job is sheddable and not worth its cost any more, or its session is gone.
        """
        ticket = self._policy.submit(job, self.now())
        self._dispatch()
        if ticket.state is JobState.WAITING:
            await self._wait(ticket)
        if ticket.state is JobState.SHED:
            raise Shed(job.priority.name)
        returned = False
        outer = current_ticket.set(ticket)
        try:
            result = await call()
            returned = True
        finally:
            current_ticket.reset(outer)
            self._policy.finish(ticket, self.now(), learn=returned)
            self._dispatch()
        return result

    def promote(self, session: int) -> None:
        """The session's utterance is over: its eager final becomes a final."""
        self._policy.promote(session, self.now())
        self._dispatch()

    def forget(self, session: int) -> None:
        """The session is over: its waiting jobs are shed and its watch ends; a running job keeps its core."""
        self._watchers.pop(session, None)
        self._policy.forget(session, self.now())
        self._signal_room()
        self._dispatch()

    def watch(self, session: int, notify: Callable[[Pressure], None]) -> None:
        """Call `notify` whenever what the load asks of this session's partials changes, until `forget`.

        The first call comes when the pressure is not the lowest. `notify` takes note and does not wait.
        """
        self._watchers[session] = _Watcher(notify)
        self._notify()

    def find_place(self, session: int) -> int | None:
        """The session's place among those whose finals, or audio for them, wait; 1 is next. None where none waits."""
        return self._policy.find_place(session)

    @property
    def waiting(self) -> int:
        """Number of waiting jobs."""
        return sum(1 for _ in self._policy.waiting())

    @property
    def running(self) -> int:
        """Number of running jobs, each on a core."""
        return self._policy.running

    @property
    def pressure(self) -> Pressure:
        """What the load asks of partials in general."""
        return self._policy.pressure(self.now())

    async def admit(self, engine: str, within_s: float) -> int | float:
        """A number as of `new_session`, as soon as one more live session fits, at most `within_s` from now.

        Otherwise, as a float, the seconds after which to try again. One start at a time waits; others know at once.
        """
        if not self._has_start_waiting:
            self._has_start_waiting = True
            try:
                with anyio.move_on_after(within_s):
                    while self._policy.admission_wait_s(self.now(), engine) is not None:
                        with anyio.move_on_after(ROOM_CHECK_S):
                            await self._room.wait()
            finally:
                self._has_start_waiting = False
        # No await from here on: of a crowd that starts at one moment, each counts those before it.
        wait_s = self._policy.admission_wait_s(self.now(), engine)
        return self.new_session(engine) if wait_s is None else wait_s

    async def _wait(self, ticket: Ticket) -> None:
        turn = self._turns[ticket] = anyio.Event()
        try:
            await turn.wait()
            await anyio.lowlevel.checkpoint_if_cancelled()
        except BaseException:
            if ticket.state is JobState.RUNNING:  # its turn came at the very moment of the cancellation
                self._policy.finish(ticket, self.now(), learn=False)
            else:
                self._policy.cancel(ticket)
            self._dispatch()
            raise
        finally:
            del self._turns[ticket]

    def _signal_room(self) -> None:
        self._room.set()
        self._room = anyio.Event()

    def _dispatch(self) -> None:
        for ticket in self._policy.dispatch(self.now()):
            if turn := self._turns.get(ticket):
                turn.set()
            if ticket.state is JobState.SHED and ticket.priority in SHEDDABLE:
                self._shed()
        if self._watchers:
            self._notify()

    def _notify(self) -> None:
        now = self.now()
        for session, watcher in list(self._watchers.items()):
            watcher.update(self._policy.pressure_on(session, now))
        if self._timer is None and self._policy.pressure(now).degraded:
            self._timer = asyncio.get_running_loop().call_later(self._recheck_every_s, self._recheck)

    def _recheck(self) -> None:
        self._timer = None
        self._dispatch()


class _Watcher:
    """Notifies one session of each change of what it sees of the pressure."""

    def __init__(self, notify: Callable[[Pressure], None]) -> None:
        self._notify = notify
        self._known = LEVELS[0]

    def update(self, pressure: Pressure) -> None:
        if (pressure.degraded, pressure.partials) != (self._known.degraded, self._known.partials):
            self._known = pressure
            self._notify(pressure)
