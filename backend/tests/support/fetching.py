"""A server whose weights come from an index of the tests' own, and what a client sees of a download."""

import os
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest

from app.core.config import Settings
from tests.fakes.package_index import FakeIndex
from tests.support.packaged_weights import use_small_weights
from tests.support.server import RunningServer, run_server

PATIENCE_S = 30.0


@contextmanager
def serve_small_weights(patch: pytest.MonkeyPatch, folder: Path) -> Iterator[FakeIndex]:
    """A package index with small weights in the place of `base` and `smollm2`, and a hub that does not answer."""
    with FakeIndex().serve() as index, socket.create_server(("127.0.0.1", 0)) as taken:
        for name in [name for name in os.environ if name.startswith(("PIP_", "UV"))]:
            patch.delenv(name)
        patch.setenv("PIP_CONFIG_FILE", os.devnull)
        patch.setenv("PIP_RETRIES", "0")
        patch.setenv("PIP_INDEX_URL", index.simple_url)
        patch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{taken.getsockname()[1]}")
        patch.setenv("HF_HUB_OFFLINE", "1")
        patch.setenv("HF_HUB_CACHE", str(folder / "cache"))
        use_small_weights(patch, index)
        yield index


def fetching_settings(folder: Path, **fields: Any) -> Settings:
    """Settings of a server with an empty models folder, and the engine that needs none."""
    return Settings(
        _env_file=None,
        models_dir=folder / "models",
        data_dir=folder / "data",
        stt={"provider": "cloud_stub"},
        llm={"discover": False},
        **fields,
    )


class CheckpointClient:
    """Asks `/api/checkpoints`, as the page does."""

    def __init__(self, http: httpx2.Client) -> None:
        self._http = http

    def list(self) -> dict[str, Any]:
        answer = self._http.get("/api/checkpoints")
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    def item(self, name: str) -> dict[str, Any]:
        found: dict[str, Any] = next(item for item in self.list()["items"] if item["name"] == name)
        return found

    def begin(self, name: str) -> httpx2.Response:
        return self._http.post(f"/api/checkpoints/{name}/fetch")

    def cancel(self, name: str) -> httpx2.Response:
        return self._http.delete(f"/api/checkpoints/{name}/fetch")

    def remove(self, name: str) -> httpx2.Response:
        return self._http.delete(f"/api/checkpoints/{name}")

    def until(self, holds: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """The download, once this holds for it."""
        deadline_s = time.monotonic() + PATIENCE_S
        while True:
            fetch: dict[str, Any] | None = self.list()["fetch"]
            if fetch and holds(fetch):
                return fetch
            assert time.monotonic() < deadline_s, f"it came to {fetch}"
            time.sleep(0.02)

    def until_state(self, *states: str) -> dict[str, Any]:
        return self.until(lambda fetch: fetch["state"] in states)


@contextmanager
def run_fetching_server(settings: Settings) -> Iterator[tuple[RunningServer, CheckpointClient]]:
    with (
        run_server(settings) as served,
        httpx2.Client(base_url=served.url, trust_env=False, timeout=20) as http,
    ):
        yield served, CheckpointClient(http)
