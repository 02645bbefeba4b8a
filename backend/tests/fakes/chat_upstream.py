"""A fake chat service whose models are its habits: a client in any language chooses one by naming it."""

import asyncio
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tests.fakes.chat_habits import HABITS, error_of
from tests.fakes.upstream import FakeUpstream, Reply, Request, as_json


class ChatUpstream(FakeUpstream):
    """Answers by the model's name; `GET /asked` gives all bodies so far, `GET /left` whether a client has left."""

    def __init__(self) -> None:
        super().__init__()
        self.models = as_json(
            {"object": "list", "data": [{"id": name, "object": "model"} for name in HABITS]}
        )

    @property
    def bodies(self) -> list[Any]:
        """What was asked of the models."""
        return [request.json for request in self.requests if request.method == "POST"]

    def about(self, words: str) -> list[Any]:
        """The bodies that hold these words."""
        return [body for body in self.bodies if words in json.dumps(body)]

    def _reply_to(self, request: Request) -> Reply:
        if request.path == "/asked":
            return as_json(self.bodies)
        if request.path == "/left":
            return as_json({"left": self.left.is_set()})
        if request.method == "GET":
            return self.models
        body = request.json
        habit = HABITS.get(body["model"])
        if habit is None:
            return error_of(404, f"no model {body['model']!r} here", code="model_not_found")
        self.left.clear()
        return habit(body)


class Background:
    """A `ChatUpstream` in a thread of its own: clients that block, and other programs, can ask it."""

    def __init__(self, fake: ChatUpstream, loop: asyncio.AbstractEventLoop) -> None:
        self.fake = fake
        self._loop = loop

    @property
    def base_url(self) -> str:
        return self.fake.base_url

    def about(self, words: str) -> list[Any]:
        return self.fake.about(words)

    @property
    def is_open(self) -> bool:
        """Nobody has left an answer since the last request."""
        return not self.fake.left.is_set()

    def closed_within(self, timeout_s: float) -> bool:
        """Whether a connection with an answer under way was closed from the other side in that time."""

        async def waited() -> bool:
            try:
                await asyncio.wait_for(self.fake.left.wait(), timeout_s)
            except TimeoutError:
                return False
            return True

        return asyncio.run_coroutine_threadsafe(waited(), self._loop).result(timeout_s + 5)


@contextmanager
def in_background(fake: ChatUpstream | None = None) -> Iterator[Background]:
    """Serve until the block ends; a `ChatUpstream` unless another one is given."""
    fake, started, ended = fake or ChatUpstream(), threading.Event(), asyncio.Event()
    loop = asyncio.new_event_loop()

    async def serve() -> None:
        async with fake.serve():
            started.set()
            await ended.wait()

    thread = threading.Thread(target=lambda: loop.run_until_complete(serve()), daemon=True)
    thread.start()
    assert started.wait(10), "the upstream did not start within 10 s"
    try:
        yield Background(fake, loop)
    finally:
        loop.call_soon_threadsafe(ended.set)
        thread.join(10)
        loop.close()
