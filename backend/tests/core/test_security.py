"""Peers, hosts and origins: what counts as this machine, and which page may use a server."""

import pytest

from app.core.security import (
    LOCAL_CALLER,
    LOCAL_USER_ID,
    SCOPES,
    is_loopback,
    is_origin_allowed,
    parse_host,
    read_tcp_uri,
)


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("127.0.0.1", True),
        ("127.8.9.1", True),
        ("localhost", True),
        ("::1", True),
        ("[::1]", True),
        ("::ffff:127.0.0.1", True),
        ("::ffff:192.0.2.1", False),
        ("192.0.2.1", False),
        ("localhost.example", False),
        ("0.0.0.0", False),  # an address of a test
        ("", False),
    ],
)
def test_what_is_loopback(host: str, expected: bool) -> None:
    assert is_loopback(host) is expected


@pytest.mark.parametrize(
    ("netloc", "name"),
    [
        ("localhost:8000", "localhost"),
        ("LocalHost", "localhost"),
        ("[::1]:8000", "::1"),
        ("[FE80::1]", "fe80::1"),
        ("prompter.example:443", "prompter.example"),
        ("[::1]", "::1"),
        ("127.0.0.1", "127.0.0.1"),
        ("localhost:", "localhost"),
        ("box_1.lan", "box_1.lan"),
        ("", ""),
        *(
            (malformed, "")
            for malformed in (
                "[::1].evil.example",
                "[::1]evil.example:8000",
                "[::1]:8000.evil.example",
                "[::1",
                "::1",
                "[localhost]",
                "localhost:evil.example",
                "localhost:8000@evil.example",
                "localhost:8000:8000",
                "evil.example@localhost",
                "localhost, evil.example",
                "localhost/evil.example",
                "localhost\n",
                "localhost:١",
                "localhost:123456",
            )
        ),
    ],
)
def test_the_name_in_a_host_header(netloc: str, name: str) -> None:
    assert parse_host(netloc) == name


@pytest.mark.parametrize(
    ("origin", "scheme", "expected"),
    [
        ("http://localhost:8000", "http", True),
        ("http://localhost:8000", "ws", True),
        ("https://localhost:8000", "wss", True),
        ("HTTP://LOCALHOST:8000", "http", True),
        ("https://localhost:8000", "http", False),
        ("http://localhost", "http", False),
        ("http://localhost:8000.evil.example", "http", False),
        ("https://app.example", "http", True),
        ("https://app.example.evil", "http", False),
        ("null", "http", False),
        ("", "http", False),
    ],
)
def test_which_origins_may_use_a_server(origin: str, scheme: str, expected: bool) -> None:
    assert is_origin_allowed(origin, scheme, "localhost:8000", {"https://app.example"}) is expected


def test_the_local_caller_may_do_everything() -> None:
    assert (LOCAL_CALLER.user_id, LOCAL_CALLER.role, LOCAL_CALLER.via) == (LOCAL_USER_ID, "admin", "local")
    assert LOCAL_CALLER.scopes == SCOPES == {"stt", "llm", "chat", "metrics"}
    assert LOCAL_CALLER.expires_at is None


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("tcp://127.0.0.1:10300", ("127.0.0.1", 10_300)),
        (" tcp://[::1]:10300/ ", ("::1", 10_300)),
        ("tcp://ha.example:0", ("ha.example", 0)),
    ],
)
def test_addresses_of_tcp(text: str, expected: tuple[str, int]) -> None:
    assert read_tcp_uri(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "",
        "10300",
        "tcp://127.0.0.1",
        "tcp://:10300",
        "tcp://a:65536",
        "http://a:1",
        "tcp://u@a:1",
        "tcp://a:1/x",
    ],
)
def test_what_is_no_address_of_tcp(text: str) -> None:
    with pytest.raises(ValueError, match=r"tcp://127\.0\.0\.1:10300"):
        read_tcp_uri(text)
