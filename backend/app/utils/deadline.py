"""A time limit that can be paused, as while a person is asked."""

import math
from collections.abc import Iterator
from contextlib import contextmanager

import anyio


class PausableDeadline:
    """A limit of so many seconds from its creation on; the time of a pause does not count. Pauses may overlap."""

    def __init__(self, seconds: float) -> None:
        self._ends_at_s = anyio.current_time() + seconds
        self._left_s = 0.0
        self._pauses = 0
        self._scope: anyio.CancelScope | None = None

    def make_scope(self) -> anyio.CancelScope:
        """A new scope that is cancelled at the deadline. Only the newest one follows later pauses."""
        self._scope = anyio.CancelScope(deadline=self._ends_at_s)
        return self._scope

    @property
    def is_paused(self) -> bool:
        return self._pauses > 0

    @contextmanager
    def pause(self) -> Iterator[None]:
        """Stop the time until the block ends."""
        if not self._pauses:
            self._left_s = self._ends_at_s - anyio.current_time()
            self._move(math.inf)
        self._pauses += 1
        try:
            yield
        finally:
            self._pauses -= 1
            if not self._pauses:
                self._move(anyio.current_time() + self._left_s)

    def _move(self, ends_at_s: float) -> None:
        self._ends_at_s = ends_at_s
        if self._scope is not None:
            self._scope.deadline = ends_at_s
