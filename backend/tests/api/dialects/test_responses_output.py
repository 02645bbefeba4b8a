"""Answers in the format of OpenAI's Responses: each event checked by the SDK's own types, in the documented order."""

import json
from typing import Any

import pytest
from openai.types.responses import Response, ResponseStreamEvent
from pydantic import TypeAdapter

from app.api.dialects.responses_input import read_response_request
from app.api.dialects.responses_output import ResponseWriter, read_response_format
from app.core.errors import ContextTooLong, UpstreamTruncated

HEAD = {"id": "chatcmpl-5f0c", "created": 1_795_190_400, "model": "fake/tiny"}
USAGE = {
    "prompt_tokens": 11,
    "completion_tokens": 2,
    "total_tokens": 13,
    "prompt_tokens_details": {"cached_tokens": 4},
    "completion_tokens_details": {"reasoning_tokens": 1},
}
EVENT: TypeAdapter[Any] = TypeAdapter(ResponseStreamEvent)
F = {"type": "function", "name": "f", "parameters": {"type": "object"}, "strict": False}
PATCH = {"type": "custom", "name": "apply_patch"}


def make_writer(**fields: Any) -> ResponseWriter:
    body = {"input": "Hi", **fields}
    return ResponseWriter(HEAD, read_response_format(body, read_response_request(body)))


def chunk(finish: str | None = None, **delta: Any) -> dict[str, Any]:
    return {"choices": [{"index": 0, "delta": delta, "finish_reason": finish}]}


def call(index: int, arguments: str, **head: Any) -> dict[str, Any]:
    name = head.pop("name", None)
    function = {"arguments": arguments} | ({"name": name} if name else {})
    return chunk(tool_calls=[{"index": index, "function": function, **head}])


def parse(data: bytes) -> list[Any]:
    """Events as the SDK types them; their numbers count up, and each is named as its type."""
    found = []
    for raw in data.decode().split("\n\n")[:-1]:
        name, _, payload = raw.partition("\n")
        event = EVENT.validate_python(json.loads(payload.removeprefix("data: ")))
        assert name == f"event: {event.type}"
        found.append(event)
    assert [event.sequence_number for event in found] == list(range(len(found)))
    return found


def replay(*chunks: dict[str, Any], **fields: Any) -> list[Any]:
    writer = make_writer(**fields)
    return parse(b"".join([*(writer.write(dict(each)) for each in chunks), writer.finish()]))


def kinds(events: list[Any]) -> list[str]:
    return [event.type.removeprefix("response.") for event in events]


def test_text() -> None:
    events = replay(
        chunk(content=""),
        chunk(content="Hel"),
        chunk(content="lo"),
        chunk("stop", content=""),
        {"choices": [], "usage": USAGE},
    )
    assert kinds(events) == [
        "created",
        "in_progress",
        "output_item.added",
        "content_part.added",
        "output_text.delta",
        "output_text.delta",
        "output_text.done",
        "content_part.done",
        "output_item.done",
        "completed",
    ]
    response = events[-1].response
    assert response.output_text == events[6].text == "Hello"
    assert (response.status, response.model, response.created_at) == ("completed", "fake/tiny", 1_795_190_400)
    assert response.usage.input_tokens_details.cached_tokens == 4
    assert response.usage.output_tokens_details.reasoning_tokens == 1
    assert (response.usage.input_tokens, response.usage.output_tokens, response.usage.total_tokens) == (
        11,
        2,
        13,
    )
    assert {event.item_id for event in events[3:8]} == {response.output[0].id}
    assert events[0].response.output == []
    assert events[0].response.usage is None


def test_parallel_calls() -> None:
    events = replay(
        call(0, "", id="c0", name="f", type="function"),
        call(0, '{"a":'),
        call(0, "1}"),
        call(1, "{}", id="c1", name="f"),
        chunk("tool_calls"),
        tools=[F],
    )
    assert kinds(events)[2:-1] == [
        "output_item.added",
        "function_call_arguments.delta",
        "function_call_arguments.delta",
        "function_call_arguments.done",
        "output_item.done",
        "output_item.added",
        "function_call_arguments.delta",
        "function_call_arguments.done",
        "output_item.done",
    ]
    first, second = events[-1].response.output
    assert (first.call_id, first.arguments, first.status) == ("c0", '{"a":1}', "completed")
    assert (second.call_id, second.arguments) == ("c1", "{}")
    assert [event.output_index for event in events[2:-1]] == [0] * 5 + [1] * 4
    assert first.id != second.id


def test_a_custom_tool_is_called_with_a_text() -> None:
    events = replay(call(0, '{"inp', id="c0", name="apply_patch"), call(0, 'ut":"a\\nb"}'), tools=[PATCH])
    assert kinds(events)[2:-1] == [
        "output_item.added",
        "custom_tool_call_input.delta",
        "custom_tool_call_input.done",
        "output_item.done",
    ]
    [item] = events[-1].response.output
    assert (item.type, item.call_id, item.input) == ("custom_tool_call", "c0", "a\nb")


def test_a_call_in_a_namespace_has_both_names() -> None:
    """Codex runs it by them, and knows no other."""
    tools = {"type": "namespace", "name": "mcp__files", "description": "Files.", "tools": [F, PATCH]}
    pieces = [
        call(0, "{}", id="c0", name="mcp__files__f"),
        call(1, '{"input":"x"}', id="c1", name="mcp__files__apply_patch"),
        call(2, "{}", id="c2", name="f"),
    ]
    events = replay(*pieces, tools=[tools, F])
    items = events[-1].response.output
    assert [(item.type, item.namespace, item.name) for item in items] == [
        ("function_call", "mcp__files", "f"),
        ("custom_tool_call", "mcp__files", "apply_patch"),
        ("function_call", None, "f"),
    ]
    added = [event.item for event in events if event.type == "response.output_item.added"]
    assert [(item.namespace, item.name) for item in added] == [(each.namespace, each.name) for each in items]
    assert [tool.type for tool in events[-1].response.tools] == ["namespace", "function"]


@pytest.mark.parametrize("arguments", ["*** Begin Patch", '{"patch":"x"}', "[1]"])
def test_a_model_that_writes_other_arguments_is_taken_at_its_word(arguments: str) -> None:
    [item] = replay(call(0, arguments, id="c0", name="apply_patch"), tools=[PATCH])[-1].response.output
    assert item.input == arguments


def test_thoughts_are_reasoning_text() -> None:
    events = replay(
        chunk(reasoning_content="Let me "), chunk(reasoning_content="think."), chunk(content="Noon.")
    )
    assert kinds(events)[2:9] == [
        "output_item.added",
        "content_part.added",
        "reasoning_text.delta",
        "reasoning_text.delta",
        "reasoning_text.done",
        "content_part.done",
        "output_item.done",
    ]
    thought, message = events[-1].response.output
    assert (thought.content[0].text, thought.summary) == ("Let me think.", [])
    assert thought.encrypted_content is None
    assert message.content[0].text == "Noon."


def test_thoughts_are_summaries_where_those_are_asked_for() -> None:
    """Most clients show nothing else of them."""
    events = replay(chunk(reasoning_content="Hm."), chunk(content="Noon."), reasoning={"summary": "auto"})
    assert kinds(events)[2:8] == [
        "output_item.added",
        "reasoning_summary_part.added",
        "reasoning_summary_text.delta",
        "reasoning_summary_text.done",
        "reasoning_summary_part.done",
        "output_item.done",
    ]
    assert events[-1].response.output[0].summary[0].text == "Hm."


def test_what_is_sealed_comes_back() -> None:
    """As Codex sends it: with its id and nothing to read."""
    fields = {"include": ["reasoning.encrypted_content"], "tools": [F]}
    events = replay(chunk(reasoning_content="Hm. ñ"), call(0, "{}", id="c0", name="f"), **fields)
    thought, called = events[-1].response.output
    item = {
        "type": "reasoning",
        "id": thought.id,
        "summary": [],
        "encrypted_content": thought.encrypted_content,
    }
    result = {"type": "function_call_output", "call_id": "c0", "output": "7"}
    body = read_response_request({"input": [item, called.model_dump(), result]}).body
    assert body["messages"][0]["reasoning_content"] == "Hm. ñ"
    assert body["messages"][0]["tool_calls"][0]["id"] == "c0"


def test_a_refusal() -> None:
    events = replay(chunk(content="", refusal="No."), chunk("stop"))
    assert kinds(events)[4:6] == ["refusal.delta", "refusal.done"]
    assert events[-1].response.output[0].content[0].refusal == "No."


@pytest.mark.parametrize(
    ("finish", "reason"), [("length", "max_output_tokens"), ("content_filter", "content_filter")]
)
def test_an_answer_that_was_cut_off(finish: str, reason: str) -> None:
    events = replay(chunk(content="Hel"), chunk(finish, content=""))
    assert kinds(events)[-1] == "incomplete"
    response = events[-1].response
    assert (response.status, response.incomplete_details.reason) == ("incomplete", reason)
    assert response.output[0].status == "incomplete"


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (UpstreamTruncated("broke off"), "server_error"),
        (ContextTooLong("too long"), "context_length_exceeded"),
    ],
)
def test_an_answer_that_broke_off(error: Any, code: str) -> None:
    writer = make_writer()
    data = writer.write(chunk(content="Hel")) + writer.fail(error)
    events = [json.loads(raw.partition("data: ")[2]) for raw in data.decode().split("\n\n")[:-1]]
    assert [event["type"] for event in events][-2:] == ["response.output_text.delta", "response.failed"]
    response = events[-1]["response"]
    assert (response["status"], response["error"]) == ("failed", {"code": code, "message": error.message})


def test_an_upstream_without_usage_has_it_estimated() -> None:
    usage = replay(chunk(content="Hello world!"))[-1].response.usage
    assert (usage.output_tokens, usage.model_extra) == (3, {"estimated": True})


def test_an_answer_of_nothing_has_no_items() -> None:
    events = replay(chunk("stop", content=""))
    assert kinds(events) == ["created", "in_progress", "completed"]


def test_what_was_asked_comes_back() -> None:
    fields: dict[str, Any] = {
        "instructions": "Be brief",
        "metadata": {"a": "b"},
        "temperature": 0.5,
        "store": True,
        "tools": [F, {"type": "web_search"}],
        "tool_choice": "auto",
        "text": {"verbosity": "low"},
    }
    response = replay(chunk(content="Hi"), **fields)[-1].response
    assert (response.instructions, response.metadata, response.temperature) == ("Be brief", {"a": "b"}, 0.5)
    assert [tool.type for tool in response.tools] == ["function"]
    assert response.model_extra == {"store": False}
    assert (response.text.verbosity, response.text.format.type) == ("low", "text")


def test_a_whole_answer() -> None:
    calls = [{"id": "c0", "type": "function", "function": {"name": "f", "arguments": "{}"}}]
    message = {"role": "assistant", "content": "I look.", "reasoning_content": "Hm.", "tool_calls": calls}
    answer = {
        **HEAD,
        "choices": [{"index": 0, "message": message, "finish_reason": "tool_calls"}],
        "usage": USAGE,
    }
    response = Response.model_validate(make_writer(tools=[F]).make_whole(answer))
    assert [item.type for item in response.output] == ["reasoning", "message", "function_call"]
    assert (response.status, response.output_text) == ("completed", "I look.")
    assert response.usage is not None
    assert response.usage.total_tokens == 13
