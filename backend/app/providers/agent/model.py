"""A pydantic-ai model that asks one of our providers: addresses, profiles and errors are handled there."""

import logging
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from typing import Any

import pydantic_ai
from pydantic_ai.messages import (
    ModelMessage,
    ModelRequest,
    ModelResponse,
    RetryFeedbackPart,
    SystemPromptPart,
    TextPart,
    ToolCallPart,
    ToolReturnPart,
    UserPromptPart,
)
from pydantic_ai.models import Model, ModelRequestParameters
from pydantic_ai.settings import ModelSettings

from app.core.logging import log_failure
from app.core.supervision import reraise_cancellation
from app.providers.agent.calls import Report, ToolRunner
from app.providers.agent.events import ToolCall
from app.providers.agent.messages import (
    ModelReply,
    fence_output,
    limit_text,
    make_client_calls,
    parse_arguments,
)
from app.providers.agent.task import AgentTask, Delta, Limit
from app.providers.base import ChatRequest

pydantic_ai.BANNER_ENABLED = False  # the library prints nothing in a server's terminal

logger = logging.getLogger(__name__)

_ROUND_SEPARATOR = "\n\n"
_MOST_ERROR_CHARS = 500


class LimitReached(Exception):
    """The run ends here."""

    def __init__(self, limit: Limit) -> None:
        super().__init__(limit)
        self.limit = limit


class ClientsTurn(Exception):
    """The run ends here: the model calls tools of the client."""

    def __init__(self, calls: Sequence[Mapping[str, Any]]) -> None:
        super().__init__("the client's turn")
        self.calls = calls


class ProviderModel(Model[Any]):
    """Asks a `ChatProvider` round after round, and reports its text as it arrives.

    The conversation and the model's own messages are sent as they were: what pydantic-ai does not know (images,
    reasoning, fields of one service) is kept. Of pydantic-ai's history only the results of tools are read.
    """

    def __init__(self, task: AgentTask, calls: ToolRunner, report: Report) -> None:
        super().__init__()
        self._task = task
        self._calls = calls
        self._report = report
        self._toolset_of = {tool.name: tool.toolset for tool in task.tools}
        self.replies: list[ModelReply] = []
        self._reported_calls = 0

    @property
    def model_name(self) -> str:
        return self._task.model

    @property
    def system(self) -> str:
        return "prompter"

    async def request(
        self,
        messages: list[ModelMessage],
        model_settings: ModelSettings | None,  # noqa: ARG002  # the task's fields say how to ask
        model_request_parameters: ModelRequestParameters,
    ) -> ModelResponse:
        """One round.

        Raises:
            LimitReached, ClientsTurn: the run ends here.
            PrompterError: as `ChatProvider.stream` raises it.
        """
        await self._report_refused_calls(messages)
        if len(self.replies) >= self._task.limits.rounds:  # pydantic-ai asks again after an empty answer
            raise LimitReached("nothing")
        is_final = len(self.replies) + 1 == self._task.limits.rounds
        may_call = bool(self._calls.left) and not is_final
        fields = {**self._task.fields, **self._offer_tools(model_request_parameters, may_call=may_call)}
        reply = await self._stream_reply({**fields, "messages": self._make_messages(messages)})
        clients = reply.take_calls(self._task.client_tools.names)
        if clients and not (reply.calls and may_call):
            self.replies.append(reply)
            raise ClientsTurn(make_client_calls(clients, self._task.messages))
        # Calls of the client's tools beside our own are dropped: the model makes them when it has our results.
        # One call over the limit is kept, so that the model gets the reason for its refusal.
        reply.finish(calls_before=self._reported_calls, most_calls=self._calls.left + 1)
        self._reported_calls += len(reply.calls)
        self.replies.append(reply)
        if is_final and reply.calls:  # the model ignores `tool_choice`
            raise LimitReached("rounds")
        for call in reply.calls:
            await self._report_call(call)
        return ModelResponse(parts=_make_parts(reply), model_name=self._task.model)

    def _offer_tools(self, parameters: ModelRequestParameters, *, may_call: bool) -> dict[str, Any]:
        """The fields of a round that offer tools. In the round in which ours are over, those of the client remain."""
        own, clients = _describe_tools(parameters), self._task.client_tools
        if not clients.described:
            return {} if not own else {"tools": own} | ({} if may_call else {"tool_choice": "none"})
        if not own or not may_call:
            return {"tools": clients.described} | ({"tool_choice": clients.choice} if clients.choice else {})
        # A call is demanded, and the model may look something up before it makes the client's.
        return {"tools": [*own, *clients.described]} | ({"tool_choice": "required"} if clients.choice else {})

    async def _stream_reply(self, body: dict[str, Any]) -> ModelReply:
        reply = ModelReply()
        separator = _ROUND_SEPARATOR if any(earlier.text for earlier in self.replies) else ""
        has_started = bool(self.replies)
        chars_before = sum(earlier.chars for earlier in self.replies)
        async with aclosing(self._stream_chunks(body)) as chunks:
            async for chunk in chunks:
                delta = reply.add_chunk(chunk)
                if separator and "content" in delta:
                    delta["content"], separator = separator + delta["content"], ""
                if delta or not has_started:
                    has_started = True
                    await self._report(Delta(delta))
                if chars_before + reply.chars > self._task.limits.answer_chars:
                    raise LimitReached("chars")
        return reply

    async def _stream_chunks(self, body: dict[str, Any]) -> AsyncGenerator[dict[str, Any], None]:
        """The chunks of one reply. This is a task of pydantic-ai: a `SystemExit` that leaves a task ends the server."""
        try:
            request = ChatRequest(self._task.model, body, on_wait=self._task.on_wait)
            async with aclosing(self._task.chat.stream(request)) as chunks:
                async for chunk in chunks:
                    yield chunk
        except BaseException as error:
            reraise_cancellation(error)
            if isinstance(error, Exception):
                raise
            log_failure(logger, f"the model {self._task.model!r} failed", error)
            raise RuntimeError(type(error).__name__) from None

    async def _report_call(self, call: Mapping[str, Any]) -> None:
        name, text = call["function"]["name"], call["function"].get("arguments") or ""
        self._calls.arguments[call["id"]] = text
        toolset = self._toolset_of.get(name, "")
        arguments = parse_arguments(text)
        await self._report(ToolCall(call_id=call["id"], name=name, toolset=toolset, arguments=arguments))

    async def _report_refused_calls(self, messages: Sequence[ModelMessage]) -> None:
        """Report the calls of the last round that pydantic-ai refused itself: unknown tools, wrong arguments."""
        if not self.replies:
            return
        answers = _read_refusals(messages)
        for call in self.replies[-1].calls:
            if call["id"] not in self._calls.ended_ids:
                name = call["function"]["name"]
                message, code = answers.get(call["id"], "it was not called"), "bad_arguments"
                if name not in self._toolset_of:
                    message, code = f"there is no tool {name!r}", "unknown_tool"
                toolset = self._toolset_of.get(name, "")
                await self._calls.report_error(call["id"], name, toolset, message, code=code)

    def _make_messages(self, messages: Sequence[ModelMessage]) -> list[Mapping[str, Any]]:
        """The conversation and the rounds so far, as the next round is sent them."""
        made = list(self._task.messages)
        rounds = 0
        for message in messages:
            if isinstance(message, ModelResponse):
                made.append(self.replies[rounds].to_message())
                rounds += 1
            elif rounds:  # before the first round there is only the placeholder prompt
                made += _make_tool_messages(message, self._task.limits.output_chars)
        return made


def _describe_tools(parameters: ModelRequestParameters) -> list[dict[str, Any]]:
    return [
        {
            "type": "function",
            "function": {
                "name": tool.name,
                "description": tool.description or "",
                "parameters": tool.parameters_json_schema,
            },
        }
        for tool in parameters.function_tools
    ]


def _make_parts(reply: ModelReply) -> list[TextPart | ToolCallPart]:
    parts: list[TextPart | ToolCallPart] = [TextPart(reply.text)] if reply.text else []
    for call in reply.calls:
        function = call["function"]
        parts.append(
            ToolCallPart(function["name"], function.get("arguments") or "{}", tool_call_id=call["id"])
        )
    return parts


def _make_tool_messages(request: ModelRequest, most_chars: int) -> list[dict[str, Any]]:
    """What the model is sent after a round: the results of its calls, and feedback of pydantic-ai."""
    made: list[dict[str, Any]] = []
    for part in request.parts:
        if isinstance(part, ToolReturnPart):
            text = part.model_response_str()
            if part.outcome != "success":  # pydantic-ai's own message, which may quote the model
                text = fence_output(part.tool_name, limit_text(text, most_chars)[0])
            made.append({"role": "tool", "tool_call_id": part.tool_call_id, "content": text})
        elif isinstance(part, UserPromptPart | SystemPromptPart | RetryFeedbackPart):
            made.append({"role": "user", "content": str(part.content)})
    return made


def _read_refusals(messages: Sequence[ModelMessage]) -> dict[str, str]:
    """What pydantic-ai itself answered each call of the last round, as one line."""
    last = messages[-1] if messages else None
    if not isinstance(last, ModelRequest):
        return {}
    return {part.tool_call_id: _summarize(part) for part in last.parts if isinstance(part, ToolReturnPart)}


def _summarize(part: ToolReturnPart) -> str:
    content: Any = part.content
    if not isinstance(content, list):
        return str(content)[:_MOST_ERROR_CHARS]
    errors = [
        ".".join(map(str, error.get("loc", ()))) + ": " * bool(error.get("loc")) + str(error.get("msg", ""))
        for error in content
        if isinstance(error, dict)
    ]
    return f"wrong arguments: {'; '.join(errors)}"[:_MOST_ERROR_CHARS]
