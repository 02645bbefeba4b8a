"""One assistant as a model on the chat wire: runs its tools on the server, and streams what it says."""

from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import aclosing
from typing import TYPE_CHECKING, Any

from app.core.config import Settings
from app.core.errors import BadRequest, ModelNotFound, ProviderNotReady, UpstreamError
from app.providers.agent.events import ToolUpdate
from app.providers.agent.task import (
    COMMAND,
    AgentTask,
    Delta,
    RunEnd,
    RunLimits,
    Runner,
    is_installed,
    load_runner,
)
from app.providers.base import ChatRequest
from app.services.assistants.definitions import ConfiguredAssistant
from app.services.assistants.prompts import opening_messages, stop_notice
from app.services.assistants.toolsets import Toolsets
from app.services.llm.context import RunContext
from app.services.llm.text_only import TextOnly
from app.toolsets.base import SearchService, ToolContext

if TYPE_CHECKING:
    from app.services.llm.models import Choice


_NOT_SENT = frozenset({
    "messages", "tools", "tool_choice", "parallel_tool_calls", "functions", "function_call", "n", "model"
})  # fmt: skip
"""Fields that the run sets itself, or that have no meaning without a client's tools."""
_REFUSED = frozenset({400, 404, 422, 500, 501})
"""How services answer who asks a model for what it cannot do."""


class AssistantChat:
    """A contextual model: it runs its tools on the server, and reports them to the `RunContext` that it is bound to."""

    def __init__(
        self,
        settings: Settings,
        toolsets: Toolsets,
        search: SearchService,
        one: ConfiguredAssistant,
        resolve: "Callable[[str | None], Awaitable[Choice]]",
        acting: RunContext | None = None,
    ) -> None:
        self._settings = settings
        self._toolsets = toolsets
        self._search = search
        self._one = one
        self._resolve = resolve
        self._acting = acting

    def bind(self, acting: RunContext) -> "AssistantChat":
        return AssistantChat(self._settings, self._toolsets, self._search, self._one, self._resolve, acting)

    async def models(self) -> list[str]:
        """None: its name is the only one it is asked by."""
        return []

    async def stream(self, request: ChatRequest) -> AsyncGenerator[dict[str, Any], None]:
        """Canonical chunks of its text; tool events go to `RunContext.tell`. Closing it stops model and tools.

        Raises:
            BadRequest: the request brings tools of its own, or wants several answers.
            ProviderNotReady: it cannot be used; the message says how to make it ready.
            UpstreamError and its kinds: its model failed.
        """
        assert self._acting is not None, "an assistant acts for somebody: `Choice.bind` first"
        acting, definition = self._acting, self._one.definition
        check_request(self._one.name, request.body)
        task = await self._task(request, acting)
        run = await load_runner()
        spoken = False
        async with aclosing(self._told(run, task)) as items:
            async for item in items:
                if isinstance(item, Delta):
                    spoken = spoken or bool(item.fields.get("content"))
                    yield self._chunk({"content": None if item.fields else "", **item.fields})
                elif isinstance(item, RunEnd):
                    if item.limit:
                        words = stop_notice(item.limit, definition.language, definition.limits)
                        yield self._chunk({"content": ("\n\n" if spoken else "") + words})
                    last = self._chunk({"content": ""}, item.finish_reason)
                    yield last | {"usage": item.usage} if item.usage else last
                else:
                    acting.tell(item)

    async def _told(self, run: Runner, task: AgentTask) -> AsyncGenerator[Delta | ToolUpdate | RunEnd, None]:
        """What a run tells. Services say in many ways that a model calls no tools, none what to do about it."""
        try:
            async with aclosing(run(task)) as items:
                async for item in items:
                    yield item
        except UpstreamError as error:
            if not (task.tools and error.upstream_status in _REFUSED and "tool" in error.message.lower()):
                raise
            hint = f"the assistant {self._one.name!r} needs a model that can call tools: give it one as its `model`"
            raise type(error)(
                f"{error.message}; {hint}", param=error.param, upstream_status=error.upstream_status
            ) from error

    async def complete(self, request: ChatRequest) -> dict[str, Any]:
        """The whole answer. Raises as `stream` does."""
        said: dict[str, str] = {}
        reason, usage = "stop", None
        async with aclosing(self.stream(request)) as chunks:
            async for chunk in chunks:
                choice = chunk["choices"][0]
                for name, text in choice["delta"].items():
                    said[name] = said.get(name, "") + (text or "")
                reason, usage = choice["finish_reason"] or reason, chunk.get("usage") or usage
        message = {"role": "assistant", "refusal": None, **said}
        choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": reason}
        return {"choices": [choice], "usage": usage}

    async def _task(self, request: ChatRequest, acting: RunContext) -> AgentTask:
        one, definition = self._one, self._one.definition
        if one.problem:
            raise ProviderNotReady(f"assistant {one.name!r} cannot be used: {one.problem}")
        if not is_installed():
            raise ProviderNotReady(f"assistant {one.name!r} needs pydantic-ai: {COMMAND}")
        asked = await self._asked()
        context = ToolContext(acting.caller, definition.language, self._search, acting.conversation_id)
        tools = await self._toolsets.bound(one.name, definition, context)
        limits, own = definition.limits, self._settings.assistants
        return AgentTask(
            chat=asked.chat,
            model=asked.model,
            messages=opening_messages(definition, request.body["messages"], tools=bool(tools)),
            fields={name: value for name, value in request.body.items() if name not in _NOT_SENT},
            tools=tools,
            bounds=RunLimits(
                rounds=limits.rounds,
                calls=limits.calls,
                seconds=limits.seconds,
                output_chars=own.output_chars,
                answer_chars=self._settings.chat.answer_chars,
            ),
            approval_s=self._settings.chat.approval_s,
            approve=acting.approve,
        )

    async def _asked(self) -> "Choice":
        """The model that it asks.

        Raises:
            ProviderNotReady: there is none of that name, or it is an assistant.
        """
        name, wanted = self._one.name, self._one.definition.model
        try:
            asked = await self._resolve(wanted or None)
        except ModelNotFound as error:
            raise ProviderNotReady(f"assistant {name!r} cannot ask its model: {error.message}") from error
        if isinstance(asked.chat, AssistantChat):
            raise ProviderNotReady(f"assistant {name!r} asks {wanted!r}, an assistant; give it a model's id")
        if problem := tool_problem(self._one, asked):
            raise ProviderNotReady(f"assistant {name!r} cannot be used: {problem}")
        return asked

    def _chunk(self, delta: dict[str, Any], reason: str | None = None) -> dict[str, Any]:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": reason}
        return {"model": self._one.name, "choices": [choice]}


def tool_problem(one: ConfiguredAssistant, asked: "Choice") -> str:
    """Why the model cannot be asked, where it is known before that it calls no tools."""
    if not (one.definition.toolsets and isinstance(asked.chat, TextOnly)):
        return ""
    return (
        f"its model is {asked.id!r}, which knows only text and calls no tools; give it another one as `model`"
    )


def check_request(name: str, body: Mapping[str, Any]) -> None:
    """A client's tools, and several answers at once.

    Raises:
        BadRequest
    """
    for field in ("tools", "functions"):
        if body.get(field):
            raise BadRequest(
                f"`{field}`: the assistant {name!r} has its own tools, which run on the server; leave it out or "
                "choose a model",
                param=field,
            )
    choice = body.get("tool_choice")
    if choice == "required" or isinstance(choice, dict):
        raise BadRequest(
            f"`tool_choice`: the assistant {name!r} chooses among its own tools; leave it out or choose a model",
            param="tool_choice",
        )
    if (body.get("n") or 1) > 1:
        raise BadRequest(f"`n`: the assistant {name!r} gives one answer; ask for 1", param="n")
