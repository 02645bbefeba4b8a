"""`prompter worker`: what it refuses before it joins anything, where it finds its cluster, and how it ends."""

import json
import logging
import os
import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import pytest

from app.core.config import Settings
from app.core.errors import ProviderNotReady
from app.providers.tier import ray_worker
from tests.support.command import get_only_line, run_prompter, run_prompter_process

ADDRESS = "10.0.0.1:6399"
NAME = "decode-worker-here"


@pytest.fixture(autouse=True)
def no_token(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("RAY_")]:
        monkeypatch.delenv(name)


@pytest.fixture(autouse=True)
def own_logging() -> Iterator[None]:
    """The command sets the log up for its process, which is here that of other tests, too."""
    logger, root = logging.getLogger("app"), logging.getLogger()
    before = logger.handlers, logger.level, logger.propagate, root.handlers
    yield
    logger.handlers, logger.level, logger.propagate, root.handlers = before
    logging.captureWarnings(capture=False)


class FakeCluster:
    """Takes the worker instead of Ray, and asks it to end when it is there."""

    def __init__(self) -> None:
        self.settings: list[Settings] = []
        self.is_left = False
        self.ends_while_joining = False
        self.refuses = ""

    @asynccontextmanager
    async def run_worker(self, settings: Settings, factory: str) -> AsyncIterator[str]:
        assert factory == "app.services.tier.worker:DecodeWorker"
        self.settings.append(settings)
        try:
            if self.refuses:
                raise ProviderNotReady(self.refuses)
            os.kill(os.getpid(), signal.SIGTERM)
            if self.ends_while_joining:
                await anyio.sleep_forever()
            yield NAME
        finally:
            self.is_left = True


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> FakeCluster:
    fake = FakeCluster()
    monkeypatch.setattr(ray_worker, "run_worker", fake.run_worker)
    return fake


def test_without_an_address_it_says_how_to_give_one() -> None:
    done = run_prompter("worker")
    assert done.returncode == 4
    line = get_only_line(done.stderr)
    assert "--ray HOST:PORT" in line
    assert "PROMPTER_DECODE__ADDRESS" in line


def test_it_joins_nothing_that_strangers_can_use() -> None:
    """As the server: Ray runs what its peers send. Where Ray is missing, that is said instead."""
    done = run_prompter_process("worker", "--ray", ADDRESS)
    assert done.returncode == 4
    line = get_only_line(done.stderr)
    assert "RAY_AUTH_MODE=token" in line or "extras add ray" in line


@pytest.mark.parametrize("source", ["option", "environment", "file", "option before environment"])
def test_the_cluster_is_named_by_option_or_setting(
    source: str, cluster: FakeCluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The file is the `.env` of the settings: an operator writes it once for the server and the worker."""
    other = "10.0.0.9:1"
    (tmp_path / ".env").write_text(f"PROMPTER_DECODE__ADDRESS={ADDRESS if source == 'file' else other}\n")
    monkeypatch.setattr("app.core.config.base_folder", lambda: tmp_path)
    arguments = ["--ray", ADDRESS] if "option" in source else []
    env = {"PROMPTER_SCHEDULER__CORES": "3", "PROMPTER_DECODE__NODE_ADDRESS": "10.0.0.2"}
    if "environment" in source:
        env["PROMPTER_DECODE__ADDRESS"] = other if arguments else ADDRESS
    done = run_prompter("worker", *arguments, env=env)
    assert (done.returncode, done.stderr) == (0, f"{NAME} is there\n")
    settings = cluster.settings[0]
    assert (settings.decode.address, settings.decode.node_address) == (ADDRESS, "10.0.0.2")
    assert settings.scheduler.cores == 3
    assert cluster.is_left


def test_a_signal_while_it_joins_ends_it(cluster: FakeCluster) -> None:
    """A node that it has started would stay otherwise."""
    cluster.ends_while_joining = True
    done = run_prompter("worker", "--ray", ADDRESS)
    assert (done.returncode, done.stderr) == (0, "")
    assert cluster.is_left


def test_a_cluster_that_refuses_is_one_line(cluster: FakeCluster) -> None:
    cluster.refuses = "the cluster is not there"
    done = run_prompter("worker", "--ray", ADDRESS)
    assert done.returncode == 4
    assert get_only_line(done.stderr) == "the cluster is not there"


@pytest.mark.parametrize("refuses", ["", "the cluster is not there"])
def test_with_a_log_of_objects_every_line_is_one(refuses: str, cluster: FakeCluster) -> None:
    cluster.refuses = refuses
    done = run_prompter("worker", "--ray", ADDRESS, env={"PROMPTER_LOG_FORMAT": "json"})
    assert done.returncode == (4 if refuses else 0)
    (line,) = done.stderr.splitlines()
    assert (refuses or NAME) in json.loads(line)["message"]
