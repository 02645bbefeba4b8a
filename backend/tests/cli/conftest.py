"""Runs the command as a person or a script would."""

import io
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from app.cli.main import execute

BACKEND = Path(__file__).resolve().parents[2]
COMMAND = (sys.executable, "-m", "app.cli")

Run = Callable[..., "subprocess.CompletedProcess[str]"]


def environment(**changes: str) -> dict[str, str]:
    """What the command sees: this checkout, no settings of the developer's own, no colours."""
    return {**os.environ, "PYTHONPATH": str(BACKEND), "NO_COLOR": "1", **changes}


@pytest.fixture
def process(clean_environment: None) -> Run:
    """Run `prompter …` to its end in a process of its own; `env` adds to the environment."""

    def run(
        *arguments: object, stdin: bytes = b"", env: dict[str, str] | None = None
    ) -> "subprocess.CompletedProcess[str]":
        command = [*COMMAND, *map(str, arguments)]
        seen = environment(**(env or {}))
        done = subprocess.run(command, input=stdin, capture_output=True, env=seen, timeout=60)
        texts = (done.stdout.decode(), done.stderr.decode())
        return subprocess.CompletedProcess(command, done.returncode, *texts)

    return run


@pytest.fixture
def prompter(
    clean_environment: None, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Run:
    """The same inside the test's own process, which takes a fraction of the time."""

    def run(
        *arguments: object, stdin: bytes = b"", env: dict[str, str] | None = None
    ) -> "subprocess.CompletedProcess[str]":
        with monkeypatch.context() as patch:
            patch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin), encoding="utf-8"))
            for name, value in (env or {}).items():
                patch.setenv(name, value)
            capsys.readouterr()
            code = execute([str(part) for part in arguments])
            said = capsys.readouterr()
        return subprocess.CompletedProcess([], code, said.out, said.err)

    return run


def one_line(text: str) -> str:
    """The only line of an error, without its prefix; fails where there is more."""
    lines = text.splitlines()
    assert len(lines) == 1, text
    assert lines[0].startswith("prompter: ")
    return lines[0].removeprefix("prompter: ")
