"""The task groups that the server stands on: a task that fails harms no other, and a loop that fails is reported."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any, Protocol

import anyio
from anyio.abc import TaskGroup

from app.core.logging import report_fault

logger = logging.getLogger(__name__)


class Part(Protocol):
    """A part of the server, for `/health/ready`."""

    @property
    def problem(self) -> str:
        """Why it does not work; empty while it does."""
        ...


class Supervisor:
    """The tasks of one part of the server.

    What a task raises, of whatever class, is logged and ends that task alone. Nothing depends on one job. A loop that
    fails is a `problem` of the part, for `/health/ready`.
    """

    def __init__(self, part: str) -> None:
        self._part = part
        self._group: TaskGroup | None = None
        self._failed_loops: list[str] = []
        self._is_running = False

    @property
    def problem(self) -> str:
        """Why this part does not work; empty while it does."""
        if not self._is_running:
            return f"{self._part}: not running"
        if self._failed_loops:
            return f"{self._part}: failed: {', '.join(self._failed_loops)}; the log has the place"
        return ""

    @asynccontextmanager
    async def run(self) -> AsyncIterator[None]:
        """Run tasks until the block ends; those that still run are cancelled then."""
        async with anyio.create_task_group() as self._group:
            self._is_running = True
            try:
                yield
            finally:
                self._is_running = False
            self._group.cancel_scope.cancel()

    def start_job(self, function: Callable[..., Coroutine[Any, Any, None]], *arguments: object) -> None:
        """Start one task of many, such as an answer."""
        self._start(None, function, *arguments)

    def start_loop(
        self, name: str, function: Callable[..., Coroutine[Any, Any, None]], *arguments: object
    ) -> None:
        """Start a task that the part needs as long as it runs, unless the task returns."""
        self._start(name, function, *arguments)

    def _start(
        self, loop: str | None, function: Callable[..., Coroutine[Any, Any, None]], *arguments: object
    ) -> None:
        assert self._group is not None, f"{self._part}: the application's lifespan has not begun"
        self._group.start_soon(self._run_task, loop, function, *arguments)

    async def _run_task(
        self, loop: str | None, function: Callable[..., Coroutine[Any, Any, None]], *arguments: object
    ) -> None:
        try:
            await function(*arguments)
        except BaseException as error:  # noqa: BLE001  # one that got out would end every other task of the group
            reraise_cancellation(error)
            report_fault(logger, f"in {self._part}", error)
            if loop is not None:
                self._failed_loops.append(loop)


def reraise_cancellation(error: BaseException) -> None:
    """Raise the error again if it asks this task to end. Otherwise it is a failure, whatever its class.

    To be called first in `except BaseException` around the code of other packages: the panics of some native libraries
    are no `Exception`, and some code raises a cancellation that nobody has asked for.
    """
    if isinstance(error, GeneratorExit) or (isinstance(error, asyncio.CancelledError) and _is_cancelled()):
        raise error


def _is_cancelled() -> bool:
    try:
        task = asyncio.current_task()
    except RuntimeError:  # no event loop in this thread
        return False
    return task is not None and task.cancelling() > 0
