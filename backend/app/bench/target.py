"""The server that is measured: one of our own in a process of its own, or any that answers at a URL."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO
from urllib.parse import urlsplit, urlunsplit

from app.bench import machine
from app.bench.figures import BenchError

SOCKET_PATH = "/ws/stt"
START_S = 120.0
"""Loading a large checkpoint on a slow disk takes this long."""


@dataclass(frozen=True, slots=True)
class Target:
    """A server to speak to."""

    url: str
    """http or https, as `PromptClient` takes it."""
    pid: int | None = None
    """Its process, where that is one of ours: CPU and memory can be told then."""

    def cpu_s(self) -> float | None:
        return None if self.pid is None else machine.cpu_s(self.pid)

    def fine_cpu_s(self) -> float | None:
        return None if self.pid is None else machine.fine_cpu_s(self.pid)

    def memory_mb(self) -> float | None:
        return None if self.pid is None else machine.memory_mb(self.pid)


@dataclass(frozen=True, slots=True)
class Server:
    """A process that serves, and what it writes to standard error."""

    process: subprocess.Popen[bytes]
    log: IO[bytes]

    def last_words(self) -> str:
        self.log.seek(0)
        lines = self.log.read().decode(errors="replace").split("\n")
        return next((line for line in reversed(lines) if line.strip()), "it wrote nothing")


def base_url(url: str) -> str:
    """`ws://host/ws/stt`, or the address of the server itself, as the address of the server.

    Raises:
        BenchError: it is neither.
    """
    parts = urlsplit(url if "://" in url else f"http://{url}")
    scheme = {"ws": "http", "wss": "https"}.get(parts.scheme, parts.scheme)
    if scheme not in ("http", "https") or not parts.hostname:
        raise BenchError(
            f"{url!r} is no server; expected ws://127.0.0.1:8000/ws/stt or http://127.0.0.1:8000"
        )
    path = parts.path.removesuffix("/").removesuffix(SOCKET_PATH)
    return urlunsplit((scheme, parts.netloc, path, "", ""))


@contextmanager
def own_server(environment: dict[str, str] | None = None) -> Iterator[Target]:
    """`prompter serve` on a free port, warmed up; ended when the context is left.

    Raises:
        BenchError: it did not start.
    """
    port = free_port()
    command = [sys.executable, "-m", "app.cli", "serve", "--host", "127.0.0.1", "--port", str(port)]
    with started(command, environment) as server:
        wait_until_ready(port, server)
        yield Target(f"http://127.0.0.1:{port}", server.process.pid)


@contextmanager
def started(command: list[str], environment: dict[str, str] | None = None) -> Iterator["Server"]:
    """A process of our own, in a group of its own so that Ctrl-C reaches us first."""
    backend = str(Path(__file__).resolve().parents[2])
    paths = [backend, *filter(None, [os.environ.get("PYTHONPATH")])]
    with TemporaryFile() as log:
        process = subprocess.Popen(  # noqa: S603  # our own command
            command,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(paths), **(environment or {})},
            stdout=subprocess.DEVNULL,
            stderr=log,
            start_new_session=True,
        )
        try:
            yield Server(process, log)
        finally:
            _end(process)


def _end(process: subprocess.Popen[bytes]) -> None:
    """SIGTERM, and after a while SIGKILL."""
    with contextlib.suppress(ProcessLookupError):
        process.send_signal(signal.SIGTERM)
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def free_port() -> int:
    """A port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_until_ready(port: int, server: Server) -> None:
    """Until /health/ready answers 200.

    Raises:
        BenchError: the process ended, or START_S passed.
    """
    deadline_s = time.monotonic() + START_S
    while time.monotonic() < deadline_s:
        if server.process.poll() is not None:
            raise BenchError(f"the server ended while starting: {server.last_words()}")
        connection = HTTPConnection("127.0.0.1", port, timeout=5)
        with contextlib.closing(connection), contextlib.suppress(OSError, HTTPException):
            connection.request("GET", "/health/ready")
            if connection.getresponse().status == HTTPStatus.OK:
                return
        time.sleep(0.1)
    raise BenchError(f"the server was not ready within {START_S:g} s: {server.last_words()}")
