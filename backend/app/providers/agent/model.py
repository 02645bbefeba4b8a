"""A model of pydantic-ai that asks one of our providers: guarded addresses, profiles and errors are the same."""

from collections.abc import Mapping, Sequence
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

from app.providers.agent.calls import Tell, ToolRunner
from app.providers.agent.events import ToolCall
from app.providers.agent.messages import ModelReply, arguments_of, capped, fenced
from app.providers.agent.task import AgentTask, Delta, Limit
from app.providers.base import ChatRequest

pydantic_ai.BANNER_ENABLED = False  # a server's terminal is not the library's

_APART = "\n\n"


class LimitReached(Exception):
    """The run has to end here."""

    def __init__(self, limit: Limit) -> None:
        super().__init__(limit)
        self.limit = limit


class ProviderModel(Model[Any]):
    """Asks a `ChatProvider`, round after round; pieces of text are told as they come.

    The conversation goes out as it came in, and the model's own messages as it wrote them: what pydantic-ai does not
    know (images, thoughts, fields of one service) survives. Of its history, only what tools answered is read.
    """

    def __init__(self, task: AgentTask, calls: ToolRunner, tell: Tell) -> None:
        super().__init__()
        self._task = task
        self._calls = calls
        self._tell = tell
        self._toolset_of = {tool.name: tool.toolset for tool in task.tools}
        self.replies: list[ModelReply] = []
        self._told_calls = 0

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
            LimitReached, and what `ChatProvider.stream` raises
        """
        await self._tell_unmade(messages)
        if len(self.replies) >= self._task.bounds.rounds:  # an empty answer is asked for again
            raise LimitReached("nothing")
        final = len(self.replies) + 1 == self._task.bounds.rounds
        last = final or self._calls.spent
        fields = dict(self._task.fields)
        if tools := _offered(model_request_parameters):
            fields |= {"tools": tools} | ({"tool_choice": "none"} if last else {})
        reply = await self._heard({**fields, "messages": self._sent(messages)})
        reply.end(self._told_calls, self._calls.left + 1)  # the one too many is told why it is not made
        self._told_calls += len(reply.calls)
        self.replies.append(reply)
        if final and reply.calls:  # it was told to answer, and did not
            raise LimitReached("rounds")
        for call in reply.calls:
            await self._announce(call)
        return ModelResponse(parts=_parts(reply), model_name=self._task.model)

    async def _heard(self, body: dict[str, Any]) -> ModelReply:
        reply = ModelReply()
        apart = _APART if any(before.text for before in self.replies) else ""
        begun = bool(self.replies)
        said_before = sum(before.chars for before in self.replies)
        async with aclosing(self._task.chat.stream(ChatRequest(self._task.model, body))) as chunks:
            async for chunk in chunks:
                told = reply.take(chunk)
                if apart and "content" in told:
                    told["content"], apart = apart + told["content"], ""
                if told or not begun:
                    begun = True
                    await self._tell(Delta(told))
                if said_before + reply.chars > self._task.bounds.answer_chars:
                    raise LimitReached("chars")
        return reply

    async def _announce(self, call: Mapping[str, Any]) -> None:
        name, text = call["function"]["name"], call["function"].get("arguments") or ""
        self._calls.arguments[call["id"]] = text
        toolset = self._toolset_of.get(name, "")
        await self._tell(ToolCall(call["id"], name, toolset, arguments_of(text)))

    async def _tell_unmade(self, messages: Sequence[ModelMessage]) -> None:
        """The calls that pydantic-ai refused itself: unknown tools, wrong arguments."""
        if not self.replies:
            return
        said = _returns(messages)
        for call in self.replies[-1].calls:
            if call["id"] not in self._calls.ended:
                name = call["function"]["name"]
                message, code = said.get(call["id"], "it was not called"), "bad_arguments"
                if name not in self._toolset_of:
                    message, code = f"there is no tool {name!r}", "unknown_tool"
                toolset = self._toolset_of.get(name, "")
                await self._calls.failed(call["id"], name, toolset, message, code=code)

    def _sent(self, messages: Sequence[ModelMessage]) -> list[Mapping[str, Any]]:
        """The conversation, and the rounds so far."""
        sent = list(self._task.messages)
        place = 0
        for message in messages:
            if isinstance(message, ModelResponse):
                sent.append(self.replies[place].message())
                place += 1
            elif place:  # the first request stands for the conversation
                sent += _answers(message, self._task.bounds.output_chars)
        return sent


def _offered(parameters: ModelRequestParameters) -> list[dict[str, Any]]:
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


def _parts(reply: ModelReply) -> list[TextPart | ToolCallPart]:
    parts: list[TextPart | ToolCallPart] = [TextPart(reply.text)] if reply.text else []
    for call in reply.calls:
        function = call["function"]
        parts.append(
            ToolCallPart(function["name"], function.get("arguments") or "{}", tool_call_id=call["id"])
        )
    return parts


def _answers(request: ModelRequest, most_chars: int) -> list[dict[str, Any]]:
    """What came back to the model after a round."""
    found: list[dict[str, Any]] = []
    for part in request.parts:
        if isinstance(part, ToolReturnPart):
            text = part.model_response_str()
            if part.outcome != "success":  # pydantic-ai's own words; they may quote the model
                text = fenced(part.tool_name, capped(text, most_chars)[0])
            found.append({"role": "tool", "tool_call_id": part.tool_call_id, "content": text})
        elif isinstance(part, UserPromptPart | SystemPromptPart | RetryFeedbackPart):
            found.append({"role": "user", "content": str(part.content)})
    return found


def _returns(messages: Sequence[ModelMessage]) -> dict[str, str]:
    """What each call of the last round got from pydantic-ai itself, as one line."""
    last = messages[-1] if messages else None
    if not isinstance(last, ModelRequest):
        return {}
    return {part.tool_call_id: _line(part) for part in last.parts if isinstance(part, ToolReturnPart)}


def _line(part: ToolReturnPart) -> str:
    content: Any = part.content
    if isinstance(content, list):
        told = [
            ".".join(map(str, error.get("loc", ())))
            + ": " * bool(error.get("loc"))
            + str(error.get("msg", ""))
            for error in content
            if isinstance(error, dict)
        ]
        return f"wrong arguments: {'; '.join(told)}"[:500]
    return str(content)[:500]
