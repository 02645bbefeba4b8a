"""Capacity and fairness: the search for what fits on scripted servers, and the figures of levels."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.bench import fairness
from app.bench.capacity import Level, figures_of, next_level
from app.bench.figures import BenchError
from app.bench.scoring import Score

GOOD = Level(
    speakers=1, spoken=7, lost=0, refused=0, broken=0, to_final_ms=(650.0,) * 7, first_partial_ms=(), partials=9,
    degraded=0, words_wrong=0, words=40, cores=0.1, memory_mb=200.0,
)  # fmt: skip


def level(speakers: int, fits: int) -> Level:
    """Of a server that holds `fits` speakers."""
    return replace(GOOD, speakers=speakers, to_final_ms=(650.0 if speakers <= fits else 2600.0,) * 7)


def search(fits: int, most: int) -> list[int]:
    measured = [level(1, fits)]
    while (following := next_level(measured, most)) is not None:
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
    assert GOOD.holds
    assert not replace(GOOD, **fault).holds  # type: ignore[arg-type]


def test_figures_of_levels() -> None:
    levels = [GOOD, replace(GOOD, speakers=8, memory_mb=207.0),
              replace(level(16, 8), lost=2, degraded=3, memory_mb=215.0)]  # fmt: skip
    found = {figure.key: figure.value for figure in figures_of(levels)}
    assert found["capacity.speakers"] == 8
    assert found["capacity.to_final_8_p95"] == 650
    assert found["capacity.cores_1"] == 0.1
    assert found["capacity.memory_each"] == 1
    assert found["capacity.twice_lost"] == 2
    assert found["capacity.twice_degraded"] == 3


def test_without_a_process_of_ours_there_is_no_cost() -> None:
    keys = [figure.key for figure in figures_of([replace(GOOD, cores=None, memory_mb=None)])]
    assert keys == ["capacity.speakers", "capacity.to_final_1_p50", "capacity.to_final_1_p95"]


def test_fairness_allows_half_as_much_again_and_a_decode() -> None:
    alone = Score(to_final_ms=[700.0] * 4, decode_ms=[80.0] * 4)
    fair = Score(to_final_ms=[700.0, 1100.0, 900.0, 1130.0], decode_ms=[80.0] * 4)
    figures = {figure.key: figure for figure in fairness.figures_of(alone, fair)}
    assert figures["fairness.beside_p95"].goal == 1130
    assert figures["fairness.beside_p95"].met is True
    assert figures["fairness.lost"].value == 0
    starved = Score(to_final_ms=[1131.0], decode_ms=[80.0])
    figures = {figure.key: figure for figure in fairness.figures_of(alone, starved)}
    assert figures["fairness.beside_p95"].met is False
    assert figures["fairness.lost"].value == 3


def test_fairness_needs_somebody_who_is_heard() -> None:
    with pytest.raises(BenchError, match="no final"):
        fairness.figures_of(Score(), Score())
