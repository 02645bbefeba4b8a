"""Who listens on this machine, as the kernel's tables say."""

import os
import socket
import sys
from pathlib import Path

import pytest

from app.cli.listeners import Listener, decode_address, list_listeners

pytestmark = pytest.mark.skipif(not Path("/proc/net/tcp").exists(), reason="only Linux tells who listens")


def test_a_listener_is_named_with_its_address_and_program() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        (found,) = list_listeners(port)
        assert (found.address, found.port) == ("127.0.0.1", port)
        assert f"(pid {os.getpid()})" in found.program
        assert str(found) == f"127.0.0.1:{port} ({found.program})"
    assert list_listeners(port) == []


def test_one_that_listens_to_everybody_is_told_from_one_of_loopback() -> None:
    with socket.create_server(("0.0.0.0", 0)) as taken:
        port = taken.getsockname()[1]
        assert [each.address for each in list_listeners(port)] == ["0.0.0.0"]
        assert str(list_listeners(port)[0]).startswith(f"0.0.0.0:{port} (")
    assert str(Listener(address="::", port=8000, program="")) == "[::]:8000"


def test_a_socket_that_is_connected_and_does_not_listen_is_left_out() -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as taken,
        socket.create_connection(taken.getsockname()) as client,
    ):
        assert list_listeners(client.getsockname()[1]) == []


@pytest.mark.skipif(
    sys.byteorder != "little", reason="the kernel writes addresses in the machine's byte order"
)
@pytest.mark.parametrize(
    ("written", "address"),
    [
        ("0100007F", "127.0.0.1"),
        ("00000000", "0.0.0.0"),
        ("00000000000000000000000001000000", "::1"),
        ("0000000000000000FFFF00000100007F", "::ffff:127.0.0.1"),
        ("B80D0120000000000000000001000000", "2001:db8::1"),
    ],
)
def test_an_address_is_read_as_the_kernel_writes_it(written: str, address: str) -> None:
    assert decode_address(written) in (address, address.replace("127.0.0.1", "7f00:1"))
