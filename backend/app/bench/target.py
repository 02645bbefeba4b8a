"""The server to measure: one started here in a process of its own, or any that answers at a URL."""

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
    """Its process id, if started here: only then are CPU and memory measured."""

    def read_cpu_s(self) -> float | None:
        return None if self.pid is None else machine.read_cpu_s(self.pid)

    def read_own_cpu_s(self) -> float | None:
        return None if self.pid is None else machine.read_own_cpu_s(self.pid)

    def read_memory_mb(self) -> float | None:
        return None if self.pid is None else machine.read_memory_mb(self.pid)


@dataclass(frozen=True, slots=True)
class ServerProcess:
    """A running server process and its standard error."""

    process: subprocess.Popen[bytes]
    log: IO[bytes]

    def read_last_line(self) -> str:
        self.log.seek(0)
        lines = self.log.read().decode(errors="replace").split("\n")
        return next((line for line in reversed(lines) if line.strip()), "it wrote nothing")


def normalize_server_url(url: str) -> str:
    """The server's base URL, from any form that people write: `ws://host/ws/stt`, `http://host`, `host:port`.

    Raises:
        BenchError: it is not the address of a server.
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
def run_own_server(environment: dict[str, str] | None = None) -> Iterator[Target]:
    """Run `prompter serve` on a free port, warmed up; it ends with the context.

    Raises:
        BenchError: it did not start.
    """
    with reserve_port() as port:
        command = [sys.executable, "-m", "app.cli", "serve", "--host", "127.0.0.1", "--port", str(port)]
        with run_process(command, environment) as server:
            wait_until_ready(port, server)
            yield Target(f"http://127.0.0.1:{port}", server.process.pid)


@contextmanager
def run_process(command: list[str], environment: dict[str, str] | None = None) -> Iterator["ServerProcess"]:
    """Run a process in its own group, so that Ctrl-C reaches the benchmark first."""
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
            yield ServerProcess(process, log)
        finally:
            _stop(process)


def _stop(process: subprocess.Popen[bytes]) -> None:
    """SIGTERM, and after a while SIGKILL."""
    with contextlib.suppress(ProcessLookupError):
        process.send_signal(signal.SIGTERM)
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


@contextmanager
def reserve_port() -> Iterator[int]:
    """A port of 127.0.0.1 that the system gives to nobody else until the block ends.

    Nothing listens there, so clients are refused, until a server of the caller's does; all set SO_REUSEADDR. On
    Linux such a server may listen on a port to which another socket is bound that does not listen. Elsewhere it may
    not: there the port is merely free now.
    """
    with socket.socket() as holder:
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        holder.bind(("127.0.0.1", 0))
        port = int(holder.getsockname()[1])
        if sys.platform != "linux":
            holder.close()
        yield port


def wait_until_ready(port: int, server: ServerProcess) -> None:
    """Wait until /health/ready answers 200.

    Raises:
        BenchError: the process ended, or START_S passed.
    """
    deadline_s = time.monotonic() + START_S
    while time.monotonic() < deadline_s:
        if server.process.poll() is not None:
            raise BenchError(f"the server ended while starting: {server.read_last_line()}")
        connection = HTTPConnection("127.0.0.1", port, timeout=5)
        with contextlib.closing(connection), contextlib.suppress(OSError, HTTPException):
            connection.request("GET", "/health/ready")
            if connection.getresponse().status == HTTPStatus.OK:
                return
        time.sleep(0.1)
    raise BenchError(f"the server was not ready within {START_S:g} s: {server.read_last_line()}")
