"""The decode workers as one gateway sees them: which are there, which is asked next, and who decodes again."""

import logging
import math
import os
import uuid
import zlib
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import anyio

from app import __version__
from app.core.config import DecodeSettings, Settings
from app.core.errors import EngineFailed, PrompterError, ProviderNotReady
from app.core.metrics import Observer, TierMetrics
from app.core.notes import Note, NoteCode
from app.core.supervision import Supervisor
from app.providers.tier.port import LinkLost, TierLink, WorkerLost
from app.services.decoding.policy import SHEDDABLE, Shed, Ticket
from app.services.decoding.scheduler import Scheduler, current_ticket
from app.services.tier.calls import AnyAnswer, Call, EngineState, Look, WorkerState

logger = logging.getLogger(__name__)

JOIN_S = 5.0
"""How often is tried to join a cluster that is not there (s)."""

DEATHS = 3
"""An utterance is given up when this many workers have died while they decoded it; so is the opening of a session."""


def make_workers(
    settings: Settings, scheduler: Scheduler, observer: Observer, link: TierLink | None = None
) -> "Workers | None":
    """The workers of an application with these settings; None where it decodes by itself."""
    if settings.decode.tier == "local":
        return None
    if link is None:
        from app.providers.tier.ray_link import RayLink  # Ray takes seconds to import, and most have none

        link = RayLink(settings.decode, (settings.log_level, settings.log_format))
    return Workers(link, settings.decode, scheduler, observer.tier)


def make_no_worker_error(engine: str) -> ProviderNotReady:
    """What somebody is told who would begin, where no worker has the engine."""
    return ProviderNotReady(
        f"no decode worker has the engine {engine!r}; start one with `prompter worker`",
        note=Note(NoteCode.NO_WORKER),
    )


@dataclass(slots=True)
class Deaths:
    """How many workers have died on what a session asks, since it was answered last."""

    count: int = 0


@dataclass(slots=True, eq=False)
class Worker:
    """One worker, as this gateway knows it."""

    name: str
    order: int
    """Of workers that have equally little to do, the lowest is asked first; another gateway has another order."""
    state: WorkerState | None = None
    """What it told last; None before its first answer."""
    is_lost: bool = False
    has_died: bool = False
    """It was lost by the end of its process, not by silence."""
    busy: int = 0
    """Decodes that it had, ours included, when it last answered."""
    ours: int = 0
    """Calls of ours that run there."""
    calls: set[anyio.CancelScope] = field(default_factory=set)
    watch: anyio.CancelScope = field(default_factory=anyio.CancelScope)

    @property
    def is_there(self) -> bool:
        """Whether it can be asked."""
        return not self.is_lost and self.state is not None and self.state.version == __version__

    @property
    def load(self) -> float:
        """Its decodes for each slot, as far as known: what it told is a moment old, what is ours is not."""
        slots = self.state.slots if self.state else 0
        return max(self.busy, self.ours) / slots if slots else math.inf

    def has(self, engine: str, model: str | None) -> bool:
        """Whether it has the engine with this model; None is any."""
        known = self.state.engines.get(engine) if self.state else None
        return known is not None and (model is None or model in known.models)


class Workers:
    """Asks workers in a scheduler's turn. It knows them by heartbeats, and tells the scheduler of their slots.

    The queue is the gateway's: its scheduler decides who is next, and here is decided where. What a worker was asked
    when it died or fell silent is asked of another one, except for partials, which are shed.
    """

    def __init__(
        self, link: TierLink, settings: DecodeSettings, scheduler: Scheduler, metrics: TierMetrics
    ) -> None:
        self.gateway = f"{os.getpid()}-{uuid.uuid4().hex[:12]}"
        self._link = link
        self._settings = settings
        self._scheduler = scheduler
        self._metrics = metrics
        self._workers: dict[str, Worker] = {}
        self._changed = anyio.Event()
        self._refusal = ""
        """Why the cluster does not take this process; empty where it does, or is yet to be asked."""
        self._is_joining = False
        """Whether the link is being opened."""
        self._tasks = Supervisor("decode workers")
        scheduler.resize(0)
        metrics.watch(
            workers=lambda: len(self._there),
            slots=lambda: self.slots,
            running=lambda: sum(worker.ours for worker in self._workers.values()),
        )

    @property
    def slots(self) -> int:
        """Decodes that run at a time, on all workers together."""
        return sum(worker.state.slots for worker in self._there if worker.state)

    @property
    def names(self) -> list[str]:
        """The workers that can be asked."""
        return [worker.name for worker in self._there]

    @property
    def problem(self) -> str:
        """As `core.supervision.Part`."""
        if self._tasks.problem:
            return self._tasks.problem
        if self._refusal:
            return f"decode workers: {self._refusal}"
        if self._there:
            return ""
        others = [worker.name for worker in self._workers.values() if worker.state and not worker.is_lost]
        if others:
            return f"decode workers: {', '.join(sorted(others))} run another version; this is {__version__}"
        if self._is_joining:
            return "decode workers: none is known while this server still joins the Ray cluster; it can take a minute"
        return "decode workers: none is there; `prompter worker --ray ADDRESS` starts one"

    @asynccontextmanager
    async def run(self) -> AsyncIterator[None]:
        """Join the cluster, as soon as that is there, and know its workers until the block ends."""
        try:
            async with self._tasks.run():
                self._tasks.start_loop("heartbeat", self._keep_finding)
                yield
        finally:
            with anyio.CancelScope(shield=True):
                await self._link.aclose()

    def find_engines(self, engine: str) -> list[EngineState]:
        """The states of an engine at all workers that have it."""
        return [
            worker.state.engines[engine]
            for worker in self._there
            if worker.state and worker.has(engine, None)
        ]

    async def ask(
        self,
        make_call: Callable[[str], Call],
        engine: str,
        model: str | None = None,
        *,
        near: str | None = None,
        deaths: Deaths | None = None,
    ) -> Any:
        """The value of a worker's answer, however many workers are lost meanwhile.

        `make_call` makes the call for the worker of this name, again for each one that is asked. A worker `near` is
        asked if it is there. A decode waits where no worker is there. `deaths` are those of the session.

        Raises:
            Shed: the decode is a partial, and its worker was lost or has more urgent work.
            ProviderNotReady: no worker has the engine, and this is no decode.
            PrompterError: what the engine raised there.
            EngineFailed: workers died again and again while they worked for it.
        """
        ticket = current_ticket.get()
        deaths = deaths or Deaths()
        while True:
            if ticket is not None and ticket.priority in SHEDDABLE and deaths.count >= DEATHS - 1:
                raise Shed(ticket.priority.name)  # the last try is the final's
            worker = self._choose(engine, model, near)
            if worker is None:
                await self._wait_for_change(ticket, engine)
            elif not deaths.count or await self._answers(worker):
                try:
                    answer = await self._call(worker, make_call(worker.name))
                except WorkerLost as loss:
                    self._lose(worker, has_died=loss.has_died)
                    deaths.count += loss.has_died
                    self._count_loss(ticket, engine, deaths)
                    continue
                deaths.count = 0
                return self._take(worker, answer, ticket)

    def tell(self, name: str, call: Call) -> None:
        """Send a worker a call that nobody waits for."""
        worker = self._workers.get(name)
        if worker is not None and worker.is_there:
            self._tasks.start_job(self._send, worker, call)

    # -- which workers there are

    @property
    def _there(self) -> list[Worker]:
        return [worker for worker in self._workers.values() if worker.is_there]

    async def _keep_finding(self) -> None:
        is_joined = False
        while True:
            is_joined = await (self._find() if is_joined else self._join())
            await anyio.sleep(self._settings.heartbeat_s if is_joined else JOIN_S)

    async def _join(self) -> bool:
        """Join the cluster, and look for its workers; whether it has taken this process."""
        self._is_joining = True
        try:
            await self._link.open()
        except PrompterError as error:
            if error.message != self._refusal:
                logger.error("%s", error.message)
            self._refusal = error.message
            return False
        finally:
            self._is_joining = False
        self._refusal = ""
        return await self._find()

    async def _find(self) -> bool:
        """Ask the cluster for its workers, and watch each one that is new; whether this process is in it."""
        try:
            with anyio.fail_after(self._settings.lost_after_s):
                names = await self._link.find_workers()
        except LinkLost:
            return False
        except (TimeoutError, WorkerLost):
            return True  # each worker is watched by itself
        for name in names - self._workers.keys():
            worker = self._workers[name] = Worker(name, zlib.crc32(f"{self.gateway} {name}".encode()))
            self._tasks.start_loop(f"watch over {name}", self._watch, worker)
        for name in self._workers.keys() - names:
            worker = self._workers[name]
            if worker.is_lost or worker.state is None:
                self._workers.pop(name).watch.cancel()
        return True

    async def _watch(self, worker: Worker) -> None:
        with worker.watch:
            while True:
                await self._look(worker)
                await anyio.sleep(self._settings.heartbeat_s)

    async def _look(self, worker: Worker) -> None:
        look = Look(gateway=self.gateway, load=self._scheduler.load)
        answer: AnyAnswer | None = None
        try:
            with anyio.move_on_after(self._settings.lost_after_s):
                answer = await self._link.call(worker.name, look)
        except WorkerLost as loss:
            self._lose(worker, has_died=loss.has_died)
            return
        if answer is None or not isinstance(answer.value, WorkerState):
            self._lose(worker, has_died=False)
            return
        was_there = worker.is_there
        worker.state, worker.busy, worker.is_lost = answer.value, answer.busy, False
        if worker.is_there and not was_there:
            logger.info("decode worker %s is there, with %d slots", worker.name, worker.state.slots)
        self._update()

    def _lose(self, worker: Worker, *, has_died: bool) -> None:
        if worker.is_lost:
            return
        worker.is_lost, worker.has_died = True, has_died
        if worker.state is not None:
            logger.warning("decode worker %s is lost; others decode again what it had", worker.name)
        for scope in tuple(worker.calls):
            scope.cancel()
        self._update()

    def _update(self) -> None:
        """Tell the scheduler, and whoever waits for a worker."""
        there = self._there
        self._scheduler.set_load_elsewhere(
            max((worker.state.load_elsewhere for worker in there if worker.state), default=0.0)
        )
        self._scheduler.resize(self.slots)
        self._changed.set()
        self._changed = anyio.Event()

    # -- asking one

    def _choose(self, engine: str, model: str | None, near: str | None) -> Worker | None:
        there = [worker for worker in self._there if worker.has(engine, model)]
        if not there:
            return None
        return min(there, key=lambda worker: (worker.name != near, worker.load, worker.ours, worker.order))

    async def _wait_for_change(self, ticket: Ticket | None, engine: str) -> None:
        if ticket is None:
            raise make_no_worker_error(engine)
        if ticket.priority in SHEDDABLE:
            raise Shed(ticket.priority.name)
        await self._changed.wait()

    async def _answers(self, worker: Worker) -> bool:
        """Whether it is there at this moment: of workers that end together only the first dies on its call."""
        await self._look(worker)
        return worker.is_there

    async def _call(self, worker: Worker, call: Call) -> AnyAnswer:
        """
        Raises:
            WorkerLost: it has died, or does not answer any more.
        """
        worker.ours += 1
        with anyio.CancelScope() as scope:
            worker.calls.add(scope)
            try:
                answer: AnyAnswer = await self._link.call(worker.name, call)
                return answer
            finally:
                worker.calls.discard(scope)
                worker.ours -= 1
        raise WorkerLost(has_died=worker.has_died)

    async def _send(self, worker: Worker, call: Call) -> None:
        with suppress(WorkerLost), anyio.move_on_after(self._settings.lost_after_s):
            await self._link.call(worker.name, call)

    def _count_loss(self, ticket: Ticket | None, engine: str, deaths: Deaths) -> None:
        """
        Raises:
            Shed: the decode is a partial.
            EngineFailed: too many workers have died of it.
        """
        if ticket is not None and ticket.priority in SHEDDABLE:
            raise Shed(ticket.priority.name)
        if deaths.count >= DEATHS:
            deaths.count = 0
            if ticket is None:
                raise EngineFailed(
                    f"{DEATHS} decode workers died when they opened {engine!r}; choose another model"
                )
            self._metrics.count_lost()
            raise EngineFailed(f"{DEATHS} decode workers of {engine!r} died on one utterance; say it again")
        if ticket is not None:
            self._metrics.count_redone()

    def _take(self, worker: Worker, answer: AnyAnswer, ticket: Ticket | None) -> Any:
        worker.busy = answer.busy
        if answer.is_shed:
            raise Shed
        if answer.error is not None:
            raise answer.error
        if ticket is not None:
            ticket.waited_at_worker_s += answer.waited_s
            took_s = max(self._scheduler.now() - ticket.started_at - answer.waited_s, 0.0)
            self._metrics.time_decode(ticket.priority.name.lower(), took_s, answer.waited_s)
        return answer.value
