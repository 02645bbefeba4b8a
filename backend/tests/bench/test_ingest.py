"""The part `ingest`: both servers under a small load, and the figures of known costs."""

import sys

import pytest

from app.bench.ingest import make_figures, measure_ingest


def test_figures_of_known_costs() -> None:
    costs = {"bare": [20.0, 22.0, 21.0], "prompter": [40.0, 40.0, 42.0], "kept": [60.0, 61.0, 62.0]}
    found = {figure.key: figure.value for figure in make_figures(costs)}
    assert found["ingest.us_bare"] == 21
    assert found["ingest.us_prompter"] == 40
    assert found["ingest.ratio"] == 0.5
    assert found["ingest.streams"] == 2500
    assert found["ingest.us_final_kept"] == 60


def test_keeping_a_final_never_costs_less_than_nothing() -> None:
    costs = {"bare": [20.0], "prompter": [40.0], "kept": [39.0]}
    found = {figure.key: figure.value for figure in make_figures(costs)}
    assert found["ingest.us_final_kept"] == 0


@pytest.mark.once
@pytest.mark.skipif(sys.platform != "linux", reason="CPU time of processes needs Linux")
async def test_both_servers_are_measured() -> None:
    part = await measure_ingest(connections=2, messages=20, rounds=1)
    costs = part.details["us_per_chunk"]
    assert {name: len(found) for name, found in costs.items()} == {"bare": 1, "prompter": 1, "kept": 1}
    assert min(cost for found in costs.values() for cost in found) > 0
