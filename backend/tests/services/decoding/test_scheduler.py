"""The scheduler in a real event loop: who waits, who is cancelled, who is told, and when a core is free again."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

import anyio
import anyio.lowlevel
import pytest
from anyio.abc import TaskGroup

from app.services.decoding.admission import LINGER_S
from app.services.decoding.load import Pressure
from app.services.decoding.policy import Job, Priority, Shed
from app.services.decoding.scheduler import Scheduler, usable_cores


class Clock:
    """Stands still until it is set."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@dataclass
class Held:
    """Jobs that hold every core until `release`."""

    group: TaskGroup
    release: anyio.Event


def job(session: int = 1, priority: Priority = Priority.FINAL) -> Job:
    return Job(session, priority, 1.0, 100.0, "e")


def answering(text: str) -> Callable[[], Awaitable[str]]:
    async def call() -> str:
        return text

    return call


async def never() -> None:
    raise AssertionError("this call was never to be made")


@asynccontextmanager
async def held(scheduler: Scheduler, cores: int) -> AsyncIterator[Held]:
    """All cores busy; at the end they are released."""
    release, begun = anyio.Event(), []

    async def hold() -> None:
        begun.append(1)
        await release.wait()

    with anyio.fail_after(120):
        async with anyio.create_task_group() as group:
            for number in range(cores):
                group.start_soon(scheduler.run, job(900 + number), hold)
            while len(begun) < cores:
                await anyio.lowlevel.checkpoint()
            yield Held(group, release)
            release.set()


async def settle() -> None:
    """Let every task run until it waits."""
    for _ in range(20):
        await anyio.lowlevel.checkpoint()


async def test_a_job_runs_at_once_where_a_core_is_free() -> None:
    assert await Scheduler(1, Clock()).run(job(), answering("text")) == "text"


async def test_jobs_wait_for_their_turn_in_the_order_of_their_classes() -> None:
    scheduler, order = Scheduler(1, Clock()), []

    async def ask(priority: Priority) -> None:
        async def call() -> None:
            order.append(priority)

        await scheduler.run(job(10 + priority, priority), call)

    async with held(scheduler, 1) as cores:
        for priority in reversed(Priority):
            cores.group.start_soon(ask, priority)
        await settle()
        assert order == []
        cores.release.set()
    assert order == list(Priority)


async def test_an_engines_error_reaches_its_caller_and_frees_the_core() -> None:
    clock = Clock()
    scheduler = Scheduler(1, clock)

    async def fail() -> None:
        clock.now += 5
        raise ValueError("broken")

    with pytest.raises(ValueError, match="broken"):
        await scheduler.run(job(), fail)
    assert await scheduler.run(job(), answering("next")) == "next"
    assert scheduler._policy.costs.estimate_s("e", 1.0) == 0, "its time tells nothing of what a decode costs"


async def test_who_is_cancelled_while_waiting_leaves_the_line() -> None:
    scheduler, done = Scheduler(1, Clock()), []

    async def ask() -> None:
        done.append(await scheduler.run(job(2), answering("after")))

    async with held(scheduler, 1) as cores:
        with anyio.move_on_after(0.01) as scope:
            await scheduler.run(job(1), never)
        assert scope.cancelled_caught
        cores.group.start_soon(ask)
        await settle()
        cores.release.set()
    assert done == ["after"]


async def test_who_is_cancelled_in_the_moment_of_his_turn_frees_the_core() -> None:
    scheduler = Scheduler(1, Clock())
    release = anyio.Event()

    async def hand_over(waiting: anyio.CancelScope) -> None:
        await scheduler.run(job(9), release.wait)
        waiting.cancel()  # the turn has been given a moment ago, and not been taken yet

    with anyio.fail_after(10):
        async with anyio.create_task_group() as group, anyio.create_task_group() as waiting:
            group.start_soon(hand_over, waiting.cancel_scope)
            await settle()
            waiting.start_soon(scheduler.run, job(1), never)
            await settle()
            release.set()
    assert await scheduler.run(job(2), answering("free")) == "free"


async def test_a_native_cancel_in_that_moment_frees_the_core_as_well() -> None:
    scheduler, release = Scheduler(1, Clock()), anyio.Event()

    async def hand_over() -> None:
        await scheduler.run(job(9), release.wait)
        waiting.cancel()

    holding = asyncio.ensure_future(hand_over())
    await settle()
    waiting = asyncio.ensure_future(scheduler.run(job(1), never))
    await settle()
    release.set()
    await holding
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert await scheduler.run(job(2), answering("free")) == "free"


async def test_a_core_is_free_only_when_the_cancelled_call_has_returned() -> None:
    scheduler, order, begun = Scheduler(1, Clock()), [], anyio.Event()

    async def stubborn() -> None:
        begun.set()
        try:
            await anyio.sleep_forever()
        finally:
            with anyio.CancelScope(shield=True):
                await settle()
            order.append("returned")

    async def after() -> None:
        order.append("next")

    with anyio.fail_after(10):
        async with anyio.create_task_group() as group, anyio.create_task_group() as leaving:
            leaving.start_soon(scheduler.run, job(1), stubborn)
            await begun.wait()
            group.start_soon(scheduler.run, job(2), after)
            await settle()
            leaving.cancel_scope.cancel()
    assert order == ["returned", "next"]


async def test_a_newer_partial_sheds_the_one_that_waits() -> None:
    shed: list[str] = []
    scheduler, done = Scheduler(1, Clock(), shed=lambda: shed.append("a partial")), []

    async def ask(name: str) -> None:
        try:
            done.append(await scheduler.run(job(1, Priority.PARTIAL), answering(name)))
        except Shed:
            done.append(f"{name} was shed")

    async with held(scheduler, 1) as cores:
        cores.group.start_soon(ask, "old")
        await settle()
        cores.group.start_soon(ask, "new")
        await settle()
        assert done == ["old was shed"]
        cores.release.set()
    assert done == ["old was shed", "new"]
    assert len(shed) == 1, "the metrics hear of each"


async def test_forgetting_a_session_sheds_what_waits_and_leaves_what_runs() -> None:
    scheduler, ended, release = Scheduler(1, Clock()), [], anyio.Event()

    async def runs() -> None:
        await scheduler.run(job(1), release.wait)
        ended.append("ran")

    async def waits() -> None:
        with pytest.raises(Shed):
            await scheduler.run(job(1), never)
        ended.append("shed")

    with anyio.fail_after(10):
        async with anyio.create_task_group() as group:
            group.start_soon(runs)
            group.start_soon(waits)
            await settle()
            scheduler.forget(1)
            await settle()
            assert ended == ["shed"]
            release.set()
    assert ended == ["shed", "ran"]


async def test_a_promoted_job_overtakes() -> None:
    scheduler, order = Scheduler(1, Clock()), []

    async def ask(session: int) -> None:
        async def call() -> None:
            order.append(session)

        await scheduler.run(job(session, Priority.EAGER), call)

    async with held(scheduler, 1) as cores:
        for session in (1, 2):
            cores.group.start_soon(ask, session)
            await settle()
        scheduler.promote(2)
        cores.release.set()
    assert order == [2, 1]


async def test_a_thousand_jobs_wait_and_all_end() -> None:
    scheduler, done = Scheduler(2, Clock()), []

    async def ask(number: int) -> None:
        try:
            done.append(await scheduler.run(job(number % 250, Priority(number % 5)), answering("done")))
        except Shed:
            done.append("shed")

    async with held(scheduler, 2) as cores:
        for number in range(1000):
            cores.group.start_soon(ask, number)
        await settle()
        assert scheduler.waiting >= 600
        cores.release.set()
    assert len(done) == 1000
    assert done.count("shed") < 400
    assert (scheduler.waiting, scheduler.running) == (0, 0)


async def test_a_watcher_is_told_each_change_once_until_it_is_forgotten() -> None:
    clock = Clock()
    told: list[Pressure] = []
    scheduler = Scheduler(1, clock)
    scheduler.watch(1, told.append)
    assert told == [], "nothing to tell while all is well"

    async def late(wait_s: float) -> None:
        """A final that waits so long."""
        async with held(scheduler, 1) as cores:
            cores.group.start_soon(scheduler.run, job(2), answering("late"))
            await settle()
            clock.now += wait_s
            cores.release.set()

    for _ in range(10):
        await late(0.6)
    assert [pressure.partials for pressure in told if pressure.degraded][-1] == "first_only"
    assert len(told) == len({(p.degraded, p.partials) for p in told}) == 2

    for _ in range(20):
        clock.now += 2.0
        await scheduler.run(job(3), answering("calm"))
    assert (told[-1].degraded, told[-1].partials) == (False, "on")
    scheduler.forget(1)
    told.clear()
    await late(5.0)
    assert told == []


async def test_a_watcher_is_told_of_better_times_though_nobody_speaks() -> None:
    clock, calm = Clock(), anyio.Event()
    scheduler = Scheduler(1, clock, recheck_every_s=0.001)

    def tell(pressure: Pressure) -> None:
        if not pressure.degraded:
            calm.set()

    scheduler.watch(1, tell)
    async with held(scheduler, 1) as cores:
        cores.group.start_soon(scheduler.run, job(2), answering("late"))
        await settle()
        clock.now += 5.0
        cores.release.set()
    assert scheduler.pressure.degraded
    with anyio.fail_after(10):
        while not calm.is_set():
            clock.now += 1.0
            await anyio.sleep(0.002)


def test_numbers_of_sessions_are_their_own() -> None:
    scheduler = Scheduler(1, Clock())
    assert len({scheduler.new_session() for _ in range(100)}) == 100
    assert usable_cores() >= 1


async def test_who_starts_while_another_leaves_is_admitted() -> None:
    clock = Clock()
    scheduler = Scheduler(1, clock)
    scheduler.engine_cost("slow").warm_up_rate = 10.0
    first = await scheduler.admit("slow", 0)
    refused = await scheduler.admit("slow", 0.01)
    assert isinstance(first, int)
    assert isinstance(refused, float)
    admitted: list[int | float] = []

    async def start() -> None:
        admitted.append(await scheduler.admit("slow", 30))

    def leave_for_good() -> None:
        scheduler.forget(first)

    def lose_the_line() -> None:
        scheduler.set_awaited(int(admitted[0]), is_awaited=False)

    with anyio.fail_after(10):
        for count, leave in ((1, leave_for_good), (2, lose_the_line)):
            async with anyio.create_task_group() as group:
                group.start_soon(start)
                await settle()
                assert len(admitted) == count - 1
                assert isinstance(await scheduler.admit("slow", 30), float), "one start at a time waits"
                leave()
                clock.now += LINGER_S
    assert [type(one) for one in admitted] == [int, int]
