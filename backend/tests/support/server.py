"""A real server in a thread, on a free port."""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import uvicorn
from fastapi import FastAPI

from app.core.config import Settings
from app.providers.registry import Registrations
from tests.support.data_folder import own_data_folder

RunServer = Callable[..., str]
"""Starts a server with settings, and gives its base URL."""


@contextmanager
def run_app(
    app: FastAPI, *, listener: socket.socket | None = None, **options: Any
) -> Iterator[tuple[str, uvicorn.Server]]:
    """Serve until the block ends; `options` are uvicorn's. Gives the base URL and the server."""
    listener = listener or socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(app, **options))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    deadline = time.monotonic() + 30
    while not server.started:
        assert thread.is_alive(), "the server ended while starting"
        assert time.monotonic() < deadline, "the server did not start within 30 s"
        time.sleep(0.005)
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}", server
    finally:
        server.should_exit = True
        thread.join(timeout=15)
        assert not thread.is_alive(), "the server did not stop within 15 s"


@contextmanager
def running(
    settings: Settings, *, registrations: Registrations | None = None, **options: Any
) -> Iterator[str]:
    """A server with these settings, in a data folder of its own; gives its base URL."""
    from app.main import create_app

    quiet = {
        "log_level": "error",
        "ws_ping_interval": None,
        "ws_per_message_deflate": False,
        "timeout_graceful_shutdown": 2,
    }
    with (
        own_data_folder(settings) as own,
        run_app(create_app(own, registrations=registrations), **quiet | options) as (url, _),
    ):
        yield url
