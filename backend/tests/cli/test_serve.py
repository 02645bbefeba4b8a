"""`prompter serve` binds its port, and refuses what it should."""

import re
import signal
import socket
from pathlib import Path

import pytest

from app.cli.common import CommandError
from app.cli.serve import RECEIVE_BUFFER_BYTES, bind_listener
from tests.support.command import get_only_line, run_prompter
from tests.support.terminal import FakeTerminal


def test_a_port_in_use_is_one_line() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = run_prompter("serve", "--port", port)
    assert done.returncode == 1
    line = get_only_line(done.stderr)
    assert f"port {port} is in use" in line
    assert f"PORT={port + 1}" in line


@pytest.mark.skipif(not Path("/proc/net/tcp").exists(), reason="only Linux tells who listens")
def test_a_port_in_use_names_the_program() -> None:
    program = Path("/proc/self/comm").read_text().strip()
    with (
        socket.create_server(("127.0.0.1", 0)) as taken,
        pytest.raises(CommandError, match=re.escape(program)),
    ):
        bind_listener("127.0.0.1", taken.getsockname()[1])


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.7", "server.example"])
def test_other_machines_are_kept_out(host: str) -> None:
    done = run_prompter("serve", "--host", host, "--port", "0")
    assert done.returncode == 4
    assert "--insecure" in get_only_line(done.stderr)
    by_setting = run_prompter("serve", "--port", "0", env={"PROMPTER_HOST": host})
    assert by_setting.stderr == done.stderr


def test_other_machines_may_be_let_in(clean_environment: None) -> None:
    served = FakeTerminal("--host", "0.0.0.0", "--insecure", PROMPTER_STT__PROVIDER="cloud_stub")
    with served.process:
        served.wait_for(r"listening at http://127\.0\.0\.1:\d+")
        assert served.end(signal.SIGINT)[0] == 0


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ('{"prompter-theme": 1, "name": "x", "dark": {"ink": "red"}}', "dark.ink: expected a colour"),
        ('{\n"name": }', "line 2: this is not JSON"),
        (None, "the file cannot be read"),
    ],
)
def test_a_theme_that_cannot_be_used_is_one_line(tmp_path: Path, content: str | None, said: str) -> None:
    path = tmp_path / "theme.json"
    if content is not None:
        path.write_text(content)
    done = run_prompter("serve", "--port", "0", env={"PROMPTER_WEB__THEME": str(path)})
    assert done.returncode == 1
    line = get_only_line(done.stderr)
    assert "PROMPTER_WEB__THEME" in line
    assert said in line


def test_wyoming_lets_nobody_else_in_either() -> None:
    done = run_prompter("serve", "--port", "0", "--wyoming", "tcp://0.0.0.0:10300")
    assert done.returncode == 4
    assert "--wyoming lets other machines in" in get_only_line(done.stderr)
    wrong = run_prompter("serve", "--port", "0", "--wyoming", "10300")
    assert wrong.returncode == 2
    assert "tcp://127.0.0.1:10300" in get_only_line(wrong.stderr)


def test_wyoming_is_announced_and_brings_what_was_said_at_the_end(clean_environment: None) -> None:
    """Port 0 picks one, as that of the server does, and it is told which."""
    served = FakeTerminal("--wyoming", "tcp://127.0.0.1:0", PROMPTER_STT__PROVIDER="cloud_stub")
    with served.process:
        found = served.wait_for(r"Wyoming \(Home Assistant\) at tcp://127\.0\.0\.1:(\d+)")
        with socket.create_connection(("127.0.0.1", int(found[1])), timeout=30) as client:
            client.sendall(b'{"type": "audio-start", "data": {"rate": 16000, "width": 2, "channels": 1}}\n')
            client.sendall((b'{"type": "audio-chunk", "payload_length": 3200}\n' + bytes(3200)) * 3)
            client.sendall(b'{"type": "describe"}\n')
            received = client.makefile("rb")
            while b'"info"' not in received.readline():
                pass
            assert served.end(signal.SIGINT)[0] == 0
            assert b'"transcript-stop"' in received.read()


def test_an_address_of_another_machine_is_one_line() -> None:
    done = run_prompter("serve", "--host", "192.0.2.7", "--port", "0", "--insecure")
    assert done.returncode == 1
    assert "expected an address of this machine" in get_only_line(done.stderr)


def test_a_wrong_setting_is_one_line() -> None:
    done = run_prompter("serve", env={"PROMPTER_VAD__THRESHOLD": "2"})
    assert done.returncode == 2
    assert "PROMPTER_VAD__THRESHOLD" in get_only_line(done.stderr)


def test_little_is_kept_of_a_client_that_waits() -> None:
    """Linux doubles the figure for its own accounts."""
    with bind_listener("127.0.0.1", 0) as listener:
        kept = listener.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF)
        assert RECEIVE_BUFFER_BYTES <= kept <= 2 * RECEIVE_BUFFER_BYTES
