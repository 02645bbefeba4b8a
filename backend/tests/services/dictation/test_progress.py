"""What a dictation is told to wait for, and when."""

from app.providers.base import SAMPLE_RATE_HZ
from app.services.dictation.progress import DECODING_S, Progress, ProgressWatch


def observe(
    watch: ProgressWatch,
    now: float,
    *,
    backlog_s: float = 0.0,
    final_since: float | None = None,
    place: int | None = None,
) -> Progress | None:
    backlog = int(backlog_s * SAMPLE_RATE_HZ)
    return watch.observe(now, backlog_samples=backlog, final_since=final_since, place=place)


def test_a_final_that_comes_soon_is_not_told() -> None:
    watch = ProgressWatch()
    assert observe(watch, 10.0) is None
    assert observe(watch, 10 + DECODING_S - 0.05, final_since=10.0) is None
    assert observe(watch, 10 + DECODING_S) is None


def test_a_final_that_takes_long_is_told_once_and_its_end() -> None:
    watch = ProgressWatch()
    assert observe(watch, 10.4, final_since=10.0) == Progress("decoding")
    assert observe(watch, 14.0, final_since=10.0) is None
    # The next one is awaited already: no gap between them.
    assert observe(watch, 14.1, final_since=14.1) is None
    assert observe(watch, 15.0) == Progress()


def test_a_final_in_line_tells_its_place() -> None:
    watch = ProgressWatch()
    assert observe(watch, 10.4, final_since=10.0, place=2) == Progress("queued", 2)
    assert observe(watch, 10.5, final_since=10.0, place=1) == Progress("queued", 1)
    assert observe(watch, 10.6, final_since=10.0) == Progress("decoding")


def test_a_backlog_is_told_each_second_until_it_is_gone() -> None:
    watch = ProgressWatch()
    assert observe(watch, 10.0, backlog_s=3.9) is None
    assert observe(watch, 10.2, backlog_s=40) == Progress("catching_up", backlog_ms=40_000)
    assert observe(watch, 10.4, backlog_s=38.5) is None
    assert observe(watch, 11.2, backlog_s=33.2) == Progress("catching_up", backlog_ms=34_000)
    assert observe(watch, 12.2, backlog_s=2.0, final_since=10.0) == Progress("catching_up", backlog_ms=2000)
    assert observe(watch, 12.4, backlog_s=0.9, final_since=10.0) == Progress("decoding")
    assert observe(watch, 12.6) == Progress()
