"""`prompter ask` and `prompter providers`: answers, and the list of who can answer."""

import json

from tests.conftest import SAMPLES
from tests.support.command import run_prompter

WEATHER = SAMPLES / "en_weather_madrid_48k.wav"
NOBODY = ("--url", "http://127.0.0.1:9")


def test_the_prompt_is_answered(server: str) -> None:
    done = run_prompter("ask", "hello there", "--provider", "echo", "--url", server)
    assert (done.returncode, done.stdout, done.stderr) == (0, "hello there\n", "")
    piped = run_prompter("ask", "-", "--provider", "echo", "--url", server, stdin="¿qué tal?\n".encode())
    assert piped.stdout == "¿qué tal?\n"
    answer = json.loads(run_prompter("ask", "hello", "--provider", "echo", "--json", "--url", server).stdout)
    assert (answer["text"], answer["provider"], answer["finish_reason"]) == ("hello", "echo", "stop")


def test_the_providers_are_listed(server: str) -> None:
    lines = run_prompter("providers", "--url", server).stdout.splitlines()
    assert any(line.split()[:2] == ["cloud_stub", "ready"] for line in lines)
    assert any(line.startswith("*") and " echo " in line for line in lines)
    found = json.loads(run_prompter("providers", "--json", "--url", server).stdout)
    assert {"stt", "llm"} == set(found)
