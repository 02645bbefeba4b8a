"""Statistics of the benchmark: values of samples, goals, and what is worth calling a change."""

import json
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.bench.compare import compare
from app.bench.figures import Figure, from_json, quantile, spread, to_json

numbers = st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=50)


@given(numbers)
def test_a_p95_is_a_sample_that_nearly_all_reach(samples: list[float]) -> None:
    found = quantile(samples, 0.95)
    assert found in samples
    assert sum(sample <= found for sample in samples) >= 0.95 * len(samples)
    assert sum(sample < found for sample in samples) < 0.95 * len(samples)


def test_p95_of_few_is_the_worst() -> None:
    assert quantile([3, 9, 1, 4, 2, 8, 5], 0.95) == 9
    assert quantile(list(range(1, 101)), 0.95) == 95


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
    for figure in spread("a.b", "title", [1, 2, 3.25], p50_goal=9):
        assert from_json(json.loads(json.dumps(to_json(figure)))) == figure


# -- comparing


def waits(mean: float, seed: int, statistic: str = "p50") -> Figure:
    dice = random.Random(seed)
    samples = tuple(dice.gauss(mean, 40) for _ in range(60))
    return Figure("k", "wait", "ms", statistic, samples)  # type: ignore[arg-type]


@pytest.mark.parametrize("seed", range(5))
def test_noise_is_no_news(seed: int) -> None:
    """Two runs of the same thing: no verdict, whatever the dice say."""
    (change,) = compare([waits(700, 2 * seed)], [waits(700, 2 * seed + 1)])
    assert change.verdict == "same"
    assert change.low is not None
    assert change.high is not None
    assert change.low < change.high


@pytest.mark.parametrize(("after", "verdict"), [(850, "worse"), (500, "better")])
def test_a_change_beyond_noise_is_told(after: float, verdict: str) -> None:
    (change,) = compare([waits(700, 1)], [waits(after, 2)])
    assert change.verdict == verdict


def test_the_direction_counts() -> None:
    before = Figure("k", "t", "", "value", (10.0,), better="higher")
    after = Figure("k", "t", "", "value", (16.0,), better="higher")
    assert compare([before], [after])[0].verdict == "better"
    assert compare([after], [before])[0].verdict == "worse"


@pytest.mark.parametrize(("after", "verdict"), [(1.0, "worse"), (0.0, "same")])
def test_one_lost_final_is_news(after: float, verdict: str) -> None:
    before = Figure("k", "lost", "", "count", (0.0,))
    assert compare([before], [Figure("k", "lost", "", "count", (after,))])[0].verdict == verdict


@pytest.mark.parametrize(("after", "verdict"), [(10.9, "same"), (11.2, "worse")])
def test_a_figure_without_samples_needs_a_tenth(after: float, verdict: str) -> None:
    before = Figure("k", "memory", "MB", "value", (10.0,))
    assert compare([before], [Figure("k", "memory", "MB", "value", (after,))])[0].verdict == verdict


def test_a_sure_but_small_change_is_no_news() -> None:
    before = Figure("k", "t", "ms", "mean", (100.0,) * 50)
    assert compare([before], [Figure("k", "t", "ms", "mean", (104.0,) * 50)])[0].verdict == "same"


def test_shares_are_redrawn_with_their_weights() -> None:
    """One bad clip of many does not prove that words got worse."""
    words = (10.0,) * 20
    before = Figure("k", "wer", "%", "share", (0.0,) * 20, words)
    unlucky = Figure("k", "wer", "%", "share", (500.0, *(0.0,) * 19), words)
    worse = Figure("k", "wer", "%", "share", (200.0,) * 20, words)
    assert compare([before], [unlucky])[0].verdict == "same"
    assert compare([before], [worse])[0].verdict == "worse"


def test_figures_of_one_run_alone_are_named() -> None:
    one, other = Figure("a", "a", "", "value", (1.0,)), Figure("b", "b", "", "value", (1.0,))
    assert [(c.figure.key, c.verdict) for c in compare([one], [other])] == [
        ("b", "only after"),
        ("a", "only before"),
    ]


def test_comparing_gives_the_same_each_time() -> None:
    pair = [waits(700, 1)], [waits(760, 2)]
    assert compare(*pair) == compare(*pair)
