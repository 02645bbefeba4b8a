"""A download has the rate of its last seconds, and an end whatever happens."""

import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import pytest
from filelock import FileLock

from app.core.errors import NotFound
from app.services.weights import fetching
from app.services.weights.fetching import Fetch, FetchState, WeightsFetcher
from app.weights.catalog import KNOWN, KnownWeights
from tests.support.fetching import fetching_settings


def make_fetch() -> Fetch:
    return Fetch(weights=KNOWN["base"], total_bytes=1000, done_bytes=0)


class Clock:
    """Stands in for the module `time`."""

    def __init__(self) -> None:
        self.now_s = 100.0

    def monotonic(self) -> float:
        return self.now_s


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(fetching, "time", clock)
    return clock


def test_before_anything_came_there_is_no_rate(clock: Clock) -> None:
    fetch = make_fetch()
    assert fetch.bytes_per_s is None
    fetch.count(10, 1000)
    assert fetch.bytes_per_s is None


def test_what_was_there_before_is_not_counted_as_speed(clock: Clock) -> None:
    fetch = make_fetch()
    for done_bytes in (500, 600, 700):
        fetch.count(done_bytes, 1000)
        clock.now_s += 1.0
    assert fetch.bytes_per_s == pytest.approx(100)


def test_old_seconds_are_forgotten_and_silence_has_no_rate(clock: Clock) -> None:
    fetch = make_fetch()
    fetch.count(0, 1000)
    for done_bytes in range(10, 110, 10):
        clock.now_s += 1.0
        fetch.count(done_bytes, 1000)
    assert fetch.bytes_per_s == pytest.approx(10)
    clock.now_s += fetching.RATE_S + 1
    assert fetch.bytes_per_s is None


@pytest.mark.parametrize("state", list(FetchState))
def test_only_two_states_are_under_way(state: FetchState) -> None:
    fetch = make_fetch()
    fetch.state = state
    assert fetch.is_under_way == (state in ("fetching", "measuring"))


# -- how it ends


class FakeDownload:
    """Stands in for `download_weights`: goes on when it is told to, and hears of no cancellation."""

    def __init__(self) -> None:
        self.goes_on = threading.Event()
        self.error: Exception | None = None

    def __call__(self, *_: Any, **__: Any) -> None:
        assert self.goes_on.wait(20)
        if self.error:
            raise self.error


@pytest.fixture
def download(monkeypatch: pytest.MonkeyPatch) -> FakeDownload:
    fake = FakeDownload()
    monkeypatch.setattr(fetching, "download_weights", fake)
    return fake


async def _ignore(_: KnownWeights) -> None:
    """Nothing is measured."""


@asynccontextmanager
async def run_fetcher(tmp_path: Path) -> AsyncIterator[WeightsFetcher]:
    fetcher = WeightsFetcher(fetching_settings(tmp_path), _ignore)
    async with fetcher.run():
        yield fetcher


async def wait_for_end(fetch: Fetch) -> FetchState:
    with anyio.fail_after(20):
        while fetch.is_under_way:  # noqa: ASYNC110  # a job sends no events
            await anyio.sleep(0.01)
    return fetch.state


async def test_a_fault_of_the_server_ends_a_download(tmp_path: Path, download: FakeDownload) -> None:
    """One that stayed under way would refuse every other one until a restart."""
    download.error = RuntimeError("a fault")
    download.goes_on.set()
    async with run_fetcher(tmp_path) as fetcher:
        failed = await fetcher.begin("base")
        assert await wait_for_end(failed) == "failed"
        assert "its log" in str(failed.error)
        download.error = None
        assert await wait_for_end(await fetcher.begin("smollm2")) == "done"


@pytest.mark.parametrize("error", [None, OSError(28, "No space left on device")])
async def test_what_was_cancelled_stays_so(
    tmp_path: Path, download: FakeDownload, error: Exception | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its thread may be at its end by then."""
    monkeypatch.setattr(fetching, "CANCEL_S", 0.05)
    download.error = error
    async with run_fetcher(tmp_path) as fetcher:
        fetch = await fetcher.begin("base")
        assert (await fetcher.cancel("base")).state == "cancelled"
        download.goes_on.set()
        after = await fetcher.begin("smollm2")
        assert await wait_for_end(after) in ("done", "failed")
        assert (fetch.state, fetch.error) == ("cancelled", None)


async def test_what_another_server_fetches_is_not_forgotten(tmp_path: Path) -> None:
    """The file says what a server goes on with; the other one needs it, should it end early."""
    settings = fetching_settings(tmp_path)
    wanted = settings.data_dir / fetching.WANTED
    for folder in (settings.data_dir, settings.models_dir):
        folder.mkdir()
    wanted.write_text("base")
    with FileLock(settings.models_dir / ".base.lock"):
        async with run_fetcher(tmp_path) as fetcher:
            assert fetcher.latest is not None
            assert await wait_for_end(fetcher.latest) == "failed"
            assert fetcher.latest.error is not None
            assert fetcher.latest.error.code == "fetched_elsewhere"
            with pytest.raises(NotFound):
                await fetcher.remove("base")  # which waits for its thread to end
            assert wanted.read_text() == "base"
