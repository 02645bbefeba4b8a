"""Two runs compared: which figures changed by more than the noise of their own samples."""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from app.bench.figures import Figure, summarize

Verdict = Literal["better", "worse", "same", "changed", "only before", "only after"]

ROUNDS = 1000
FEW = 5
"""With fewer samples no interval is estimated."""
LEAST_CHANGE = 0.05
"""Smallest relative change that counts, however certain."""
SINGLE_NOISE = 0.10
"""Smallest relative change that counts for a figure without samples."""


@dataclass(frozen=True, slots=True)
class Change:
    """The change of one figure between two runs."""

    figure: Figure
    before: float | None
    after: float | None
    low: float | None
    """The change lies between `low` and `high` with 95 % confidence, where samples tell it."""
    high: float | None
    verdict: Verdict


def compare_figures(before: Sequence[Figure], after: Sequence[Figure]) -> list[Change]:
    """Every figure of either run, those of `after` first; the same input gives the same output."""
    old = {figure.key: figure for figure in before}
    changes = [
        _compare_figure(old[figure.key], figure)
        if figure.key in old
        else Change(figure, None, figure.value, None, None, "only after")
        for figure in after
    ]
    new = {figure.key for figure in after}
    gone = [figure for figure in before if figure.key not in new]
    return changes + [Change(figure, figure.value, None, None, None, "only before") for figure in gone]


def _compare_figure(before: Figure, after: Figure) -> Change:
    old, new = before.value, after.value
    if old is None or new is None:
        verdict: Verdict = "same" if old == new else "only before" if new is None else "only after"
        return Change(after, old, new, None, None, verdict)
    difference = new - old
    low, high = _estimate_interval(before, after)
    if after.statistic == "count":
        news = difference != 0
    elif low is not None and high is not None:
        news = not low <= 0 <= high and abs(difference) > LEAST_CHANGE * abs(old)
    else:
        news = abs(difference) > SINGLE_NOISE * abs(old)
    return Change(after, old, new, low, high, _judge_direction(difference, after) if news else "same")


def _judge_direction(difference: float, figure: Figure) -> Verdict:
    if figure.better == "neither":
        return "changed"
    return "better" if (difference < 0) == (figure.better == "lower") else "worse"


def _estimate_interval(before: Figure, after: Figure) -> tuple[float | None, float | None]:
    """The 95 % interval of the change, by bootstrap over the samples of both runs."""
    if after.statistic in ("count", "value") or min(len(before.samples), len(after.samples)) < FEW:
        return None, None
    dice = random.Random(1)  # noqa: S311  # statistics, not secrets
    found = []
    for _ in range(ROUNDS):
        old, new = _resample(before, dice), _resample(after, dice)
        if old is not None and new is not None:
            found.append(new - old)
    if not found:
        return None, None
    found.sort()
    return found[int(len(found) * 0.025)], found[min(int(len(found) * 0.975), len(found) - 1)]


def _resample(figure: Figure, dice: random.Random) -> float | None:
    chosen = dice.choices(range(len(figure.samples)), k=len(figure.samples))
    weights = [figure.weights[i] for i in chosen] if figure.weights else ()
    return summarize(figure.statistic, [figure.samples[i] for i in chosen], weights)
