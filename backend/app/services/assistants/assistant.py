"""One assistant as a chat model: it runs its tools on the server, and streams its text."""

from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

from app.core.config import Settings
from app.core.errors import BadRequest, ModelNotFound, ProviderNotReady, UpstreamError
from app.providers.agent.events import ToolUpdate
from app.providers.agent.loader import Runner, describe_missing, is_installed, load_runner
from app.providers.agent.task import AgentTask, Delta, RunEnd, RunLimits
from app.providers.base import ChatRequest
from app.services.assistants.definitions import ConfiguredAssistant
from app.services.assistants.prompts import add_instructions, make_stop_notice
from app.services.assistants.toolsets import Toolsets
from app.services.llm.context import ResolvedModel, ResolveModel, RunContext
from app.services.llm.text_only import TextOnlyChat
from app.toolsets.base import SearchService, ToolContext

_NOT_FORWARDED = frozenset({
    "messages", "tools", "tool_choice", "parallel_tool_calls", "functions", "function_call", "n", "model"
})  # fmt: skip
"""Fields of a request that the run sets itself, or that have no meaning without a client's tools."""
_REFUSAL_STATUSES = frozenset({400, 404, 422, 500, 501})
"""How services answer a request that their model cannot do."""


@dataclass(frozen=True, slots=True)
class AssistantDeps:
    """What every assistant needs of the application."""

    settings: Settings
    toolsets: Toolsets
    search: SearchService


class AssistantChat:
    """A `ContextualModel`: tool calls stay on the server, and are reported to the context that it is bound to."""

    def __init__(
        self,
        deps: AssistantDeps,
        assistant: ConfiguredAssistant,
        resolve: ResolveModel,
        context: RunContext | None = None,
    ) -> None:
        self._deps = deps
        self._assistant = assistant
        self._resolve = resolve
        self._context = context

    def bind(self, context: RunContext) -> "AssistantChat":
        return AssistantChat(self._deps, self._assistant, self._resolve, context)

    async def models(self) -> list[str]:
        """Empty: an assistant is asked for by its name alone."""
        return []

    async def stream(self, request: ChatRequest) -> AsyncGenerator[dict[str, Any], None]:
        """Canonical chunks of the text; tool updates go to the context. Closing it stops the model and the tools.

        Raises:
            BadRequest: the request brings its own tools, or asks for several answers.
            ProviderNotReady: the assistant cannot be used; the message says how to make it ready.
            UpstreamError and its kinds: its model failed.
        """
        context, definition = self._context, self._assistant.definition
        assert context is not None, "bind the assistant to a context first"
        check_request(self._assistant.name, request.body)
        task = await self._make_task(request, context)
        run_agent = await load_runner()
        has_text = False
        async with aclosing(self._run(run_agent, task)) as items:
            async for item in items:
                if isinstance(item, Delta):
                    has_text = has_text or bool(item.fields.get("content"))
                    yield self._make_chunk({"content": None if item.fields else "", **item.fields})
                elif isinstance(item, RunEnd):
                    if item.limit:
                        notice = make_stop_notice(item.limit, definition.language, definition.limits)
                        yield self._make_chunk({"content": ("\n\n" if has_text else "") + notice})
                    last = self._make_chunk({"content": ""}, item.finish_reason)
                    yield last | {"usage": item.usage} if item.usage else last
                else:
                    context.on_tool_update(item)

    async def complete(self, request: ChatRequest) -> dict[str, Any]:
        """The whole answer. Raises as `stream` does."""
        fields: dict[str, str] = {}
        reason, usage = "stop", None
        async with aclosing(self.stream(request)) as chunks:
            async for chunk in chunks:
                choice = chunk["choices"][0]
                for name, text in choice["delta"].items():
                    fields[name] = fields.get(name, "") + (text or "")
                reason, usage = choice["finish_reason"] or reason, chunk.get("usage") or usage
        message = {"role": "assistant", "refusal": None, **fields}
        choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": reason}
        return {"choices": [choice], "usage": usage}

    async def _run(
        self, run_agent: Runner, task: AgentTask
    ) -> AsyncGenerator[Delta | ToolUpdate | RunEnd, None]:
        """The items of a run. An upstream's error about tools gets a hint: no service says what to do about it."""
        try:
            async with aclosing(run_agent(task)) as items:
                async for item in items:
                    yield item
        except UpstreamError as error:
            is_about_tools = error.upstream_status in _REFUSAL_STATUSES and "tool" in error.message.lower()
            if not (task.tools and is_about_tools):
                raise
            name = self._assistant.name
            hint = f"the assistant {name!r} needs a model that can call tools: give it one as its `model`"
            raise type(error)(
                f"{error.message}; {hint}", param=error.param, upstream_status=error.upstream_status
            ) from error

    async def _make_task(self, request: ChatRequest, context: RunContext) -> AgentTask:
        name, definition = self._assistant.name, self._assistant.definition
        if self._assistant.problem:
            raise ProviderNotReady(f"assistant {name!r} cannot be used: {self._assistant.problem}")
        if not is_installed():
            raise ProviderNotReady(f"assistant {name!r} needs {describe_missing()}")
        model = await self._resolve_model()
        tools = await self._deps.toolsets.bind_tools(
            name,
            definition,
            ToolContext(
                caller=context.caller,
                lang=definition.language,
                search=self._deps.search,
                conversation_id=context.conversation_id,
            ),
        )
        settings = self._deps.settings
        return AgentTask(
            chat=model.chat,
            model=model.model,
            messages=add_instructions(definition, request.body["messages"], has_tools=bool(tools)),
            fields={name: value for name, value in request.body.items() if name not in _NOT_FORWARDED},
            tools=tools,
            workers=self._deps.toolsets.workers,
            limits=RunLimits(
                rounds=definition.limits.rounds,
                calls=definition.limits.calls,
                seconds=definition.limits.seconds,
                output_chars=settings.assistants.output_chars,
                answer_chars=settings.chat.answer_chars,
            ),
            approval_s=settings.chat.approval_s,
            request_approval=context.request_approval,
        )

    async def _resolve_model(self) -> ResolvedModel:
        """The model that the assistant asks.

        Raises:
            ProviderNotReady: there is no such model, it is an assistant, or it calls no tools.
        """
        name, wanted = self._assistant.name, self._assistant.definition.model
        try:
            model = await self._resolve(wanted or None)
        except ModelNotFound as error:
            raise ProviderNotReady(f"assistant {name!r} cannot ask its model: {error.message}") from error
        if isinstance(model.chat, AssistantChat):
            raise ProviderNotReady(f"assistant {name!r} asks {wanted!r}, an assistant; give it a model's id")
        if problem := find_tool_problem(self._assistant, model):
            raise ProviderNotReady(f"assistant {name!r} cannot be used: {problem}")
        return model

    def _make_chunk(self, delta: dict[str, Any], reason: str | None = None) -> dict[str, Any]:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": reason}
        return {"model": self._assistant.name, "choices": [choice]}


def find_tool_problem(assistant: ConfiguredAssistant, model: ResolvedModel) -> str:
    """Why the model cannot be used with tools, as far as that is known before it is asked; empty if it can."""
    if not (assistant.definition.toolsets and isinstance(model.chat, TextOnlyChat)):
        return ""
    return (
        f"its model is {model.id!r}, which knows only text and calls no tools; give it another one as `model`"
    )


def check_request(name: str, body: Mapping[str, Any]) -> None:
    """Refuse what an assistant cannot do: run a client's tools, or give several answers.

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
