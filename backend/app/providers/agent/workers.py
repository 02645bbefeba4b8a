"""Runs the functions of tools, each in a task of its own: whatever a function does, it harms its own call alone."""

import asyncio
import inspect
import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import anyio
import anyio.to_thread

from app.providers.agent.messages import express_result

logger = logging.getLogger(__name__)

CLOSING_S = 1.0
"""How long a cancelled `async def` may take to end before it is let go (s)."""


@dataclass(frozen=True, slots=True)
class Returned:
    """The function returned; its result as text, and whether that was cut."""

    text: str = field(repr=False)
    truncated: bool


@dataclass(frozen=True, slots=True)
class Raised:
    """The function raised; its result counts as raised where JSON cannot express it."""

    error: BaseException = field(repr=False)


@dataclass(frozen=True, slots=True)
class NotRun:
    """The function was not called; the message says why, for the model and the user."""

    message: str


@dataclass(frozen=True, slots=True)
class CutOff:
    """The time of the call is over."""

    goes_on: bool
    """Whether the function still runs. Otherwise it was cancelled, and has ended."""


class ToolWorkers:
    """The functions that run for one application: `async def` on the event loop, plain ones in threads.

    A plain function cannot be stopped, and an `async def` may refuse to end; nor can a result be stopped that is being
    turned into text, in a thread as well. Such a call is let go: nobody waits for it, and it keeps its place until it
    ends. At most `threads` plain functions run, as many results of others become text at once, and as many calls are
    let go; further calls are refused.
    """

    def __init__(self, threads: int) -> None:
        self._threads = threads
        self._functions = anyio.CapacityLimiter(threads)
        self._results = anyio.CapacityLimiter(threads)  # functions that hang hold up no result of others
        self._let_go: set[asyncio.Task[Any]] = set()

    @property
    def let_go(self) -> int:
        """How many calls go on although nobody waits for them."""
        return len(self._let_go)

    async def run(
        self, name: str, function: Callable[[], Any], *, timeout_s: float, most_chars: int
    ) -> Returned | Raised | NotRun | CutOff:
        """Call the function of the tool of that name, for at most `timeout_s`. Cancelling this cuts it off too."""
        if self.let_go >= self._threads:
            return NotRun(
                f"the tool was not called: {self.let_go} earlier calls of tools do not end (assistants.threads); "
                "the server has to be started again"
            )
        call = _Call(function, most_chars)
        task = asyncio.create_task(call.run(self._functions, self._results))
        try:
            await asyncio.wait([task], timeout=timeout_s)
            if task.done():
                return task.result()
        finally:
            if not task.done():
                await self._cut_off(name, call, task)
        if task.done() and not task.cancelled() and isinstance(end := task.result(), Returned):
            return end  # it was about to end
        if not call.has_begun:
            return NotRun(
                f"the tool was not called: no thread was free for {timeout_s:g} s (assistants.threads); "
                "try again later"
            )
        return CutOff(goes_on=not task.done())

    async def _cut_off(self, name: str, call: "_Call", task: asyncio.Task[Any]) -> None:
        """End a call, or let it go."""
        if call.awaits_function:
            task.cancel()
        else:
            call.scope.cancel()  # ends the wait for a thread, and tells a function that asks `anyio.from_thread`
        if not call.is_in_thread:
            with anyio.CancelScope(shield=True):
                await asyncio.wait([task], timeout=CLOSING_S)
        if not task.done():
            self._let_go.add(task)
            task.add_done_callback(self._let_go.discard)
            logger.warning("tool %s goes on although its call is over; %d calls do", name, self.let_go)


class _Call:
    """One call of a function, as its task runs it."""

    def __init__(self, function: Callable[[], Any], most_chars: int) -> None:
        self.awaits_function = inspect.iscoroutinefunction(function)
        """Whether it is an `async def` that has not returned: cancelling the task would leave a thread uncounted."""
        self.has_begun = False
        self.is_in_thread = False
        """Whether a thread has begun with it, which nothing stops."""
        self.scope = anyio.CancelScope()
        self._function = function
        self._most_chars = most_chars

    async def run(
        self, functions: anyio.CapacityLimiter, results: anyio.CapacityLimiter
    ) -> Returned | Raised:
        try:
            if self.awaits_function:
                self.has_begun = True
                result = await self._function()
                self.awaits_function = False
                with self.scope:
                    return await anyio.to_thread.run_sync(self._express, result, limiter=results)
            else:
                with self.scope:
                    return await anyio.to_thread.run_sync(self._run_plain, limiter=functions)
        except BaseException as error:  # noqa: BLE001  # a tool of another package may raise anything
            return Raised(error)
        return Raised(asyncio.CancelledError())

    def _run_plain(self) -> Returned:
        self.has_begun = self.is_in_thread = True
        return self._express(self._function())

    def _express(self, result: Any) -> Returned:
        """In a thread: a result may hold millions of values."""
        self.is_in_thread = True
        text, truncated = express_result(result, self._most_chars)
        return Returned(text, truncated)
