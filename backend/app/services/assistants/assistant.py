"""One assistant as a chat model: it runs its tools on the server, and streams its text."""

from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import Any

from app.core.config import Settings
from app.core.errors import BadRequest, ModelNotFound, ProviderNotReady, UpstreamError
from app.core.notes import Note, NoteCode
from app.providers.agent.events import ToolUpdate
from app.providers.agent.loader import Runner, describe_missing, is_installed, load_runner
from app.providers.agent.task import AgentTask, AgentTool, ClientTools, Delta, RunEnd, RunLimits
from app.providers.base import ChatRequest, refuse_spoken_answer
from app.providers.joining import join_chunks
from app.services.assistants.client_tools import BroughtTools, read_client_tools
from app.services.assistants.definitions import ConfiguredAssistant
from app.services.assistants.prompts import add_instructions, asks_about_conversation, make_stop_notice
from app.services.assistants.toolsets import Toolsets
from app.services.llm.context import ResolvedModel, ResolveModel, RunContext
from app.services.llm.text_only import TextOnlyChat
from app.toolsets.base import SearchService, ToolContext

_NOT_FORWARDED = frozenset({
    "messages", "tools", "tool_choice", "parallel_tool_calls", "functions", "function_call", "n", "model"
})  # fmt: skip
"""Fields of a request that the run sets itself."""
_WITH_CLIENT_TOOLS = ("parallel_tool_calls",)
"""Fields that have a meaning beside a client's tools alone."""
_REFUSAL_STATUSES = frozenset({400, 404, 422, 500, 501})
"""How services answer a request that their model cannot do."""


@dataclass(frozen=True, slots=True)
class AssistantDeps:
    """What every assistant needs of the application."""

    settings: Settings
    toolsets: Toolsets
    search: SearchService


class AssistantChat:
    """A `ContextualModel`: its own tools run here, and are reported to the context that it is bound to.

    Tools that the client brings are offered to the model too. Its calls of them end the answer, and the client makes
    them.
    """

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
        """Canonical chunks; tool updates go to the context. Closing it stops the model and the tools.

        Raises:
            BadRequest: the request asks for several answers, or demands a call that cannot come back.
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
                    if item.calls:
                        calls = [{"index": index, **call} for index, call in enumerate(item.calls)]
                        yield self._make_chunk({"content": None, "tool_calls": calls})
                    last = self._make_chunk({"content": ""}, item.finish_reason)
                    yield last | {"usage": item.usage} if item.usage else last
                else:
                    context.on_tool_update(item)

    async def complete(self, request: ChatRequest) -> dict[str, Any]:
        """The whole answer. Raises as `stream` does."""
        return await join_chunks(self.stream(request), self._assistant.name)

    async def _run(
        self, run_agent: Runner, task: AgentTask
    ) -> AsyncGenerator[Delta | ToolUpdate | RunEnd, None]:
        """The items of a run. Tools of the client without which it can answer do not make a model fail.

        An upstream's error about the assistant's own tools gets a hint: no service says what to do about it.
        """
        has_begun = False
        try:
            async with aclosing(run_agent(task)) as items:
                async for item in items:
                    has_begun = True
                    yield item
            return
        except UpstreamError as error:
            is_about_tools = error.upstream_status in _REFUSAL_STATUSES and "tool" in error.message.lower()
            if not is_about_tools:
                raise
            if task.tools:
                raise self._add_hint(error) from error
            if has_begun or not task.client_tools.described or task.client_tools.choice:
                raise
        self._tell_omitted(sorted(task.client_tools.names))
        async with aclosing(run_agent(replace(task, client_tools=ClientTools()))) as items:
            async for item in items:
                yield item

    def _add_hint(self, error: UpstreamError) -> UpstreamError:
        hint = f"the assistant {self._assistant.name!r} needs a model that can call tools: give it one as its `model`"
        return type(error)(
            f"{error.message}; {hint}",
            param=error.param,
            note=Note(NoteCode.CALLS_NO_TOOLS),
            upstream_status=error.upstream_status,
        )

    def _tell_omitted(self, names: Sequence[str]) -> None:
        assert self._context is not None
        if names:
            self._context.on_tools_omitted(names)

    async def _make_task(self, request: ChatRequest, context: RunContext) -> AgentTask:
        name, definition = self._assistant.name, self._assistant.definition
        if self._assistant.problem:
            raise ProviderNotReady(
                f"assistant {name!r} cannot be used: {self._assistant.problem}",
                note=Note(NoteCode.SETTINGS_WRONG),
            )
        if not is_installed():
            raise ProviderNotReady(
                f"assistant {name!r} needs {describe_missing()}", note=Note(NoteCode.PACKAGE_MISSING)
            )
        model = await self.resolve_model()
        tools = await self._bind_tools(request, context)
        tools, brought = _join_tools(name, request.body, tools, model)
        self._tell_omitted(brought.omitted)
        parallel = {each: request.body[each] for each in _WITH_CLIENT_TOOLS if each in request.body}
        settings = self._deps.settings
        return AgentTask(
            chat=model.chat,
            model=model.model,
            messages=add_instructions(definition, request.body["messages"], has_tools=bool(tools)),
            fields={each: value for each, value in request.body.items() if each not in _NOT_FORWARDED}
            | (parallel if brought.offered.described else {}),
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
            client_tools=brought.offered,
            on_wait=request.on_wait,
        )

    async def _bind_tools(self, request: ChatRequest, context: RunContext) -> Sequence[AgentTool]:
        """The assistant's tools for this answer. A title or tags need none, and must not cost a call."""
        if asks_about_conversation(request.body["messages"]):
            return ()
        definition = self._assistant.definition
        return await self._deps.toolsets.bind_tools(
            self._assistant.name,
            definition,
            ToolContext(
                caller=context.caller,
                lang=definition.language,
                search=self._deps.search,
                conversation_id=context.conversation_id,
            ),
        )

    async def resolve_model(self) -> ResolvedModel:
        """The model that the assistant asks.

        Raises:
            ProviderNotReady: there is no such model, it is an assistant, or it calls no tools.
        """
        name, wanted = self._assistant.name, self._assistant.definition.model
        try:
            model = await self._resolve(wanted or None)
        except ModelNotFound as error:
            raise ProviderNotReady(
                f"assistant {name!r} cannot ask its model {wanted!r}: {error.message}"
            ) from error
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


def _join_tools(
    name: str, body: Mapping[str, Any], own: Sequence[AgentTool], model: ResolvedModel
) -> tuple[Sequence[AgentTool], BroughtTools]:
    """The tools of the assistant and those of the client, no two of them with one name."""
    brought = read_client_tools(
        name, body, {tool.name for tool in own}, is_text_only=isinstance(model.chat, TextOnlyChat)
    )
    return [tool for tool in own if tool.name not in brought.offered.names], brought


def check_request(name: str, body: Mapping[str, Any]) -> None:
    """Refuse what an assistant cannot do: give several answers.

    Raises:
        BadRequest
    """
    if (body.get("n") or 1) > 1:
        raise BadRequest(f"`n`: the assistant {name!r} gives one answer; ask for 1", param="n")
    refuse_spoken_answer(name, body)
