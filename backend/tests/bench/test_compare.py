"""Two runs compared: noise is no news, a change beyond it is."""

import random

import pytest

from app.bench.compare import compare_figures
from app.bench.figures import Figure


def waits(mean: float, seed: int, statistic: str = "p50") -> Figure:
    dice = random.Random(seed)
    samples = tuple(dice.gauss(mean, 40) for _ in range(60))
    return Figure("k", "wait", "ms", statistic, samples)  # type: ignore[arg-type]


@pytest.mark.parametrize("seed", range(5))
def test_noise_is_no_news(seed: int) -> None:
    """Two runs of the same thing: no verdict, whatever the dice say."""
    (change,) = compare_figures([waits(700, 2 * seed)], [waits(700, 2 * seed + 1)])
    assert change.verdict == "same"
    assert change.low is not None
    assert change.high is not None
    assert change.low < change.high


@pytest.mark.parametrize(("after", "verdict"), [(850, "worse"), (500, "better")])
def test_a_change_beyond_noise_is_told(after: float, verdict: str) -> None:
    (change,) = compare_figures([waits(700, 1)], [waits(after, 2)])
    assert change.verdict == verdict


def test_the_direction_counts() -> None:
    before = Figure("k", "t", "", "value", (10.0,), better="higher")
    after = Figure("k", "t", "", "value", (16.0,), better="higher")
    assert compare_figures([before], [after])[0].verdict == "better"
    assert compare_figures([after], [before])[0].verdict == "worse"


@pytest.mark.parametrize(("after", "verdict"), [(1.0, "worse"), (0.0, "same")])
def test_one_lost_final_is_news(after: float, verdict: str) -> None:
    before = Figure("k", "lost", "", "count", (0.0,))
    assert compare_figures([before], [Figure("k", "lost", "", "count", (after,))])[0].verdict == verdict


@pytest.mark.parametrize(("after", "verdict"), [(10.9, "same"), (11.2, "worse")])
def test_a_figure_without_samples_needs_a_tenth(after: float, verdict: str) -> None:
    before = Figure("k", "memory", "MB", "value", (10.0,))
    assert compare_figures([before], [Figure("k", "memory", "MB", "value", (after,))])[0].verdict == verdict


def test_a_sure_but_small_change_is_no_news() -> None:
    before = Figure("k", "t", "ms", "mean", (100.0,) * 50)
    assert compare_figures([before], [Figure("k", "t", "ms", "mean", (104.0,) * 50)])[0].verdict == "same"


def test_shares_are_redrawn_with_their_weights() -> None:
    """One bad clip of many does not prove that words got worse."""
    words = (10.0,) * 20
    before = Figure("k", "wer", "%", "share", (0.0,) * 20, words)
    unlucky = Figure("k", "wer", "%", "share", (500.0, *(0.0,) * 19), words)
    worse = Figure("k", "wer", "%", "share", (200.0,) * 20, words)
    assert compare_figures([before], [unlucky])[0].verdict == "same"
    assert compare_figures([before], [worse])[0].verdict == "worse"


def test_figures_of_one_run_alone_are_named() -> None:
    one, other = Figure("a", "a", "", "value", (1.0,)), Figure("b", "b", "", "value", (1.0,))
    assert [(c.figure.key, c.verdict) for c in compare_figures([one], [other])] == [
        ("b", "only after"),
        ("a", "only before"),
    ]


def test_comparing_gives_the_same_each_time() -> None:
    pair = [waits(700, 1)], [waits(760, 2)]
    assert compare_figures(*pair) == compare_figures(*pair)
