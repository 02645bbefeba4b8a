"""A Ray cluster on the test's machine, behind a token, and decode workers as `prompter worker` starts them."""

import os
import re
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from app.providers.tier.ray_node import HELPER_PORTS, RAY, find_free_ports
from tests.support.command import COMMAND, make_environment

START_S = 400.0
"""Time limit of what takes seconds on an idle machine."""
STRANGER = """
import os, ray
ray.init(address=os.environ["ADDRESS"], log_to_driver=False)
"""
"""A program that would use the cluster."""


@dataclass(frozen=True)
class WorkerProcess:
    """One `prompter worker`."""

    process: "subprocess.Popen[bytes]"
    log: Path

    @property
    def name(self) -> str:
        """Its name in the cluster, once it is there."""
        lines = self.log.read_text(encoding="utf-8").splitlines()
        return next((line.split()[0] for line in lines if line.endswith(" is there")), "")

    def kill_actor(self) -> None:
        """End the process that decodes with SIGKILL, as the kernel does when memory runs out."""
        found = re.findall(r"in process (\d+)", self.log.read_text(encoding="utf-8"))
        os.kill(int(found[-1]), signal.SIGKILL)


@dataclass(frozen=True)
class RayCluster:
    """The head of a cluster."""

    address: str
    folder: Path
    environment: dict[str, str]

    @contextmanager
    def run_worker(self, name: str, paths: Sequence[str] = (), **settings: str) -> Iterator[WorkerProcess]:
        """A worker until the block ends; it is loaded when the block begins. `paths` have packages with engines."""
        log = self.folder / f"{name}.log"
        env = make_environment(PROMPTER_DATA_DIR=str(self.folder / name), **self.environment, **settings)
        env["PYTHONPATH"] = os.pathsep.join((env["PYTHONPATH"], *paths))
        with log.open("wb") as output:
            process = subprocess.Popen(
                [*COMMAND, "worker", "--ray", self.address], stdout=output, stderr=output, env=env
            )
        worker = WorkerProcess(process, log)
        try:
            deadline_s = time.monotonic() + START_S
            while not worker.name:
                assert process.poll() is None, log.read_text(encoding="utf-8")
                assert time.monotonic() < deadline_s, log.read_text(encoding="utf-8")
                time.sleep(0.05)
            yield worker
        finally:
            process.terminate()
            process.wait(60)

    def start_stranger(self, **changes: str) -> "subprocess.Popen[bytes]":
        """A program that tries to use the cluster without its token."""
        env = {**make_environment(ADDRESS=self.address), **changes}
        return subprocess.Popen(
            [sys.executable, "-c", STRANGER], env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )


def wait_for_head(process: "subprocess.Popen[bytes]", port: int, log: Path) -> None:
    """Wait until the cluster takes nodes."""
    deadline_s = time.monotonic() + START_S
    while "Ray runtime started" not in log.read_text(encoding="utf-8"):
        assert process.poll() is None, log.read_text(encoding="utf-8")
        assert time.monotonic() < deadline_s, f"no head at port {port}"
        time.sleep(0.05)


@contextmanager
def run_ray(folder: Path) -> Iterator[RayCluster]:
    """A cluster until the block ends; this process and its children have its token meanwhile."""
    token = secrets.token_hex(16)
    environment = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": token, "RAY_USAGE_STATS_ENABLED": "0"}
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    # Of 127.0.0.1 Ray would make the address that the machine has in its network.
    sockets = Path(tempfile.mkdtemp(prefix="ray-"))  # paths of sockets must be short
    head = [
        *RAY,
        "start",
        "--head",
        "--block",
        f"--port={port}",
        "--node-ip-address=127.0.0.2",
        "--num-cpus=0",
    ]
    head += ["--include-dashboard=false", "--disable-usage-stats", "--include-log-monitor=false"]
    head += [f"--temp-dir={sockets}", f"--object-store-memory={80 << 20}"]
    head += [f"--{name}={free_port}" for name, free_port in zip(HELPER_PORTS, find_free_ports(), strict=True)]
    with pytest.MonkeyPatch.context() as patch, (folder / "head.log").open("wb") as log:
        for name, value in environment.items():
            patch.setenv(name, value)
        process = subprocess.Popen(head, stdout=log, stderr=log, start_new_session=True)
        try:
            wait_for_head(process, port, folder / "head.log")
            yield RayCluster(f"127.0.0.2:{port}", folder, environment)
        finally:
            process.terminate()
            with suppress(subprocess.TimeoutExpired):
                process.wait(30)
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait(30)
            shutil.rmtree(sockets, ignore_errors=True)
