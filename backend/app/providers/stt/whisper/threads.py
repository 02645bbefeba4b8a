"""A blocking call in a worker thread that is never left running alone."""

import threading
from collections.abc import Callable
from typing import TypeVar

import anyio
from anyio.to_thread import run_sync

T = TypeVar("T")


async def run_blocking(call: Callable[[threading.Event], T], limiter: anyio.CapacityLimiter) -> T:
    """Run `call` in a thread as soon as `limiter` allows, first come first served.

    Cancelled while it waits, `call` never starts. Cancelled while `call` runs, this returns after `call` has; the
    child task ensures that for a native `Task.cancel` too. The event that `call` gets is set when nobody waits for
    its result any more.
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
