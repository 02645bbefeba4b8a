"""The checks of decode workers: each finding, at real sockets."""

import socket
from pathlib import Path

import pytest

from app.bench.target import reserve_port
from app.cli.doctor import tier
from app.cli.listeners import Listener, list_listeners_of
from app.core.config import DecodeSettings, Settings

TOKEN = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": "a" * 64}


def make_settings(address: str = "127.0.0.1:1", *, trusted_network: bool = False) -> Settings:
    decode = DecodeSettings(tier="ray", address=address, trusted_network=trusted_network)
    return Settings(_env_file=None, decode=decode)


def test_nothing_is_said_where_the_server_decodes_by_itself() -> None:
    assert list(tier.check_tier(Settings(_env_file=None), {})) == []


def test_a_cluster_that_strangers_reach_is_a_problem() -> None:
    found = next(tier.check_tier(make_settings(), {}))
    assert found.state == "problem"
    assert "RAY_AUTH_MODE=token" in found.advice


def test_a_token_that_is_nowhere_is_a_problem(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    found = next(tier.check_tier(make_settings(), {"RAY_AUTH_MODE": "token"}))
    assert (found.state, "RAY_AUTH_TOKEN" in found.advice) == ("problem", True)


def test_a_firewall_alone_is_a_warning() -> None:
    found = next(tier.check_tier(make_settings(trusted_network=True), {}))
    assert (found.state, found.check) == ("warning", "decode workers")
    assert next(tier.check_tier(make_settings(trusted_network=True), TOKEN)).state == "problem", (
        "nobody answers"
    )


def test_the_head_answers_or_not() -> None:
    with socket.create_server(("127.0.0.1", 0)) as head:
        found = next(tier.check_tier(make_settings(f"127.0.0.1:{head.getsockname()[1]}"), TOKEN))
        assert found.state == "ok"
    with reserve_port() as port:
        pass
    assert "ray start --head" in tier.check_head(f"127.0.0.1:{port}").advice
    assert "host:port" in tier.check_head("there").advice
    assert tier.check_head(f"{'a' * 70}:6399").state == "problem", "no name of a host is so long"


def test_where_ray_listens_is_told() -> None:
    (found,) = tier.check_ray_ports([])
    assert "no Ray" in found.message
    everywhere = [
        Listener(address="::", port=6399, program="gcs_server (pid 7)"),
        Listener(address="127.0.0.1", port=8265, program="raylet (pid 9)"),
    ]
    (found,) = tier.check_ray_ports(everywhere)
    assert found.message.startswith("other machines reach")
    assert "[::]:6399" in found.message
    (found,) = tier.check_ray_ports(everywhere[1:])
    assert found.message.startswith("this machine alone")


def test_listeners_are_found_by_their_program() -> None:
    with socket.create_server(("127.0.0.1", 0)) as ours:
        found = list_listeners_of("python", "pytest")
        assert ours.getsockname()[1] in [each.port for each in found]
    assert list_listeners_of("no such program") == []
