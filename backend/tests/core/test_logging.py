"""The log of failures: the place of an error, and never its words."""

import logging

import pytest

from app.core.logging import log_failure, report_fault

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
