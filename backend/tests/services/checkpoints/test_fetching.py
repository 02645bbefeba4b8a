"""The rate of a download is that of its last seconds."""

import pytest

from app.services.checkpoints import fetching
from app.services.checkpoints.fetching import Fetch, FetchState
from app.weights.catalog import KNOWN


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
