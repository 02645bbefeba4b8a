"""Capacity and fairness: the search for what fits on scripted servers, and the figures of levels."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.bench.capacity import Level, choose_next_level, make_figures

GOOD = Level(
    speakers=1, spoken=7, lost=0, refused=0, broken=0, to_final_ms=(650.0,) * 7, first_partial_ms=(), partials=9,
    degraded=0, words_wrong=0, words=40, cores=0.1, memory_mb=200.0,
)  # fmt: skip


def level(speakers: int, fits: int) -> Level:
    """Of a server that holds `fits` speakers."""
    return replace(GOOD, speakers=speakers, to_final_ms=(650.0 if speakers <= fits else 2600.0,) * 7)


def search(fits: int, most: int) -> list[int]:
    measured = [level(1, fits)]
    while (following := choose_next_level(measured, most)) is not None:
        assert len(measured) < 30
        measured.append(level(following, fits))
    return [one.speakers for one in measured]


@given(st.integers(1, 100))
def test_the_search_ends_near_what_fits_and_tries_twice_that(fits: int) -> None:
    tried = search(fits, 256)
    found = max(speakers for speakers in tried if speakers <= fits)
    assert fits - found <= max(1, found // 8)
    assert tried[-1] == 2 * found or 2 * found in tried
    assert len(set(tried)) == len(tried)


def test_the_search_stops_at_the_most() -> None:
    assert search(1000, 8) == [1, 2, 4, 8]


def test_a_server_that_holds_nobody_is_not_asked_again() -> None:
    assert search(0, 64) == [1]


@pytest.mark.parametrize("fault", [{"lost": 1}, {"refused": 1}, {"broken": 1}, {"to_final_ms": ()}])
def test_a_level_holds_only_without_fault(fault: dict[str, object]) -> None:
    assert GOOD.fits
    assert not replace(GOOD, **fault).fits  # type: ignore[arg-type]


def test_figures_of_levels() -> None:
    levels = [GOOD, replace(GOOD, speakers=8, memory_mb=207.0),
              replace(level(16, 8), lost=2, degraded=3, memory_mb=215.0)]  # fmt: skip
    found = {figure.key: figure.value for figure in make_figures(levels)}
    assert found["capacity.speakers"] == 8
    assert found["capacity.to_final_8_p95"] == 650
    assert found["capacity.cores_1"] == 0.1
    assert found["capacity.memory_each"] == 1
    assert found["capacity.twice_lost"] == 2
    assert found["capacity.twice_degraded"] == 3


def test_without_a_process_of_ours_there_is_no_cost() -> None:
    keys = [figure.key for figure in make_figures([replace(GOOD, cores=None, memory_mb=None)])]
    assert keys == ["capacity.speakers", "capacity.to_final_1_p50", "capacity.to_final_1_p95"]
