"""A blocking call in a worker thread that is never left running alone."""

import threading
from collections.abc import Callable
from typing import TypeVar

import anyio
from anyio.to_thread import run_sync

T = TypeVar("T")


async def run_blocking(call: Callable[[threading.Event], T], limiter: anyio.CapacityLimiter) -> T:
    """Run `call` in a thread when `limiter` gives it a turn, first come first served.

    Cancelled while it waits, it never starts. Cancelled while it runs, this returns only after the call has:
    the child task makes that hold for a native `Task.cancel` as well. `call` is given an event, set when
    nobody waits for its result any more.
    """
    abandoned = threading.Event()
    done = anyio.Event()
    results: list[T] = []

    async def child() -> None:
        results.append(await run_sync(call, abandoned, limiter=limiter))
        done.set()

    try:
        async with anyio.create_task_group() as group:
            group.start_soon(child)
            try:
                await done.wait()
            finally:
                abandoned.set()
    except ExceptionGroup as errors:
        raise errors.exceptions[0] from None  # there is one child, so there is one error
    return results[0]
