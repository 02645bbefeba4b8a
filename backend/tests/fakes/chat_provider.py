"""A fake provider that speaks the chat wire: gives the chunks of its script, and says what became of them."""

from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass, field
from typing import Any

import anyio

from app.providers.base import ChatRequest, ProviderStatus
from app.providers.registry import FOUND_HERE, Registration, Registrations, list_llm_registrations
from app.schemas.providers import ProviderState


def delta(
    text: str | None = None, *, index: int = 0, finish: str | None = None, **fields: Any
) -> dict[str, Any]:
    """One chunk with one choice."""
    choice = {"index": index, "delta": {"content": text, **fields}, "finish_reason": finish}
    return {"id": "upstream-1", "object": "chat.completion.chunk", "model": "theirs", "choices": [choice]}


def usage(read: int, written: int) -> dict[str, Any]:
    """A last chunk without choices."""
    counts = {"prompt_tokens": read, "completion_tokens": written, "total_tokens": read + written}
    return {"choices": [], "usage": counts, "timings": {"predicted_ms": 7}}


HELLO: tuple[dict[str, Any], ...] = (
    delta("Hel", role="assistant"),
    delta("lo"),
    delta("", finish="stop"),
    usage(11, 2),
)


@dataclass
class FakeChat:
    """Answers with `script`, in which an exception is raised and None waits for ever."""

    script: Sequence[Any] = HELLO
    lists: Sequence[str] = ("tiny",)
    slow_s: float = 0.0
    """How long it takes to list its models."""
    name: str = "fake"
    type: str = "test"
    requests: list[ChatRequest] = field(default_factory=list)
    listings: int = 0
    opened: int = 0
    closed: int = 0

    async def status(self) -> ProviderStatus:
        return ProviderStatus(ProviderState.READY, "a fake")

    async def models(self) -> list[str]:
        self.listings += 1
        await anyio.sleep(self.slow_s)
        return list(self.lists)

    async def stream(self, request: ChatRequest) -> AsyncGenerator[dict[str, Any], None]:
        self.requests.append(request)
        self.opened += 1
        try:
            for step in self.script:
                if isinstance(step, BaseException):
                    raise step
                if step is None:
                    await anyio.sleep_forever()
                else:
                    yield {
                        **step,
                        "choices": [{**choice, "delta": dict(choice["delta"])} for choice in step["choices"]],
                    }
        finally:
            self.closed += 1

    async def complete(self, request: ChatRequest) -> dict[str, Any]:
        text, usage = "", None
        chunks = self.stream(request)
        try:
            async for chunk in chunks:
                text += "".join(choice["delta"].get("content") or "" for choice in chunk["choices"])
                usage = chunk.get("usage") or usage
        finally:
            await chunks.aclose()
        choice = {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}
        return {
            "id": "upstream-1",
            "model": "theirs",
            "choices": [choice],
            "usage": usage,
            "timings": {"x": 1},
        }

    async def aclose(self) -> None:
        """Nothing to close."""


def table(**models: Any) -> dict[str, Registration]:
    """Registrations of these providers, and of the built-in ones; names that end in `_sought` are looked for."""

    def registration(name: str, model: Any) -> Registration:
        origin = FOUND_HERE if name.endswith("_sought") else "tests"
        return Registration(name, lambda: lambda _settings: model, origin)

    built_in = list_llm_registrations()
    return {**built_in, **{name: registration(name, model) for name, model in models.items()}}


def with_models(**models: Any) -> Registrations:
    """For an application that has these providers of language models, and the built-in ones."""
    return Registrations(llm=table(**models))
