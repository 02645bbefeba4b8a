"""Codex CLI and Claude Code: their recorded requests, with the texts replaced, are answered as they expect.

The commands are large: `scripts/measure/coding_agents.py` runs the recipes of docs/integrations.md with them.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
from pydantic import SecretStr

from app.core.config import LlmProfile, LlmSettings, Settings
from tests.fakes.chat_upstream import BackgroundUpstream, run_in_background
from tests.fakes.coding_model import SAID, CodingModel
from tests.support.server import run_server

pytestmark = pytest.mark.once

NOTE = "the eagle lands"
RECORDED = Path(__file__).with_name("recorded")


@pytest.fixture(scope="module")
def coder() -> Iterator[BackgroundUpstream]:
    """The model behind the agents: it reads the note by a command."""
    with run_in_background(CodingModel("cat note.txt")) as fake:
        yield fake


@pytest.fixture(scope="module")
def url(coder: BackgroundUpstream) -> Iterator[str]:
    profile = LlmProfile(base_url=coder.base_url, api_key=SecretStr("sk-upstream"))
    llm = LlmSettings(profiles={"fake": profile}, discover=False)
    with run_server(Settings(_env_file=None, llm=llm)) as server:
        yield server.url


def replay(url: str, path: str, name: str) -> list[tuple[httpx2.Response, list[Any]]]:
    """The answers to the recorded requests of one run, each with its events."""
    found = []
    with httpx2.Client(base_url=url, trust_env=False, timeout=20) as client:
        for body in json.loads((RECORDED / f"{name}.json").read_text()):
            response = client.post(path, json=body)
            assert response.status_code == 200, response.text
            events = [json.loads(raw.partition("data: ")[2]) for raw in response.text.split("\n\n")[:-1]]
            found.append((response, events))
    return found


def test_the_requests_of_codex(url: str, coder: BackgroundUpstream) -> None:
    before = len(coder.fake.bodies)
    first, second = replay(url, "/v1/responses", "codex-0.171")
    assert first[0].headers["x-prompter-omitted-tools"] == "web_search"
    thought, call = first[1][-1]["response"]["output"]
    assert thought["summary"][0]["text"] == "I read the note."
    assert (call["type"], call["name"], json.loads(call["arguments"])) == (
        "function_call",
        "exec_command",
        {"cmd": "cat note.txt"},
    )
    assert SAID in second[1][-1]["response"]["output"][0]["content"][0]["text"]
    asked, told = coder.fake.bodies[before:]
    assert [message["role"] for message in asked["messages"]] == ["system", "user"]
    assert [message["role"] for message in told["messages"]] == ["system", "user", "assistant", "tool"]
    assert told["messages"][2]["reasoning_content"] == "I read the note."


def test_codex_offers_the_tools_of_mcp_servers(url: str, coder: BackgroundUpstream) -> None:
    """It sends them as a namespace, and the call that it ran with both names."""
    before = len(coder.fake.bodies)
    first, second = replay(url, "/v1/responses", "codex-0.171-mcp")
    assert first[0].headers["x-prompter-omitted-tools"] == "web_search"
    assert SAID in second[1][-1]["response"]["output"][0]["content"][0]["text"]
    asked, told = coder.fake.bodies[before:]
    assert [tool["function"]["name"] for tool in asked["tools"]] == ["exec_command", "mcp__notes__read_note"]
    [call] = told["messages"][2]["tool_calls"]
    assert call["function"] == {"name": "mcp__notes__read_note", "arguments": "{}"}


def test_the_requests_of_claude_code(url: str, coder: BackgroundUpstream) -> None:
    before = len(coder.fake.bodies)
    title, first, second = replay(url, "/v1/messages?beta=true", "claude-code-2.1.197")
    assert title[1][-2]["delta"]["stop_reason"] == "end_turn"
    assert first[1][-2]["delta"]["stop_reason"] == "tool_use"
    starts = [event["content_block"]["type"] for event in first[1] if event["type"] == "content_block_start"]
    assert starts == ["thinking", "tool_use"]
    text = "".join(event.get("delta", {}).get("text", "") for event in second[1])
    assert text == SAID + NOTE
    of_title, asked, told = coder.fake.bodies[before:]
    assert of_title["response_format"]["type"] == "json_schema"
    assert [message["role"] for message in asked["messages"]] == ["system", "user"]
    assert "x-anthropic" not in json.dumps(asked)
    assert [message["role"] for message in told["messages"]] == ["system", "user", "assistant", "tool"]
    assert told["messages"][2]["reasoning_content"] == "I read the note."
    assert (asked["max_tokens"], asked["reasoning_effort"]) == (32_000, "high")
