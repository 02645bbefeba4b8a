"""nginx of this machine, with a configuration of the test."""

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

STARTS_S = 60
"""How long nginx may take to listen (s)."""


def find_nginx() -> str:
    """The program; without it the test is left out."""
    found = shutil.which("nginx", path=f"{os.environ.get('PATH', '')}{os.pathsep}/usr/sbin")
    return found or pytest.skip("no nginx on this machine: apt-get install nginx")


@contextmanager
def run_nginx(nginx: str, folder: Path, port: int, http: str) -> Iterator[None]:
    """nginx until the block ends; it listens at `port` when the block begins. `http` is the section of this name."""
    kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    temporary = "".join(f"{kind}_temp_path {folder}/{kind};\n" for kind in kinds)
    text = f"daemon off;\npid {folder}/pid;\nevents {{}}\nhttp {{\n{temporary}{http}}}\n"
    (folder / "nginx.conf").write_text(text, encoding="utf-8")
    command = [
        nginx,
        "-p",
        str(folder),
        "-c",
        str(folder / "nginx.conf"),
        "-e",
        str(folder / "error.log"),
    ]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as process:
        try:
            _wait_until_listening(process, port)
            yield
        finally:
            process.terminate()


def _wait_until_listening(process: "subprocess.Popen[bytes]", port: int) -> None:
    deadline = time.monotonic() + STARTS_S
    while True:
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        assert process.poll() is None, process.stderr and process.stderr.read()
        assert time.monotonic() < deadline, "nginx does not listen"
        time.sleep(0.02)
