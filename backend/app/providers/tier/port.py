"""The port between gateways and decode workers: what carries calls to them need do no more than this."""

from collections.abc import Awaitable, Callable
from typing import Any, Protocol

Answerer = Callable[[Any], Awaitable[Any]]
"""A worker's side: takes a call of a gateway, and returns what the call is answered with. It raises nothing."""


class WorkerLost(Exception):  # not an error of a client: the caller asks another worker
    """A worker cannot be reached, or has ended. Whether it has done what it was asked is not known."""

    def __init__(self, *, has_died: bool = False) -> None:
        super().__init__("a decode worker is gone")
        self.has_died = has_died
        """Its process has ended while it worked for the call: the call may be why."""


class LinkLost(WorkerLost):
    """This process is not in the cluster any more: it has to join again."""


class TierLink(Protocol):
    """Carries calls from one gateway to workers. Calls and answers are values of `services/tier/calls.py`."""

    async def open(self) -> None:
        """Join the cluster, or join it again.

        Raises:
            ProviderNotReady: it cannot be reached, or it does not keep strangers out; the message says what helps.
        """
        ...

    async def find_workers(self) -> frozenset[str]:
        """The names of all workers that are there now, or were a moment ago.

        Raises:
            WorkerLost: the cluster cannot be asked.
            LinkLost: it has to be joined again.
        """
        ...

    async def call(self, worker: str, call: object) -> Any:
        """The worker's answer. Calls overlap. Cancelled, the worker is told that nobody waits any more.

        Raises:
            WorkerLost: the worker is gone.
        """
        ...

    async def aclose(self) -> None:
        """Leave the cluster; workers go on."""
        ...
