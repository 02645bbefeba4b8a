"""Functions of tools in tasks of their own: bounded in number, cut off in time, and let go where they do not end."""

import asyncio
import contextlib
import threading
from functools import partial
from typing import Any

import anyio
import anyio.from_thread
import anyio.to_thread
import pytest

from app.providers.agent import workers as workers_module
from app.providers.agent.workers import CutOff, NotRun, Raised, Returned, ToolWorkers


async def call(workers: ToolWorkers, function: Any, timeout_s: float = 20.0) -> Any:
    return await workers.run("mine", function, timeout_s=timeout_s, most_chars=100)


async def cut_off(workers: ToolWorkers, function: Any) -> Any:
    """Call a function that does not end, until it has begun before its time was over: the machine may be slow."""
    with anyio.fail_after(20):
        while isinstance(end := await call(workers, function, 0.05), NotRun):
            assert "no thread was free" in end.message
    return end


async def until_nobody_goes_on(workers: ToolWorkers) -> None:
    with anyio.fail_after(10):
        while workers.let_go:  # noqa: ASYNC110 - the end of a foreign thread has no event
            await anyio.sleep(0.01)


async def test_what_functions_return() -> None:
    async def whole() -> list[int]:
        return [1, 2]

    workers = ToolWorkers(1)
    assert await call(workers, whole) == Returned("[1,2]", truncated=False)
    assert await call(workers, partial("{}!".format, "x")) == Returned("x!", truncated=False)
    assert (await call(workers, lambda: "x" * 101)).truncated


async def test_a_plain_function_that_hangs_is_let_go_and_keeps_its_place() -> None:
    hangs = threading.Event()
    workers = ToolWorkers(2)
    assert await cut_off(workers, hangs.wait) == CutOff(goes_on=True)
    assert workers.let_go == 1
    assert await call(workers, lambda: "free") == Returned("free", truncated=False)
    assert await cut_off(workers, hangs.wait) == CutOff(goes_on=True)
    refused = await call(workers, lambda: "not called")
    assert isinstance(refused, NotRun)
    assert "2 earlier calls of tools do not end (assistants.threads)" in refused.message
    hangs.set()
    await until_nobody_goes_on(workers)
    assert await call(workers, lambda: "free") == Returned("free", truncated=False)


async def test_hanging_functions_hold_no_more_threads_than_there_are_places() -> None:
    hangs = threading.Event()
    workers = ToolWorkers(3)
    before = threading.active_count()
    ends = [await call(workers, hangs.wait, 0.01) for _ in range(50)]
    assert threading.active_count() <= before + 3
    assert sum(isinstance(end, CutOff) for end in ends) == 3
    assert sum(isinstance(end, NotRun) for end in ends) == 47
    hangs.set()
    await until_nobody_goes_on(workers)


async def test_functions_of_tools_take_no_threads_of_others() -> None:
    """Everything else that blocks shares 40 threads: web pages, exports, decoders of recordings."""
    workers = ToolWorkers(60)
    running = threading.Semaphore(0)
    go_on = threading.Event()

    def slow() -> None:
        running.release()
        go_on.wait(20)

    async with anyio.create_task_group() as group:
        for _ in range(50):
            group.start_soon(call, workers, slow)
        for _ in range(50):
            assert await anyio.to_thread.run_sync(running.acquire, True, 10)
        assert anyio.to_thread.current_default_thread_limiter().borrowed_tokens == 0
        go_on.set()


async def test_a_call_that_finds_no_thread_is_not_made() -> None:
    go_on = threading.Event()
    called = False

    def mark() -> None:
        nonlocal called
        called = True

    workers = ToolWorkers(1)
    async with anyio.create_task_group() as group:
        group.start_soon(call, workers, go_on.wait)
        await anyio.wait_all_tasks_blocked()
        refused = await call(workers, mark, 0.05)
        go_on.set()
    assert isinstance(refused, NotRun)
    assert "no thread was free for 0.05 s (assistants.threads)" in refused.message
    assert not called
    assert workers.let_go == 0


async def test_an_async_function_that_refuses_to_end_is_let_go(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workers_module, "CLOSING_S", 0.05)
    go_on = asyncio.Event()
    cancelled = 0

    async def stubborn() -> str:
        nonlocal cancelled
        while not go_on.is_set():
            try:
                await go_on.wait()
            except asyncio.CancelledError:
                cancelled += 1
        return "at last"

    workers = ToolWorkers(1)
    assert await cut_off(workers, stubborn) == CutOff(goes_on=True)
    assert cancelled == 1
    assert isinstance(await call(workers, stubborn), NotRun)
    go_on.set()
    await until_nobody_goes_on(workers)


async def test_who_cancels_a_call_waits_for_no_function(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workers_module, "CLOSING_S", 0.05)
    go_on, begun = threading.Event(), anyio.Event()

    async def stubborn() -> None:
        begun.set()
        while not go_on.is_set():
            try:
                await anyio.to_thread.run_sync(go_on.wait)
            except asyncio.CancelledError:
                continue

    for function in (go_on.wait, stubborn):
        workers = ToolWorkers(1)
        with anyio.fail_after(30):
            async with anyio.create_task_group() as group:
                group.start_soon(call, workers, function)
                await anyio.wait_all_tasks_blocked()
                group.cancel_scope.cancel()
        assert workers.let_go == 1
        go_on.set()
        await until_nobody_goes_on(workers)
        go_on.clear()


async def test_a_plain_function_can_ask_whether_its_call_is_over() -> None:
    over = threading.Event()

    def polite() -> None:
        try:
            while not over.wait(0.01):
                anyio.from_thread.check_cancelled()
        finally:
            over.set()

    workers = ToolWorkers(1)
    assert await cut_off(workers, polite) == CutOff(goes_on=True)
    await until_nobody_goes_on(workers)
    assert over.is_set()


async def test_what_functions_raise_is_a_value() -> None:
    async def cancelled() -> None:
        raise asyncio.CancelledError

    def leaves() -> None:
        raise SystemExit

    workers = ToolWorkers(1)
    for function, kind in ((cancelled, asyncio.CancelledError), (leaves, SystemExit), (object, TypeError)):
        end = await call(workers, function)
        assert isinstance(end, Raised)
        assert isinstance(end.error, kind)


async def test_results_are_expressed_in_a_thread() -> None:
    """A result may hold millions of values, and the event loop has other things to do."""
    threads: set[int] = set()

    class Model:
        def model_dump(self, mode: str) -> str:
            threads.add(threading.get_ident())
            return mode

    async def gives() -> Model:
        return Model()

    workers = ToolWorkers(1)
    for function in (gives, Model):
        assert await call(workers, function) == Returned('"json"', truncated=False)
    assert threading.get_ident() not in threads


class Hanging:
    """A result whose model does not come to its end."""

    def __init__(self) -> None:
        self.has_begun, self.go_on = threading.Event(), threading.Event()

    def model_dump(self, mode: str) -> str:
        self.has_begun.set()
        self.go_on.wait(20)
        return mode


async def test_a_result_that_does_not_come_to_its_end_keeps_a_place() -> None:
    result = Hanging()

    async def gives() -> Hanging:
        return result

    workers = ToolWorkers(1)
    async with asyncio.TaskGroup() as group:
        end = group.create_task(cut_off(workers, gives))
        await asyncio.to_thread(result.has_begun.wait, 20)
        assert anyio.to_thread.current_default_thread_limiter().borrowed_tokens == 0
    assert end.result() == CutOff(goes_on=True)
    assert workers.let_go == 1
    assert isinstance(await call(workers, gives), NotRun)
    result.go_on.set()
    await until_nobody_goes_on(workers)
    assert await call(workers, gives) == Returned('"json"', truncated=False)


async def test_a_function_that_ends_when_it_is_told_to_has_returned() -> None:
    """Its result is true, and what it did is done."""

    async def saves() -> str:
        with contextlib.suppress(asyncio.CancelledError):
            await anyio.sleep_forever()
        return "saved"

    workers = ToolWorkers(1)
    assert await cut_off(workers, saves) == Returned("saved", truncated=False)
    assert workers.let_go == 0
