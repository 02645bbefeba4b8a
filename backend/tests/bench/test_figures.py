"""Statistics of the benchmark: values of samples, goals, and what is worth calling a change."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.bench.figures import Figure, compute_quantile, from_json, make_quantiles, to_json

numbers = st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=50)


@given(numbers)
def test_a_p95_is_a_sample_that_nearly_all_reach(samples: list[float]) -> None:
    found = compute_quantile(samples, 0.95)
    assert found in samples
    assert sum(sample <= found for sample in samples) >= 0.95 * len(samples)
    assert sum(sample < found for sample in samples) < 0.95 * len(samples)


def test_p95_of_few_is_the_worst() -> None:
    assert compute_quantile([3, 9, 1, 4, 2, 8, 5], 0.95) == 9
    assert compute_quantile(list(range(1, 101)), 0.95) == 95


@pytest.mark.parametrize(
    ("statistic", "samples", "weights", "value"),
    [
        ("p50", (1.0, 2.0, 9.0), (), 2.0),
        ("mean", (1.0, 2.0, 9.0), (), 4.0),
        ("count", (1.0, 0.0, 2.0), (), 3.0),
        ("count", (), (), 0.0),
        ("value", (7.0,), (), 7.0),
        ("share", (100.0, 300.0), (4.0, 16.0), 20.0),
        ("share", (), (), None),
        ("p95", (), (), None),
    ],
)
def test_values(statistic: str, samples: tuple[float, ...], weights: tuple[float, ...], value: float) -> None:
    assert Figure("k", "t", "", statistic, samples, weights).value == value  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("better", "goal", "met"),
    [("lower", 5, True), ("lower", 4.9, False), ("higher", 5, True), ("higher", 6, False), ("neither", 9, None),
     ("lower", None, None)],
)  # fmt: skip
def test_goals(better: str, goal: float | None, met: bool | None) -> None:
    assert Figure("k", "t", "", "value", (5.0,), better=better, goal=goal).met is met  # type: ignore[arg-type]


def test_nothing_measured_reaches_no_goal() -> None:
    assert Figure("k", "t", "ms", "p95", (), goal=5).met is None


def test_figures_survive_json() -> None:
    for figure in make_quantiles("a.b", "title", [1, 2, 3.25], p50_goal=9):
        assert from_json(json.loads(json.dumps(to_json(figure)))) == figure
