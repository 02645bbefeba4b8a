"""Compare two runs: which figures changed by more than the noise of their own samples."""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from app.bench.figures import Figure, summary

Verdict = Literal["better", "worse", "same", "changed", "only before", "only after"]

ROUNDS = 1000
FEW = 5
"""Samples below which their spread says nothing."""
LEAST_CHANGE = 0.05
"""A relative change below this is never news, however sure it is."""
SINGLE_NOISE = 0.10
"""What a figure without samples of its own must change by."""


@dataclass(frozen=True, slots=True)
class Change:
    """What happened to one figure from one run to the other."""

    figure: Figure
    before: float | None
    after: float | None
    low: float | None
    """The change lies between `low` and `high` with 95 % confidence, where samples tell it."""
    high: float | None
    verdict: Verdict


def compare(before: Sequence[Figure], after: Sequence[Figure]) -> list[Change]:
    """Every figure of either run, those of `after` first; the same input gives the same output."""
    old = {figure.key: figure for figure in before}
    changes = [
        _changed(old[figure.key], figure)
        if figure.key in old
        else Change(figure, None, figure.value, None, None, "only after")
        for figure in after
    ]
    new = {figure.key for figure in after}
    gone = [figure for figure in before if figure.key not in new]
    return changes + [Change(figure, figure.value, None, None, None, "only before") for figure in gone]


def _changed(before: Figure, after: Figure) -> Change:
    old, new = before.value, after.value
    if old is None or new is None:
        verdict: Verdict = "same" if old == new else "only before" if new is None else "only after"
        return Change(after, old, new, None, None, verdict)
    difference = new - old
    low, high = _interval(before, after)
    if after.statistic == "count":
        news = difference != 0
    elif low is not None and high is not None:
        news = not low <= 0 <= high and abs(difference) > LEAST_CHANGE * abs(old)
    else:
        news = abs(difference) > SINGLE_NOISE * abs(old)
    return Change(after, old, new, low, high, _direction(difference, after) if news else "same")


def _direction(difference: float, figure: Figure) -> Verdict:
    if figure.better == "neither":
        return "changed"
    return "better" if (difference < 0) == (figure.better == "lower") else "worse"


def _interval(before: Figure, after: Figure) -> tuple[float | None, float | None]:
    """95 % of the change, by the bootstrap: both runs are drawn anew from their own samples."""
    if after.statistic in ("count", "value") or min(len(before.samples), len(after.samples)) < FEW:
        return None, None
    dice = random.Random(1)  # noqa: S311  # statistics, not secrets
    found = []
    for _ in range(ROUNDS):
        old, new = _redrawn(before, dice), _redrawn(after, dice)
        if old is not None and new is not None:
            found.append(new - old)
    if not found:
        return None, None
    found.sort()
    return found[int(len(found) * 0.025)], found[min(int(len(found) * 0.975), len(found) - 1)]


def _redrawn(figure: Figure, dice: random.Random) -> float | None:
    chosen = dice.choices(range(len(figure.samples)), k=len(figure.samples))
    weights = [figure.weights[i] for i in chosen] if figure.weights else ()
    return summary(figure.statistic, [figure.samples[i] for i in chosen], weights)
