"""Close codes and HTTP statuses become errors of the client."""

import pytest

from app.client.errors import (
    ClientError,
    ConnectionLost,
    Refused,
    ServerFailed,
    Unreachable,
    make_close_error,
    make_status_error,
)


@pytest.mark.parametrize(
    ("code", "kind", "words"),
    [
        (1000, ConnectionLost, "ended the dictation early"),
        (1006, ConnectionLost, "broke off"),
        (1008, Refused, "does not allow"),
        (1011, ServerFailed, "engine failed"),
        (1012, ConnectionLost, "restarting"),
        (1013, Refused, "full"),
        (4408, ConnectionLost, "waited too long"),
        (4999, ConnectionLost, "code 4999"),
    ],
)
def test_a_close_code_has_a_meaning(code: int, kind: type[ClientError], words: str) -> None:
    error = make_close_error(code, "")
    assert type(error) is kind
    assert words in str(error)


def test_the_servers_own_words_come_first() -> None:
    error = make_close_error(1006, "too long", "session_too_long")
    assert isinstance(error, ConnectionLost)
    assert (str(error), error.code, error.close_code) == ("too long", "session_too_long", 1006)


@pytest.mark.parametrize(
    ("status", "kind"),
    [(400, Refused), (404, Refused), (503, Refused), (500, ServerFailed), (502, ServerFailed)],
)
def test_a_status_is_a_refusal_or_a_failure(status: int, kind: type[ClientError]) -> None:
    assert type(make_status_error(status, "no", "code")) is kind
    assert f"status {status}" in str(make_status_error(status, ""))


def test_every_error_is_a_client_error() -> None:
    assert issubclass(Unreachable, ClientError)
    assert issubclass(Refused, ClientError)
