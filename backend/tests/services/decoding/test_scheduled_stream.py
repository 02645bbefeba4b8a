"""Incremental engines under the scheduler: small turns, nothing lost, and no core idle for a pinned utterance."""

import time
from collections.abc import Hashable

import anyio
import anyio.lowlevel
import anyio.to_thread
import numpy as np
import pytest

from app.providers.base import Hypothesis, PinnedSttStream, Samples, SttCapabilities, Transcript
from app.services.decoding.policy import Job, Priority
from app.services.decoding.scheduled_stream import FEED_S, ScheduledStream, is_scheduled
from app.services.decoding.scheduler import Scheduler
from tests.fakes.engine import FakeStream, Script, guess_words


def speech(seconds: float) -> Samples:
    return np.arange(int(16_000 * seconds)).astype(np.int16)


def scheduler(cores: int) -> Scheduler:
    return Scheduler(cores, time.monotonic)


class PinnedStream:
    """The protocols' fake whose calls hold the one lock of its worker, as a worker process does."""

    def __init__(self, worker: "Worker", *, has_worker: bool = True) -> None:
        self._process = worker
        self.heard_s = 0.0
        self._there = anyio.Event()
        if has_worker:
            self._there.set()

    @property
    def worker(self) -> Hashable | None:
        return self._process if self._there.is_set() else None

    async def wait_for_worker(self) -> None:
        await self._there.wait()

    def give_worker(self) -> None:
        self._there.set()

    async def accept(self, samples: Samples) -> Hypothesis | None:
        self.heard_s += len(samples) / 16_000
        if self._there.is_set():
            await self._process.work()
        return None

    async def finish(self, speech_samples: int) -> Transcript:
        assert self._there.is_set(), "a final holds a core while it waits for a worker"
        await self._process.work()
        return Transcript(f"{self.heard_s:.1f}")

    async def aclose(self) -> None:
        """Nothing to release."""


class Worker:
    """Runs one call at a time; notices when two are asked of it."""

    def __init__(self) -> None:
        self.calls = 0
        self.collisions = 0
        self._lock = anyio.Lock()

    async def work(self) -> None:
        self.calls += 1
        self.collisions += self._lock.locked()
        async with self._lock:
            for _ in range(3):
                await anyio.lowlevel.checkpoint()


async def test_the_result_is_that_of_the_stream_itself() -> None:
    plain, inner = FakeStream(Script(guess_words)), FakeStream(Script(guess_words))
    stream = ScheduledStream(inner, scheduler(1), 1, "fake")
    for seconds in (0.3, 2.0, 0.01, 1.0):
        expected = await plain.accept(speech(seconds))
        assert await stream.accept(speech(seconds)) == expected
    assert await stream.finish(100) == await plain.finish(100)
    await stream.aclose()
    assert inner.closed
    assert inner.audio == plain.audio


async def test_long_audio_goes_in_in_turns_and_a_final_of_another_comes_between() -> None:
    turns = scheduler(1)
    order: list[float | str] = []

    class Noted(FakeStream):
        async def accept(self, samples: Samples) -> Hypothesis | None:
            order.append(len(samples) / 16_000)
            await anyio.lowlevel.checkpoint()
            return await super().accept(samples)

    async def final() -> None:
        order.append("final")

    async with anyio.create_task_group() as group:
        group.start_soon(ScheduledStream(Noted(Script()), turns, 1, "fake").accept, speech(2.0))
        group.start_soon(turns.run, Job(2, Priority.FINAL, 1.0, 0.0), final)
    assert order == [FEED_S, "final", FEED_S, FEED_S, FEED_S, FEED_S]


async def test_eight_pinned_utterances_keep_two_workers_busy() -> None:
    """Each worker has a call of its own at a time, so that a free core always goes to a free worker."""
    workers, turns = [Worker(), Worker()], scheduler(2)

    async def speak(number: int) -> None:
        stream = ScheduledStream(PinnedStream(workers[number // 4]), turns, number, "fake")
        await stream.accept(speech(4.0))
        assert (await stream.finish(0)).text == "4.0"

    async with anyio.create_task_group() as group:
        for number in range(8):
            group.start_soon(speak, number)
    assert [worker.collisions for worker in workers] == [0, 0]
    assert [worker.calls for worker in workers] == [44, 44]


async def test_who_waits_for_a_worker_holds_no_core() -> None:
    """Finals of utterances without a worker wait beside the scheduler; the one that has it goes on and frees it."""
    worker, turns = Worker(), scheduler(1)
    waiting = [PinnedStream(worker, has_worker=False) for _ in range(3)]
    texts = []

    async def speak(stream: PinnedStream, number: int) -> None:
        scheduled = ScheduledStream(stream, turns, number, "fake")
        await scheduled.accept(speech(0.8))
        texts.append((await scheduled.finish(0)).text)

    with anyio.fail_after(10):
        async with anyio.create_task_group() as group:
            for number, stream in enumerate(waiting):
                group.start_soon(speak, stream, number)
            for _ in range(20):
                await anyio.lowlevel.checkpoint()
            assert worker.calls == turns.running == turns.waiting == 0
            await speak(PinnedStream(worker), 9)
            for stream in waiting:
                stream.give_worker()
    assert texts == ["0.8"] * 4


@pytest.mark.parametrize(
    ("network", "raw_audio", "scheduled"), [(False, False, True), (True, False, False), (False, True, False)]
)
def test_only_engines_on_these_cores_wait_for_turns(network: bool, raw_audio: bool, scheduled: bool) -> None:
    capabilities = SttCapabilities(None, True, False, False, network, raw_audio)
    assert is_scheduled(capabilities) is scheduled


def test_the_fake_is_what_it_stands_for() -> None:
    assert isinstance(PinnedStream(Worker()), PinnedSttStream)
    assert not isinstance(FakeStream(Script()), PinnedSttStream)
