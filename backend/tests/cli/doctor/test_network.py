"""The checks of ports, access, certificate and proxy: each finding, at real sockets and servers."""

import http.server
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from app.bench.target import reserve_port
from app.cli.doctor import network
from app.cli.doctor.findings import Finding
from app.core.config import AccountSettings, Settings, WyomingSettings
from tests.fakes.engine import FakeEngine
from tests.support.command import run_prompter
from tests.support.server import serve_engine

NOW = datetime.now(UTC)


def make_settings(**fields: Any) -> Settings:
    return Settings(_env_file=None, **fields)


def get_only(findings: Iterator[Finding]) -> Finding:
    (found,) = findings
    return found


# -- ports


def test_a_free_port_is_in_order() -> None:
    with reserve_port() as port:
        pass
    found = get_only(network.check_server(make_settings(port=port)))
    assert (found.check, found.state) == ("port", "ok")
    assert f"127.0.0.1:{port} is free" in found.message
    assert get_only(network.check_server(make_settings(port=0))).state == "ok"


def test_another_program_at_the_port_is_named() -> None:
    """One that answers no HTTP, and one that does and is no PROMPTer."""
    with socket.create_server(("127.0.0.1", 0), backlog=1) as taken, answering_nothing(taken):
        port = taken.getsockname()[1]
        found = get_only(network.check_server(make_settings(port=port)))
    assert found.state == "problem"
    assert f"127.0.0.1:{port} is in use by 127.0.0.1:{port} (" in found.message
    assert "PROMPTER_PORT" in found.advice

    site = http.server.ThreadingHTTPServer(("127.0.0.1", 0), http.server.BaseHTTPRequestHandler)
    threading.Thread(target=site.serve_forever, daemon=True).start()
    try:
        found = get_only(network.check_server(make_settings(port=site.server_address[1])))
    finally:
        site.shutdown()
        site.server_close()
    assert found.state == "problem"


@contextmanager
def answering_nothing(listener: socket.socket) -> Iterator[None]:
    """Close each connection at once."""

    def close_all() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            connection.close()

    threading.Thread(target=close_all, daemon=True).start()
    try:
        yield
    finally:
        listener.shutdown(socket.SHUT_RDWR)


def test_a_server_that_runs_says_how_it_is() -> None:
    engine = FakeEngine()
    with serve_engine(engine) as served:
        port = int(served.url.rpartition(":")[2])
        settings = make_settings(port=port)
        at_port, said = network.check_server(settings)
        assert at_port.state == "ok"
        assert f"a PROMPTer server answers at 127.0.0.1:{port}" in at_port.message
        assert (said.check, said.state) in (("server", "ok"), ("server", "warning"))
        served.resources.engines._failed_loops.append("default engine")
        failing = list(network.check_server(settings))[1]
    assert failing.state == "problem"
    assert "speech engines" in failing.message
    assert "restart it" in failing.advice


def test_a_server_without_workers_is_not_to_be_restarted() -> None:
    advice = network._advise_server(
        "decode workers: none is there; `prompter worker --ray ADDRESS` starts one"
    )
    assert "no restart" in advice


def test_a_port_that_needs_more_rights_and_an_address_of_another_machine() -> None:
    denied = network._explain_port("port", "127.0.0.1:80", 80, PermissionError(13, "Permission denied"))
    assert denied.state == "problem"
    assert "1024" in denied.advice
    elsewhere = network.check_port("port", "192.0.2.7", 8000)
    assert elsewhere.state == "problem"
    assert "PROMPTER_HOST" in elsewhere.advice


def test_wyoming_needs_a_free_port_and_a_user() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        settings = make_settings(wyoming=WyomingSettings(uri=f"tcp://127.0.0.1:{port}"))
        busy = network.check_wyoming(settings, is_running=False)
        assert busy.state == "problem"
        assert "PROMPTER_WYOMING__URI" in busy.advice
        assert network.check_wyoming(settings, is_running=True).state == "ok"
    assert network.check_wyoming(settings, is_running=False).state == "ok"
    with_accounts = settings.model_copy(update={"accounts": AccountSettings(mode="accounts")})
    assert "PROMPTER_WYOMING__USER" in network.check_wyoming(with_accounts, is_running=False).advice
    open_to_all = make_settings(wyoming=WyomingSettings(uri="tcp://0.0.0.0:10300"))
    assert network.check_wyoming(open_to_all, is_running=False).state == "problem"


# -- access


@pytest.mark.parametrize(
    ("fields", "state", "word"),
    [
        ({}, "ok", "this machine alone"),
        ({"host": "0.0.0.0"}, "problem", "refuses to start"),
        ({"host": "0.0.0.0", "insecure": True}, "warning", "anybody"),
        ({"host": "0.0.0.0", "accounts": {"mode": "accounts"}}, "warning", "in the clear"),
        ({"accounts": {"mode": "accounts"}}, "ok", "everybody logs in"),
    ],
)
def test_who_is_let_in(fields: dict[str, Any], state: str, word: str) -> None:
    found = get_only(network.check_access(make_settings(**fields)))
    assert found.state == state
    assert word in found.message
    assert bool(found.advice) == (state != "ok")


# -- the certificate


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tls")
    assert run_prompter("tls", "box.example", "--folder", folder).returncode == 0
    return folder


def with_tls(folder: Path, **fields: Any) -> Settings:
    return make_settings(tls_cert=str(folder / "cert.pem"), tls_key=str(folder / "key.pem"), **fields)


@pytest.mark.parametrize(
    ("days", "state", "word"),
    [
        (0, "ok", "is valid until"),
        (390, "warning", "expires in"),
        (398, "problem", "expired on"),
        (-2, "problem", "clock"),
    ],
)
def test_a_certificate_is_valid_for_a_time(tls: Path, days: int, state: str, word: str) -> None:
    found = get_only(network.check_certificate(with_tls(tls), NOW + timedelta(days=days)))
    assert found.state == state
    assert word in found.message
    if days > 0:
        assert "prompter tls --force" in found.advice


def test_a_certificate_names_the_hosts_that_the_server_answers_to(tls: Path) -> None:
    named = list(network.check_certificate(with_tls(tls, allowed_hosts=["box.example", "127.0.0.1"]), NOW))
    assert [each.state for each in named] == ["ok"]
    other = list(network.check_certificate(with_tls(tls, allowed_hosts=["prompter.example"]), NOW))
    assert [each.state for each in other] == ["ok", "warning"]
    assert "prompter.example" in other[1].advice


def test_a_certificate_that_cannot_be_used(tls: Path, tmp_path: Path) -> None:
    assert list(network.check_certificate(make_settings(), NOW)) == []
    alone = make_settings(tls_cert=str(tls / "cert.pem"))
    assert get_only(network.check_certificate(alone, NOW)).state == "problem"
    missing = get_only(network.check_certificate(with_tls(tmp_path), NOW))
    assert (missing.state, "no such file" in missing.message) == ("problem", True)
    run_prompter("tls", "--folder", tmp_path)
    foreign = make_settings(tls_cert=str(tls / "cert.pem"), tls_key=str(tmp_path / "key.pem"))
    mismatch = get_only(network.check_certificate(foreign, NOW))
    assert (mismatch.state, "mismatch" in mismatch.message) == ("problem", True)


# -- the proxy


@pytest.mark.parametrize(
    ("fields", "trusted", "states"),
    [
        ({}, "", []),
        ({"host": "0.0.0.0"}, "*", ["warning"]),
        ({"host": "0.0.0.0"}, "10.89.7.0/24", ["ok"]),
        ({}, "*", ["ok"]),
        ({"allowed_hosts": ["prompter.example"]}, "", ["ok"]),
        ({"accounts": {"mode": "accounts"}}, "", ["warning"]),
    ],
)
def test_a_proxy_is_trusted_and_its_name_admitted(
    fields: dict[str, Any], trusted: str, states: list[str]
) -> None:
    environ = {"FORWARDED_ALLOW_IPS": trusted} if trusted else {}
    found = list(network.check_proxy(make_settings(**fields), environ))
    assert [each.state for each in found] == states
