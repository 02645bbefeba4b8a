"""A fake model that follows a script of rounds: answers, calls tools, fails, or waits for ever."""

import copy
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass, field
from typing import Any

import anyio

from app.providers.base import ChatMessage, ChatRequest, LlmChunk, LlmConfig, ProviderStatus
from app.schemas.providers import ProviderState

COUNTS = {"prompt_tokens": 5, "completion_tokens": 2, "total_tokens": 7}


def chunk(delta: dict[str, Any], finish: str | None = None) -> dict[str, Any]:
    return {"choices": [{"index": 0, "delta": {"content": None, **delta}, "finish_reason": finish}]}


def answer_round(*texts: str, finish: str = "stop") -> list[Any]:
    """A round that answers."""
    return [
        *(chunk({"content": text}) for text in texts),
        chunk({}, finish),
        {"choices": [], "usage": COUNTS},
    ]


def call_round(*asked: tuple[str, str], before: str = "", **fields: Any) -> list[Any]:
    """A round that calls tools, with the arguments in two pieces; all calls have the id "0", as some models send."""
    deltas = [chunk({"content": before})] if before else []
    for index, (name, arguments) in enumerate(asked):
        middle = len(arguments) // 2
        head = {"name": name, "arguments": arguments[:middle]}
        call = {"index": index, "id": "0", "type": "function", **fields, "function": head}
        deltas.append(chunk({"tool_calls": [call]}))
        piece = {"index": index, "function": {"arguments": arguments[middle:]}}
        deltas.append(chunk({"tool_calls": [piece]}))
    return [*deltas, chunk({}, "tool_calls"), {"choices": [], "usage": COUNTS}]


@dataclass
class ScriptedChat:
    """Follows `rounds`, the last one for ever. In a round an exception is raised, and None waits for ever."""

    rounds: Sequence[Sequence[Any]]
    name: str = "scripted"
    type: str = "test"
    bodies: list[dict[str, Any]] = field(default_factory=list)
    """The bodies of all requests, copied when they arrived."""
    opened: int = 0
    closed: int = 0

    @property
    def answers(self) -> list[dict[str, Any]]:
        """The tool results in the last request."""
        return [message for message in self.bodies[-1]["messages"] if message["role"] == "tool"]

    async def status(self) -> ProviderStatus:
        return ProviderStatus(ProviderState.READY, "a fake")

    async def models(self) -> list[str]:
        return ["tiny"]

    async def stream(self, request: ChatRequest) -> AsyncGenerator[dict[str, Any], None]:
        place = sum(message["role"] == "assistant" for message in request.body["messages"])
        self.bodies.append(copy.deepcopy(dict(request.body)))
        self.opened += 1
        try:
            for step in self.rounds[min(place, len(self.rounds) - 1)]:
                if isinstance(step, BaseException):
                    raise step
                if step is None:
                    await anyio.sleep_forever()
                yield copy.deepcopy({"model": request.model, **step})
        finally:
            self.closed += 1

    async def complete(self, request: ChatRequest) -> dict[str, Any]:
        raise AssertionError("an assistant streams")

    async def generate(
        self, messages: Sequence[ChatMessage], config: LlmConfig
    ) -> AsyncGenerator[LlmChunk, None]:
        yield LlmChunk("plain", "stop", model=config.model)

    async def aclose(self) -> None:
        """Nothing to close."""
