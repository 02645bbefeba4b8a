"""Fixtures for the tests of routes."""

import pytest

from app.services.llm import waiting


@pytest.fixture
def eager_words(monkeypatch: pytest.MonkeyPatch) -> None:
    """What an answer waits for is told sooner than a person would want it."""
    monkeypatch.setattr(waiting, "CHECK_S", 0.01)
    monkeypatch.setattr(waiting, "WAIT_S", 0.05)
    monkeypatch.setattr(waiting, "WORKING_S", 1.0)  # a busy machine takes a while until it loads
