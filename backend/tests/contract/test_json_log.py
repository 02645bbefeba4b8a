"""The log as JSON: every line that a server writes is one object, belongs to its request, and holds nothing private."""

import json
import signal
import socket
import sys
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from tests.support.command import run_program, run_prompter_process, run_server_process

SECRET = "the purple submarine"
JSON_LOG = {"PROMPTER_LOG_FORMAT": "json"}
BROKEN_SERVER = f'''
import logging
import warnings

import uvicorn

from app.cli.serve import bind_listener, make_uvicorn_options
from app.cli.uvicorn_server import AnnouncingServer
from app.core.config import load_settings
from app.main import create_app

settings = load_settings()


class Broken:
    """An application that fails in front of all middleware, where only uvicorn sees it."""

    app = create_app(settings)

    async def __call__(self, scope, receive, send):
        if scope["type"] == "http" and scope["path"] == "/raw":
            raise RuntimeError({SECRET!r})
        await self.app(scope, receive, send)


@Broken.app.get("/fails")
async def fail() -> None:
    raise ValueError({SECRET!r})


@Broken.app.get("/warns")
async def warn() -> str:
    warnings.warn("an old name", UserWarning)
    logging.getLogger("elsewhere").warning("a library warns\\nin two lines")
    try:
        raise KeyError({SECRET!r})
    except KeyError:
        logging.getLogger("elsewhere").exception("a library failed")
    return "warned"


listener = bind_listener("127.0.0.1", 0)
settings = settings.model_copy(update={{"port": listener.getsockname()[1]}})
AnnouncingServer(uvicorn.Config(Broken(), **make_uvicorn_options(settings)), settings).run(sockets=[listener])
'''
"""A server whose own routes, libraries and outermost layer fail."""


def read_log(log: str) -> list[dict[str, Any]]:
    """Every line as an object; fails at one that is not."""
    return [json.loads(line) for line in log.splitlines()]


def find(entries: list[dict[str, Any]], logger: str, message: str) -> dict[str, Any]:
    (found,) = [each for each in entries if each["logger"] == logger and message in each["message"]]
    return found


async def test_every_line_of_a_server_is_an_object(tmp_path: Path) -> None:
    """From its first line to its last one: announcements, requests and sockets that are refused, the end."""
    async with run_server_process(tmp_path, **JSON_LOG) as server:
        async with server.client() as client:
            assert (await client.get("/health")).status_code == 200
            refused = await client.get("/health", headers={"Host": "unknown.example"})
        await server.end(signal.SIGTERM)
        entries = read_log(server.log)
    assert server.process.returncode == 0
    for entry in entries:
        assert datetime.fromisoformat(entry["time"]).utcoffset() is not None
        assert entry["level"] in ("debug", "info", "warning", "error")
        assert entry["message"] == entry["message"].strip() != ""
    announced = find(entries, "app.cli.uvicorn_server", "listening at ")
    assert "request_id" not in announced
    refusal = find(entries, "app.api.middleware.network", "refused a request")
    assert refusal["level"] == "warning"
    assert refusal["request_id"] == refused.headers["X-Request-ID"]


async def test_a_failure_has_its_type_and_place_and_not_its_words(tmp_path: Path) -> None:
    """Of this server, of a library, and of uvicorn; a warning of Python is an object too."""
    program = (sys.executable, "-W", "default", "-c", BROKEN_SERVER)
    async with run_program(tmp_path, *program, **JSON_LOG) as server, server.client() as client:
        failed = await client.get("/fails")
        assert (await client.get("/warns")).json() == "warned"
        assert (await client.get("/raw")).status_code == 500
        await server.end(signal.SIGTERM)
        text = server.log
    entries = read_log(text)
    assert SECRET not in text

    fault = find(entries, "app.api.middleware.network", "unexpected ValueError on /fails")
    assert fault["request_id"] == failed.headers["X-Request-ID"]
    assert fault["exception"]["type"] == "ValueError"
    assert fault["exception"]["place"][-1].endswith(" in fail")
    assert "\n" not in fault["message"]

    library = find(entries, "elsewhere", "a library failed")
    assert library["exception"]["type"] == "KeyError"
    assert find(entries, "elsewhere", "a library warns")["message"] == "a library warns\nin two lines"
    assert "an old name" in find(entries, "py.warnings", "UserWarning")["message"]

    of_uvicorn = find(entries, "uvicorn.error", "Exception in ASGI application")
    assert of_uvicorn["exception"]["type"] == "RuntimeError"
    assert of_uvicorn["exception"]["place"][-1].endswith(" in __call__")


def test_a_start_that_is_refused_is_an_object_with_the_same_exit_code() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        plain = run_prompter_process("serve", "--port", port)
        done = run_prompter_process("serve", "--port", port, env=JSON_LOG)
    assert done.returncode == plain.returncode == 1
    (entry,) = read_log(done.stderr)
    assert f"port {port} is in use" in entry["message"]
    assert entry["level"] == "error"


@pytest.mark.parametrize("log_format", ["xml", ""])
def test_another_format_is_refused(log_format: str) -> None:
    done = run_prompter_process("config", env={"PROMPTER_LOG_FORMAT": log_format})
    assert done.returncode == 2
    assert "PROMPTER_LOG_FORMAT" in done.stderr
