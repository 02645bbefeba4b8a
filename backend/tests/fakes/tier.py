"""Decode workers in the process of the test, behind the port that Ray has in production: they obey the test."""

import asyncio
import pickle
from dataclasses import dataclass, field
from typing import Any

import anyio

from app.providers.tier.port import Answerer, WorkerLost
from app.services.tier.calls import Call, DecodeContinuation, DecodeWindow, HearStream


@dataclass(eq=False)
class FakeNode:
    """One worker's machine."""

    answer: Answerer
    died: anyio.Event = field(default_factory=anyio.Event)
    is_silent: bool = False
    """Takes calls, and never answers: as a machine behind a cut cable."""
    dies_on: type | tuple[()] = ()
    """A call of this class ends its process."""
    calls: list[Call] = field(default_factory=list)
    """What it was asked to decode."""


class FakeLink:
    """A `TierLink` that carries copies of values, as a network does."""

    def __init__(self) -> None:
        self.nodes: dict[str, FakeNode] = {}
        self.is_open = False

    def add(self, name: str, answer: Answerer) -> FakeNode:
        """A worker joins."""
        self.nodes[name] = FakeNode(answer)
        return self.nodes[name]

    def kill(self, name: str) -> None:
        """A worker's process ends, in the midst of what it does."""
        self.nodes.pop(name).died.set()

    async def open(self) -> None:
        self.is_open = True

    async def find_workers(self) -> frozenset[str]:
        return frozenset(self.nodes)

    async def call(self, worker: str, call: Any) -> object:
        if (node := self.nodes.get(worker)) is None:
            raise WorkerLost(has_died=True)
        if isinstance(call, DecodeWindow | DecodeContinuation | HearStream):
            node.calls.append(call)
        if isinstance(call, node.dies_on):
            self.kill(worker)
        # Not awaited beyond the death of its machine: what runs in a thread there is of no concern here.
        answering = asyncio.ensure_future(self._answer(node, call))
        dying = asyncio.ensure_future(node.died.wait())
        try:
            await asyncio.wait({answering, dying}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            dying.cancel()
            if not answering.done():
                answering.cancel()
        if node.died.is_set():
            raise WorkerLost(has_died=True)
        return pickle.loads(answering.result())

    async def _answer(self, node: FakeNode, call: Call) -> bytes:
        if node.is_silent:
            await anyio.sleep_forever()
        return pickle.dumps(await node.answer(pickle.loads(pickle.dumps(call))))

    async def aclose(self) -> None:
        self.is_open = False
