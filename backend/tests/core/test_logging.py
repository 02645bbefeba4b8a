"""The log: the place of an error and never its words, as text and as JSON."""

import io
import json
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stderr
from datetime import datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core.logging import (
    REQUEST_ID,
    JsonFormatter,
    configure_logging,
    log_failure,
    redact_path,
    report_fault,
)

ReadLog = Callable[[], list[dict[str, Any]]]

SECRET = "the purple submarine"
logger = logging.getLogger("app.tests")


def raised(error: Exception) -> Exception:
    try:
        raise error
    except Exception as caught:  # noqa: BLE001  # it is what the test is about
        return caught


def test_a_failure_has_its_place_and_not_its_words(caplog: pytest.LogCaptureFixture) -> None:
    log_failure(logger, "tool 'find' failed", raised(ValueError(SECRET)))
    assert caplog.messages[0].startswith("tool 'find' failed: ValueError\n")
    assert "in raised" in caplog.text
    assert SECRET not in caplog.text


def test_a_fault_of_ours_is_shown_without_its_kind(caplog: pytest.LogCaptureFixture) -> None:
    shown = report_fault(logger, "on /health", raised(ValueError(SECRET)))
    assert (shown.code, shown.message) == (
        "internal_error",
        "something failed on the server; its log has the place",
    )
    assert caplog.messages[0].startswith("unexpected ValueError on /health\n")
    assert SECRET not in caplog.text


def test_a_group_has_the_places_of_its_members(caplog: pytest.LogCaptureFixture) -> None:
    report_fault(logger, "in an answer", raised(ExceptionGroup("several", [raised(KeyError(SECRET))])))
    assert "unexpected ExceptionGroup in an answer" in caplog.text
    assert "KeyError inside:" in caplog.text
    assert caplog.text.count("in raised") == 2
    assert SECRET not in caplog.text


# -- as JSON


@contextmanager
def log_as_json() -> Iterator[ReadLog]:
    """The log as JSON while the block runs, and what has been written so far."""
    with redirect_stderr(io.StringIO()) as written:
        configure_logging("info", "json")
        try:
            yield lambda: [json.loads(line) for line in written.getvalue().splitlines()]
        finally:
            configure_logging("info")
            logging.captureWarnings(capture=False)


def test_an_object_has_the_time_with_its_offset_and_the_request() -> None:
    with log_as_json() as read_log:
        token = REQUEST_ID.set("0d9f6c1e")
        logger.info("a début\nin %s lines", "two")
        REQUEST_ID.reset(token)
        logger.debug("not logged at this level")
        logging.getLogger("another.library").warning("as an object too")
    first, second = read_log()
    assert datetime.fromisoformat(first.pop("time")).utcoffset() is not None
    assert first == {
        "level": "info",
        "logger": "app.tests",
        "message": "a début\nin two lines",
        "request_id": "0d9f6c1e",
    }
    assert (second["logger"], second["level"]) == ("another.library", "warning")
    assert "request_id" not in second


def test_an_object_has_the_type_and_place_of_an_error_and_not_its_words() -> None:
    with log_as_json() as read_log:
        group = ExceptionGroup("several", [raised(KeyError(SECRET))])
        log_failure(logger, "tool 'find' failed", raised(group))
        logger.error("a library's own way", exc_info=raised(ValueError(SECRET)))
    of_group, single = read_log()
    assert of_group["message"] == "tool 'find' failed: ExceptionGroup"
    assert of_group["exception"]["type"] == "ExceptionGroup"
    (inside,) = of_group["exception"]["inside"]
    assert inside["type"] == "KeyError"
    assert inside["place"][-1].endswith(" in raised")
    assert single["exception"]["type"] == "ValueError"
    assert SECRET not in json.dumps([of_group, single])


def test_a_log_as_text_follows_one_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    """Of two applications in one process the later one decides."""
    with log_as_json():
        pass
    configure_logging("info")
    logger.info("plain")
    assert capsys.readouterr().err == "INFO app.tests: plain\n"
    assert not any(type(each).__module__ == "app.core.logging" for each in logging.getLogger().handlers)


@given(st.text(), st.text())
def test_whatever_a_message_holds_is_one_line_of_ascii(message: str, name: str) -> None:
    record = logging.LogRecord(name, logging.INFO, "here.py", 1, "%s", (message,), None)
    line = JsonFormatter().format(record)
    assert line.isascii()
    assert len(line.splitlines()) == 1
    assert json.loads(line)["message"] == message.strip()


TOKEN = "mR4aVn0c-x_2Zt9Qe7LkPwYd3Hs8Gf1JbUo5Xi6NvTA"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (f"/s/{TOKEN}", "/s/…"),
        (f"/s/{TOKEN}?lang=es&page=2", "/s/…"),
        (f"/s/{TOKEN}/files/3", "/s/…"),
        (f"//s/{TOKEN}/", "//s/…"),
        (f"https://prompter.example/s/{TOKEN} and /s/short", "https://prompter.example/s/… and /s/…"),
        (f"{{'path': '/s/{TOKEN}', 'method': 'GET'}}", "{'path': '/s/…', 'method': 'GET'}"),
        ("/api/shares", "/api/shares"),
        ("/assets/index.js", "/assets/index.js"),
    ],
)
def test_the_address_of_a_shared_page_is_redacted(text: str, shown: str) -> None:
    assert redact_path(text) == shown


def test_what_a_web_server_logs_of_a_request_is_redacted(caplog: pytest.LogCaptureFixture) -> None:
    """Its formatter takes five arguments, and gets them."""
    configure_logging("info")
    configure_logging("info")
    access = logging.getLogger("uvicorn.access")
    with caplog.at_level(logging.INFO, logger="uvicorn.access"):
        line = ("127.0.0.1:5000", "GET", f"/s/{TOKEN}", "1.1", 200)
        access.info('%s - "%s %s HTTP/%s" %d', *line)
        access.info("plain")
    assert caplog.records[-2].args == ("127.0.0.1:5000", "GET", "/s/…", "1.1", 200)
    assert caplog.messages == ['127.0.0.1:5000 - "GET /s/… HTTP/1.1" 200', "plain"]
    assert len(access.filters) == 1
