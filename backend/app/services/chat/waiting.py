"""What the readers of an answer are told while nothing of it arrives: once a second, what it waits for."""

import time
from collections.abc import Callable

import anyio

from app.providers.base import Wait
from app.services.chat.buffer import AnswerBuffer
from app.services.chat.events import Cursor, Status

CHECK_S = 0.25
WAIT_S = 0.5
"""Loading, or a place in a queue, is told once it has lasted this long: what is over at once is not worth a line."""
WORKING_S = 4.0
"""A model without a word is told to be at work once it has been silent this long."""


class WaitWatch:
    """From what was told and what has arrived to the status of the moment. Times are passed in."""

    def __init__(self, now: float) -> None:
        self._silent_since = now
        self._seen = Cursor()
        self._wait: Wait | None = None
        self._waits_since = now
        self._status: Status | None = None

    def note(self, wait: Wait | None, now: float) -> None:
        """The provider says what the request waits for; None where it works."""
        if (wait and wait.state) != (self._wait and self._wait.state):
            self._waits_since = now
        self._wait = wait

    def observe(self, buffer: AnswerBuffer, now: float, *, is_asking: bool = False) -> Status | None:
        """The status now, with what has arrived. While the user is asked, the answer waits for nothing else."""
        if buffer.cursor != self._seen or is_asking:
            self._seen, self._silent_since, self._status = buffer.cursor, now, None
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
    """Tells the readers of a buffer what its answer waits for."""

    def __init__(self, buffer: AnswerBuffer, is_asking: Callable[[], bool]) -> None:
        self._buffer = buffer
        self._is_asking = is_asking
        self._watch = WaitWatch(time.monotonic())

    def note(self, wait: Wait | None) -> None:
        """What the request to the model waits for; see `ChatRequest.on_wait`."""
        self._watch.note(wait, time.monotonic())

    async def run(self) -> None:
        """Tell it until cancelled."""
        while True:
            await anyio.sleep(CHECK_S)
            status = self._watch.observe(self._buffer, time.monotonic(), is_asking=self._is_asking())
            if status != self._buffer.status:
                self._buffer.tell(status)
