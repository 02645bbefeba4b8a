"""Fixtures of all tests: a clean environment, real servers on free ports, samples; required tests must not skip."""

import gc
import inspect
import os
import wave
from collections.abc import Generator, Iterator
from contextlib import ExitStack
from functools import cache
from itertools import count
from pathlib import Path

import httpcore2
import httpx2
import hypothesis
import numpy as np
import pytest
from numpy.typing import NDArray

from app.bench.target import reserve_port
from app.core.config import Settings
from app.providers.upstream import discovery
from tests.support.database import (
    ana,
    bob,
    database,
    postgres_server,
    postgres_template,
    sqlite_template,
    storage_settings,
)
from tests.support.server import StartServer, run_server

__all__ = [
    "StartServer",
    "ana",
    "bob",
    "database",
    "postgres_server",
    "postgres_template",
    "sqlite_template",
    "storage_settings",
]

hypothesis.settings.register_profile(
    "prompter",
    deadline=None,  # a busy machine is slow
    suppress_health_check=[hypothesis.HealthCheck.too_slow],
    # In CI, a failing run can be repeated.
    derandomize=bool(os.environ.get("PROMPTER_TEST_REQUIRE_ALL")),
)
hypothesis.settings.load_profile("prompter")

ROOT = Path(__file__).resolve().parents[2]
SAMPLES = ROOT / "samples"
SPEECH = ROOT.parent / "shared" / "speech"


MAY_BE_MISSING = ("not beside this checkout", "no real Python 3.8 on this machine")
"""Accepted reasons to skip: no script of the project can install what these tests need."""


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Garbage collection leaves alone what the test modules make, which stays: a million objects, 1 s for each look."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Under PROMPTER_TEST_REQUIRE_ALL a skipped test fails: everything it needs must be installed."""
    report = yield
    if report.skipped and not hasattr(report, "wasxfail") and os.environ.get("PROMPTER_TEST_REQUIRE_ALL"):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
        if not any(known in reason for known in MAY_BE_MISSING):
            report.outcome = "failed"
            report.longrepr = f"skipped where everything is required: {reason}"
    return report


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    """No setting of the developer's shell reaches a test, and no test writes to the checkout's data folder."""
    for name in list(os.environ):
        if name.startswith(("PROMPTER_", "OPENAI_", "LOFT_")) and not name.startswith("PROMPTER_TEST_"):
            monkeypatch.delenv(name)
    folder = tmp_path_factory.getbasetemp() / f"data-{next(_folders)}"  # made when something is stored
    monkeypatch.setenv("PROMPTER_DATA_DIR", str(folder))
    monkeypatch.setenv("PROMPTER_CHAT__TITLES", "false")  # fakes expect the requests of their tests alone


_folders = count()


@pytest.fixture(autouse=True, scope="session")
def no_system_certificates(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """No test calls a server elsewhere, and each HTTP client would read all certificates (25 ms of CPU).

    All clients share one TLS context, which takes 25 ms as well.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SSL_CERT_DIR", str(tmp_path_factory.mktemp("certificates")))
        patch.setattr(httpcore2, "default_ssl_context", cache(httpcore2.default_ssl_context))
        patch.setenv("PROMPTER_CHAT__TITLES", "false")  # for servers that serve several tests
        yield


@pytest.fixture(autouse=True, scope="session")
def patient_clients() -> None:
    """A client to whom a test gives no time of its own waits as long as a busy machine takes, instead of 5 s."""
    default: httpx2.Timeout = inspect.signature(httpx2.Client).parameters["timeout"].default
    default.connect = default.read = default.write = default.pool = 60.0


@pytest.fixture(autouse=True, scope="session")
def no_discovered_servers() -> Iterator[None]:
    """No test discovers a model server that runs on this machine."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(discovery, "PORTS", {})
        yield


@pytest.fixture
def start_server() -> Iterator[StartServer]:
    """Start servers with the test's own settings; they stop with the test."""
    with ExitStack() as stack:
        yield lambda settings: stack.enter_context(run_server(settings)).url


@pytest.fixture(scope="session")
def server() -> Iterator[str]:
    """The base URL of one server with default settings, for every test that changes none."""
    with run_server(Settings(_env_file=None)) as running:
        yield running.url


@pytest.fixture
def reserved_port() -> Iterator[int]:
    """A port at which nobody listens but who the test lets listen there."""
    with reserve_port() as reserved:
        yield reserved


def read_wav(path: Path) -> tuple[NDArray[np.int16], int]:
    """A recording as mono samples and its rate (Hz)."""
    with wave.open(str(path)) as file:
        frames = np.frombuffer(file.readframes(file.getnframes()), np.int16).reshape(-1, file.getnchannels())
        return frames.astype(np.float32).mean(axis=1).astype(np.int16), file.getframerate()
