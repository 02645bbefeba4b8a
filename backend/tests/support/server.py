"""Real servers in tests: the application under uvicorn in a thread, on a free port, in a data folder of its own."""

import atexit
import logging
import os
import shutil
import socket
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import uvicorn
from fastapi import FastAPI

from app.api.deps import Resources
from app.cli.serve import UNREAD_TIMEOUT_MS, bind_listener, make_uvicorn_options
from app.core.config import Settings
from app.core.paths import resolve_path
from app.providers.registry import Registration, Registrations, list_stt_registrations
from app.storage import migrate
from app.storage.connections import database_url
from app.storage.data_folder import make_private
from tests.fakes.engine import FakeEngine

StartServer = Callable[[Settings], str]
"""Starts a server with settings and returns its base URL; it stops with the test."""

DATABASE = "prompter.db"

# Not "app" itself: every new application replaces its handlers.
_LOGGERS = (
    "",
    "app.api",
    "app.services",
    "app.providers",
    "app.storage",
    "app.core",
    "uvicorn",
    "uvicorn.error",
    "uvicorn.access",
    "asyncio",
    "websockets",
)


@dataclass(frozen=True)
class RunningServer:
    """A running server."""

    url: str
    app: FastAPI
    server: uvicorn.Server
    log: list[str]
    """Everything that has been logged, tracebacks included."""

    @property
    def troubles(self) -> list[str]:
        """The log from warnings on."""
        return [line for line in self.log if not line.startswith("INFO ")]

    @property
    def resources(self) -> Resources:
        resources: Resources = self.app.state.resources
        return resources

    @property
    def connections(self) -> int:
        """How many connections the server holds."""
        return len(self.server.server_state.connections)


@contextmanager
def run_server(
    settings: Settings,
    *,
    registrations: Registrations | None = None,
    send_buffer_bytes: int = 0,
    unread_ms: int = UNREAD_TIMEOUT_MS,
    **options: Any,
) -> Iterator[RunningServer]:
    """Serve as `prompter serve` does, until the block ends; `options` replace those of uvicorn.

    With a small `send_buffer_bytes` the kernel takes little for a client that does not read; after `unread_ms` it
    drops such a client.
    """
    from app.main import create_app

    with own_data_folder(settings) as own:
        app = create_app(own, registrations=registrations)
        listener = _listen(send_buffer_bytes, unread_ms)
        with (
            run_app(app, listener=listener, **make_uvicorn_options(own) | options) as (url, server),
            record_log() as log,
        ):
            yield RunningServer(url, app, server, log)


@contextmanager
def serve_engine(
    engine: FakeEngine,
    *,
    registrations: Registrations | None = None,
    send_buffer_bytes: int = 0,
    unread_ms: int = UNREAD_TIMEOUT_MS,
    **fields: Any,
) -> Iterator[RunningServer]:
    """Run a server whose default speech engine is this one; `fields` are settings (`limits={"idle_session_s": 1}`)."""
    with run_server(
        fake_settings(**fields),
        registrations=with_engine(engine, registrations),
        send_buffer_bytes=send_buffer_bytes,
        unread_ms=unread_ms,
    ) as server:
        yield server


@contextmanager
def run_app(
    app: FastAPI, *, listener: socket.socket | None = None, **options: Any
) -> Iterator[tuple[str, uvicorn.Server]]:
    """Serve until the block ends; `options` are uvicorn's. Yields the base URL and the server."""
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


def _listen(send_buffer_bytes: int, unread_ms: int) -> socket.socket:
    listener = bind_listener("127.0.0.1", 0)
    if send_buffer_bytes:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, send_buffer_bytes)
    if hasattr(socket, "TCP_USER_TIMEOUT"):
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, unread_ms)
    return listener


# -- settings


def fake_settings(**fields: Any) -> Settings:
    """Settings whose default engine is the fake."""
    return Settings(_env_file=None, stt={"provider": "fake"}, **fields)


def with_engine(engine: FakeEngine, registrations: Registrations | None = None) -> Registrations:
    """The registrations with this engine added under the name `fake`."""
    fake = Registration("fake", lambda: lambda _: engine, "tests")
    return replace(registrations or Registrations(), stt={**list_stt_registrations(), "fake": fake})


# -- log


class _Recorder(logging.Handler):
    def __init__(self, lines: list[str]) -> None:
        super().__init__(logging.DEBUG)
        self.setFormatter(logging.Formatter("%(levelname)s %(name)s: %(message)s"))
        self._lines = lines

    def emit(self, record: logging.LogRecord) -> None:
        self._lines.append(self.format(record))


@contextmanager
def record_log() -> Iterator[list[str]]:
    """Collect what every logger writes; enter it after the server has set its loggers up."""
    lines: list[str] = []
    recorder = _Recorder(lines)
    for name in _LOGGERS:
        logging.getLogger(name).addHandler(recorder)
    try:
        yield lines
    finally:
        for name in _LOGGERS:
            logging.getLogger(name).removeHandler(recorder)


# -- data folder


@contextmanager
def own_data_folder(settings: Settings) -> Iterator[Settings]:
    """The settings with a data folder that is deleted with the server; a folder that the test chose stays.

    No server of a test writes to the checkout's own data folder, and no two share one.
    """
    given = os.environ.get("PROMPTER_DATA_DIR")
    if settings.data_dir not in (resolve_path(Path("data")), given and Path(given)):
        yield settings
        return
    folder = Path(tempfile.mkdtemp(prefix="prompter-data-"))
    own = settings.model_copy(update={"data_dir": folder})
    if not own.storage.url.get_secret_value():
        shutil.copy(_make_empty_database(), folder / DATABASE)
    try:
        yield own
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@cache
def _make_empty_database() -> Path:
    """A database at the newest schema, made once: a thousand servers need not each make its tables."""
    folder = Path(tempfile.mkdtemp(prefix="prompter-data-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    settings = Settings(_env_file=None, data_dir=folder)
    make_private(folder)
    # In a thread, where no event loop of a test runs.
    migration = threading.Thread(target=migrate.upgrade_blocking, args=(database_url(settings),))
    migration.start()
    migration.join()
    assert [file.name for file in folder.iterdir()] == [DATABASE]
    return folder / DATABASE
