"""The `run_prompter` command in tests: run to its end, or as a server process to be killed and started again."""

import io
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path

import anyio
import httpx2
import pytest

from app.cli.main import execute

BACKEND = Path(__file__).resolve().parents[2]
COMMAND = (sys.executable, "-m", "app.cli")


def make_environment(**changes: str) -> dict[str, str]:
    """The command's environment: this checkout, the test's variables, no colours."""
    return {**os.environ, "PYTHONPATH": str(BACKEND), "NO_COLOR": "1", **changes}


def run_prompter_process(
    *arguments: object, stdin: bytes = b"", env: dict[str, str] | None = None
) -> "subprocess.CompletedProcess[str]":
    """Run `prompter …` to its end in a process of its own; `env` adds to the environment."""
    command = [*COMMAND, *map(str, arguments)]
    seen = make_environment(**(env or {}))
    done = subprocess.run(command, input=stdin, capture_output=True, env=seen, timeout=60, check=False)
    texts = (done.stdout.decode(), done.stderr.decode())
    return subprocess.CompletedProcess(command, done.returncode, *texts)


def run_prompter(
    *arguments: object, stdin: bytes = b"", env: dict[str, str] | None = None
) -> "subprocess.CompletedProcess[str]":
    """Run `prompter …` to its end inside the test's own process, which takes a fraction of the time."""
    said, told = io.StringIO(), io.StringIO()
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(said), redirect_stderr(told):
        patch.setattr(os, "environ", os.environ.copy())  # an option may write a setting into it
        patch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin), encoding="utf-8"))
        for name, value in (env or {}).items():
            patch.setenv(name, value)
        code = execute([str(part) for part in arguments])
    return subprocess.CompletedProcess([], code, said.getvalue(), told.getvalue())


def get_only_line(text: str) -> str:
    """The only line of an error, without its prefix; fails if there is another line."""
    lines = text.splitlines()
    assert len(lines) == 1, text
    assert lines[0].startswith("prompter: ")
    return lines[0].removeprefix("prompter: ")


START_S = 60
_LISTENING = re.compile(r"listening at (http://\S+)")


class ServerProcess:
    """One running server, whose log goes to a file: a full pipe would block it."""

    def __init__(self, process: "subprocess.Popen[bytes]", log: Path) -> None:
        self.process = process
        self._log = log
        self.url = ""

    @property
    def log(self) -> str:
        return self._log.read_text(encoding="utf-8")

    async def ready(self) -> None:
        """Wait until it listens."""
        with anyio.fail_after(START_S):
            while not (found := _LISTENING.search(self.log)):
                assert self.process.poll() is None, f"the server ended while starting:\n{self.log}"
                await anyio.sleep(0.02)
        self.url = found[1]

    def client(self, timeout_s: float = 30) -> httpx2.AsyncClient:
        return httpx2.AsyncClient(base_url=self.url, trust_env=False, timeout=timeout_s)

    def kill(self) -> None:
        """Kill it with SIGKILL, as the kernel does when memory runs out."""
        self.process.kill()
        self.process.wait(timeout=20)

    async def end(self, how: signal.Signals = signal.SIGINT) -> float:
        """End it cleanly; the seconds that this took."""
        started_s = time.monotonic()
        self.process.send_signal(how)
        with anyio.fail_after(30):
            while self.process.poll() is None:  # noqa: ASYNC110  # another process ends
                await anyio.sleep(0.01)
        return time.monotonic() - started_s


@asynccontextmanager
async def run_server_process(folder: Path, **env: str) -> AsyncIterator[ServerProcess]:
    """Serve with the data folder `folder`/data; settings come as environment variables."""
    async with run_server_process_at(0, folder, **env) as server:
        yield server


@asynccontextmanager
async def run_program(folder: Path, *command: str, **env: str) -> AsyncIterator[ServerProcess]:
    """Run another program in the same way; it says where it listens as `prompter serve` does."""
    with _started(folder, command, env) as server:
        await server.ready()
        yield server


@asynccontextmanager
async def run_server_process_at(port: int, folder: Path, **env: str) -> AsyncIterator[ServerProcess]:
    """The same at this port; 0: any free one."""
    with _started(folder, (*COMMAND, "serve", "--port", str(port)), env) as server:
        await server.ready()
        yield server


@contextmanager
def _started(folder: Path, command: tuple[str, ...], env: dict[str, str]) -> Iterator[ServerProcess]:
    settings = {
        "PROMPTER_DATA_DIR": str(folder / "data"),
        "PROMPTER_STT__PROVIDER": "cloud_stub",
        "PROMPTER_LLM__DISCOVER": "false",
        **env,
    }
    path = folder / "server.log"
    with path.open("wb") as log:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env=make_environment(**settings),
        )
    try:
        yield ServerProcess(process, path)
    finally:
        process.kill()
        process.wait(timeout=20)
