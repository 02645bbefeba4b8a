"""Requests of OpenAI's Responses as chat completions: items, tools, options, and what is refused."""

import json
import re
from typing import Any

import pytest

from app.api.dialects.request_fields import seal_thoughts
from app.api.dialects.responses_input import read_response_request
from app.core.errors import BadRequest, PreviousResponseNotFound

IMAGE = "data:image/png;base64,iVBORw0KGgo="
SECRET = "the eagle lands at midnight"


def read(given: Any = "Hi", **fields: Any) -> dict[str, Any]:
    return read_response_request({"input": given, **fields}).body


def messages(*items: dict[str, Any], **fields: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = read(list(items), **fields)["messages"]
    return found


def said(role: str, text: str, kind: str = "input_text") -> dict[str, Any]:
    return {"type": "message", "role": role, "content": [{"type": kind, "text": text}]}


def called(call_id: str, name: str = "f", arguments: str = "{}") -> dict[str, Any]:
    return {"type": "function_call", "call_id": call_id, "name": name, "arguments": arguments}


def returned(call_id: str, output: Any = "7") -> dict[str, Any]:
    return {"type": "function_call_output", "call_id": call_id, "output": output}


def test_a_text_is_a_message_of_the_user() -> None:
    assert read("Hi", instructions="Be brief")["messages"] == [
        {"role": "system", "content": "Be brief"},
        {"role": "user", "content": "Hi"},
    ]


def test_what_the_system_says_first_is_one_message() -> None:
    """Many models' templates take one alone, at the beginning."""
    found = messages(
        said("developer", "Rules"), said("user", "Hi"), said("developer", "More"), instructions="Be brief"
    )
    assert found == [
        {"role": "system", "content": "Be brief\n\nRules"},
        {"role": "user", "content": "Hi\n<system-reminder>\nMore\n</system-reminder>"},
    ]


def test_an_item_may_leave_out_its_type() -> None:
    assert messages({"role": "user", "content": "Hi"}) == [{"role": "user", "content": "Hi"}]


def test_images_files_and_sound_become_parts() -> None:
    content = [
        {"type": "input_text", "text": "Look"},
        {"type": "input_image", "image_url": IMAGE, "detail": "original"},
        {"type": "input_image", "image_url": "https://a.example/x.png", "detail": "auto"},
        {"type": "input_file", "filename": "a.pdf", "file_data": "data:application/pdf;base64,JVBE"},
        {"type": "input_audio", "input_audio": {"data": "UklGRg==", "format": "wav"}},
    ]
    [message] = messages({"role": "user", "content": content})
    assert message["content"] == [
        {"type": "text", "text": "Look"},
        {"type": "image_url", "image_url": {"url": IMAGE, "detail": "high"}},
        {"type": "image_url", "image_url": {"url": "https://a.example/x.png"}},
        {"type": "file", "file": {"filename": "a.pdf", "file_data": "data:application/pdf;base64,JVBE"}},
        {"type": "input_audio", "input_audio": {"data": "UklGRg==", "format": "wav"}},
    ]


def test_a_round_of_the_assistant_is_one_message_with_its_results_behind() -> None:
    found = messages(
        said("user", "Hi"),
        {"type": "reasoning", "id": "rs_1", "summary": [{"type": "summary_text", "text": "Hm."}]},
        said("assistant", "I look.", "output_text"),
        called("c0", "f", '{"a":1}'),
        called("c1", "g"),
        returned("c0", "one"),
        returned("c1", [{"type": "input_text", "text": "two"}]),
        said("assistant", "Done.", "output_text"),
    )
    assert [message["role"] for message in found] == ["user", "assistant", "tool", "tool", "assistant"]
    assert found[1]["content"] == "I look."
    assert found[1]["reasoning_content"] == "Hm."
    assert [call["id"] for call in found[1]["tool_calls"]] == ["c0", "c1"]
    assert found[1]["tool_calls"][0]["function"] == {"name": "f", "arguments": '{"a":1}'}
    assert found[2:4] == [
        {"role": "tool", "tool_call_id": "c0", "content": "one"},
        {"role": "tool", "tool_call_id": "c1", "content": "two"},
    ]


def test_a_result_moves_behind_its_call() -> None:
    """Models expect nothing between them, whatever a client has put there."""
    found = messages(said("user", "Hi"), called("c0"), said("user", "Stop"), returned("c0"))
    assert [message["role"] for message in found] == ["user", "assistant", "tool", "user"]


def test_an_image_that_a_tool_returns_is_shown_by_the_user() -> None:
    """A tool's message holds text alone."""
    image = [{"type": "input_text", "text": "see"}, {"type": "input_image", "image_url": IMAGE}]
    found = messages(called("c0"), called("c1"), returned("c0", image), returned("c1"))
    assert [message["role"] for message in found] == ["assistant", "tool", "tool", "user"]
    assert found[1]["content"] == "see"
    assert found[3]["content"][1]["image_url"]["url"] == IMAGE


def test_thoughts_come_back_sealed_or_open() -> None:
    sealed = {
        "type": "reasoning",
        "id": "rs_1",
        "summary": [],
        "encrypted_content": seal_thoughts("Let me think."),
    }
    assert messages(sealed, called("c0"), returned("c0"))[0]["reasoning_content"] == "Let me think."
    shown = {"type": "reasoning", "summary": [], "content": [{"type": "reasoning_text", "text": "Hm."}]}
    assert messages(shown, called("c0"), returned("c0"))[0]["reasoning_content"] == "Hm."


@pytest.mark.parametrize("foreign", ["gAAAAABo", "prompter-thoughts-1.%%%", "prompter-thoughts-1._w==", ""])
def test_thoughts_that_another_service_sealed_are_left_out(foreign: str) -> None:
    item = {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": foreign}
    assert messages(said("user", "Hi"), item, said("user", "Go on")) == [
        {"role": "user", "content": "Hi\nGo on"}
    ]


def test_what_another_service_ran_itself_is_left_out() -> None:
    traces = [{"type": kind, "id": "x"} for kind in ("web_search_call", "mcp_list_tools", "compaction")]
    assert messages(said("user", "Hi"), *traces) == [{"role": "user", "content": "Hi"}]


def test_functions_and_custom_tools_are_offered_and_others_named() -> None:
    grammar = {"type": "grammar", "syntax": "lark", "definition": "start: WORD"}
    tools = [
        {
            "type": "function",
            "name": "f",
            "description": "F",
            "parameters": {"type": "object"},
            "strict": False,
        },
        {"type": "custom", "name": "apply_patch", "description": "Patch", "format": grammar},
        {"type": "web_search"},
        {"type": "namespace", "name": "mcp__files", "tools": [{"type": "web_search"}]},
        {"type": "namespace", "name": "empty"},
        {"type": "mcp", "server_label": "x", "server_url": "https://a.example"},
    ]
    request = read_response_request({"input": "Hi", "tools": tools, "parallel_tool_calls": False})
    assert request.tools.omitted == ["web_search", "web_search", "mcp"]
    assert request.tools.custom == {"apply_patch"}
    function, custom = request.body["tools"]
    assert function["function"] == {
        "name": "f",
        "description": "F",
        "parameters": {"type": "object"},
        "strict": False,
    }
    assert custom["function"]["parameters"]["required"] == ["input"]
    assert "start: WORD" in custom["function"]["description"]
    assert (request.body["tool_choice"], request.body["parallel_tool_calls"]) == ("auto", False)


def test_a_custom_call_comes_back_as_the_call_of_its_function() -> None:
    items = [
        {"type": "custom_tool_call", "call_id": "c0", "name": "apply_patch", "input": 'say "x"'},
        {"type": "custom_tool_call_output", "call_id": "c0", "output": "ok"},
    ]
    [call, result] = messages(*items)
    assert json.loads(call["tool_calls"][0]["function"]["arguments"]) == {"input": 'say "x"'}
    assert result["content"] == "ok"


def grouped(namespace: str, *names: str, **fields: Any) -> dict[str, Any]:
    tools = [{"type": "function", "name": name, "description": f"{name}.", **fields} for name in names]
    return {"type": "namespace", "name": namespace, "description": "Files here.", "tools": tools}


def test_the_tools_of_a_namespace_are_functions_with_joined_names() -> None:
    """Codex sends the tools of each MCP server so."""
    patch = {"type": "custom", "name": "patch"}
    first = grouped("mcp__files", "read", "list")
    first["tools"].append(patch)
    tools = [first, grouped("mcp__notes__", "read"), {"type": "function", "name": "read"}]
    request = read_response_request({"input": "Hi", "tools": tools})
    told = {each["function"]["name"]: each["function"].get("description") for each in request.body["tools"]}
    assert told == {
        "mcp__files__read": "read.\n\n(About all tools of mcp__files: Files here.)",
        "mcp__files__list": "list.",
        "mcp__files__patch": None,
        "mcp__notes__read": "read.\n\n(About all tools of mcp__notes__: Files here.)",
        "read": None,
    }
    assert request.tools.custom == {"mcp__files__patch"}
    assert request.tools.omitted == []
    assert request.tools.split("mcp__notes__read") == ("mcp__notes__", "read")
    assert request.tools.split("read") == ("", "read")


def test_joined_names_are_ones_that_every_model_takes_and_no_two_are_equal() -> None:
    long = "a" * 80
    pairs = [("a", "b__c"), ("a__b", "c"), ("é.x", "y z"), ("n", long), ("n", f"{long}b"), (long, "x")]
    tools = [{"type": "function", "name": "a__b__c"}, *(grouped(group, name) for group, name in pairs)]
    request = read_response_request({"input": "Hi", "tools": tools})
    names = [each["function"]["name"] for each in request.body["tools"]]
    assert len(set(names)) == len(names) == 7
    assert all(re.fullmatch(r"[A-Za-z0-9_-]{1,64}", name) for name in names)
    assert [request.tools.split(name) for name in names[1:]] == pairs
    assert [request.tools.join(*pair) for pair in pairs] == names[1:]


@pytest.mark.parametrize("tools", [[grouped("mcp__files", "read")], []])
def test_a_call_in_a_namespace_comes_back_under_the_joined_name(tools: list[dict[str, Any]]) -> None:
    """Also of a server that its user has removed meanwhile."""
    calling = called("c0", "read") | {"namespace": "mcp__files"}
    patching = {"type": "custom_tool_call", "call_id": "c1", "name": "patch", "namespace": "mcp__files"}
    found = messages(calling, patching | {"input": "x"}, returned("c0"), returned("c1"), tools=tools)
    names = [call["function"]["name"] for call in found[0]["tool_calls"]]
    assert names == ["mcp__files__read", "mcp__files__patch"]


@pytest.mark.parametrize("tools", [{"a": 1}, [7], "x", [{"type": "function"}]])
def test_a_namespace_that_holds_no_tools_is_refused(tools: Any) -> None:
    with pytest.raises(BadRequest) as refused:
        read(tools=[{"type": "namespace", "name": "mcp__files", "tools": tools}])
    assert str(refused.value.param).startswith("tools[0].tools")


F = {"type": "function", "name": "f", "parameters": {}}
N = grouped("n", "f", "h")
G = {"type": "function", "name": "g", "parameters": {}}


@pytest.mark.parametrize(
    ("choice", "wanted", "names"),
    [
        (None, "auto", ["f", "g"]),
        ("none", "none", ["f", "g"]),
        ("required", "required", ["f", "g"]),
        ({"type": "function", "name": "g"}, {"type": "function", "function": {"name": "g"}}, ["f", "g"]),
        ({"type": "allowed_tools", "mode": "required", "tools": [{"name": "g"}]}, "required", ["g"]),
        ({"type": "allowed_tools", "mode": "auto", "tools": [{"name": "f"}]}, "auto", ["f"]),
    ],
)
def test_which_tool_is_to_be_called(choice: Any, wanted: Any, names: list[str]) -> None:
    body = read(tools=[F, G], tool_choice=choice)
    assert body["tool_choice"] == wanted
    assert [tool["function"]["name"] for tool in body["tools"]] == names


ONE = {"type": "function", "name": "h", "namespace": "n"}


@pytest.mark.parametrize(
    ("choice", "wanted", "names"),
    [
        (ONE, {"type": "function", "function": {"name": "n__h"}}, ["f", "n__f", "n__h"]),
        ({"type": "allowed_tools", "mode": "auto", "tools": [ONE]}, "auto", ["n__h"]),
        (
            {"type": "allowed_tools", "mode": "auto", "tools": [{"type": "namespace", "name": "n"}]},
            "auto",
            ["n__f", "n__h"],
        ),
    ],
)
def test_a_tool_in_a_namespace_is_to_be_called(choice: Any, wanted: Any, names: list[str]) -> None:
    body = read(tools=[F, N], tool_choice=choice)
    assert body["tool_choice"] == wanted
    assert [tool["function"]["name"] for tool in body["tools"]] == names


def test_no_choice_is_told_without_tools() -> None:
    """OpenAI refuses it there."""
    assert set(read(tool_choice="auto", parallel_tool_calls=True)) == {"messages"}


@pytest.mark.parametrize(
    "choice", ["required", {"type": "web_search"}, {"type": "function", "name": "h"}, "sometimes", 7]
)
def test_a_demand_that_cannot_be_met_is_refused(choice: Any) -> None:
    with pytest.raises(BadRequest, match="tool_choice") as refused:
        read(tools=[{"type": "web_search"}], tool_choice=choice)
    assert refused.value.param == "tool_choice"


def test_options() -> None:
    schema = {"type": "json_schema", "name": "city", "schema": {"type": "object"}, "strict": True}
    body = read(
        max_output_tokens=9,
        temperature=0.5,
        top_p=0.9,
        reasoning={"effort": "low", "summary": "auto"},
        text={"format": schema, "verbosity": "low"},
        prompt_cache_key="k",
        metadata={"a": "b"},
        store=False,
        client_metadata={"x": 1},
    )
    assert body.pop("messages")
    assert body == {
        "max_completion_tokens": 9,
        "temperature": 0.5,
        "top_p": 0.9,
        "reasoning_effort": "low",
        "verbosity": "low",
        "response_format": {
            "type": "json_schema",
            "json_schema": {"name": "city", "schema": {"type": "object"}, "strict": True},
        },
    }


def test_a_previous_response_is_refused_as_the_vendor_does() -> None:
    with pytest.raises(PreviousResponseNotFound) as refused:
        read(previous_response_id=SECRET)
    assert (refused.value.code, refused.value.param) == (
        "previous_response_not_found",
        "previous_response_id",
    )
    assert SECRET not in refused.value.message


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"conversation": "conv_1"}, "conversation"),
        ({"prompt": {"id": "p"}}, "prompt"),
        ({"background": True}, "background"),
        ({"base_url": "https://a.example"}, "base_url"),
        ({"input": []}, "input"),
        ({"input": [{"type": "item_reference", "id": SECRET}]}, "input[0]"),
        ({"input": [{"role": SECRET, "content": "x"}]}, "input[0].role"),
        ({"input": [{"role": "user", "content": 7}]}, "input[0].content"),
        ({"input": [{"role": "user", "content": [{"type": SECRET}]}]}, "input[0].content[0]"),
        ({"input": [{"role": "user", "content": [{"type": "input_text"}]}]}, "input[0].content[0].text"),
        (
            {
                "input": [
                    {"role": "user", "content": [{"type": "input_image", "image_url": f"file:///{SECRET}"}]}
                ]
            },
            "input[0].content[0]",
        ),
        (
            {"input": [{"role": "user", "content": [{"type": "input_image", "file_id": SECRET}]}]},
            "input[0].content[0]",
        ),
        ({"input": [returned(SECRET)]}, "input[0]"),
        (
            {"input": [{"type": "function_call", "call_id": "c", "name": 7, "arguments": "{}"}]},
            "input[0].name",
        ),
        ({"tools": [{"type": "function"}]}, "tools[0].name"),
    ],
)
def test_what_is_refused_names_its_place_and_repeats_nothing(fields: dict[str, Any], param: str) -> None:
    with pytest.raises(BadRequest) as refused:
        read_response_request({"input": "Hi", **fields})
    assert refused.value.param == param
    assert SECRET not in refused.value.message
