"""Short pauses between checkpoints for the tests of conversations."""

import pytest

from app.services.chat import answer, checkpoints


@pytest.fixture(autouse=True)
def no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    """Save as soon as there is anything, and try again at once."""
    monkeypatch.setattr(checkpoints, "SAVE_S", 0.03)
    monkeypatch.setattr(answer, "RETRY_S", 0.05)
