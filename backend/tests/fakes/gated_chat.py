"""A fake model whose answer waits at gates until its test opens them."""

from collections.abc import AsyncGenerator
from dataclasses import dataclass
from threading import Event as Gate
from typing import Any

import anyio

from app.providers.base import ChatRequest
from tests.fakes.chat_provider import FakeChat, delta

__all__ = ["Gate", "GatedChat", "pieces"]


@dataclass
class GatedChat(FakeChat):
    """As `FakeChat`; a gate in its script is waited for. Gates are threads' events: a server has its own thread."""

    async def stream(self, request: ChatRequest) -> AsyncGenerator[dict[str, Any], None]:
        self.requests.append(request)
        self.opened += 1
        try:
            for step in self.script:
                if isinstance(step, Gate):
                    while not step.is_set():  # noqa: ASYNC110  # another thread opens it
                        await anyio.sleep(0.002)
                elif isinstance(step, BaseException):
                    raise step
                elif step is None:
                    await anyio.sleep_forever()
                else:
                    yield {
                        **step,
                        "choices": [{**choice, "delta": dict(choice["delta"])} for choice in step["choices"]],
                    }
        finally:
            self.closed += 1


def pieces(*texts: str | Gate, finish: str = "stop") -> list[Any]:
    """The script of an answer in these pieces, gates between them."""
    return [step if isinstance(step, Gate) else delta(step) for step in texts] + [delta("", finish=finish)]
