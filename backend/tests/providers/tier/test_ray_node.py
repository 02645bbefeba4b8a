"""Joining a Ray cluster: refused where strangers could reach it, or where Ray is not there."""

import json
import logging
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import anyio
import pytest

from app.core.config import DecodeSettings
from app.core.errors import ProviderNotReady
from app.providers.tier import ray_node
from app.providers.tier.ray_node import (
    RayNode,
    check_answer,
    check_guard,
    check_installed,
    find_free_ports,
    has_node,
    share_log,
)
from tests.support.command import make_environment

SETTINGS = DecodeSettings(tier="ray", address="127.0.0.1:1")


def test_without_a_token_nothing_joins(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RAY_AUTH_MODE", raising=False)
    with pytest.raises(ProviderNotReady, match="RAY_AUTH_MODE=token"):
        check_guard(SETTINGS)
    monkeypatch.setenv("RAY_AUTH_MODE", "disabled")
    with pytest.raises(ProviderNotReady, match="TRUSTED_NETWORK"):
        check_guard(SETTINGS)


def test_a_token_or_a_firewall_is_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_AUTH_MODE", "token")
    monkeypatch.setenv("RAY_AUTH_TOKEN", "a" * 64)
    check_guard(SETTINGS)
    monkeypatch.delenv("RAY_AUTH_MODE")
    check_guard(SETTINGS.model_copy(update={"trusted_network": True}))


def test_a_token_that_is_nowhere_is_missed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Ray also finds it in a file that is named, or in the user's folder."""
    monkeypatch.setenv("RAY_AUTH_MODE", "token")
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(ProviderNotReady, match="the same RAY_AUTH_TOKEN on all machines"):
        check_guard(SETTINGS)
    (tmp_path / ".ray").mkdir()
    (tmp_path / ".ray" / "auth_token").write_text("a" * 64)
    check_guard(SETTINGS)
    (tmp_path / ".ray" / "auth_token").unlink()
    monkeypatch.setenv("RAY_AUTH_TOKEN_PATH", "cluster.token")
    check_guard(SETTINGS)


def test_another_token_is_not_tried_again() -> None:
    check_answer("Failed to connect to GCS")
    with pytest.raises(ProviderNotReady, match="another token"):
        check_answer("AuthenticationError: RPC error: InvalidAuthToken: Authentication token is missing")


def test_where_ray_is_missing_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.providers.tier.ray_node.find_spec", lambda _: None)
    with pytest.raises(ProviderNotReady, match="extras add ray"):
        check_installed()


def test_a_node_of_the_cluster_is_found_among_processes(tmp_path: Path) -> None:
    assert has_node("10.0.0.1:6399", "", tmp_path / "none"), "where nothing can be listed there may be one"
    assert not has_node("10.0.0.1:6399", "", tmp_path)
    (tmp_path / "7").mkdir()
    arguments = [
        "/ray/raylet",
        "--node_ip_address=10.0.0.2",
        "--worker=python --gcs-address=10.0.0.1:6399",
        "",
    ]
    (tmp_path / "7" / "cmdline").write_bytes("\0".join(arguments).encode())
    assert has_node("10.0.0.1:6399", "", tmp_path)
    assert has_node("10.0.0.1:6399", "10.0.0.2", tmp_path)
    assert not has_node("10.0.0.1:6399", "10.0.0.20", tmp_path)
    assert not has_node("10.0.0.1:639", "", tmp_path)


def test_helpers_of_a_node_get_ports_of_their_own() -> None:
    ports = find_free_ports()
    assert len(set(ports)) == len(ports) == 4


def test_a_node_that_is_being_started_ends_when_it_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """The signal comes to another thread than the one that waits for Ray."""
    command = (sys.executable, "-c", "import time; time.sleep(600)")
    monkeypatch.setattr(ray_node, "RAY", command)
    monkeypatch.setattr(ray_node, "check_installed", lambda: None)
    monkeypatch.setattr(ray_node, "has_node", lambda *_: False)
    has_tried = threading.Event()

    class Node(RayNode):
        def _try_connect(self) -> bool:
            has_tried.set()
            return False

    node = Node(SETTINGS.model_copy(update={"trusted_network": True}))
    with ThreadPoolExecutor(1) as pool:
        joining = pool.submit(node.join)
        assert has_tried.wait(60)
        assert node._node is not None
        process = node._node
        node.give_up()
        with pytest.raises(ProviderNotReady):
            joining.result(60)
    assert process.poll() is not None


def test_ray_logs_as_other_libraries_do(caplog: pytest.LogCaptureFixture) -> None:
    share_log()
    logging.getLogger("ray._private.worker").warning("SIGTERM handler is not set")
    logging.getLogger("ray.other").warning("the disk is full")
    assert [record.getMessage() for record in caplog.records] == ["the disk is full"]
    assert logging.getLogger("ray").handlers == []


NOISE = """
import logging, os
from app.core.logging import configure_logging
from app.providers.tier import ray_node
ray = logging.getLogger("ray")
ray.addHandler(logging.StreamHandler())
ray.propagate = False
{first}
{second}
ray_node.share_log()
os.write(2, b"a library's own words\\n")
logging.getLogger("ray.other").warning("there is no handler")
logging.getLogger("app.tier").info("joined")
"""


@pytest.mark.parametrize("is_log_first", [False, True], ids=["a server's process", "a worker"])
def test_with_a_log_of_objects_ray_writes_none_of_its_lines_there(*, is_log_first: bool) -> None:
    """Its libraries write to standard error past Python, as the dump of its state at the end."""
    silence, log = "ray_node.silence_ray()", 'configure_logging("info", "json")'
    first, second = (log, silence) if is_log_first else (silence, log)
    program = NOISE.format(first=first, second=second)
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, env=make_environment(), timeout=60, check=True
    )
    told = [json.loads(line)["message"] for line in done.stderr.splitlines()]
    assert told == ["there is no handler", "joined"]


def start_program() -> "subprocess.Popen[bytes]":
    """A program that ends when it has read a line."""
    return subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)


async def test_a_node_that_ends_by_itself_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """As when the head of its cluster was started anew: Ray tells its drivers nothing."""
    monkeypatch.setattr("app.providers.tier.ray_node._LOOK_S", 0.01)
    node = RayNode(SETTINGS)
    assert not node.has_ended(), "it has started none"
    with start_program() as process:
        node._node = process
        assert not node.has_ended()
        process.communicate(b"\n")
        with anyio.fail_after(60):
            await node.wait_end()
    node.end_node()
    assert not node.has_ended(), "an end that was asked for is none by itself"
