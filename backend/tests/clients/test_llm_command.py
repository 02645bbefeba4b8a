"""The `llm` command: its extra models and its endpoint command speak to the server with nothing but a URL."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.fakes.chat_upstream import BackgroundUpstream

pytestmark = pytest.mark.once

Command = Callable[..., "subprocess.CompletedProcess[str]"]
PROMPTER_MODELS = """
- model_id: prompter
  model_name: fake/tiny
  api_base: {url}
  supports_tools: true
  supports_schema: true
- model_id: prompter-clock
  model_name: fake/clock
  api_base: {url}
  supports_tools: true
- model_id: prompter-json
  model_name: fake/json
  api_base: {url}
  supports_schema: true
- model_id: prompter-locked
  model_name: fake/locked
  api_base: {url}
- model_id: prompter-cut
  model_name: fake/cut
  api_base: {url}
"""


@pytest.fixture
def llm(tmp_path: Path, prompter: str) -> Command:
    """Run the command with a configuration of its own."""
    (tmp_path / "extra-openai-models.yaml").write_text(PROMPTER_MODELS.format(url=prompter))
    environment = {**os.environ, "LLM_USER_PATH": str(tmp_path)}

    def run(*arguments: str) -> "subprocess.CompletedProcess[str]":
        command = [sys.executable, "-m", "llm", *arguments]
        return subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            env=environment,
            timeout=60,
            check=False,
        )

    return run


@pytest.mark.parametrize("way", [(), ("--no-stream",)])
def test_it_answers_and_counts(llm: Command, way: tuple[str, ...]) -> None:
    done = llm("prompt", "-m", "prompter", "-u", *way, "Hi", "-s", "Be brief")
    assert (done.returncode, done.stdout) == (0, "Hello world\n"), done.stderr
    assert "11 input, 2 output" in done.stderr


def test_no_key_of_the_user_is_sent(llm: Command, upstream: BackgroundUpstream, words: str) -> None:
    assert llm("prompt", "-m", "prompter", words).returncode == 0
    [headers] = [request.headers for request in upstream.fake.requests if words.encode() in request.body]
    assert "DUMMY_KEY" not in str(headers)


def test_tools_go_round(llm: Command) -> None:
    tool = "def get_time(tz: str) -> str:\n    'The time somewhere.'\n    return 'noon in ' + tz + '. '"
    done = llm("prompt", "-m", "prompter-clock", "--functions", tool, "What time is it?")
    assert (done.returncode, done.stdout.strip()) == (0, "noon in UTC. noon in Europe/Madrid."), done.stderr


def test_a_schema_gives_json(llm: Command) -> None:
    done = llm("prompt", "-m", "prompter-json", "--schema", "city, country", "Where?")
    assert json.loads(done.stdout) == {"city": "Madrid"}, done.stderr


@pytest.mark.parametrize(("model", "reason"), [("prompter-locked", "API key"), ("prompter-cut", "Error")])
def test_errors_are_shown(llm: Command, model: str, reason: str) -> None:
    done = llm("prompt", "-m", model, "Hi")
    assert done.returncode != 0
    assert reason in done.stderr


def test_the_endpoint_command_needs_no_configuration(llm: Command, prompter: str) -> None:
    listed = llm("openai", "endpoint", prompter, "--models")
    assert "fake/tiny" in listed.stdout.splitlines(), listed.stderr
    done = llm("openai", "endpoint", prompter, "Hi", "-m", "fake/tiny")
    assert (done.returncode, done.stdout) == (0, "Hello world\n"), done.stderr
