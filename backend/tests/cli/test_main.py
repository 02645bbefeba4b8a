"""The command as a script sees it: exit codes, one line for an error, nothing but results on its output."""

import subprocess
import sys
from pathlib import Path

import pytest

from app import __version__
from tests.conftest import SAMPLES
from tests.support.command import get_only_line, make_environment, run_prompter, run_prompter_process

WEATHER = SAMPLES / "en_weather_madrid_48k.wav"
NOBODY = ("--url", "http://127.0.0.1:9")


def test_help_names_every_command_and_exit_code() -> None:
    done = run_prompter_process("--help")
    assert done.returncode == 0
    for command in ("serve", "dictate", "transcribe", "ask", "providers", "models", "config"):
        assert f" {command} " in done.stdout
    for code in ("0 done", "1 failed", "2 wrong usage", "3 server not reachable", "4 server refused", "130"):
        assert code in " ".join(done.stdout.split())
    assert run_prompter_process().stdout == done.stdout


def test_the_version_is_that_of_the_package() -> None:
    assert run_prompter_process("--version").stdout == f"prompter {__version__}\n"


def test_help_loads_nothing_heavy() -> None:
    """A command that only prints must not wait for a server's libraries."""
    heavy = ("fastapi", "uvicorn", "httpx2", "websockets", "numpy", "av", "pydantic", "anyio", "asyncio")
    code = f"import app.cli.main, sys; print([name for name in {heavy} if name in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=make_environment(), check=True
    )
    assert done.stdout == "[]\n"


@pytest.mark.parametrize(
    "arguments",
    [
        ("sing",),
        ("dictate", "--sing"),
        ("dictate", WEATHER, "--rate", "7999"),
        ("dictate", WEATHER, "--endpointing", "never"),
        ("ask",),
        ("ask", "  "),
        ("serve", "--port", "65536"),
        ("transcribe", WEATHER, "--format", "pdf"),
        ("transcribe", WEATHER, WEATHER, "--format", "srt"),
    ],
    ids=lambda arguments: " ".join(str(part) for part in arguments if part != WEATHER),
)
def test_wrong_usage_is_2(arguments: tuple[str, ...]) -> None:
    done = run_prompter(*arguments)
    assert done.returncode == 2
    assert get_only_line(done.stderr)
    assert not done.stdout


@pytest.mark.parametrize(
    "arguments",
    [("dictate", WEATHER), ("transcribe", WEATHER), ("ask", "hello"), ("providers",)],
    ids=lambda arguments: arguments[0],
)
def test_nobody_there_is_3(arguments: tuple[str, ...]) -> None:
    done = run_prompter(*arguments, *NOBODY)
    assert done.returncode == 3
    assert "prompter serve" in get_only_line(done.stderr)


def test_the_server_may_be_named_in_the_environment(server: str) -> None:
    assert (
        run_prompter("ask", "hello", "--provider", "echo", env={"PROMPTER_URL": server}).stdout == "hello\n"
    )


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (("dictate", WEATHER, "--provider", "nobody"), "known: "),
        (("transcribe", WEATHER, "--provider", "pocketsphinx", "--lang", "es"), "models pull base"),
        (("ask", "hello", "--provider", "nobody"), "no provider has this name; known are "),
    ],
    ids=["dictate", "transcribe", "ask"],
)
def test_a_refusal_is_4(server: str, arguments: tuple[str, ...], reason: str) -> None:
    done = run_prompter(*arguments, "--url", server)
    assert done.returncode == 4
    assert reason in get_only_line(done.stderr)


@pytest.mark.parametrize("command", ["dictate", "transcribe"])
def test_what_cannot_be_read_is_1(server: str, tmp_path: Path, command: str) -> None:
    done = run_prompter(command, tmp_path / "gone.wav", "--url", server)
    assert done.returncode == 1
    assert "gone.wav" in get_only_line(done.stderr)
