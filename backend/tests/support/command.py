"""Runs the command as a person or a script would."""

import io
import os
import subprocess
import sys
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

import pytest

from app.cli.main import execute

BACKEND = Path(__file__).resolve().parents[2]
COMMAND = (sys.executable, "-m", "app.cli")


def environment(**changes: str) -> dict[str, str]:
    """What the command sees: this checkout, the test's environment, no colours."""
    return {**os.environ, "PYTHONPATH": str(BACKEND), "NO_COLOR": "1", **changes}


def prompter_process(
    *arguments: object, stdin: bytes = b"", env: dict[str, str] | None = None
) -> "subprocess.CompletedProcess[str]":
    """Run `prompter …` to its end in a process of its own; `env` adds to the environment."""
    command = [*COMMAND, *map(str, arguments)]
    seen = environment(**(env or {}))
    done = subprocess.run(command, input=stdin, capture_output=True, env=seen, timeout=60, check=False)
    texts = (done.stdout.decode(), done.stderr.decode())
    return subprocess.CompletedProcess(command, done.returncode, *texts)


def prompter(
    *arguments: object, stdin: bytes = b"", env: dict[str, str] | None = None
) -> "subprocess.CompletedProcess[str]":
    """The same inside the test's own process, which takes a fraction of the time."""
    said, told = io.StringIO(), io.StringIO()
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(said), redirect_stderr(told):
        patch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin), encoding="utf-8"))
        for name, value in (env or {}).items():
            patch.setenv(name, value)
        code = execute([str(part) for part in arguments])
    return subprocess.CompletedProcess([], code, said.getvalue(), told.getvalue())


def one_line(text: str) -> str:
    """The only line of an error, without its prefix; fails where there is more."""
    lines = text.splitlines()
    assert len(lines) == 1, text
    assert lines[0].startswith("prompter: ")
    return lines[0].removeprefix("prompter: ")
