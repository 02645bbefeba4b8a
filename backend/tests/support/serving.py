"""A real server around a fake engine, as `prompter serve` runs it, with its log and its insides at hand."""

import logging
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import uvicorn
from fastapi import FastAPI

from app.api.deps import Resources
from app.cli.serve import UNREAD_TIMEOUT_MS, bind_listener, make_uvicorn_options
from app.core.config import Settings
from app.providers.registry import Registration, Registrations, list_stt_registrations
from tests.fakes.engine import FakeEngine
from tests.support.data_folder import own_data_folder
from tests.support.server import run_app

# Not "app" itself, whose handlers every new application sets anew.
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
class Served:
    """A running server."""

    url: str
    app: FastAPI
    server: uvicorn.Server
    log: list[str]
    """Everything that has been logged, tracebacks included."""

    @property
    def troubles(self) -> list[str]:
        """The same without the lines that every socket leaves."""
        return [line for line in self.log if not line.startswith("INFO app.api.stt: socket ")]

    @property
    def resources(self) -> Resources:
        resources: Resources = self.app.state.resources
        return resources

    @property
    def connections(self) -> int:
        """Connections that the server still holds."""
        return len(self.server.server_state.connections)


class _Recorder(logging.Handler):
    def __init__(self, lines: list[str]) -> None:
        super().__init__(logging.DEBUG)
        self.setFormatter(logging.Formatter("%(levelname)s %(name)s: %(message)s"))
        self._lines = lines

    def emit(self, record: logging.LogRecord) -> None:
        self._lines.append(self.format(record))


@contextmanager
def recording() -> Iterator[list[str]]:
    """Collect what any logger says; begin after the server has set its loggers up."""
    lines: list[str] = []
    recorder = _Recorder(lines)
    for name in _LOGGERS:
        logging.getLogger(name).addHandler(recorder)
    try:
        yield lines
    finally:
        for name in _LOGGERS:
            logging.getLogger(name).removeHandler(recorder)


def fake_settings(**fields: Any) -> Settings:
    """Settings whose default engine is the fake."""
    return Settings(_env_file=None, stt={"provider": "fake"}, **fields)


@contextmanager
def serving(
    engine: FakeEngine,
    *,
    registrations: Registrations | None = None,
    send_buffer_bytes: int = 0,
    unread_ms: int = UNREAD_TIMEOUT_MS,
    **fields: Any,
) -> Iterator[Served]:
    """Serve with `engine` among the speech engines; `fields` are settings (`limits={"idle_session_s": 1}`).

    With small `send_buffer_bytes` the kernel takes little for a client that does not read; after `unread_ms` it
    drops such a client.
    """
    from app.main import create_app

    with own_data_folder(fake_settings(**fields)) as settings:
        app = create_app(settings, registrations=with_engine(engine, registrations))
        listener = _listener(send_buffer_bytes, unread_ms)
        with (
            run_app(app, listener=listener, **make_uvicorn_options(settings)) as (url, server),
            recording() as log,
        ):
            yield Served(url, app, server, log)


def with_engine(engine: FakeEngine, registrations: Registrations | None = None) -> Registrations:
    """The same registrations with this engine, under the name `fake`."""
    fake = Registration("fake", lambda: lambda _: engine, "tests")
    return replace(registrations or Registrations(), stt={**list_stt_registrations(), "fake": fake})


def _listener(send_buffer_bytes: int, unread_ms: int) -> socket.socket:
    listener = bind_listener("127.0.0.1", 0)
    if send_buffer_bytes:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, send_buffer_bytes)
    if hasattr(socket, "TCP_USER_TIMEOUT"):
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, unread_ms)
    return listener
