"""Fake providers of language models: chat with gates and tools, plain text, and registrations of them."""

from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from threading import Event as Gate
from typing import Any

import anyio

from app.core.assistants import ApprovalDecision
from app.core.config import LlmSettings, Settings
from app.providers.agent.events import ApprovalRequired, ToolCall, ToolError, ToolResult
from app.providers.base import ChatMessage, ChatRequest, LlmChunk, LlmConfig, ProviderStatus, Wait
from app.providers.registry import FOUND_HERE, Registration, Registrations, list_llm_registrations
from app.schemas.providers import ProviderState
from app.services.llm.context import RunContext
from app.services.llm.providers import LlmProviders

__all__ = [
    "CALL",
    "HELLO",
    "QUESTION",
    "RESULT",
    "FakeAssistant",
    "FakeChat",
    "FakeText",
    "Gate",
    "delta",
    "make_providers",
    "make_table",
    "pieces",
    "usage",
    "with_models",
]

CALL = ToolCall("call_1", "find_order", "shop", {"order": "1042"})
RESULT = ToolResult("call_1", "find_order", "shop", '{"status":"sent"}', False, 3)
QUESTION = ApprovalRequired("call_1", "find_order", "shop", {"order": "1042"}, 0)


# -- chunks


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


def pieces(*steps: str | Gate | None, finish: str = "stop") -> list[Any]:
    """The script of an answer in these pieces; between them may be gates, and None, which waits for ever."""
    return [delta(step) if isinstance(step, str) else step for step in steps] + [delta("", finish=finish)]


HELLO: tuple[dict[str, Any], ...] = (
    delta("Hel", role="assistant"),
    delta("lo"),
    delta("", finish="stop"),
    usage(11, 2),
)


# -- providers


@dataclass
class FakeChat:
    """A chat provider that answers with the chunks of its script.

    In `script`, an exception is raised, None waits for ever, a `Wait` is told to whoever asked, and a gate waits until
    the test opens it. Gates are
    `threading.Event`s, because a server runs in its own thread.
    """

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
                if isinstance(step, dict):
                    request.on_wait(None)
                    choices = [{**choice, "delta": dict(choice["delta"])} for choice in step["choices"]]
                    yield {**step, "choices": choices}
                else:
                    await self._perform(step)
        finally:
            self.closed += 1

    async def _perform(self, step: Any) -> None:
        """Do a step of the script that is not a chunk."""
        if isinstance(step, BaseException):
            raise step
        if isinstance(step, Wait):
            self.requests[-1].on_wait(step)
        elif isinstance(step, Gate):
            while not step.is_set():  # noqa: ASYNC110  # another thread opens it
                await anyio.sleep(0.002)
        else:
            assert step is None, f"no step of a script: {step!r}"
            await anyio.sleep_forever()

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


@dataclass
class FakeAssistant(FakeChat):
    """An assistant whose script holds tool events too.

    A call, a result or an error is reported. An `ApprovalRequired` waits for the user's decision and reports what
    follows: a result, or an error.
    """

    decisions: list[ApprovalDecision] = field(default_factory=list)
    contexts: list[RunContext] = field(default_factory=list)
    _context: RunContext | None = None

    def bind(self, context: RunContext) -> "FakeAssistant":
        self.contexts.append(context)
        bound = replace(self, _context=context)
        bound.decisions, bound.requests = self.decisions, self.requests
        return bound

    async def stream(self, request: ChatRequest) -> AsyncGenerator[dict[str, Any], None]:
        assert self._context is not None, "an assistant runs for a user"
        async with aclosing(super().stream(request)) as chunks:
            async for chunk in chunks:
                yield chunk

    async def _perform(self, step: Any) -> None:
        assert self._context is not None
        if isinstance(step, ToolCall | ToolResult | ToolError):
            self._context.on_tool_update(step)
        elif isinstance(step, ApprovalRequired):
            self._context.on_tool_update(step)
            assert self._context.request_approval is not None
            decision = await self._context.request_approval(step)
            self.decisions.append(decision)
            self._context.on_tool_update(_make_outcome(step, decision))
        else:
            await super()._perform(step)


def _make_outcome(question: ApprovalRequired, decision: ApprovalDecision) -> ToolResult | ToolError:
    call = (question.call_id, question.name, question.toolset)
    if decision == "approved":
        return ToolResult(*call, '"done"', False, 1)
    code = "denied" if decision == "denied" else "approval_expired"
    return ToolError(*call, "its user did not allow it", 0, code)


class FakeText:
    """A text-only provider: says how many messages it was sent, or fails as it was made to."""

    name = "fake"
    type = "test"

    def __init__(self, *, fails: Exception | None = None, slow: bool = False, endless: bool = False) -> None:
        self._fails = fails
        self._slow = slow
        self._endless = endless
        self.sent: Sequence[ChatMessage] = ()
        self.closed = False

    async def status(self) -> ProviderStatus:
        if self._fails:
            raise self._fails
        if self._slow:
            await anyio.sleep_forever()
        return ProviderStatus(ProviderState.READY, "a fake")

    async def generate(
        self, messages: Sequence[ChatMessage], config: LlmConfig
    ) -> AsyncGenerator[LlmChunk, None]:
        self.sent = messages
        try:
            yield LlmChunk("so many: ")
            if self._fails:
                raise self._fails
            while self._endless:
                yield LlmChunk("x" * 1_000_000)
            yield LlmChunk(str(len(messages)), "stop", model="fake-1")
        finally:
            self.closed = True

    async def aclose(self) -> None:
        if self._fails:
            raise self._fails


# -- registrations


def make_table(**models: Any) -> dict[str, Registration]:
    """Registrations of these providers and of the built-in ones.

    A name that ends in `_sought` counts as found by discovery.
    """

    def register(name: str, model: Any) -> Registration:
        origin = FOUND_HERE if name.endswith("_sought") else "tests"
        return Registration(name, lambda: lambda _settings: model, origin)

    return {**list_llm_registrations(), **{name: register(name, model) for name, model in models.items()}}


def with_models(**models: Any) -> Registrations:
    """For an application that has these providers of language models, and the built-in ones."""
    return Registrations(llm=make_table(**models))


def make_providers(llm: LlmSettings | None = None, **models: Any) -> LlmProviders:
    """The providers of a package; an exception in place of a provider is raised when it is loaded.

    Without `models`, the built-in providers.
    """

    def make_loader(model: Any) -> Callable[[], Callable[[Settings], Any]]:
        def load() -> Callable[[Settings], Any]:
            if isinstance(model, Exception):
                raise model
            return lambda _settings: model

        return load

    settings = Settings(_env_file=None, llm=llm or LlmSettings(discover=False))
    table = {name: Registration(name, make_loader(model), "fake-package") for name, model in models.items()}
    return LlmProviders(settings, table or None)
