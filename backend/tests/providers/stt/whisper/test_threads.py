"""A blocking call in a thread is never left alone: whoever is cancelled returns after it."""

import asyncio
import threading

import anyio
import pytest

from app.providers.stt.whisper.threads import run_blocking


async def test_the_result_and_the_error_of_a_call_reach_its_caller() -> None:
    def fail(_: threading.Event) -> None:
        raise ValueError("broken")

    limiter = anyio.CapacityLimiter(1)
    assert await run_blocking(lambda _: "text", limiter) == "text"
    with pytest.raises(ValueError, match="broken"):
        await run_blocking(fail, limiter)
    assert limiter.borrowed_tokens == 0


async def test_a_call_that_still_waits_for_the_limiter_is_never_made() -> None:
    limiter = anyio.CapacityLimiter(1)
    limiter.acquire_on_behalf_of_nowait(limiter)
    calls: list[threading.Event] = []
    with anyio.move_on_after(0.05) as scope:
        await run_blocking(calls.append, limiter)
    limiter.release_on_behalf_of(limiter)
    assert scope.cancelled_caught
    assert calls == []


@pytest.mark.parametrize("native", [False, True], ids=["anyio scope", "asyncio task"])
async def test_a_call_that_runs_is_waited_for_when_its_client_leaves(native: bool) -> None:
    began, may_end, events = threading.Event(), threading.Event(), list[str]()

    def call(abandoned: threading.Event) -> None:
        began.set()
        assert abandoned.wait(10)
        events.append("told that nobody waits")
        assert may_end.wait(10)
        events.append("call returned")

    async def client() -> None:
        try:
            await run_blocking(call, anyio.CapacityLimiter(1))
        finally:
            events.append("client released")

    if native:
        task = asyncio.create_task(client())
        await anyio.to_thread.run_sync(began.wait)
        task.cancel()
        may_end.set()
        with pytest.raises(asyncio.CancelledError):
            await task
    else:
        async with anyio.create_task_group() as group:
            group.start_soon(client)
            await anyio.to_thread.run_sync(began.wait)
            group.cancel_scope.cancel()
            may_end.set()
    assert events == ["told that nobody waits", "call returned", "client released"]
