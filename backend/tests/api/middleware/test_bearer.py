"""Tokens of requests and handshakes: one, in one place, in one form."""

from typing import Any

import pytest

from app.api.middleware.bearer import MAX_TOKEN_LENGTH, choose_subprotocol, read_token
from app.core.errors import BadRequest, Unauthorized


def scope(*headers: bytes, query: str = "", subprotocols: tuple[str, ...] = ()) -> dict[str, Any]:
    return {
        "type": "http",
        "headers": [(b"authorization", value) for value in headers] + [(b"accept", b"*/*")],
        "query_string": query.encode(),
        "subprotocols": list(subprotocols),
    }


@pytest.mark.parametrize("header", [b"Bearer abc", b"bearer  abc", b"BEARER abc", b" Bearer abc\t"])
def test_the_token_of_a_header(header: bytes) -> None:
    assert read_token(scope(header)) == "abc"


@pytest.mark.parametrize("carrier", ["bearer.abc", "openai-insecure-api-key.abc"])
def test_the_token_of_a_subprotocol_is_never_answered(carrier: str) -> None:
    handshake = scope(subprotocols=("prompter", carrier))
    assert read_token(handshake) == "abc"
    assert choose_subprotocol(handshake) == "prompter"
    assert choose_subprotocol(scope(subprotocols=(carrier,))) is None


def test_without_a_token_there_is_none() -> None:
    assert read_token(scope(query="q=token&limit=5")) is None
    assert choose_subprotocol(scope()) is None


@pytest.mark.parametrize(
    "headers",
    [
        (b"",),
        (b"Bearer",),
        (b"Bearer ",),
        (b"abc",),
        (b"Basic abc",),
        (b"Bearer a b",),
        (b"Bearer a,b",),
        (b"Bearer caf\xc3\xa9",),
        (b"Bearer abc", b"Bearer abc"),
        (b"Bearer " + b"x" * (MAX_TOKEN_LENGTH + 1),),
    ],
)
def test_what_two_parsers_could_read_differently_is_refused(headers: tuple[bytes, ...]) -> None:
    with pytest.raises(Unauthorized, match="must stand once"):
        read_token(scope(*headers))


def test_a_header_and_a_subprotocol_are_one_too_many() -> None:
    with pytest.raises(Unauthorized):
        read_token(scope(b"Bearer abc", subprotocols=("bearer.abc",)))


@pytest.mark.parametrize("query", ["token=abc", "q=1&API_KEY=abc", "access%5Ftoken=", "authorization=x"])
def test_a_token_in_a_url_is_refused(query: str) -> None:
    with pytest.raises(BadRequest, match="must not be part of a URL"):
        read_token(scope(query=query))


def keyed(*headers: tuple[bytes, bytes], path: str = "/v1/messages") -> dict[str, Any]:
    return {"type": "http", "headers": list(headers), "query_string": b"", "path": path}


def test_a_key_in_the_header_of_anthropics_clients() -> None:
    """Under /v1 alone, where those clients ask."""
    assert read_token(keyed((b"x-api-key", b" abc "))) == "abc"
    assert read_token(keyed((b"x-api-key", b"abc"), path="/api/keys")) is None


def test_a_client_with_both_settings_may_send_its_key_twice() -> None:
    assert read_token(keyed((b"authorization", b"Bearer abc"), (b"x-api-key", b"abc"))) == "abc"


@pytest.mark.parametrize(
    "headers",
    [
        [(b"authorization", b"Bearer abc"), (b"x-api-key", b"other")],
        [(b"x-api-key", b"abc"), (b"x-api-key", b"other")],
        [(b"x-api-key", b"a b")],
        [(b"x-api-key", b"")],
    ],
)
def test_two_keys_or_a_malformed_one_are_refused(headers: list[tuple[bytes, bytes]]) -> None:
    with pytest.raises(Unauthorized, match="x-api-key"):
        read_token(keyed(*headers))
