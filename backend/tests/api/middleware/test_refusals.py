"""What the network checks say: which two values differ, and what a person is shown."""

from typing import Any

import pytest

from app.api.middleware.refusals import FOREIGN_HOST, FOREIGN_PEER, explain_origin, make_refusal
from app.core.errors import MessageTooBig, NotAllowed, PrompterError

KNOWN = frozenset({"prompter.example", "localhost", "::1"})
BROWSER = "text/html,application/xhtml+xml;q=0.9,*/*;q=0.8"


@pytest.mark.parametrize(
    ("origin", "scheme", "host", "shown"),
    [
        # nginx with `Host $host`, no X-Forwarded-Proto, and no Host of the page's at all
        (
            "https://prompter.example:8443",
            "https",
            "prompter.example",
            ["'https://prompter.example:8443' (Origin)", "'https://prompter.example' (Host)"],
        ),
        (
            "https://prompter.example",
            "ws",
            "prompter.example",
            ["'https://prompter.example' (Origin)", "'http://prompter.example' (Host)"],
        ),
        (
            "https://prompter.example",
            "http",
            "localhost:8000",
            ["'https://prompter.example' (Origin)", "'http://localhost:8000' (Host)"],
        ),
        (
            "http://[::1]:5173",
            "http",
            "[::1]:8000",
            ["'http://[::1]:5173' (Origin)", "'http://[::1]:8000' (Host)"],
        ),
        (
            "https://midnight.example",
            "http",
            "localhost:8000",
            ["Origin differs from 'http://localhost:8000' (Host)"],
        ),
        ("null", "http", "localhost:8000", ["Origin differs from 'http://localhost:8000' (Host)"]),
        ("https://midnight.example", "http", "midnight.example", ["the headers Origin and Host differ"]),
        ("https://midnight@localhost:8000", "http", "localhost:8000", ["Origin differs from"]),
    ],
)
def test_the_two_values_that_differ_are_named(origin: str, scheme: str, host: str, shown: list[str]) -> None:
    text = explain_origin(origin, scheme, host, KNOWN)
    for part in shown:
        assert part in text
    assert "midnight" not in text, "a name that the server does not know is not repeated"
    assert "allowed_origins" in text


def ask(refusal: PrompterError, method: str = "GET", **headers: str) -> Any:
    named = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    scope = {"type": "http", "path": "/", "method": method, "headers": named, "state": {"request_id": "7"}}
    return make_refusal(refusal, scope)


@pytest.mark.parametrize(
    ("message", "accept_language", "expected"),
    [
        (FOREIGN_HOST, "", "PROMPTER_ALLOWED_HOSTS=prompter.example"),
        (FOREIGN_HOST, "de-DE, en;q=0.7, es;q=0.5", "does not know this name"),
        (FOREIGN_HOST, "es-MX,es;q=0.9,en;q=0.8", "no conoce este nombre"),
        (FOREIGN_PEER, "fr", "accepts its own machine only"),
        (FOREIGN_PEER, "es", "solo acepta su propia máquina"),
    ],
)
def test_a_person_gets_a_page(message: str, accept_language: str, expected: str) -> None:
    answer = ask(
        NotAllowed(message), accept=BROWSER, accept_language=accept_language, host="midnight.example"
    )
    assert answer.status_code == 403
    assert answer.media_type == "text/html"
    assert answer.headers["vary"] == "Accept, Accept-Language"
    text = answer.body.decode()
    assert expected in text
    assert "midnight" not in text


def test_programs_and_forms_get_json() -> None:
    for answer in (
        ask(NotAllowed(FOREIGN_HOST)),
        ask(NotAllowed(FOREIGN_HOST), accept="*/*"),
        ask(NotAllowed(FOREIGN_HOST), "POST", accept=BROWSER),
        ask(MessageTooBig("too much"), accept=BROWSER),
    ):
        assert answer.media_type == "application/json"
