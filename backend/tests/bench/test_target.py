"""The server to measure: every address that people write, and processes of our own."""

import pytest

from app.bench.figures import BenchError
from app.bench.target import normalize_server_url


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
