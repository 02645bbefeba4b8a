"""The pool of PocketSphinx worker processes: leases decoders first come first served, replaces dead workers."""

import asyncio
import logging
from collections import deque
from collections.abc import Coroutine
from dataclasses import dataclass
from typing import Any

import anyio

from app.core.errors import EngineFailed, PrompterError, ProviderNotReady
from app.providers.stt.pocketsphinx.wire import Header
from app.providers.stt.pocketsphinx.worker_process import WorkerDied, WorkerProcess

log = logging.getLogger(__name__)

START_ATTEMPTS = 3
STOPPING = "the provider 'pocketsphinx' is stopping; connect again in a moment"


@dataclass(frozen=True, slots=True)
class Lease:
    """A decoder that one utterance has until `WorkerPool.give_back`."""

    worker: WorkerProcess
    decoder: int

    def call(self, op: str, body: bytes = b"", **arguments: str | None) -> asyncio.Future[Header]:
        """Send a request to this decoder; see `WorkerProcess.call`."""
        return self.worker.call({"op": op, "decoder": self.decoder, **arguments}, body)


PendingLease = asyncio.Future[Lease]
"""A place in the queue for a decoder; it gets its lease when the utterance's turn comes."""


class WorkerPool:
    """`workers` processes with at most `decoders` decoders each."""

    def __init__(self, workers: int, decoders: int) -> None:
        self._size = workers
        self._decoders = decoders
        self._workers: list[WorkerProcess] = []
        self._queue: deque[PendingLease] = deque()
        self._watchers: set[asyncio.Task[None]] = set()
        self._closed = False

    @property
    def pids(self) -> list[int]:
        """Process ids of the workers that run."""
        return [worker.pid for worker in self._workers if worker.pid is not None]

    async def start(self) -> None:
        """Start every worker at once; returns when all are warm.

        Raises:
            ProviderNotReady: a worker ended while it loaded its model.
        """
        starts = [asyncio.ensure_future(WorkerProcess.start(self._decoders)) for _ in range(self._size)]
        try:
            # Not `gather`: cancelled repeatedly, as by a server that ends meanwhile, it would cancel the cleanup of the
            # starts that it waits for.
            done, _ = await asyncio.wait(starts, return_when=asyncio.FIRST_EXCEPTION)
            for worker in [start.result() for start in starts if start in done]:
                self._admit(worker)
        except BaseException as error:
            for start in starts:
                start.cancel()
            with anyio.CancelScope(shield=True):
                for outcome in await asyncio.gather(*starts, return_exceptions=True):
                    if isinstance(outcome, WorkerProcess):
                        await outcome.aclose()
            if isinstance(error, WorkerDied):
                raise ProviderNotReady(
                    "the provider 'pocketsphinx' cannot start its workers; their own error output says why"
                ) from error
            raise

    def queue(self, *, first: bool = False) -> PendingLease:
        """Ask for a decoder. `first`: before all others, for an utterance that lost its decoder."""
        pending: PendingLease = asyncio.get_running_loop().create_future()
        if self._closed:
            pending.set_exception(ProviderNotReady(STOPPING))
            return pending
        if first:
            self._queue.appendleft(pending)
        else:
            self._queue.append(pending)
        if not self._workers and not self._watchers:
            self._watch(self._replace())
        self._serve()
        return pending

    def give_back(self, lease: Lease) -> None:
        """End a lease. A running request goes on; the decoder's next request comes after it."""
        lease.worker.give_decoder(lease.decoder)
        self._serve()

    async def aclose(self) -> None:
        """End all processes. Whoever waits for a decoder or an answer gets `ProviderNotReady`."""
        self._closed = True
        watchers = list(self._watchers)
        for watcher in watchers:
            watcher.cancel()
        await asyncio.gather(*watchers, return_exceptions=True)
        self._refuse(ProviderNotReady(STOPPING))
        await asyncio.gather(*(worker.aclose() for worker in self._workers))
        self._workers.clear()

    def _serve(self) -> None:
        """Lease free decoders to the queue, from the worker with the most free decoders first."""
        while self._queue:
            if self._queue[0].done():
                self._queue.popleft()
                continue
            alive = [worker for worker in self._workers if not worker.ended.is_set()]
            worker = max(alive, key=lambda each: len(each.free), default=None)
            if worker is None or not worker.free:
                return
            self._queue.popleft().set_result(Lease(worker, worker.take_decoder()))

    def _admit(self, worker: WorkerProcess) -> None:
        self._workers.append(worker)
        self._watch(self._replace_when_dead(worker))
        self._serve()

    def _watch(self, work: Coroutine[Any, Any, None]) -> None:
        watcher = asyncio.ensure_future(work)
        self._watchers.add(watcher)
        watcher.add_done_callback(self._watchers.discard)

    async def _replace_when_dead(self, worker: WorkerProcess) -> None:
        await worker.ended.wait()
        self._workers.remove(worker)
        log.warning("a pocketsphinx worker (process %s) died; starting another", worker.pid)
        await worker.aclose()
        await self._replace()

    async def _replace(self) -> None:
        for attempt in range(1, START_ATTEMPTS + 1):
            try:
                self._admit(await WorkerProcess.start(self._decoders))
            except WorkerDied:
                log.exception(
                    "a pocketsphinx worker died as it started (attempt %d of %d)", attempt, START_ATTEMPTS
                )
            else:
                return
        if not self._workers:
            self._refuse(EngineFailed("the engine 'pocketsphinx' cannot start its worker processes"))

    def _refuse(self, error: PrompterError) -> None:
        for pending in self._queue:
            if not pending.done():
                pending.set_exception(error)
        self._queue.clear()
