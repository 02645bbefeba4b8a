"""What the tests of the decoder process share."""

from collections.abc import Callable
from pathlib import Path

import pytest

from app.providers.media import worker


@pytest.fixture
def script(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """A decoder of the test's own instead: give it its code."""
    body = tmp_path / "worker_under_test.py"
    monkeypatch.setattr(worker, "__file__", str(body))

    def write(code: str) -> None:
        body.write_text(code)

    return write
