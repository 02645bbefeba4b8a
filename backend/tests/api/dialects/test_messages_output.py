"""Answers in the format of Anthropic's Messages: the events in the documented order, and whole messages."""

import json
from typing import Any

import pytest

from app.api.dialects.messages_input import read_messages_request
from app.api.dialects.messages_output import MessageWriter, read_message_format
from app.core.errors import ContextTooLong, UpstreamLoading, UpstreamTruncated

HEAD = {"id": "chatcmpl-5f0c", "created": 1_795_190_400, "model": "fake/tiny"}
USAGE = {
    "prompt_tokens": 11,
    "completion_tokens": 2,
    "total_tokens": 13,
    "prompt_tokens_details": {"cached_tokens": 4},
}
SHOWN = {"thinking": {"type": "enabled", "budget_tokens": 1024}}


def make_writer(**fields: Any) -> MessageWriter:
    body = {"messages": [{"role": "user", "content": "Hi"}], **fields}
    return MessageWriter(HEAD, read_message_format(body, read_messages_request(body)))


def chunk(finish: str | None = None, **delta: Any) -> dict[str, Any]:
    return {"choices": [{"index": 0, "delta": delta, "finish_reason": finish}]}


def call(index: int, arguments: str, **head: Any) -> dict[str, Any]:
    name = head.pop("name", None)
    function = {"arguments": arguments} | ({"name": name} if name else {})
    return chunk(tool_calls=[{"index": index, "function": function, **head}])


def parse(data: bytes) -> list[dict[str, Any]]:
    """Events, each named as its type."""
    found = []
    for raw in data.decode().split("\n\n")[:-1]:
        name, _, payload = raw.partition("\n")
        event = json.loads(payload.removeprefix("data: "))
        assert name == f"event: {event['type']}"
        found.append(event)
    return found


def replay(*chunks: dict[str, Any], **fields: Any) -> list[dict[str, Any]]:
    writer = make_writer(**fields)
    return parse(b"".join([*(writer.write(dict(each)) for each in chunks), writer.finish()]))


def kinds(events: list[dict[str, Any]]) -> list[str]:
    """Types; of blocks and deltas what they are of."""
    inside = [event.get("content_block", event.get("delta", {})).get("type", "") for event in events]
    return [f"{event['type']} {of}".strip() for event, of in zip(events, inside, strict=True)]


def test_text() -> None:
    events = replay(chunk(content="Hel"), chunk(content="lo"), chunk("stop"), {"choices": [], "usage": USAGE})
    assert kinds(events) == [
        "message_start",
        "ping",
        "content_block_start text",
        "content_block_delta text_delta",
        "content_block_delta text_delta",
        "content_block_stop",
        "message_delta",
        "message_stop",
    ]
    message = events[0]["message"]
    assert (message["id"], message["type"], message["role"], message["model"]) == (
        "msg_5f0c",
        "message",
        "assistant",
        "fake/tiny",
    )
    assert (message["content"], message["stop_reason"], message["stop_sequence"]) == ([], None, None)
    assert message["usage"]["input_tokens"] > 0
    assert events[-2]["delta"] == {"stop_reason": "end_turn", "stop_sequence": None}
    assert events[-2]["usage"] == {
        "input_tokens": 7,
        "cache_creation_input_tokens": 0,
        "cache_read_input_tokens": 4,
        "output_tokens": 2,
    }


def test_parallel_calls() -> None:
    events = replay(
        chunk(content="I look."),
        call(0, "", id="c0", name="f"),
        call(1, "", id="c1", name="g"),
        call(0, '{"a":1}'),
        call(1, "{}"),
        chunk("tool_calls"),
    )
    assert kinds(events)[2:-2] == [
        "content_block_start text",
        "content_block_delta text_delta",
        "content_block_stop",
        "content_block_start tool_use",
        "content_block_delta input_json_delta",
        "content_block_stop",
        "content_block_start tool_use",
        "content_block_delta input_json_delta",
        "content_block_stop",
    ]
    assert [event["index"] for event in events[2:-2]] == [0, 0, 0, 1, 1, 1, 2, 2, 2]
    assert events[5]["content_block"] == {"type": "tool_use", "id": "c0", "name": "f", "input": {}}
    assert events[-2]["delta"]["stop_reason"] == "tool_use"


def test_thoughts() -> None:
    events = replay(chunk(reasoning_content="Hm."), chunk(content="Noon."), **SHOWN)
    assert kinds(events)[2:7] == [
        "content_block_start thinking",
        "content_block_delta thinking_delta",
        "content_block_delta signature_delta",
        "content_block_stop",
        "content_block_start text",
    ]
    assert events[4]["delta"]["signature"]


@pytest.mark.parametrize("thinking", [None, {"type": "disabled"}])
def test_thoughts_that_nobody_asked_for_are_not_sent(thinking: Any) -> None:
    """Simple clients take the first block for the text."""
    events = replay(chunk(reasoning_content="Hm."), chunk(content="Noon."), thinking=thinking)
    assert kinds(events)[2] == "content_block_start text"
    assert events[2]["index"] == 0


def test_thoughts_whose_text_is_not_wanted_come_back_nevertheless() -> None:
    fields = {"thinking": {"type": "adaptive", "display": "omitted"}}
    events = replay(chunk(reasoning_content="Hm."), call(0, "{}", id="c0", name="f"), **fields)
    assert kinds(events)[2:5] == [
        "content_block_start thinking",
        "content_block_delta signature_delta",
        "content_block_stop",
    ]
    block = events[2]["content_block"] | {"signature": events[3]["delta"]["signature"]}
    turns = [
        {"role": "user", "content": "Hi"},
        {"role": "assistant", "content": [block, {"type": "tool_use", "id": "c0", "name": "f", "input": {}}]},
    ]
    assert read_messages_request({"messages": turns}).body["messages"][1]["reasoning_content"] == "Hm."


@pytest.mark.parametrize(
    ("finish", "reason"),
    [
        ("stop", "end_turn"),
        ("length", "max_tokens"),
        ("content_filter", "refusal"),
        ("function_call", "tool_use"),
    ],
)
def test_why_it_ends(finish: str, reason: str) -> None:
    assert replay(chunk(content="Hel"), chunk(finish))[-2]["delta"]["stop_reason"] == reason


def test_a_text_that_ended_the_answer_is_named_where_the_upstream_tells() -> None:
    last = chunk("stop", content="")
    last["choices"][0]["stop_reason"] = "END"
    assert replay(chunk(content="Hel"), last, stop_sequences=["END"])[-2]["delta"] == {
        "stop_reason": "stop_sequence",
        "stop_sequence": "END",
    }
    assert replay(chunk(content="Hel"), last)[-2]["delta"]["stop_sequence"] is None


@pytest.mark.parametrize(
    ("error", "kind", "begins"),
    [
        (UpstreamTruncated("it broke off"), "api_error", "it broke off"),
        (UpstreamLoading("it loads"), "overloaded_error", "it loads"),
        (ContextTooLong("send less"), "invalid_request_error", "prompt is too long: send less"),
    ],
)
def test_an_answer_that_broke_off(error: Any, kind: str, begins: str) -> None:
    writer = make_writer()
    events = parse(writer.write(chunk(content="Hel")) + writer.fail(error))
    assert events[-1]["type"] == "error"
    assert (events[-1]["error"]["type"], events[-1]["error"]["message"]) == (kind, begins)


def test_an_upstream_without_usage_has_it_estimated() -> None:
    events = replay(chunk(content="Hello world!"))
    assert events[-2]["usage"]["output_tokens"] == 3
    assert events[-2]["usage"]["input_tokens"] == events[0]["message"]["usage"]["input_tokens"]
    assert events[-2]["usage"]["estimated"] is True


def test_a_whole_message() -> None:
    calls = [
        {"id": "c0", "type": "function", "function": {"name": "f", "arguments": '{"a":1}'}},
        {"id": "c1", "type": "function", "function": {"name": "f", "arguments": "not JSON"}},
    ]
    message = {"role": "assistant", "content": "I look.", "reasoning_content": "Hm.", "tool_calls": calls}
    answer = {
        **HEAD,
        "choices": [{"index": 0, "message": message, "finish_reason": "tool_calls"}],
        "usage": USAGE,
    }
    made = make_writer(**SHOWN).make_whole(answer)
    assert [block["type"] for block in made["content"]] == ["thinking", "text", "tool_use", "tool_use"]
    assert made["content"][0]["thinking"] == "Hm."
    assert made["content"][1]["text"] == "I look."
    assert [block["input"] for block in made["content"][2:]] == [{"a": 1}, {"arguments": "not JSON"}]
    assert (made["stop_reason"], made["usage"]["input_tokens"]) == ("tool_use", 7)
