"""What the tests of model files share: an empty cache, a model hub, and a package index."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fakes.hub import FakeHub
from tests.fakes.package_index import FakeIndex
from tests.support.checkpoints import CARD, FILES, REPO


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty Hugging Face cache, so that this machine's own is never seen."""
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    return tmp_path / "cache"


@pytest.fixture(autouse=True)
def no_index(monkeypatch: pytest.MonkeyPatch) -> None:
    """No package index, so that this machine's own is never asked."""
    for name in [name for name in os.environ if name.startswith(("PIP_", "UV"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_RETRIES", "0")


@pytest.fixture
def index(no_index: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeIndex]:
    with FakeIndex().serve() as fake:
        monkeypatch.delenv("PIP_NO_INDEX")
        monkeypatch.setenv("PIP_INDEX_URL", fake.simple_url)
        yield fake


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeHub]:
    with FakeHub().serve() as fake:
        fake.add(REPO, {**FILES, **CARD, "notes.txt": b"not wanted"})
        monkeypatch.setenv("HF_ENDPOINT", fake.address)
        yield fake


@pytest.fixture
def unused_address(reserved_port: int) -> str:
    """An address where nobody listens."""
    return f"http://127.0.0.1:{reserved_port}"
