"""One assistant as a chat model: its chunks, its tool updates, and what it refuses before it asks its model."""

from contextlib import aclosing
from typing import Any

import pytest

from app.core.assistants import AssistantDefinition, AssistantLimits
from app.core.config import Settings
from app.core.errors import BadRequest, ModelNotFound, ProviderNotReady, UpstreamError
from app.core.security import LOCAL_CALLER
from app.providers.agent.events import ToolCall, ToolResult, ToolUpdate
from app.providers.base import ChatRequest
from app.services.assistants.assistant import AssistantChat, AssistantDeps, check_request
from app.services.assistants.definitions import ConfiguredAssistant
from app.services.assistants.toolsets import Toolsets
from app.services.llm.context import ResolvedModel, RunContext
from tests.fakes.scripted_chat import COUNTS, ScriptedChat, answer_round, call_round
from tests.toolsets.conftest import NothingKept

DEFINITION = AssistantDefinition(instructions="Count.", model="scripted/tiny", toolsets=["calculator"])
SUM = call_round(("calculate", '{"expression": "20 + 22"}'), before="Let me see.")
SAID = [{"role": "user", "content": "How much is it?"}]


def assistant(chat: Any, definition: AssistantDefinition = DEFINITION, problem: str = "") -> AssistantChat:
    """The assistant `helper` over one model."""
    settings = Settings(_env_file=None)
    deps = AssistantDeps(settings=settings, toolsets=Toolsets(settings), search=NothingKept())

    async def resolve(asked: str | None) -> ResolvedModel:
        if asked == "gone/away":
            raise ModelNotFound("there is no model 'gone/away'")
        return ResolvedModel(id=asked or "scripted/tiny", provider="scripted", chat=chat, model="tiny")

    return AssistantChat(deps, ConfiguredAssistant("helper", definition, problem), resolve)


async def answer(model: AssistantChat, **body: Any) -> tuple[list[dict[str, Any]], list[ToolUpdate]]:
    """The chunks of an answer, and what its context is told of tools."""
    updates: list[ToolUpdate] = []
    bound = model.bind(RunContext(caller=LOCAL_CALLER, on_tool_update=updates.append))
    async with aclosing(bound.stream(ChatRequest("", {"messages": SAID, **body}))) as chunks:
        return [chunk async for chunk in chunks], updates


def text_of(chunks: list[dict[str, Any]]) -> str:
    return "".join(chunk["choices"][0]["delta"].get("content") or "" for chunk in chunks)


async def test_its_text_is_streamed_and_its_tools_are_reported() -> None:
    chat = ScriptedChat([SUM, answer_round("It is ", "42.")])
    chunks, updates = await answer(assistant(chat), temperature=0.5, tools=[])
    assert text_of(chunks) == "Let me see.\n\nIt is 42."
    assert {chunk["model"] for chunk in chunks} == {"helper"}
    assert chunks[-1]["choices"][0]["finish_reason"] == "stop"
    assert chunks[-1]["usage"] == {name: 2 * count for name, count in COUNTS.items()}
    assert [type(update) for update in updates] == [ToolCall, ToolResult]
    first = chat.bodies[0]
    assert first["temperature"] == 0.5
    assert [tool["function"]["name"] for tool in first["tools"]] == ["calculate"]
    assert first["messages"][0]["content"].startswith("Count.\n\n")
    assert first["messages"][1:] == SAID


async def test_the_whole_answer_at_once() -> None:
    whole = await (
        assistant(ScriptedChat([SUM, answer_round("It is 42.")]))
        .bind(RunContext(caller=LOCAL_CALLER))
        .complete(ChatRequest("", {"messages": SAID}))
    )
    (choice,) = whole["choices"]
    assert choice["message"]["content"] == "Let me see.\n\nIt is 42."
    assert (choice["finish_reason"], choice["message"]["role"]) == ("stop", "assistant")


async def test_a_limit_is_explained_in_its_language() -> None:
    definition = DEFINITION.model_copy(update={"limits": AssistantLimits(rounds=1), "language": "es"})
    chunks, _ = await answer(assistant(ScriptedChat([SUM]), definition))
    assert text_of(chunks).startswith("Let me see.\n\nMe detengo aquí: 1 rondas")
    assert chunks[-1]["choices"][0]["finish_reason"] == "length"


async def test_an_upstream_that_knows_no_tools_gets_a_hint() -> None:
    chat = ScriptedChat([[UpstreamError("this model does not support tools", upstream_status=400)]])
    with pytest.raises(UpstreamError, match="'helper' needs a model that can call tools") as raised:
        await answer(assistant(chat))
    assert raised.value.upstream_status == 400


@pytest.mark.parametrize(
    ("error", "definition"),
    [
        (UpstreamError("overloaded", upstream_status=400), DEFINITION),
        (UpstreamError("a tool is missing", upstream_status=429), DEFINITION),
        (UpstreamError("no tools", upstream_status=400), DEFINITION.model_copy(update={"toolsets": []})),
    ],
)
async def test_other_errors_of_the_upstream_stay_as_they_are(
    error: UpstreamError, definition: AssistantDefinition
) -> None:
    with pytest.raises(UpstreamError) as raised:
        await answer(assistant(ScriptedChat([[error]]), definition))
    assert raised.value.message == error.message


async def test_why_it_cannot_answer() -> None:
    chat = ScriptedChat([answer_round("never")])
    broken = assistant(chat, problem="helper.toml: not TOML")
    gone = assistant(chat, DEFINITION.model_copy(update={"model": "gone/away"}))
    nested = assistant(assistant(chat))
    for model, words in (
        (broken, "cannot be used: helper.toml"),
        (gone, "cannot ask its model"),
        (nested, "an assistant; give it a model's id"),
    ):
        with pytest.raises(ProviderNotReady, match=words):
            await answer(model)
    assert not chat.bodies
    assert await broken.models() == []


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"tools": [{}]}, "tools"),
        ({"functions": [{}]}, "functions"),
        ({"tool_choice": "required"}, "tool_choice"),
        ({"tool_choice": {"type": "function"}}, "tool_choice"),
        ({"n": 2}, "n"),
    ],
)
def test_what_a_client_cannot_ask_of_it(body: dict[str, Any], param: str) -> None:
    with pytest.raises(BadRequest, match="'helper'") as raised:
        check_request("helper", body)
    assert raised.value.param == param


@pytest.mark.parametrize("body", [{}, {"tools": []}, {"tool_choice": "auto"}, {"n": 1}, {"n": None}])
def test_what_a_client_may_send_it(body: dict[str, Any]) -> None:
    check_request("helper", body)


async def test_unbound_it_answers_nothing() -> None:
    chat = ScriptedChat([SUM, answer_round("42")])
    with pytest.raises(AssertionError, match="bind"):
        await anext(assistant(chat).stream(ChatRequest("", {"messages": SAID})))
    assert not chat.bodies
