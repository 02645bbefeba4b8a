"""The server to measure: every address that people write, and processes of our own."""

import socket
import sys
from contextlib import ExitStack

import pytest

from app.bench.figures import BenchError
from app.bench.target import normalize_server_url, reserve_port


@pytest.mark.parametrize(
    ("given", "base"),
    [
        ("ws://127.0.0.1:8000/ws/stt", "http://127.0.0.1:8000"),
        ("wss://speech.example/voice/ws/stt", "https://speech.example/voice"),
        ("http://127.0.0.1:8000/", "http://127.0.0.1:8000"),
        ("127.0.0.1:8000", "http://127.0.0.1:8000"),
    ],
)
def test_any_address_of_a_server_will_do(given: str, base: str) -> None:
    assert normalize_server_url(given) == base


@pytest.mark.parametrize("given", ["ftp://127.0.0.1", "ws:///ws/stt"])
def test_other_addresses_are_refused(given: str) -> None:
    with pytest.raises(BenchError, match="no server"):
        normalize_server_url(given)


@pytest.mark.skipif(
    sys.platform != "linux", reason="only Linux reserves a port for a server that listens later"
)
def test_a_reserved_port_is_given_to_nobody_else_and_lets_its_server_listen() -> None:
    """As long as nobody listens, clients are refused; a server may end there and start again."""
    with reserve_port() as port:
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", port))
        with ExitStack() as stack:
            others = [stack.enter_context(reserve_port()) for _ in range(100)]
        assert port not in others
        assert len(set(others)) == len(others)
        with socket.socket() as stranger, pytest.raises(OSError, match="in use"):
            stranger.bind(("127.0.0.1", port))
        for host in ("127.0.0.1", ""):
            with (
                socket.create_server((host, port)) as server,
                socket.create_connection(("127.0.0.1", port)),
                server.accept()[0] as served,
            ):
                assert served.getsockname()[1] == port
