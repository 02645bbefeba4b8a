"""A fake model for coding agents: runs one command with whatever tool the agent has for it, then tells its output."""

import json
from typing import Any

from tests.fakes.chat_upstream import Delta, FakeChatUpstream, get_text, make_answer, make_error
from tests.fakes.upstream import Reply, Request

MODEL = "coder"
SAID = "The note says: "
_COMMAND_FIELDS = ("command", "cmd", "commands")


class CodingModel(FakeChatUpstream):
    """Behaves as a model that calls tools; a request without a tool for commands gets a short text."""

    def __init__(self, command: str) -> None:
        super().__init__()
        self._command = command

    def _reply_to(self, request: Request) -> Reply:
        if request.method == "GET" or request.json["model"] != MODEL:
            return super()._reply_to(request) if request.method == "GET" else make_error(404, "no such model")
        body = request.json
        results = [get_text(message) for message in body["messages"] if message["role"] == "tool"]
        if results:
            text = SAID + results[-1]
            return make_answer(
                body, [{"content": text[at : at + 7]} for at in range(0, len(text), 7)], content=text
            )
        if (call := _make_call(body, self._command)) is None:
            return make_answer(body, [{"content": "A note"}], content="A note")
        thought = {"reasoning_content": "I read the note."}
        return make_answer(
            body, [thought, {"tool_calls": [call]}], "tool_calls", content=None, tool_calls=[call]
        )


def _make_call(body: Delta, command: str) -> Delta | None:
    """The call of the tool that runs commands, with its arguments as the tool wants them."""
    for tool in body.get("tools") or ():
        function: Any = tool["function"]
        fields = function["parameters"].get("properties", {})
        name = next((each for each in _COMMAND_FIELDS if each in fields), None)
        if name is None:
            continue
        is_list = fields[name].get("type") == "array"
        listed = [command] if name == "commands" else ["bash", "-lc", command]
        arguments = {name: listed if is_list else command}
        arguments |= {
            each: "reads the note" for each in function["parameters"].get("required", ()) if each != name
        }
        return {
            "index": 0,
            "id": "call_0",
            "type": "function",
            "function": {"name": function["name"], "arguments": json.dumps(arguments)},
        }
    return None
