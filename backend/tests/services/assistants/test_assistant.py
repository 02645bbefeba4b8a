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
from app.services.assistants.assistant import AssistantChat, AssistantDeps
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
            raise ModelNotFound("there is no model of this name")
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
        (gone, "cannot ask its model 'gone/away'"),
        (nested, "an assistant; give it a model's id"),
    ):
        with pytest.raises(ProviderNotReady, match=words):
            await answer(model)
    assert not chat.bodies
    assert await broken.models() == []


def client_tool(name: str) -> dict[str, Any]:
    return {"type": "function", "function": {"name": name, "parameters": {"type": "object"}}}


def calls_of(chunks: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [call for chunk in chunks for call in chunk["choices"][0]["delta"].get("tool_calls") or ()]


async def test_a_call_of_the_clients_tool_comes_back_after_its_own_have_run() -> None:
    noted = call_round(("save_note", '{"text": "42"}'), before="It is 42.")
    chat = ScriptedChat([SUM, noted])
    chunks, updates = await answer(
        assistant(chat), tools=[client_tool("save_note")], parallel_tool_calls=False
    )
    assert [type(update) for update in updates] == [ToolCall, ToolResult], "its own tool alone ran"
    assert text_of(chunks) == "Let me see.\n\nIt is 42."
    [call] = calls_of(chunks)
    assert (call["index"], call["type"]) == (0, "function")
    assert call["function"] == {"name": "save_note", "arguments": '{"text": "42"}'}
    assert chunks[-1]["choices"][0]["finish_reason"] == "tool_calls"
    assert chunks[-1]["usage"] == {name: 2 * count for name, count in COUNTS.items()}
    for body in chat.bodies:
        assert [tool["function"]["name"] for tool in body["tools"]] == ["calculate", "save_note"]
        assert body["parallel_tool_calls"] is False
        assert "tool_choice" not in body


async def test_the_result_that_the_client_sends_reaches_the_model_as_it_is() -> None:
    chat = ScriptedChat([[], answer_round("It is saved.")])
    call = {"id": "call_client_1", "type": "function", "function": {"name": "save_note", "arguments": "{}"}}
    sent = [
        *SAID,
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "call_client_1", "content": "saved"},
    ]
    chunks, _ = await answer(assistant(chat), messages=sent, tools=[client_tool("save_note")])
    assert chat.bodies[0]["messages"][1:] == sent
    assert text_of(chunks) == "It is saved."


async def test_its_own_calls_come_first_where_a_round_has_both() -> None:
    """The model makes the client's call again when it has its own results; the client sees one call."""
    both = call_round(("save_note", "{}"), ("calculate", '{"expression": "20 + 22"}'))
    chat = ScriptedChat([both, call_round(("save_note", '{"text": "42"}'))])
    chunks, updates = await answer(assistant(chat), tools=[client_tool("save_note")])
    [call] = calls_of(chunks)
    assert call["function"]["arguments"] == '{"text": "42"}'
    assert [type(update) for update in updates] == [ToolCall, ToolResult]
    sent = chat.bodies[1]["messages"]
    assert [call["function"]["name"] for call in sent[-2]["tool_calls"]] == ["calculate"]
    assert sent[-1]["role"] == "tool"


async def test_ids_of_returned_calls_are_new_to_the_client() -> None:
    """Models number their calls 0 in every answer; a good id is kept, since some services accept only their own."""
    chat = ScriptedChat([call_round(("a", "{}"), ("b", "{}"))])
    tools = [client_tool("a"), client_tool("b")]
    first = calls_of((await answer(assistant(chat), tools=tools))[0])
    assert len({call["id"] for call in first} | {"0"}) == 3
    chat.rounds = [call_round(("a", "{}"), id="xyz012345")]
    [kept] = calls_of((await answer(assistant(chat), tools=tools))[0])
    assert kept["id"] == "xyz012345"
    sent = [*SAID, {"role": "assistant", "content": None, "tool_calls": [kept]}]
    [new] = calls_of((await answer(assistant(chat), tools=tools, messages=sent))[0])
    assert new["id"] != "xyz012345"


@pytest.mark.parametrize("nonsense", ["x", 7, [None, "x", 7], {"id": "a"}, [{"id": ["a"]}]])
async def test_odd_calls_in_the_conversation_are_the_models_matter(nonsense: Any) -> None:
    chat = ScriptedChat([[], call_round(("a", "{}"), id="xyz012345")])
    sent = [*SAID, {"role": "assistant", "content": None, "tool_calls": nonsense}]
    [call] = calls_of((await answer(assistant(chat), tools=[client_tool("a")], messages=sent))[0])
    assert call["id"] == "xyz012345"


@pytest.mark.parametrize(
    ("choice", "offered"),
    [
        ("required", ["save", "send"]),
        ("any", ["save", "send"]),
        ({"type": "function", "function": {"name": "send"}}, ["send"]),
    ],
)
async def test_a_demanded_call_comes_back_whatever_the_model_looks_up_before(
    choice: Any, offered: list[str]
) -> None:
    """In the last round only the client's tools are left, and the choice is the client's own."""
    definition = DEFINITION.model_copy(update={"limits": AssistantLimits(rounds=2)})
    chat = ScriptedChat([SUM, call_round(("send", "{}"))])
    tools = [client_tool("save"), client_tool("send")]
    chunks, updates = await answer(assistant(chat, definition), tools=tools, tool_choice=choice)
    assert [call["function"]["name"] for call in calls_of(chunks)] == ["send"]
    assert [type(update) for update in updates] == [ToolCall, ToolResult]
    first, last = chat.bodies
    assert [tool["function"]["name"] for tool in first["tools"]] == ["calculate", *offered]
    assert first["tool_choice"] == "required"
    assert [tool["function"]["name"] for tool in last["tools"]] == offered
    assert last["tool_choice"] == ("required" if choice == "any" else choice)


async def test_what_can_neither_run_nor_come_back_is_omitted_and_named() -> None:
    """A name that is also its own, and kinds that only some services run."""
    chat = ScriptedChat([answer_round("Hi.")])
    omitted: list[str] = []
    bound = assistant(chat).bind(RunContext(LOCAL_CALLER, on_tools_omitted=omitted.extend))
    custom = {"type": "custom", "custom": {"name": "shell"}}
    tools = [client_tool("calculate"), {"type": "web_search"}, custom, client_tool("save_note")]
    await bound.complete(ChatRequest("", {"messages": SAID, "tools": tools, "functions": [{"name": "old"}]}))
    assert omitted == ["calculate", "web_search", "shell", "old"]
    assert [tool["function"]["name"] for tool in chat.bodies[0]["tools"]] == ["calculate", "save_note"]
    assert chat.bodies[0]["tools"][1] == client_tool("save_note")
    assert "description" in chat.bodies[0]["tools"][0]["function"], "its own"


async def test_a_demanded_tool_of_the_same_name_is_the_clients() -> None:
    chat = ScriptedChat([call_round(("calculate", '{"x": 1}'))])
    chunks, updates = await answer(assistant(chat), tools=[client_tool("calculate")], tool_choice="required")
    assert [call["function"]["arguments"] for call in calls_of(chunks)] == ['{"x": 1}']
    assert not updates
    assert chat.bodies[0]["tools"] == [client_tool("calculate")]


async def test_a_model_without_tools_answers_without_those_of_the_client() -> None:
    """What Ollama says of many models must not end every chat of a client that always sends its tools."""
    refused = UpstreamError("gemma:2b does not support tools", upstream_status=400)

    class NoTools(ScriptedChat):
        def stream(self, request: ChatRequest) -> Any:
            self.rounds = [[refused]] if "tools" in request.body else [answer_round("Hi.")]
            return super().stream(request)

    omitted: list[str] = []
    plain = DEFINITION.model_copy(update={"toolsets": []})
    context = RunContext(LOCAL_CALLER, on_tools_omitted=omitted.extend)
    body: dict[str, Any] = {"messages": SAID, "tools": [client_tool("save_note")]}
    whole = await assistant(NoTools([]), plain).bind(context).complete(ChatRequest("", body))
    assert whole["choices"][0]["message"]["content"] == "Hi."
    assert omitted == ["save_note"]
    forced = assistant(NoTools([]), plain).bind(context)
    with pytest.raises(UpstreamError, match="does not support tools"):
        await forced.complete(ChatRequest("", body | {"tool_choice": "required"}))


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"tools": [{}]}, "tools"),
        ({"tool_choice": "required"}, "tool_choice"),
        ({"tool_choice": {"type": "function"}}, "tool_choice"),
        ({"tools": [client_tool("a")], "tool_choice": "sometimes"}, "tool_choice"),
        (
            {"tools": [client_tool("a")], "tool_choice": {"type": "function", "function": {"name": "b"}}},
            "tool_choice",
        ),
        ({"n": 2}, "n"),
        ({"modalities": ["text", "audio"]}, "modalities"),
    ],
)
async def test_what_a_client_cannot_ask_of_it(body: dict[str, Any], param: str) -> None:
    chat = ScriptedChat([answer_round("never")])
    with pytest.raises(BadRequest) as raised:
        await answer(assistant(chat), **body)
    assert raised.value.param == param
    assert not chat.bodies


@pytest.mark.parametrize(
    ("fields", "offered"),
    [
        ({"tools": []}, []),
        ({"tool_choice": "auto"}, []),
        ({"n": 1}, []),
        ({"n": None}, []),
        ({"tools": [client_tool("a")], "tool_choice": "none"}, []),
        ({"tools": [client_tool("a")], "tool_choice": "auto"}, ["a"]),
        (
            {
                "tools": [client_tool("a"), client_tool("b")],
                "tool_choice": {
                    "type": "allowed_tools",
                    "allowed_tools": {"mode": "auto", "tools": [client_tool("b")]},
                },
            },
            ["b"],
        ),
    ],
)
async def test_what_a_client_may_send_it(fields: dict[str, Any], offered: list[str]) -> None:
    chat = ScriptedChat([answer_round("Hi.")])
    chunks, _ = await answer(assistant(chat), **fields)
    assert text_of(chunks) == "Hi."
    assert [tool["function"]["name"] for tool in chat.bodies[0]["tools"]] == ["calculate", *offered]
    assert "tool_choice" not in chat.bodies[0]


async def test_unbound_it_answers_nothing() -> None:
    chat = ScriptedChat([SUM, answer_round("42")])
    with pytest.raises(AssertionError, match="bind"):
        await anext(assistant(chat).stream(ChatRequest("", {"messages": SAID})))
    assert not chat.bodies
