"""What readers of an answer are told while nothing of it arrives: once a second, what it waits for."""

import time
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Literal

import anyio

from app.providers.base import Wait

CHECK_S = 0.25
WAIT_S = 0.5
"""Loading, or a place in a queue, is told once it has lasted this long: what is over at once is not worth a line."""
WORKING_S = 4.0
"""A model without a word is told to be at work once it has been silent this long."""


@dataclass(frozen=True, slots=True)
class Status:
    """Why nothing arrives at the moment. It is no part of the answer: it has no cursor, and is never stored."""

    state: Literal["loading", "queued", "working"]
    place: int | None
    """Place in the queue; 1 is next."""
    waited_ms: int
    """How long nothing has arrived, in whole seconds (ms)."""


class WaitWatch:
    """From what was told and what has arrived to the status of the moment. Times are passed in.

    A position is whatever changes with each piece of the answer.
    """

    def __init__(self, now: float, position: Hashable) -> None:
        self._silent_since = now
        self._seen = position
        self._wait: Wait | None = None
        self._waits_since = now
        self._status: Status | None = None

    def note(self, wait: Wait | None, now: float) -> None:
        """The provider says what the request waits for; None where it works."""
        if (wait and wait.state) != (self._wait and self._wait.state):
            self._waits_since = now
        self._wait = wait

    def observe(self, position: Hashable, now: float, *, is_asking: bool = False) -> Status | None:
        """The status now, with what has arrived. While the user is asked, the answer waits for nothing else."""
        if position != self._seen or is_asking:
            self._seen, self._silent_since, self._status = position, now, None
            return None
        waited_ms = int(now - self._silent_since) * 1000
        # A state that was shown is followed by another one, not by nothing.
        is_told = self._status is not None
        if self._wait is not None and (is_told or now - self._waits_since >= WAIT_S):
            self._status = Status(self._wait.state, self._wait.place, waited_ms)
        elif is_told or now - self._silent_since >= WORKING_S:
            self._status = Status("working", None, waited_ms)
        return self._status


class WaitReporter:
    """Says what an answer waits for, by the clock. It begins with the request."""

    def __init__(
        self, read_position: Callable[[], Hashable], is_asking: Callable[[], bool] = lambda: False
    ) -> None:
        self._read_position = read_position
        self._is_asking = is_asking
        self._watch = WaitWatch(time.monotonic(), read_position())

    def note(self, wait: Wait | None) -> None:
        """What the request to the model waits for; see `ChatRequest.on_wait`."""
        self._watch.note(wait, time.monotonic())

    def observe(self) -> Status | None:
        """The status now; None where there is nothing to tell."""
        return self._watch.observe(self._read_position(), time.monotonic(), is_asking=self._is_asking())

    async def run(self, tell: Callable[[Status | None], None]) -> None:
        """Tell it again and again until cancelled."""
        while True:
            await anyio.sleep(CHECK_S)
            tell(self.observe())
