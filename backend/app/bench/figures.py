"""Figures: what was measured, from which samples, in which direction it is better, and what the goal is."""

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

Statistic = Literal["p50", "p95", "mean", "share", "count", "value"]
"""How samples become one value: quantile, mean, sum of samples over sum of weights, sum, or the only sample."""

Better = Literal["lower", "higher", "neither"]


@dataclass(frozen=True, slots=True)
class Figure:
    """One measured figure. It keeps its samples, so that two runs can be compared with their noise."""

    key: str
    """Stable name: `part.what_statistic`."""
    title: str
    unit: str
    statistic: Statistic
    samples: tuple[float, ...]
    weights: tuple[float, ...] = ()
    """For a share: the whole of each sample (words, for word errors)."""
    better: Better = "lower"
    goal: float | None = None

    @property
    def value(self) -> float | None:
        """The value; None without samples."""
        return summarize(self.statistic, self.samples, self.weights)

    @property
    def met(self) -> bool | None:
        """Whether the goal is reached; None without a goal or a value."""
        if self.goal is None or self.value is None or self.better == "neither":
            return None
        return self.value <= self.goal if self.better == "lower" else self.value >= self.goal


@dataclass(frozen=True, slots=True)
class Part:
    """The results of one part of the benchmark."""

    name: str
    figures: tuple[Figure, ...]
    details: Mapping[str, Any] = field(default_factory=dict)
    """Rows behind the figures, for tables and plots."""


def summarize(statistic: Statistic, samples: Sequence[float], weights: Sequence[float] = ()) -> float | None:
    """One value for many samples; None without samples."""
    if statistic == "count":
        return float(sum(samples))
    if statistic == "share":
        whole = sum(weights)
        return sum(samples) / whole if whole else None
    if not samples:
        return None
    if statistic == "mean":
        return statistics.fmean(samples)
    if statistic == "value":
        return samples[0]
    return compute_quantile(samples, {"p50": 0.5, "p95": 0.95}[statistic])


def compute_quantile(samples: Sequence[float], share: float) -> float:
    """The smallest sample that at least `share` of all do not exceed; the median is that of `statistics`."""
    if share == 0.5:
        return float(statistics.median(samples))
    ordered = sorted(samples)
    return float(ordered[max(math.ceil(share * len(ordered)) - 1, 0)])


def make_quantiles(
    key: str,
    title: str,
    samples: Sequence[float],
    *,
    unit: str = "ms",
    p50_goal: float | None = None,
    p95_goal: float | None = None,
) -> tuple[Figure, Figure]:
    """Median and 95th percentile of the same samples."""
    kept = tuple(round(sample, 1) for sample in samples)
    return (
        Figure(f"{key}_p50", f"{title}, median", unit, "p50", kept, goal=p50_goal),
        Figure(f"{key}_p95", f"{title}, p95", unit, "p95", kept, goal=p95_goal),
    )


def to_json(figure: Figure) -> dict[str, Any]:
    """The figure with its value, for readers without this program."""
    return {**asdict(figure), "value": figure.value, "met": figure.met}


def from_json(data: Mapping[str, Any]) -> Figure:
    """Read what `to_json` wrote.

    Raises:
        KeyError, TypeError: the data has another shape.
    """
    return Figure(
        data["key"],
        data["title"],
        data["unit"],
        data["statistic"],
        tuple(data["samples"]),
        tuple(data["weights"]),
        data["better"],
        data["goal"],
    )


class BenchError(Exception):
    """The benchmark cannot go on; the message says why and what to do."""
