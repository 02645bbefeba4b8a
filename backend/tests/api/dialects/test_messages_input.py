"""Requests of Anthropic's Messages as chat completions: turns, blocks, tools, options, and what is refused."""

import json
from typing import Any

import pytest

from app.api.dialects.messages_input import SIGNATURE, estimate_input_tokens, read_messages_request
from app.api.dialects.request_fields import seal_thoughts
from app.core.errors import BadRequest

PIXEL = "iVBORw0KGgo="
SECRET = "the eagle lands at midnight"
HI = {"role": "user", "content": "Hi"}


def read(*turns: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return read_messages_request({"messages": list(turns) or [HI], **fields}).body


def messages(*turns: dict[str, Any], **fields: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = read(*turns, **fields)["messages"]
    return found


def user(*blocks: dict[str, Any]) -> dict[str, Any]:
    return {"role": "user", "content": list(blocks)}


def assistant(*blocks: dict[str, Any]) -> dict[str, Any]:
    return {"role": "assistant", "content": list(blocks)}


def text(value: str) -> dict[str, Any]:
    return {"type": "text", "text": value, "cache_control": {"type": "ephemeral"}}


def use(call_id: str, name: str = "f", **arguments: Any) -> dict[str, Any]:
    return {"type": "tool_use", "id": call_id, "name": name, "input": arguments}


def result(call_id: str, content: Any = "7", **more: Any) -> dict[str, Any]:
    return {"type": "tool_result", "tool_use_id": call_id, "content": content, **more}


def test_the_system_speaks_first_in_one_message() -> None:
    found = messages({"role": "system", "content": "More"}, HI, system=[text("Be brief"), text("")])
    assert found == [{"role": "system", "content": "Be brief\n\nMore"}, HI]


def test_what_the_system_says_later_is_marked_in_a_message_of_the_user() -> None:
    """Claude Code sends such messages in each session, and many models' templates fail on them."""
    found = messages(
        HI, assistant(text("Hello")), {"role": "system", "content": [text("Now in Spanish")]}, HI
    )
    assert [message["role"] for message in found] == ["user", "assistant", "user"]
    assert found[2]["content"] == "<system-reminder>\nNow in Spanish\n</system-reminder>\nHi"


def test_a_block_for_the_vendors_bills_reaches_no_model() -> None:
    """It changes with each request, and a local model would read the whole prompt again."""
    system = [text("x-anthropic-billing-header: cc_version=2; cch=1;"), text("You help.")]
    assert messages(HI, system=system)[0] == {"role": "system", "content": "You help."}


def test_blocks_of_a_user() -> None:
    found = messages(
        user(
            text("Look"),
            {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PIXEL}},
            {"type": "image", "source": {"type": "url", "url": "https://a.example/x.png"}},
            {
                "type": "document",
                "title": "a.pdf",
                "source": {"type": "base64", "media_type": "application/pdf", "data": "JVBE"},
            },
            {
                "type": "document",
                "title": "T",
                "source": {"type": "text", "media_type": "text/plain", "data": "D"},
            },
            {
                "type": "search_result",
                "title": "S",
                "source": "https://b.example",
                "content": [text("found")],
            },
        )
    )
    assert found[0]["content"] == [
        {"type": "text", "text": "Look"},
        {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PIXEL}"}},
        {"type": "image_url", "image_url": {"url": "https://a.example/x.png"}},
        {"type": "file", "file": {"filename": "a.pdf", "file_data": "data:application/pdf;base64,JVBE"}},
        {"type": "text", "text": "T"},
        {"type": "text", "text": "D"},
        {"type": "text", "text": "S\nhttps://b.example"},
        {"type": "text", "text": "found"},
    ]


def test_blocks_of_text_alone_are_one_text() -> None:
    assert messages(user(text("a"), text("b"))) == [{"role": "user", "content": "a\nb"}]


def test_calls_and_their_results() -> None:
    found = messages(
        HI,
        assistant(
            {"type": "thinking", "thinking": "Hm.", "signature": SIGNATURE},
            {"type": "redacted_thinking", "data": "x"},
            text("I look."),
            use("t0", "f", a=1),
            use("t1", "g"),
        ),
        user(result("t1", [text("two")]), text("And?"), result("t0", "one")),
    )
    assert [message["role"] for message in found] == ["user", "assistant", "tool", "tool", "user"]
    assert (found[1]["content"], found[1]["reasoning_content"]) == ("I look.", "Hm.")
    assert [call["id"] for call in found[1]["tool_calls"]] == ["t0", "t1"]
    assert json.loads(found[1]["tool_calls"][0]["function"]["arguments"]) == {"a": 1}
    assert found[2:] == [
        {"role": "tool", "tool_call_id": "t1", "content": "two"},
        {"role": "tool", "tool_call_id": "t0", "content": "one"},
        {"role": "user", "content": "And?"},
    ]


def test_the_system_between_results_comes_behind_them() -> None:
    """Models expect a result right behind its call."""
    told = {"type": "mid_conv_system", "content": [text("Hurry")]}
    found = messages(HI, assistant(use("t0"), use("t1")), user(result("t0"), told, result("t1")))
    assert [message["role"] for message in found[2:]] == ["tool", "tool", "user"]


def test_thoughts_that_were_not_shown_come_back_in_their_signature() -> None:
    hidden = {"type": "thinking", "thinking": "", "signature": seal_thoughts("Let me think.")}
    assert messages(HI, assistant(hidden, use("t0")))[1]["reasoning_content"] == "Let me think."
    foreign = {"type": "thinking", "thinking": "", "signature": "EqQBCgIYAhIM"}
    assert "reasoning_content" not in messages(HI, assistant(foreign, use("t0")))[1]


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("no such file", "Error:\nno such file"),
        ("Error: no such file", "Error: no such file"),
        ([text("<tool_use_error>x</tool_use_error>")], "<tool_use_error>x</tool_use_error>"),
        (None, "Error:\n"),
    ],
)
def test_a_failure_of_a_tool_is_told(content: Any, told: str) -> None:
    """A chat completion has no field for it."""
    assert (
        messages(HI, assistant(use("t0")), user(result("t0", content, is_error=True)))[2]["content"] == told
    )


def test_an_image_that_a_tool_returns_is_shown_by_the_user() -> None:
    image = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PIXEL}}
    found = messages(HI, assistant(use("t0")), user(result("t0", [text("see"), image]), text("Well?")))
    assert [message["role"] for message in found[2:]] == ["tool", "user"]
    assert found[2]["content"] == "see"
    assert [part["type"] for part in found[3]["content"]] == ["text", "image_url", "text"]


def test_what_another_service_ran_itself_is_left_out() -> None:
    trace = {"type": "server_tool_use", "id": "s", "name": "web_search", "input": {}}
    assert messages(HI, assistant(trace, text("Found.")))[1] == {"role": "assistant", "content": "Found."}


def test_functions_are_offered_and_others_named() -> None:
    tools = [
        {
            "name": "f",
            "description": "F",
            "input_schema": {"type": "object"},
            "cache_control": {"type": "ephemeral"},
        },
        {"type": "custom", "name": "g", "input_schema": {"type": "object"}, "strict": True},
        {"type": "web_search_20260318", "name": "web_search"},
        {"type": "bash_20250124", "name": "bash"},
        {"type": "mcp_toolset", "mcp_server_name": "x"},
    ]
    servers = [{"type": "url", "name": "files", "url": "https://a.example"}]
    request = read_messages_request({"messages": [HI], "tools": tools, "mcp_servers": servers})
    assert request.tools.omitted == ["web_search", "bash", "mcp_toolset", "files"]
    assert [tool["function"]["name"] for tool in request.body["tools"]] == ["f", "g"]
    assert "cache_control" not in json.dumps(request.body)


F = {"name": "f", "input_schema": {"type": "object"}}


@pytest.mark.parametrize(
    ("choice", "wanted"),
    [
        ({"type": "auto"}, "auto"),
        ({"type": "any"}, "required"),
        ({"type": "none"}, "none"),
        ({"type": "tool", "name": "f"}, {"type": "function", "function": {"name": "f"}}),
    ],
)
def test_which_tool_is_to_be_called(choice: dict[str, Any], wanted: Any) -> None:
    body = read(tools=[F], tool_choice={**choice, "disable_parallel_tool_use": True})
    assert (body["tool_choice"], body["parallel_tool_calls"]) == (wanted, False)


@pytest.mark.parametrize(
    "choice", [{"type": "any"}, {"type": "tool", "name": "web_search"}, {"type": "tool"}]
)
def test_a_demand_that_cannot_be_met_is_refused(choice: dict[str, Any]) -> None:
    with pytest.raises(BadRequest, match="tool_choice"):
        read(tools=[{"type": "web_search_20260318", "name": "web_search"}], tool_choice=choice)


def test_turns_of_the_user_that_follow_each_other_are_one() -> None:
    """As with the vendor, and as many models' templates want it."""
    assert messages(HI, HI, user(text("And?"))) == [{"role": "user", "content": "Hi\nHi\nAnd?"}]


@pytest.mark.parametrize(
    ("asked", "sent"), [("low", "low"), ("high", "high"), ("xhigh", "high"), ("max", "high")]
)
def test_efforts_that_few_models_know_are_the_highest_of_all(asked: str, sent: str) -> None:
    assert read(output_config={"effort": asked})["reasoning_effort"] == sent


def test_options() -> None:
    body = read(
        max_tokens=9,
        temperature=0.5,
        top_p=0.9,
        top_k=3,
        stop_sequences=["END"],
        output_config={"effort": "low", "format": {"type": "json_schema", "schema": {"type": "object"}}},
        thinking={"type": "adaptive"},
        context_management={"edits": [{"type": "clear_tool_uses_20250919"}]},
        metadata={"user_id": SECRET},
        fallbacks=[{"model": "other"}],
        service_tier="auto",
    )
    assert body.pop("messages")
    assert body == {
        "max_tokens": 9,
        "temperature": 0.5,
        "top_p": 0.9,
        "top_k": 3,
        "stop": ["END"],
        "reasoning_effort": "low",
        "response_format": {
            "type": "json_schema",
            "json_schema": {"name": "answer", "schema": {"type": "object"}, "strict": True},
        },
    }


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"api_key": SECRET}, "api_key"),
        ({"messages": [{"role": "system", "content": "x"}]}, "messages"),
        ({"messages": [user({"type": SECRET})]}, "messages[0].content[0]"),
        ({"messages": [user({"type": "text"})]}, "messages[0].content[0].text"),
        ({"messages": [user({"type": "container_upload", "file_id": SECRET})]}, "messages[0].content[0]"),
        (
            {"messages": [user({"type": "image", "source": {"type": "file", "file_id": SECRET}})]},
            "messages[0].content[0]",
        ),
        (
            {"messages": [user({"type": "image", "source": {"type": "url", "url": f"file:///{SECRET}"}})]},
            "messages[0].content[0]",
        ),
        (
            {"messages": [user({"type": "document", "source": {"type": "url", "url": SECRET}})]},
            "messages[0].content[0].source",
        ),
        ({"messages": [user({"type": "tool_result"})]}, "messages[0].content[0].tool_use_id"),
        ({"messages": [assistant({"type": "tool_use", "id": 7, "name": "f"})]}, "messages[0].content[0].id"),
        ({"system": [{"type": "text", "text": 7}]}, "system[0].text"),
        ({"tools": [{"input_schema": {}}]}, "tools[0].name"),
        ({"tool_choice": {"type": SECRET}}, "tool_choice.type"),
    ],
)
def test_what_is_refused_names_its_place_and_repeats_nothing(fields: dict[str, Any], param: str) -> None:
    with pytest.raises(BadRequest) as refused:
        read_messages_request({"messages": [HI], **fields})
    assert refused.value.param == param
    assert SECRET not in refused.value.message


def test_tokens_are_estimated() -> None:
    """Four characters a token, messages and tools; an image has a number of its own, whatever its bytes."""
    few = estimate_input_tokens(read({"role": "user", "content": "x" * 400}))
    assert 100 <= few <= 110
    assert estimate_input_tokens(read({"role": "user", "content": "x" * 400}, tools=[F])) > few
    image = {
        "type": "image",
        "source": {"type": "base64", "media_type": "image/png", "data": "A" * 1_000_000},
    }
    assert 1500 <= estimate_input_tokens(read(user(image))) <= 1520
